import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Kysely, sql } from 'kysely'
import Type, { type Static } from 'typebox'
import { holders, type Picture, said } from '../../incidents/picture.ts'
import { staffRoles } from '../../incidents/workflow.ts'
import { type Millis, rfc3339 } from '../clock.ts'
import type { Principal } from '../people/plugin.ts'
import type { RecordsSchema } from '../records/schema.ts'
import { IncidentSummary } from './schema.ts'
import { summaries } from './views.ts'

const access = { owner: 'incidents', roles: ['admin', 'operator', 'auditor'] } as const
/** More open incidents than one person works on. */
const mostIncidents = 50

const OrNull = Type.Union([Type.String(), Type.Null()])
const Given = Type.Object({
  incident: IncidentSummary,
  /** Their parts in it; without any it was only given to them. */
  parts: Type.Array(Type.String()),
  assignedAt: OrNull,
  /** What was said when it was given. */
  assignedText: OrNull,
  acceptedAt: OrNull,
  arrivedAt: OrNull,
  runbook: OrNull,
})

/** Incidents that have not ended and were given to who asks, or in which they have a part; newest first. */
export const mineRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const db = app.records.read
  app.get(
    '/api/v1/incidents/mine',
    {
      config: { access },
      schema: { response: { 200: Type.Object({ incidents: Type.Array(Given) }) } },
    },
    async (request) => {
      const { name } = request.principal as Principal
      const rows = await namedIn(db, name).execute()
      const incidents: Static<typeof Given>[] = []
      for (const [index, incident] of (await summaries(db, rows)).entries()) {
        const { picture } = await app.incidents.picture(incident.id)
        const given = givenTo(picture, name)
        if (given === undefined) continue
        incidents.push({ incident, ...given, runbook: rows[index]?.runbook_name ?? null })
      }
      return { incidents }
    },
  )
}

/**
 * Incidents with a fact that names this person; whether it still does, the facts together say. Asked for each incident that has not ended:
 * joined, PostgreSQL reads the facts of all. Its conditions are those of the indexes, to the letter.
 */
function namedIn(db: Kysely<RecordsSchema>, name: string) {
  const quoted = JSON.stringify(name).replaceAll(/[\\%_]/g, (one) => `\\${one}`)
  // As JSON.stringify writes the value of `technician` and `person`.
  const like = `%:${quoted}%`
  return db
    .selectFrom('incidents')
    .selectAll()
    .where('closed_at', 'is', null)
    .where(
      sql<boolean>`(select 1 from incident_facts f where f.incident_id = incidents.id
        and f.kind in ('assigned', 'accepted', 'arrived', 'role')
        and f.value like ${like} escape '\\' limit 1) is not null`,
    )
    .orderBy('number', 'desc')
    .limit(mostIncidents)
}

/** What an incident has to do with a person; nothing when no part is left and it was not given to them. */
function givenTo(picture: Picture, name: string) {
  const parts = staffRoles.filter((role) => holders(picture, role).has(name))
  const last = (kind: 'assigned' | 'accepted' | 'arrived') =>
    said(picture, kind).findLast(({ value }) => value.technician === name)
  const assigned = last('assigned')
  if (parts.length === 0 && assigned === undefined) return undefined
  return {
    parts,
    assignedAt: at(assigned),
    assignedText: assigned?.value.text ?? null,
    acceptedAt: at(last('accepted')),
    arrivedAt: at(last('arrived')),
  }
}

function at(fact: { readonly occurredAt: Millis } | undefined): string | null {
  return fact === undefined ? null : rfc3339(fact.occurredAt)
}
