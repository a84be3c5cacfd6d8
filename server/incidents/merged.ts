import type { Kysely } from 'kysely'
import type { Chapter } from '../../incidents/timeline.ts'
import type { RecordsSchema } from '../records/schema.ts'
import { factOf } from './incident.ts'

/** Facts of the incidents that were merged into this one, under their own numbers. */
export async function mergedInto(db: Kysely<RecordsSchema>, id: string): Promise<Chapter[]> {
  // Whoever was merged left the keys of its alerts.
  const merged = await db
    .selectFrom('incidents')
    .innerJoin('incident_join_keys', 'incident_join_keys.join_key', 'incidents.join_key')
    .select(['incidents.id', 'incidents.number'])
    .distinct()
    .where('incident_join_keys.incident_id', '=', id)
    .where('incidents.workflow_state', '=', 'merged')
    .orderBy('incidents.number')
    .execute()
  const chapters: Chapter[] = []
  for (const one of merged) {
    const rows = await db
      .selectFrom('incident_facts')
      .selectAll()
      .where('incident_id', '=', one.id)
      .orderBy('sequence')
      .execute()
    const facts = rows.map(factOf)
    if (facts.some(({ kind, value }) => kind === 'merged' && 'into' in value && value.into === id))
      chapters.push({ incident: String(one.number), facts })
  }
  return chapters
}
