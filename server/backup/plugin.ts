import { rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { version } from '../assets.ts'
import type { Clock } from '../clock.ts'
import type { HubConfig } from '../config.ts'
import { CallwardError } from '../errors.ts'
import type { RouteAccess } from '../people/plugin.ts'
import type {} from '../records/plugin.ts'
import type {} from '../store/plugin.ts'
import { backupStream } from './backup-stream.ts'
import { copiesFolder, fixContents } from './contents.ts'
import { backupBytesHeader } from './manifest.ts'

const admins: RouteAccess = { owner: 'backup', roles: ['admin'] }

/** A client that takes nothing for this long loses its backup: meanwhile no file of the store may go. */
const stalledMillis = 60_000

const Compacted = Type.Object({
  bytesBefore: Type.Integer({ description: 'Bytes of the store before.' }),
  bytesAfter: Type.Integer(),
  seconds: Type.Number(),
})

/** Backup of the running hub, and the store's upkeep on demand. */
export const backupPlugin: FastifyPluginAsyncTypebox<{ clock: Clock; config: HubConfig }> = async (
  app,
  { clock, config },
) => {
  await rm(copiesFolder(config.data), { recursive: true, force: true })
  let running: { stream?: Readable } | undefined
  let compacting: Promise<void> | undefined

  app.addHook('preClose', async () => void running?.stream?.destroy())

  app.post(
    '/api/v1/backup',
    {
      config: { access: admins },
      schema: {
        summary: 'The whole hub as a tar file, made while it runs; the manifest comes last.',
        response: { 200: { content: { 'application/x-tar': { schema: Type.Any() } } } },
      },
    },
    async (request, reply) => {
      if (running) throw new CallwardError('conflict', 'A backup is being made already.')
      running = {}
      try {
        const contents = await fixContents({
          data: config.data,
          store: app.store,
          records: app.records,
          configFile: config.configFile,
          rulesFolder: config.rulesFolder,
          baselinesFolder: config.baselinesFolder,
          regimesFolder: config.regimesFolder,
        })
        const hub = { version, demo: config.demo, now: clock.now() }
        let done = false
        const finish = async () => {
          await contents.release()
          running = undefined
        }
        async function* whole() {
          yield* backupStream(contents, hub)
          done = true
          // Before the answer ends: who has got it may ask for the next backup.
          await finish()
        }
        const stream = Readable.from(whole(), { objectMode: false })
        running.stream = stream
        stream.once('close', () => {
          const said = { by: request.principal?.name, files: contents.files.length }
          if (done) app.log.info(said, 'backup made')
          else {
            app.log.warn(said, 'backup not finished')
            finish().catch((err: unknown) =>
              app.log.error({ err }, 'copies of a backup are left behind'),
            )
          }
        })
        reply.raw.setTimeout(stalledMillis, () => stream.destroy(new Error('the client stalls')))
        const bytes = contents.files.reduce((sum, file) => sum + file.bytes, 0)
        return reply
          .type('application/x-tar')
          .header(backupBytesHeader, bytes)
          .header('content-disposition', 'attachment; filename="callward-backup.tar"')
          .send(stream)
      } catch (error) {
        running = undefined
        throw error
      }
    },
  )

  app.post(
    '/api/v1/store/compact',
    {
      config: { access: admins },
      schema: {
        summary: 'Seals everything and merges it fully; answers when that is done.',
        response: { 200: Compacted },
      },
    },
    async () => {
      if (compacting) throw new CallwardError('conflict', 'The store is being compacted already.')
      const started = clock.monotonic()
      const bytesBefore = app.store.stats().bytesOnDisk
      compacting = app.store.compact()
      try {
        await compacting
      } finally {
        compacting = undefined
      }
      const seconds = (clock.monotonic() - started) / 1000
      return { bytesBefore, bytesAfter: app.store.stats().bytesOnDisk, seconds }
    },
  )
}
