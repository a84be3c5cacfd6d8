import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Kysely } from 'kysely'
import MarkdownIt from 'markdown-it'
import type { Static } from 'typebox'
import { CallwardError } from '../errors.ts'
import type { Principal } from '../people/plugin.ts'
import type { RecordsSchema } from '../records/schema.ts'
import {
  AcknowledgeBody,
  IncidentDetail,
  IncidentList,
  IncidentParams,
  ListQuery,
  TextBody,
} from './schema.ts'
import { alertOfIncident, factView, summaries } from './views.ts'

const readers = { owner: 'incidents', roles: ['admin', 'operator', 'auditor'] } as const
const writers = { owner: 'incidents', roles: ['admin', 'operator'] } as const

/** Raw HTML in a runbook is shown as text, never run. */
const markdown = new MarkdownIt({ html: false, linkify: false })

type Database = Kysely<RecordsSchema>

/** Lists and whole records. An id, or the number people say aloud, names an incident. */
export const readingRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const db = app.records.read

  app.get(
    '/api/v1/incidents',
    {
      config: { access: readers },
      schema: { querystring: ListQuery, response: { 200: IncidentList } },
    },
    async (request) => {
      const { state, limit } = request.query
      let query = db.selectFrom('incidents').selectAll().orderBy('number', 'desc').limit(limit)
      if (state === 'open') query = query.where('state', '!=', 'resolved')
      if (state === 'resolved') query = query.where('state', '=', 'resolved')
      return { incidents: await summaries(db, await query.execute()) }
    },
  )

  app.get(
    '/api/v1/incidents/:id',
    {
      config: { access: readers },
      schema: { params: IncidentParams, response: { 200: IncidentDetail } },
    },
    async (request) => detail(db, await idOf(db, request.params.id)),
  )
}

/** What people do with an incident; each answers with the whole record. */
export const handlingRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const db = app.records.read

  app.post(
    '/api/v1/incidents/:id/acknowledge',
    {
      config: { access: writers },
      schema: { params: IncidentParams, body: AcknowledgeBody, response: { 200: IncidentDetail } },
    },
    async (request) => {
      const id = await idOf(db, request.params.id)
      await app.incidents.acknowledge(id, request.principal as Principal, request.body.note)
      return detail(db, id)
    },
  )

  app.post(
    '/api/v1/incidents/:id/notes',
    {
      config: { access: writers },
      schema: { params: IncidentParams, body: TextBody, response: { 200: IncidentDetail } },
    },
    async (request) => {
      const id = await idOf(db, request.params.id)
      await app.incidents.note(id, request.principal as Principal, request.body.text)
      return detail(db, id)
    },
  )

  app.post(
    '/api/v1/incidents/:id/resolve',
    {
      config: { access: writers },
      schema: { params: IncidentParams, body: TextBody, response: { 200: IncidentDetail } },
    },
    async (request) => {
      const id = await idOf(db, request.params.id)
      await app.incidents.resolve(id, request.principal as Principal, request.body.text)
      return detail(db, id)
    },
  )
}

async function idOf(db: Database, name: string): Promise<string> {
  const query = db.selectFrom('incidents').select('id')
  const named = /^\d{1,9}$/.test(name)
    ? query.where('number', '=', Number(name))
    : query.where('id', '=', name)
  const row = await named.executeTakeFirst()
  if (row === undefined) throw new CallwardError('not_found', `There is no incident ${name}.`)
  return row.id
}

async function detail(db: Database, id: string): Promise<Static<typeof IncidentDetail>> {
  const row = await db
    .selectFrom('incidents')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  const [[summary], facts, alerts, runbook] = await Promise.all([
    summaries(db, [row]),
    factsOf(db, id),
    alertsOf(db, id),
    frozenRunbook(db, row.runbook_hash),
  ])
  if (summary === undefined) throw new Error(`BUG: incident ${id} without a summary`)
  return {
    incident: {
      ...summary,
      facts: facts.map(factView),
      alerts: alerts.map((alert) => alertOfIncident(alert, row)),
      runbook,
    },
  }
}

function factsOf(db: Database, id: string) {
  const query = db.selectFrom('incident_facts').selectAll().where('incident_id', '=', id)
  return query.orderBy('sequence').execute()
}

function alertsOf(db: Database, id: string) {
  return db
    .selectFrom('alerts')
    .innerJoin('incident_alerts', 'incident_alerts.alert_id', 'alerts.id')
    .selectAll('alerts')
    .where('incident_alerts.incident_id', '=', id)
    .orderBy('incident_alerts.joined_at')
    .execute()
}

async function frozenRunbook(db: Database, hash: string | null) {
  if (hash === null) return null
  const row = await db
    .selectFrom('runbook_versions')
    .selectAll()
    .where('hash', '=', hash)
    .executeTakeFirstOrThrow()
  const html = markdown.render(withoutFrontMatter(row.body))
  return { name: row.name, hash, body: row.body, html }
}

/** A runbook's text after its `---` block. */
function withoutFrontMatter(text: string): string {
  return text.replace(/^---\n[\s\S]*?\n---\n/, '')
}
