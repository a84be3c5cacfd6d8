import type { Kysely } from 'kysely'
import type { Millis } from '../clock.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { IncidentAssignmentRow, IncidentRow, RecordsSchema } from '../records/schema.ts'

export type Reading = Records['read'] | RecordsTransaction

const from = (database: Reading) => database as Kysely<RecordsSchema>

/** By its id or by its number. */
export async function incidentNamed(
  database: Reading,
  named: string,
): Promise<IncidentRow | undefined> {
  const query = from(database).selectFrom('incidents').selectAll()
  return /^[1-9]\d{0,8}$/.test(named)
    ? query.where('number', '=', Number(named)).executeTakeFirst()
    : query.where('id', '=', named).executeTakeFirst()
}

/** An enabled account of a person who may act. */
export async function technicianNamed(
  database: Reading,
  name: string,
): Promise<{ readonly id: string; readonly name: string } | undefined> {
  return from(database)
    .selectFrom('principals')
    .select(['id', 'name'])
    .where('kind', '=', 'person')
    .where('role', 'in', ['admin', 'operator'])
    .where('disabled_at', 'is', null)
    .where('name', '=', name)
    .executeTakeFirst()
}

export async function assignmentById(
  database: Reading,
  factId: string,
): Promise<IncidentAssignmentRow | undefined> {
  const query = from(database).selectFrom('incident_assignments').selectAll()
  return query.where('fact_id', '=', factId).executeTakeFirst()
}

export async function assignmentByKey(
  database: Reading,
  key: string,
): Promise<IncidentAssignmentRow | undefined> {
  const query = from(database).selectFrom('incident_assignments').selectAll()
  return query.where('request_key', '=', key).executeTakeFirst()
}

/** Everybody who was asked of an incident, the first first. */
export async function assignmentsOf(
  database: Reading,
  incidentId: string,
): Promise<IncidentAssignmentRow[]> {
  return from(database)
    .selectFrom('incident_assignments')
    .selectAll()
    .where('incident_id', '=', incidentId)
    .orderBy('assigned_at')
    .orderBy('fact_id')
    .execute()
}

/** What was given to somebody in incidents that are not over, the newest first. */
export async function assignmentsTo(
  database: Reading,
  principalId: string,
  limit: number,
): Promise<IncidentAssignmentRow[]> {
  return from(database)
    .selectFrom('incident_assignments')
    .innerJoin('incidents', 'incidents.id', 'incident_assignments.incident_id')
    .selectAll('incident_assignments')
    .where('principal_id', '=', principalId)
    .where('incident_assignments.state', 'in', ['waiting', 'accepted'])
    .where('incidents.closed_at', 'is', null)
    .orderBy('assigned_at', 'desc')
    .limit(limit)
    .execute()
}

export async function insertAssignment(
  tx: RecordsTransaction,
  row: IncidentAssignmentRow,
): Promise<void> {
  await tx.insertInto('incident_assignments').values(row).execute()
}

/** Keeps an answer; `at` is null while whoever comes next is still owed. */
export async function endAssignment(
  tx: RecordsTransaction,
  factId: string,
  state: 'accepted' | 'declined' | 'passed' | 'over',
  reason: string,
  at: Millis | null,
): Promise<void> {
  await tx
    .updateTable('incident_assignments')
    .set({ state, reason, ended_at: at })
    .where('fact_id', '=', factId)
    .execute()
}

/** How many wait for an answer. */
export async function countWaiting(database: Reading): Promise<number> {
  const row = await from(database)
    .selectFrom('incident_assignments')
    .select((is) => is.fn.countAll().as('count'))
    .where('state', '=', 'waiting')
    .executeTakeFirst()
  return Number(row?.count ?? 0)
}
