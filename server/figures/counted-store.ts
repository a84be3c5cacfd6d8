import type { Kysely } from 'kysely'
import { CallwardError } from '../errors.ts'
import type { Settled } from '../incidents/plugin.ts'
import { later, type RecordsTransaction } from '../records/records.ts'
import type { IncidentCountedRow, IncidentRow, RecordsSchema } from '../records/schema.ts'
import { type CountedWithState, countedOf, countingKinds } from './counted.ts'

/** Incidents of one question. */
export const mostIncidents = 100_000

/** Keeps the counts of an incident beside its facts, in their transaction. */
export const keepCounted: Settled = async (tx, { before, after, picture, facts }) => {
  if (!facts.some(({ kind }) => countingKinds.has(kind))) return
  const isNew = before === undefined
  const row = countedOf(after, picture)
  await putCounted(tx, row, isNew)
  if (isNew || facts.some(({ kind }) => kind === 'impact')) await putServices(tx, after, row, isNew)
}

/** Writes the counts of an incident that has none yet, or other ones. */
export async function putCounted(
  tx: RecordsTransaction,
  row: IncidentCountedRow,
  isNew = false,
): Promise<void> {
  const insert = tx.insertInto('incident_counted').values(row)
  const { incident_id: _, ...rest } = row
  await later(
    tx,
    isNew
      ? insert
      : insert.onConflict((conflict) => conflict.column('incident_id').doUpdateSet(rest)),
  )
}

/** A row for an incident whose facts cannot be read, so that it is not tried for ever: of no service, so in no figure. */
export async function putUncountable(tx: RecordsTransaction, id: string): Promise<void> {
  const row = await tx
    .selectFrom('incidents')
    .select('opened_at')
    .where('id', '=', id)
    .executeTakeFirst()
  if (row === undefined) return
  await putCounted(tx, {
    ...{ incident_id: id, at: Number(row.opened_at), services: '[]', causes: '[]' },
    ...{ acknowledge_millis: null, restore_millis: null },
    ...{ calls_attempted: null, calls_failed: null },
  })
}

/** Writes which services an incident affects. */
export async function putServices(
  tx: RecordsTransaction,
  { id, number }: Pick<IncidentRow, 'id' | 'number'>,
  { services }: Pick<IncidentCountedRow, 'services'>,
  isNew = false,
): Promise<void> {
  if (!isNew) await later(tx, tx.deleteFrom('incident_services').where('incident_id', '=', id))
  const names = [...new Set(JSON.parse(services) as string[])]
  if (names.length === 0) return
  const rows = names.map((service) => ({ service, number: Number(number), incident_id: id }))
  await later(tx, tx.insertInto('incident_services').values(rows))
}

/** Counts of the incidents that began in [from, to). Throws unprocessable beyond `mostIncidents`. */
export async function countedBetween(
  db: Kysely<RecordsSchema>,
  from: number,
  to: number,
  service?: string | undefined,
): Promise<CountedWithState[]> {
  let query = db
    .selectFrom('incident_counted')
    .innerJoin('incidents', 'incidents.id', 'incident_counted.incident_id')
    .selectAll('incident_counted')
    .select(['incidents.number', 'incidents.workflow_state'])
    .where('incident_counted.at', '>=', from)
    .where('incident_counted.at', '<', to)
    .limit(mostIncidents + 1)
  if (service !== undefined)
    query = query
      .innerJoin('incident_services', 'incident_services.incident_id', 'incidents.id')
      .where('incident_services.service', '=', service)
  const rows = await query.execute()
  if (rows.length > mostIncidents)
    throw new CallwardError(
      'unprocessable',
      `The period has more than ${mostIncidents} incidents; ask for a shorter one, or for one service.`,
    )
  return rows as CountedWithState[]
}

/** Incidents that have facts but no counts, as those of before there were counts; at most `limit`. */
export async function uncounted(db: Kysely<RecordsSchema>, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('incidents')
    .leftJoin('incident_counted', 'incident_counted.incident_id', 'incidents.id')
    .select('incidents.id')
    .where('incident_counted.incident_id', 'is', null)
    .orderBy('incidents.number', 'desc')
    .limit(limit)
    .execute()
  return rows.map(({ id }) => id)
}
