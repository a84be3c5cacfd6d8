import { type Kysely, sql } from 'kysely'
import type { IncidentRow, RecordsSchema } from '../records/schema.ts'

/** What a page of the list shows; `cursor` is the number that the page before ended with. */
export interface ListAsked {
  readonly state: 'open' | 'resolved' | 'all'
  readonly limit: number
  readonly cursor?: number | undefined
  readonly severity?: string | undefined
  readonly workflow?: string | undefined
  readonly service?: string | undefined
}

export interface ListPage {
  readonly rows: readonly IncidentRow[]
  readonly next: number | null
}

/** One page, the newest first; each filter has an index in the order of numbers, so a page never reads all. */
export async function listPage(db: Kysely<RecordsSchema>, asked: ListAsked): Promise<ListPage> {
  const rows = await listQuery(db, asked).execute()
  const page = rows.slice(0, asked.limit)
  const last = page.at(-1)
  return { rows: page, next: rows.length > asked.limit && last ? Number(last.number) : null }
}

/** Asks for one row more than the page, which tells whether there is another. */
export function listQuery(db: Kysely<RecordsSchema>, asked: ListAsked) {
  const { state, limit, cursor, severity, workflow, service } = asked
  let query = db
    .selectFrom('incidents')
    .selectAll('incidents')
    .limit(limit + 1)
  if (service !== undefined) {
    // Both tables bear the number; only that of the service's index gives the order for nothing.
    query = query
      .innerJoin('incident_services', 'incident_services.incident_id', 'incidents.id')
      .where('incident_services.service', '=', service)
      .orderBy('incident_services.number', 'desc') as typeof query
    if (cursor !== undefined)
      query = query.where(sql<boolean>`incident_services.number < ${cursor}`)
  } else {
    query = query.orderBy('incidents.number', 'desc')
    if (cursor !== undefined) query = query.where('incidents.number', '<', cursor)
  }
  if (state === 'open') query = query.where('incidents.state', 'in', ['open', 'acknowledged'])
  if (state === 'resolved') query = query.where('incidents.state', '=', 'resolved')
  if (severity !== undefined) query = query.where('incidents.severity', '=', severity)
  if (workflow !== undefined) query = query.where('incidents.workflow_state', '=', workflow)
  return query
}
