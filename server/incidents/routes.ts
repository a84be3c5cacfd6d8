import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Kysely } from 'kysely'
import MarkdownIt from 'markdown-it'
import type { Static } from 'typebox'
import { incidentIdOf } from '../incident-id.ts'
import type { RecordsSchema } from '../records/schema.ts'
import { listPage } from './list.ts'
import { runbookSteps } from './runbook-steps.ts'
import { IncidentDetail, IncidentList, IncidentParams, ListQuery } from './schema.ts'
import { alertOfIncident, factView, summaries } from './views.ts'

const readers = { owner: 'incidents', roles: ['admin', 'operator', 'auditor'] } as const

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
      const { rows, next } = await listPage(db, request.query)
      return { incidents: await summaries(db, rows), next }
    },
  )

  app.get(
    '/api/v1/incidents/:id',
    {
      config: { access: readers },
      schema: { params: IncidentParams, response: { 200: IncidentDetail } },
    },
    async (request) => detail(db, await incidentIdOf(db, request.params.id)),
  )
}

/** One whole record as it is answered. */
export async function detail(db: Database, id: string): Promise<Static<typeof IncidentDetail>> {
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
    .select('incident_alerts.related')
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
  return { name: row.name, hash, body: row.body, html, steps: runbookSteps(row.body) }
}

/** A runbook's text after its `---` block. */
function withoutFrontMatter(text: string): string {
  return text.replace(/^---\n[\s\S]*?\n---\n/, '')
}
