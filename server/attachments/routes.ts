import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type, { type Static } from 'typebox'
import { rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { incidentIdOf } from '../incident-id.ts'
import type { Principal } from '../people/plugin.ts'
import { dispositionOf, imageTypeOf, limits, mediaTypeOf, nameOf } from './attachment.ts'
import type { AttachmentDesk } from './attachment-desk.ts'
import { type AttachmentFiles, tooLarge } from './attachment-files.ts'
import type { Attachment, AttachmentStore } from './attachment-store.ts'
import {
  AttachmentDetail,
  AttachmentList,
  AttachmentParams,
  type AttachmentView,
  ContentQuery,
  IncidentParams,
  UploadQuery,
} from './schema.ts'

const readers = { owner: 'attachments', roles: ['admin', 'operator', 'auditor'] } as const
const writers = { owner: 'attachments', roles: ['admin', 'operator'] } as const

/** Uploads at once; each holds a file open. */
const uploadsMost = 8
/** A sender that sends nothing for this long loses its upload. */
const stalledMillis = 30_000

/** How an upload was refused. */
export type Refusal = 'limit' | 'busy' | 'disk' | 'bad'

export interface UploadOptions {
  readonly desk: AttachmentDesk
  readonly refused: (reason: Refusal) => void
}

export interface FileOptions {
  readonly store: AttachmentStore
  readonly files: AttachmentFiles
}

/** Attaching a file. */
export const uploadRoutes: FastifyPluginAsyncTypebox<UploadOptions> = async (
  app,
  { desk, refused },
) => {
  const { records } = app
  let running = 0
  // The body is the file itself, whatever type it is said to have; it is read while it comes.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))

  app.post(
    '/api/v1/incidents/:id/attachments',
    {
      config: { access: writers },
      schema: {
        summary: `Attaches a file: the body is its bytes, at most ${limits.fileBytes}; Content-Type is kept as its media type.`,
        params: IncidentParams,
        querystring: UploadQuery,
        response: { 201: AttachmentDetail },
      },
    },
    async (request, reply) => {
      const { name, sha256 } = request.query
      const incidentId = await incidentIdOf(records.read, request.params.id)
      if (running >= uploadsMost) {
        refused('busy')
        throw new CallwardError(
          'too_many_requests',
          `${uploadsMost} files are coming in; try again shortly.`,
        )
      }
      running++
      const body = request.body as Readable | undefined
      const stalled = setTimeout(
        () =>
          body?.destroy(
            new CallwardError(
              'bad_request',
              'Nothing came for half a minute: send the file again.',
            ),
          ),
        stalledMillis,
      )
      try {
        const expectedBytes = announcedBytes(request.headers['content-length'])
        if ((expectedBytes ?? 0) > limits.fileBytes) tooLarge(limits.fileBytes)
        const attachment = await desk.attach({
          ...{ incidentId, expectedBytes, expectedSha256: sha256 },
          name: nameOf(name),
          mediaType: mediaTypeOf(request.headers['content-type']),
          by: (request.principal as Principal).name,
          body: body === undefined ? empty() : arriving(body, stalled),
        })
        app.live.hint('incidents')
        return reply.code(201).send({ attachment: viewOf(attachment) })
      } catch (error) {
        refused(reasonOf(error))
        throw error
      } finally {
        clearTimeout(stalled)
        running--
      }
    },
  )
}

/** Files of incidents: list, fetch. */
export const fileRoutes: FastifyPluginAsyncTypebox<FileOptions> = async (app, { store, files }) => {
  const { records } = app

  app.get(
    '/api/v1/incidents/:id/attachments',
    {
      config: { access: readers },
      schema: {
        summary: 'Files of an incident, in the order they came.',
        params: IncidentParams,
        response: { 200: AttachmentList },
      },
    },
    async (request) => {
      const all = await store.list(
        records.read,
        await incidentIdOf(records.read, request.params.id),
      )
      return { attachments: all.map(viewOf) }
    },
  )

  app.get(
    '/api/v1/incidents/:id/attachments/:attachment',
    {
      config: { access: readers },
      schema: {
        summary: 'The file itself, proven by its SHA-256 before the first byte goes out.',
        params: AttachmentParams,
        querystring: ContentQuery,
        response: { 200: { content: { 'application/octet-stream': { schema: Type.Any() } } } },
      },
    },
    async (request, reply) => {
      const { id, attachment } = request.params
      const file = await store.find(records.read, await incidentIdOf(records.read, id), attachment)
      if (file.erasedAt !== null)
        throw new CallwardError('gone', `This file was erased at ${rfc3339(file.erasedAt)}.`)
      await files.prove(file.sha256, file.bytes)
      const path = files.pathOf(file.sha256)
      const image = request.query.inline ? imageTypeOf(await headOf(path)) : undefined
      if (request.query.inline && image === undefined)
        throw new CallwardError(
          'unprocessable',
          'Only PNG, JPEG, GIF and WebP are shown; leave out inline.',
        )
      return reply
        .type(image ?? 'application/octet-stream')
        .header(
          'content-disposition',
          dispositionOf(image === undefined ? 'attachment' : 'inline', file.name),
        )
        .header('content-length', file.bytes)
        .header('x-content-type-options', 'nosniff')
        .header('content-security-policy', "default-src 'none'; sandbox")
        .header('cross-origin-resource-policy', 'same-origin')
        .header('cache-control', 'private, no-store')
        .send(createReadStream(path) as never)
    },
  )
}

/** What an image begins with. */
async function headOf(path: string): Promise<Uint8Array> {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(16), 0, 16, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

function announcedBytes(header: string | undefined): number | undefined {
  return header === undefined || !/^\d{1,15}$/.test(header) ? undefined : Number(header)
}

/** The body as it comes; who stops reading early can still answer. */
async function* arriving(body: Readable, stalled: NodeJS.Timeout): AsyncGenerator<Uint8Array> {
  for await (const chunk of body.iterator({ destroyOnReturn: false })) {
    stalled.refresh()
    yield chunk as Uint8Array
  }
}

async function* empty(): AsyncGenerator<Uint8Array> {}

function reasonOf(error: unknown): Refusal {
  if (!(error instanceof CallwardError)) return 'bad'
  if (error.code === 'too_large' || error.code === 'unprocessable') return 'limit'
  return error.code === 'storage_unavailable' ? 'disk' : 'bad'
}

function viewOf(attachment: Attachment): Static<typeof AttachmentView> {
  const { id, name, mediaType, bytes, sha256, addedAt, addedBy, erasedAt } = attachment
  return {
    ...{ id, name, mediaType, bytes, addedBy },
    sha256: sha256 === '' ? null : sha256,
    addedAt: rfc3339(addedAt),
    erasedAt: erasedAt === null ? null : rfc3339(erasedAt),
  }
}
