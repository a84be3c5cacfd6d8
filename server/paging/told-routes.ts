import { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Static } from 'typebox'
import type { Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { ToldList, ToldQuery } from './schema.ts'
import { toldHeader, toldLines } from './told-csv.ts'
import { findTold, type ToldQuery as Query, type ToldRow } from './told-store.ts'
import { tellingView } from './views.ts'

const exportBatch = 500

/** Everybody who was, or was to be, told of anything: searched by person, page and time; as CSV without an end. */
export const toldRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const { read } = app.records
  app.get(
    '/api/v1/told',
    {
      config: { access: { owner: 'paging', roles: ['admin', 'operator', 'auditor'] } },
      schema: { querystring: ToldQuery, response: { 200: ToldList } },
    },
    async (request, reply) => {
      const { format, from, to, ...rest } = request.query
      const query: Query = { ...rest, from: timeOf(from, 'from'), to: timeOf(to, 'to') }
      if (format === 'csv') {
        reply.header('content-disposition', 'attachment; filename="callward-told.csv"')
        reply.type('text/csv; charset=utf-8')
        return reply.send(Readable.from(exported(query)) as never)
      }
      const rows = await findTold(read, query)
      const next = rows.length < query.limit ? null : rows.at(-1)!.id
      return { told: rows.map(toldView), next }
    },
  )

  async function* exported(query: Query): AsyncGenerator<string> {
    yield toldHeader
    let { before } = query
    for (;;) {
      const rows = await findTold(read, { ...query, before, limit: exportBatch })
      if (rows.length > 0) yield rows.map(toldLines).join('')
      if (rows.length < exportBatch) return
      before = rows.at(-1)!.id
    }
  }
}

function toldView(row: ToldRow): Static<typeof ToldList>['told'][number] {
  const { id, number, title, severity } = row
  return {
    id,
    page: { number: Number(number), title, severity },
    ...tellingView(row, row.attempts),
  }
}

function timeOf(text: string | undefined, name: string): Millis | undefined {
  if (text === undefined) return undefined
  const at = /^\d{4}-\d{2}-\d{2}[Tt ].*([Zz]|[+-]\d{2}:\d{2})$/.test(text)
    ? Date.parse(text)
    : Number.NaN
  if (Number.isNaN(at))
    throw new CallwardError(
      'bad_request',
      `"${name}" is "${text}": give a time with its zone, as 2026-03-02T22:00:00Z (write + as %2B).`,
    )
  return at
}
