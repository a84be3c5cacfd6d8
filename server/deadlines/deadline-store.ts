import type { Kysely } from 'kysely'
import type { Deadline, Told } from '../../deadlines/standing.ts'
import { nextWord } from '../../deadlines/standing.ts'
import type { Millis } from '../clock.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { IncidentDeadlineRow, RecordsSchema } from '../records/schema.ts'

/** A deadline as it is kept, with what was told of it. */
export interface KeptDeadline extends Deadline {
  readonly incidentId: string
  /** Of this very deadline. */
  readonly toldSoFar: Told
  readonly nextAt: Millis | undefined
}

type Reading = Kysely<RecordsSchema> | RecordsTransaction

export function keptOf(row: IncidentDeadlineRow): KeptDeadline {
  const or = (at: number | null) => (at === null ? null : Number(at))
  return {
    ...{ incidentId: row.incident_id, regime: row.regime, code: row.code },
    // Only this file writes the column.
    state: row.state as Deadline['state'],
    ...{ dueAt: or(row.due_at), atRiskAt: or(row.at_risk_at), satisfiedAt: or(row.satisfied_at) },
    told: Number(row.tells) === 1,
    toldSoFar: Number(row.told) as Told,
    nextAt: or(row.next_at) ?? undefined,
  }
}

export async function keptDeadlines(read: Reading, incidentId: string): Promise<KeptDeadline[]> {
  const rows = await (read as Kysely<RecordsSchema>)
    .selectFrom('incident_deadlines')
    .selectAll()
    .where('incident_id', '=', incidentId)
    .execute()
  return rows.map(keptOf)
}

/** One by what names it; undefined when it is not kept any more. */
export async function keptDeadline(
  read: Reading,
  subject: string,
): Promise<KeptDeadline | undefined> {
  const { incidentId, regime, code } = partsOf(subject)
  const row = await (read as Kysely<RecordsSchema>)
    .selectFrom('incident_deadlines')
    .selectAll()
    .where('incident_id', '=', incidentId)
    .where('regime', '=', regime)
    .where('code', '=', code)
    .executeTakeFirst()
  return row === undefined ? undefined : keptOf(row)
}

/** What an obligation is about: the incident, the regime and the clock. Neither of the latter has a stroke in it. */
export function subjectOf(incidentId: string, { regime, code }: Pick<Deadline, 'regime' | 'code'>) {
  return `${incidentId}/${regime}/${code}`
}

function partsOf(subject: string): { incidentId: string; regime: string; code: string } {
  const [incidentId = '', regime = '', code = ''] = subject.split('/')
  return { incidentId, regime, code }
}

/** Writes one, new or changed; gives when its next word is due. */
export async function keepDeadline(
  tx: RecordsTransaction,
  incidentId: string,
  deadline: Deadline,
  told: Told,
): Promise<Millis | undefined> {
  const nextAt = nextWord(deadline, told)
  const row: IncidentDeadlineRow = {
    ...{ incident_id: incidentId, regime: deadline.regime, code: deadline.code },
    ...{ state: deadline.state, due_at: deadline.dueAt, at_risk_at: deadline.atRiskAt },
    ...{ satisfied_at: deadline.satisfiedAt, tells: deadline.told ? 1 : 0 },
    ...{ told, next_at: nextAt ?? null },
  }
  const { incident_id: _i, regime: _r, code: _c, ...changed } = row
  await tx
    .insertInto('incident_deadlines')
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(['incident_id', 'regime', 'code']).doUpdateSet(changed),
    )
    .execute()
  return nextAt
}

export async function dropDeadline(
  tx: RecordsTransaction,
  incidentId: string,
  { regime, code }: Pick<Deadline, 'regime' | 'code'>,
): Promise<void> {
  await tx
    .deleteFrom('incident_deadlines')
    .where('incident_id', '=', incidentId)
    .where('regime', '=', regime)
    .where('code', '=', code)
    .execute()
}

/** Whether two say the same of the deadline itself. */
export function isSame(one: Deadline, other: Deadline): boolean {
  return (
    one.state === other.state &&
    one.dueAt === other.dueAt &&
    one.atRiskAt === other.atRiskAt &&
    one.satisfiedAt === other.satisfiedAt &&
    one.told === other.told
  )
}
