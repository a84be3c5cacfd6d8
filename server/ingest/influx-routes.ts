import { isUtf8 } from 'node:buffer'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import {
  linesBytes,
  type ParsedLines,
  parseLines,
  precisionOf,
  writtenLines,
} from './influx-line.ts'
import { KnownLines } from './line-series.ts'
import { Turns, unzipped } from './unzip.ts'
import { type Dropped, droppedSentence } from './write-batch.ts'
import {
  commitWrite,
  internForeign,
  retryAfterSeconds,
  type WriteContext,
  writeFault,
} from './write-context.ts'
import { WriteRefused } from './write-refused.ts'

const protocol = 'influx'
const access = { owner: 'ingest', roles: ['admin', 'collector'] } as const

const howToSignIn =
  'Send the token as "Authorization: Bearer TOKEN" or as the password of Basic (Telegraf: username and password of outputs.influxdb); "Authorization: Token" and the query\'s u= and p= are not taken.'

const WriteQuery = Type.Object({ precision: Type.Optional(Type.String()) })

/** The text of a body. Throws WriteRefused. */
async function textOf(body: unknown, encoding: string | undefined): Promise<string> {
  if (!Buffer.isBuffer(body)) return ''
  const bytes = encoding === 'gzip' ? await unzipped(body, linesBytes.decoded) : body
  if (!isUtf8(bytes)) throw new WriteRefused('malformed', 'The body is not UTF-8 text.')
  return bytes.toString('utf8')
}

function encodingOf(request: FastifyRequest): string | undefined {
  const encoding = request.headers['content-encoding']?.toLowerCase()
  if (encoding !== undefined && encoding !== 'gzip' && encoding !== 'identity')
    throw new WriteRefused('unsupported', 'Send the lines plain or with Content-Encoding: gzip.')
  return encoding
}

/** What was left out, as InfluxDB words it: clients look for `partial write` and `unable to parse`. */
function partialSentence(lines: ParsedLines, dropped: readonly Dropped[]): string | undefined {
  const { firstFault, faults, series } = lines
  if (firstFault === undefined && dropped.length === 0) return undefined
  const parts: string[] = []
  if (firstFault !== undefined) parts.push(`line ${firstFault.line}: ${firstFault.reason}.`)
  if (faults > 1) parts.push(`${faults} lines are faulty.`)
  if (dropped.length > 0) parts.push(droppedSentence(dropped))
  const left = dropped.reduce((sum, { samples }) => sum - samples, series.length)
  if (left > 0) parts.push('The rest is stored.')
  return `${series.length > 0 ? 'partial write' : 'unable to parse'}: ${parts.join(' ')}`
}

/** InfluxDB line protocol under `/influx`: the write routes of InfluxDB 1 and 2, and `ping`. */
export async function influxRoutes(app: FastifyInstance, context: WriteContext) {
  const { metrics, budget, clock } = context
  const turns = new Turns()
  let known = new KnownLines()
  // What it knows of a host's series was written before that host had a key.
  app.enrolment.onEnrolled(() => {
    known = new KnownLines()
  })
  app.setErrorHandler((error: Error, request, reply) => {
    const fault = writeFault(error, request)
    metrics.rejected.labels(protocol, fault.reason).inc()
    return answer(reply, fault.status, fault.status === 401 ? howToSignIn : fault.message)
  })
  // Clients send lines under any content type, or none.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    '*',
    { parseAs: 'buffer' },
    async (_request: FastifyRequest, body: Buffer) => body,
  )
  for (const url of ['/influx/write', '/influx/api/v2/write'])
    app.post<{ Querystring: Type.Static<typeof WriteQuery> }>(
      url,
      {
        config: { access },
        schema: { summary: 'InfluxDB line protocol.', querystring: WriteQuery },
        bodyLimit: linesBytes.compressed,
        onRequest: async (request, reply) => {
          encodingOf(request)
          budget.admit(request, reply)
        },
      },
      async (request, reply) => {
        const precision = precisionOf(request.query.precision)
        // One at a time: a small gzip body may become a large text.
        const lines = await turns.take(async () =>
          parseLines(
            await textOf(request.body, encodingOf(request)),
            precision,
            clock.now(),
            known,
          ),
        )
        count(lines.textFields, 'text_field')
        count(lines.faults, 'faulty_line')
        const dropped = await commitWrite(
          app,
          context,
          protocol,
          writtenLines(lines, (labels) => internForeign(app, labels)),
        )
        const sentence = partialSentence(lines, dropped)
        return sentence === undefined ? reply.code(204).send() : answer(reply, 400, sentence)
      },
    )
  app.get(
    '/influx/ping',
    { config: { access }, schema: { summary: 'Says that lines are taken here.' } },
    async (_request, reply) => reply.code(204).send(),
  )

  function count(left: number, reason: string): void {
    if (left > 0) metrics.rejected.labels(protocol, reason).inc(left)
  }
}

/** Codes of InfluxDB 2 by status. */
const codes: Readonly<Record<number, string>> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not found',
  413: 'request too large',
  500: 'internal error',
  503: 'unavailable',
}

/** An error as clients of InfluxDB 1 (`error`) and 2 (`code`, `message`) read it. */
function answer(reply: FastifyReply, status: number, sentence: string): FastifyReply {
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="callward"')
  if (status === 503) reply.header('retry-after', retryAfterSeconds)
  return reply
    .code(status)
    .type('application/json')
    .send({ error: sentence, code: codes[status] ?? 'invalid', message: sentence })
}
