import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { CallwardError } from '../errors.ts'
import type { Principal } from '../people/plugin.ts'
import { columnNames, importColumns } from './import-row.ts'
import { csvLines, jsonLines } from './import-text.ts'
import type { Importing } from './importing.ts'
import { detail } from './routes.ts'
import { IncidentDetail } from './schema.ts'
import { fromWebhook } from './webhook-in.ts'

const access = { owner: 'incidents', roles: ['admin', 'operator'] } as const
/** Of one request; 2,000 incidents of 4 KB. */
const importBytes = 8 * 1024 * 1024

const types = ['text/csv', 'application/x-ndjson', 'application/jsonl']

const Imported = Type.Array(Type.Object({ reference: Type.String(), number: Type.Integer() }))
const ImportAnswer = Type.Object({
  dryRun: Type.Boolean(),
  lines: Type.Integer(),
  ready: Type.Integer(),
  imported: Imported,
  already: Imported,
  faults: Type.Array(
    Type.Object({
      line: Type.Integer(),
      reference: Type.String(),
      field: Type.String(),
      text: Type.String(),
    }),
  ),
})

/** Incidents of the past, and incidents that other systems report. */
export const importRoutes: FastifyPluginAsyncTypebox<{ readonly importing: Importing }> = async (
  app,
  { importing },
) => {
  app.addContentTypeParser(
    [...types],
    { parseAs: 'string', bodyLimit: importBytes },
    (_request, body, done) => done(null, body),
  )

  app.post(
    '/api/v1/incidents/import',
    {
      config: { access },
      bodyLimit: importBytes,
      schema: {
        querystring: Type.Object(
          { dryRun: Type.Boolean({ default: false }) },
          { additionalProperties: false },
        ),
        response: { 200: ImportAnswer, 422: ImportAnswer },
      },
    },
    async (request, reply) => {
      const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase()
      if (typeof request.body !== 'string' || type === undefined || !types.includes(type))
        throw new CallwardError(
          'bad_request',
          'Send text/csv with a line of column names, or application/x-ndjson with one object a line; GET /api/v1/incidents/import lists the columns.',
        )
      const lines = type === 'text/csv' ? csvLines(request.body) : jsonLines(request.body)
      const { dryRun } = request.query
      const result = await importing.run(request.principal as Principal, lines, dryRun)
      if (result.faults.length > 0 && !dryRun) reply.code(422)
      return copied(result)
    },
  )

  app.get('/api/v1/incidents/import', { config: { access } }, async () => ({
    columns: columnNames.map((name) => ({ name, takes: importColumns[name] })),
  }))

  app.post(
    '/api/v1/incidents/webhook',
    {
      config: { access },
      schema: {
        body: Type.Record(Type.String({ maxLength: 200 }), Type.Unknown()),
        response: { 201: IncidentDetail },
      },
    },
    async (request, reply) => {
      const by = request.principal as Principal
      const id = await app.incidents.record(by, fromWebhook(request.body, by.id))
      reply.code(201)
      return detail(app.records.read, id)
    },
  )
}

/** The answer's type wants lists of its own. */
function copied(result: Awaited<ReturnType<Importing['run']>>) {
  const { imported, already, faults, ...rest } = result
  return { ...rest, imported: [...imported], already: [...already], faults: [...faults] }
}
