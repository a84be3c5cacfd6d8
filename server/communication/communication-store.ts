import type { Kysely } from 'kysely'
import type { Millis } from '../clock.ts'
import { uuid } from '../ids.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type {
  IncidentNoticeDeliveryRow,
  IncidentNoticeRow,
  IncidentRow,
  IncidentUpdateRhythmRow,
  RecordsSchema,
} from '../records/schema.ts'
import type { Rhythm } from './rhythm.ts'

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

/** Ids of enabled people by name. */
export async function peopleNamed(
  database: Reading,
  names: readonly string[],
): Promise<{ readonly id: string; readonly name: string; readonly role: string }[]> {
  if (names.length === 0) return []
  return from(database)
    .selectFrom('principals')
    .select(['id', 'name', 'role'])
    .where('kind', '=', 'person')
    .where('disabled_at', 'is', null)
    .where('name', 'in', [...names])
    .orderBy('name')
    .execute()
}

/** Everybody who may act. */
export async function staff(
  database: Reading,
): Promise<{ readonly id: string; readonly name: string }[]> {
  return from(database)
    .selectFrom('principals')
    .select(['id', 'name'])
    .where('kind', '=', 'person')
    .where('role', 'in', ['admin', 'operator'])
    .where('disabled_at', 'is', null)
    .orderBy('name')
    .execute()
}

export async function noticeById(
  database: Reading,
  id: string,
): Promise<IncidentNoticeRow | undefined> {
  const query = from(database).selectFrom('incident_notices').selectAll()
  return query.where('id', '=', id).executeTakeFirst()
}

/** What was written under the sender's name of a request. */
export async function noticeByKey(
  database: Reading,
  key: string,
): Promise<IncidentNoticeRow | undefined> {
  const query = from(database).selectFrom('incident_notices').selectAll()
  return query.where('request_key', '=', key).executeTakeFirst()
}

/** Everything said of an incident, the oldest first, at most `limit` of the newest. */
export async function noticesOf(
  database: Reading,
  incidentId: string,
  limit: number,
): Promise<IncidentNoticeRow[]> {
  const rows = await from(database)
    .selectFrom('incident_notices')
    .selectAll()
    .where('incident_id', '=', incidentId)
    .orderBy('written_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.reverse()
}

export async function countNotices(tx: RecordsTransaction, incidentId: string): Promise<number> {
  const row = await tx
    .selectFrom('incident_notices')
    .select((is) => is.fn.countAll().as('count'))
    .where('incident_id', '=', incidentId)
    .where('audience', '<>', 'staff')
    .executeTakeFirst()
  return Number(row?.count ?? 0)
}

export async function deliveriesOf(
  database: Reading,
  noticeIds: readonly string[],
): Promise<IncidentNoticeDeliveryRow[]> {
  if (noticeIds.length === 0) return []
  return from(database)
    .selectFrom('incident_notice_deliveries')
    .selectAll()
    .where('notice_id', 'in', [...noticeIds])
    .orderBy('opened_at')
    .orderBy('id')
    .execute()
}

export async function deliveryById(
  database: Reading,
  id: string,
): Promise<IncidentNoticeDeliveryRow | undefined> {
  const query = from(database).selectFrom('incident_notice_deliveries').selectAll()
  return query.where('id', '=', id).executeTakeFirst()
}

/** A recipient by one channel; without a way to them it is refused as it is opened. */
export function newDelivery(
  notice: Pick<IncidentNoticeRow, 'id'>,
  to: { readonly id: string | null; readonly label: string; readonly channel: string },
  key: string,
  now: Millis,
): IncidentNoticeDeliveryRow {
  return {
    id: uuid(now),
    notice_id: notice.id,
    contact_point_id: to.id,
    recipient: to.label,
    channel: to.channel,
    key,
    state: to.id === null ? 'refused' : 'waiting',
    attempts: 0,
    reason: to.id === null ? 'there is no contact point of theirs' : '',
    provider_reference: null,
    opened_at: now,
    updated_at: now,
  }
}

export async function rhythmRow(
  database: Reading,
  incidentId: string,
): Promise<IncidentUpdateRhythmRow | undefined> {
  const query = from(database).selectFrom('incident_update_rhythms').selectAll()
  return query.where('incident_id', '=', incidentId).executeTakeFirst()
}

/** False when it stands so already. */
export async function keepRhythm(
  tx: RecordsTransaction,
  incidentId: string,
  { severity, since, dueAt }: Rhythm,
): Promise<boolean> {
  const row = { severity, since, due_at: dueAt ?? null, told_at: null }
  const before = await rhythmRow(tx, incidentId)
  if (
    before !== undefined &&
    before.severity === severity &&
    Number(before.since) === since &&
    (before.due_at === null ? null : Number(before.due_at)) === row.due_at
  )
    return false
  await tx
    .insertInto('incident_update_rhythms')
    .values({ incident_id: incidentId, ...row })
    .onConflict((conflict) => conflict.column('incident_id').doUpdateSet(row))
    .execute()
  return true
}

/** Incidents whose promised update is overdue. */
export async function countOverdue(database: Reading, now: Millis): Promise<number> {
  const row = await from(database)
    .selectFrom('incident_update_rhythms')
    .select((is) => is.fn.countAll().as('count'))
    .where('due_at', '<', now)
    .executeTakeFirst()
  return Number(row?.count ?? 0)
}

/** How long a receiver may wait for a notice before it counts as not delivered. */
const waitMillis: Millis = 15 * 60_000
/** How long one counts that was refused or given up. */
const failedMillis: Millis = 24 * 3_600_000

/**
 * Receivers of notices to whom they did not come: that wait for a quarter of an hour, or were refused or given up in the last day;
 * sent again they count as waiting. Words to an incident's own people are not counted.
 */
export async function countUndelivered(database: Reading, now: Millis): Promise<number> {
  const row = await from(database)
    .selectFrom('incident_notice_deliveries as delivery')
    .innerJoin('incident_notices as notice', 'notice.id', 'delivery.notice_id')
    .select((is) => is.fn.countAll().as('count'))
    .where('notice.audience', '<>', 'staff')
    // A correction that came to the same receiver says all that this one would.
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('incident_notice_deliveries as after')
            .innerJoin('incident_notices as correction', 'correction.id', 'after.notice_id')
            .select('after.id')
            .whereRef('correction.series_id', '=', 'notice.series_id')
            .whereRef('correction.version', '>', 'notice.version')
            .whereRef('after.contact_point_id', '=', 'delivery.contact_point_id')
            .where('after.state', 'in', ['accepted', 'delivered']),
        ),
      ),
    )
    .where((is) =>
      is.or([
        is.and([
          is('delivery.state', '=', 'waiting'),
          is('delivery.opened_at', '<=', now - waitMillis),
        ]),
        is.and([
          is('delivery.state', 'in', ['refused', 'given_up']),
          is('delivery.updated_at', '>', now - failedMillis),
        ]),
      ]),
    )
    .executeTakeFirst()
  return Number(row?.count ?? 0)
}

/** The newest fact of a kind, in the transaction that wrote it. */
export async function newestFact(
  tx: RecordsTransaction,
  incidentId: string,
  kind: string,
): Promise<string> {
  const { id } = await tx
    .selectFrom('incident_facts')
    .select('id')
    .where('incident_id', '=', incidentId)
    .where('kind', '=', kind)
    .orderBy('sequence', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow()
  return id
}
