import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type OtlpEncoding, otlpTypes, statusBody, successBody } from './otlp-answers.ts'
import { decodeOtlpJson } from './otlp-json.ts'
import type { OtlpSettings } from './otlp-labels.ts'
import { otlpLimits } from './otlp-message.ts'
import { decodeOtlpProtobuf } from './otlp-protobuf.ts'
import { OtlpSeries } from './otlp-series.ts'
import { Turns, unzipped } from './unzip.ts'
import {
  commitWrite,
  internForeign,
  retryAfterSeconds,
  type WriteContext,
  writeFault,
} from './write-context.ts'
import { WriteRefused } from './write-refused.ts'

const protocol = 'otlp'

const howToSignIn =
  'Send the token as "Authorization: Bearer TOKEN" (collector: headers of the otlphttp exporter).'

/** The encoding a request names; undefined for any other. */
function encodingNamed(request: FastifyRequest): OtlpEncoding | undefined {
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
  if (type === otlpTypes.protobuf) return 'protobuf'
  return type === otlpTypes.json ? 'json' : undefined
}

/** Refuses by the headers what the hub cannot read, before its body is taken. Throws WriteRefused. */
function checkHeaders(request: FastifyRequest): void {
  if (encodingNamed(request) === undefined)
    throw new WriteRefused(
      'unsupported',
      'Send Content-Type: application/x-protobuf or application/json; this is the place for OTLP metrics over HTTP.',
    )
  const compression = request.headers['content-encoding']?.toLowerCase() ?? 'identity'
  if (compression !== 'gzip' && compression !== 'identity')
    throw new WriteRefused(
      'unsupported',
      'Send the request plain or with Content-Encoding: gzip (collector: compression: gzip).',
    )
}

/** The bytes of the message. Throws WriteRefused. */
async function messageOf(request: FastifyRequest): Promise<Buffer> {
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
  const zipped = request.headers['content-encoding']?.toLowerCase() === 'gzip'
  return zipped ? unzipped(body, otlpLimits.decoded) : body
}

/** OTLP metrics over HTTP at `/otlp/v1/metrics` (opentelemetry.io, specs/otlp). */
export async function otlpRoutes(
  app: FastifyInstance,
  context: WriteContext,
  settings: OtlpSettings,
) {
  const { metrics, budget, clock } = context
  const turns = new Turns()
  const intern = (labels: Readonly<Record<string, string>>) => internForeign(app, labels)
  app.setErrorHandler((error: Error, request, reply) => {
    const fault = writeFault(error, request)
    metrics.rejected.labels(protocol, fault.reason).inc()
    const { status } = fault
    const encoding = encodingNamed(request) ?? 'json'
    if (status === 401) reply.header('www-authenticate', 'Bearer realm="callward"')
    if (status === 503) reply.header('retry-after', retryAfterSeconds)
    const message = status === 401 ? howToSignIn : fault.message
    return answer(reply, status, encoding, statusBody(encoding, status, message))
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    '*',
    { parseAs: 'buffer' },
    async (_request: FastifyRequest, body: Buffer) => body,
  )
  app.post(
    '/otlp/v1/metrics',
    {
      config: { access: { owner: 'ingest', roles: ['admin', 'collector'] } },
      schema: { summary: 'OTLP metrics, protobuf or JSON.' },
      bodyLimit: otlpLimits.compressed,
      onRequest: async (request, reply) => {
        checkHeaders(request)
        budget.admit(request, reply)
      },
    },
    async (request, reply) => {
      const encoding = encodingNamed(request)!
      const series = await turns.take(async () => {
        const message = await messageOf(request)
        const decoded = encoding === 'json' ? decodeOtlpJson(message) : decodeOtlpProtobuf(message)
        count(decoded.exemplars, 'exemplar')
        return new OtlpSeries(decoded, settings, clock.now(), intern)
      })
      await commitWrite(app, context, protocol, series)
      // Those are counted by what stores the samples, sample by sample.
      for (const { reason, points } of series.rejections)
        if (reason !== 'series_refused') count(Math.max(points, 1), reason)
      return answer(reply, 200, encoding, successBody(encoding, series.rejections))
    },
  )

  function count(left: number, reason: string): void {
    if (left > 0) metrics.rejected.labels(protocol, reason).inc(left)
  }
}

function answer(
  reply: FastifyReply,
  status: number,
  encoding: OtlpEncoding,
  body: Buffer | string,
): FastifyReply {
  return reply.code(status).type(otlpTypes[encoding]).send(body)
}
