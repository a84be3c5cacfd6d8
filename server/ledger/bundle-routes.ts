import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type, { type Static } from 'typebox'
import type { Clock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Principal, RouteAccess } from '../people/plugin.ts'
import { type Asked, planBundle } from './bundle.ts'
import { bundleBytes } from './bundle-bytes.ts'
import type { Database } from './ledger-store.ts'
import type { LedgerInside } from './plugin.ts'

const readers: RouteAccess = { owner: 'ledger', roles: ['admin', 'auditor'] }
/** Each holds its rows in memory while it is sent. */
const maxAtOnce = 2

const BundleQuery = Type.Object(
  {
    incident: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
    from: Type.Optional(Type.String({ format: 'date-time', maxLength: 64 })),
    to: Type.Optional(Type.String({ format: 'date-time', maxLength: 64 })),
    since: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'Size of an older checkpoint: the bundle proves that the log grew out of it.',
      }),
    ),
  },
  { additionalProperties: false },
)

/** The evidence bundle: what docs/verifier.md describes, for callward verify. Each is ledgered. */
export const bundleRoutes: FastifyPluginAsyncTypebox<{
  ledger: LedgerInside
  clock: Clock
  attachments: string
}> = async (app, { ledger, clock, attachments }) => {
  const { records } = app
  let running = 0

  app.get(
    '/api/v1/ledger/bundle',
    {
      config: { access: readers },
      schema: {
        summary: 'Evidence of one incident or of a period, as a zip that callward verify reads.',
        querystring: BundleQuery,
        response: { 200: { content: { 'application/zip': { schema: Type.Any() } } } },
      },
    },
    async (request, reply) => {
      const asked = await askedFor(records.read, request.query)
      if (running >= maxAtOnce)
        throw new CallwardError(
          'too_many_requests',
          `${maxAtOnce} bundles are being made; try again shortly.`,
        )
      running++
      try {
        const { name, role } = request.principal as Principal
        const source = { records, ledger, clock, attachments }
        const plan = await planBundle(source, asked, { name, role }, request.query.since)
        const stream = Readable.from(bundleBytes(records.read, plan), { objectMode: false })
        stream.once('close', () => running--)
        const file = asked.kind === 'incident' ? `incident-${asked.number}` : 'period'
        return reply
          .type('application/zip')
          .header('content-disposition', `attachment; filename="callward-${file}.zip"`)
          .send(stream as never)
      } catch (error) {
        running--
        throw error
      }
    },
  )
}

async function askedFor(read: Database, query: Static<typeof BundleQuery>): Promise<Asked> {
  const { incident, from, to } = query
  if (incident === undefined) {
    if (from === undefined || to === undefined)
      throw new CallwardError(
        'bad_request',
        'Ask for incident=12, or for from=2026-05-01T00:00:00Z&to=2026-06-01T00:00:00Z.',
      )
    const [begin, end] = [Date.parse(from), Date.parse(to)]
    if (!(begin < end)) throw new CallwardError('bad_request', '`from` is before `to`.')
    return { kind: 'period', from: begin, to: end }
  }
  if (from !== undefined || to !== undefined)
    throw new CallwardError('bad_request', 'An incident has its own time: leave out from and to.')
  const select = read.selectFrom('incidents').select(['id', 'number'])
  const named = /^\d{1,9}$/.test(incident)
    ? select.where('number', '=', Number(incident))
    : select.where('id', '=', incident)
  const row = await named.executeTakeFirst()
  const isKnown = row !== undefined && (await hasEntries(read, row.id))
  if (!isKnown) return incidentOfLedger(read, incident)
  return { kind: 'incident', number: Number(row.number), id: row.id }
}

async function hasEntries(read: Database, id: string): Promise<boolean> {
  const query = read.selectFrom('ledger_entries').select('number')
  const own = query.where('object_type', '=', 'incident').where('object_id', '=', id)
  return (await own.limit(1).executeTakeFirst()) !== undefined
}

/** An incident whose row is gone may still have its entries, which then say so. */
async function incidentOfLedger(read: Database, name: string): Promise<Asked> {
  const entries = read
    .selectFrom('ledger_entries')
    .select(['object_id', 'entry'])
    .where('object_type', '=', 'incident')
  const like = /^\d{1,9}$/.test(name)
    ? entries.where('entry', 'like', `%"action":"incident.state"%"number":${Number(name)},%`)
    : entries.where('object_id', '=', name).where('entry', 'like', '%"action":"incident.state"%')
  const row = await like.orderBy('number').limit(1).executeTakeFirst()
  const number = Number(/"number":(\d+)/.exec(row?.entry ?? '')?.[1])
  if (row === undefined || Number.isNaN(number))
    throw new CallwardError('not_found', `There is no incident ${name}.`)
  return { kind: 'incident', number, id: row.object_id }
}
