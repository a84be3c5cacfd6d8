import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { RemoteWriteDecoder, remoteWriteBytes, speaksVersion1 } from './remote-write.ts'
import { droppedSentence } from './write-batch.ts'
import {
  commitWrite,
  internForeign,
  retryAfterSeconds,
  type WriteContext,
  writeFault,
} from './write-context.ts'
import { WriteRefused } from './write-refused.ts'

const protocol = 'remote_write'

/** Refuses by the headers what the hub cannot read, before its body is taken. Throws WriteRefused. */
function checkHeaders(request: FastifyRequest): void {
  const { headers } = request
  const [type, ...parameters] = (headers['content-type'] ?? '')
    .split(';')
    .map((part) => part.trim())
  const message = parameters
    .map((part) => /^proto="?([^"]*)"?$/i.exec(part)?.[1])
    .find((name) => name !== undefined)
  const version = String(headers['x-prometheus-remote-write-version'] ?? '0.1.0')
  if (type?.toLowerCase() !== 'application/x-protobuf')
    throw new WriteRefused(
      'unsupported',
      'Send Content-Type: application/x-protobuf; this is the place for Prometheus remote write.',
    )
  if ((message !== undefined && message !== 'prometheus.WriteRequest') || !/^0\./.test(version))
    throw new WriteRefused('unsupported', speaksVersion1)
  if ((headers['content-encoding'] ?? 'snappy').toLowerCase() !== 'snappy')
    throw new WriteRefused('unsupported', 'Send Content-Encoding: snappy; the hub takes no other.')
}

/** Prometheus remote write 1.0 at `/prom/api/v1/write`; answers in plain text, as Prometheus does. */
export async function remoteWriteRoutes(app: FastifyInstance, context: WriteContext) {
  const { metrics, budget } = context
  const newDecoder = () => new RemoteWriteDecoder((labels) => internForeign(app, labels))
  let decoder = newDecoder()
  // What it knows of a host's series was written before that host had a key.
  app.enrolment.onEnrolled(() => {
    decoder = newDecoder()
  })
  app.setErrorHandler((error: Error, request, reply) => {
    const fault = writeFault(error, request)
    metrics.rejected.labels(protocol, fault.reason).inc()
    return answer(reply, fault.status, fault.message)
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/x-protobuf',
    { parseAs: 'buffer' },
    async (_request: FastifyRequest, body: Buffer) => body,
  )
  app.post(
    '/prom/api/v1/write',
    {
      config: { access: { owner: 'ingest', roles: ['admin', 'collector'] } },
      schema: { summary: 'Prometheus remote write 1.0.' },
      bodyLimit: remoteWriteBytes.compressed,
      onRequest: async (request, reply) => {
        checkHeaders(request)
        budget.admit(request, reply)
      },
    },
    async (request, reply) => {
      if (!Buffer.isBuffer(request.body))
        throw new WriteRefused('malformed', 'The body is empty; send a snappy block.')
      const written = decoder.decode(request.body)
      for (const [kind, count] of Object.entries(written.ignored))
        if (count > 0) metrics.rejected.labels(protocol, kind).inc(count)
      const dropped = await commitWrite(app, context, protocol, written)
      if (dropped.length === 0) return reply.code(204).send()
      // Not 5xx: what was dropped now would be dropped again.
      return answer(reply, 400, `${droppedSentence(dropped)} The rest is stored.`)
    },
  )
}

function answer(reply: FastifyReply, status: number, sentence: string): FastifyReply {
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="callward"')
  if (status === 503) reply.header('retry-after', retryAfterSeconds)
  return reply.code(status).type('text/plain; charset=utf-8').send(`${sentence}\n`)
}
