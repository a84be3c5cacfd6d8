import { sql } from 'kysely'
import type { Records } from '../records/records.ts'
import { indexIncident, indexVersion } from './index-fact.ts'

/** Incidents that are compared at once. */
const comparedAtOnce = 200

/**
 * Indexes what the index does not hold: incidents from before it, those of another version of it, and whatever was written without
 * `indexFact`. An incident is indexed in a transaction of its own, so that pages and alerts get their turn between two. Gives how many
 * incidents it indexed; ends early when `isStopped`.
 */
export async function catchUp(records: Records, isStopped: () => boolean): Promise<number> {
  await forgetOtherVersions(records)
  let indexed = 0
  for (let after = 0; !isStopped(); ) {
    const rows = await compared(records, after)
    for (const { id } of rows.filter(({ held, facts }) => held !== facts)) {
      if (isStopped()) return indexed
      await records.write((tx) => indexIncident(tx, id))
      indexed += 1
    }
    const last = rows.at(-1)
    if (last === undefined) break
    after = last.number
  }
  return indexed
}

async function forgetOtherVersions(records: Records): Promise<void> {
  const { read } = records
  const other = await read
    .selectFrom('incident_search')
    .select('number')
    .where('version', '!=', indexVersion)
    .limit(1)
    .executeTakeFirst()
  if (other === undefined) return
  await records.write(async (tx) => {
    await tx.deleteFrom('incident_words').execute()
    await tx.deleteFrom('incident_search').execute()
  })
}

async function compared({ read }: Records, after: number) {
  const { rows } = await sql<{ id: string; number: number; held: number; facts: number }>`
    select i.id, i.number, coalesce(s.facts, -1) as held,
      (select count(*) from incident_facts f where f.incident_id = i.id) as facts
    from incidents i left join incident_search s on s.number = i.number
    where i.number > ${after} order by i.number limit ${sql.lit(comparedAtOnce)}`.execute(read)
  return rows.map(({ id, number, held, facts }) => ({
    id,
    number: Number(number),
    held: Number(held),
    facts: Number(facts),
  }))
}
