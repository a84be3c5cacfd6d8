import { type Kysely, sql } from 'kysely'
import type { Millis } from '../clock.ts'
import { uuid } from '../ids.ts'
import { storableText } from '../records/bindings.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { ObligationRow, RecordsSchema } from '../records/schema.ts'
import type { Obligation, ObligationKind, Opening } from './obligation.ts'

/** A fault's text as it is kept. */
const maxFaultLength = 500

/** Opens one, unless one of its kind and key was ever opened: then nothing happens, and false comes back. */
export async function openObligation(
  tx: RecordsTransaction,
  opening: Opening,
  now: Millis,
): Promise<boolean> {
  const { kind, subject, key, dueAt } = opening
  if (!Number.isSafeInteger(dueAt)) throw new Error(`BUG: ${kind} ${key} is due at ${dueAt}`)
  const result = await tx
    .insertInto('obligations')
    .values({
      id: uuid(now),
      kind,
      subject,
      key,
      lane: opening.lane ?? subject,
      state: 'waiting',
      payload: JSON.stringify(opening.payload ?? null),
      due_at: dueAt,
      next_at: dueAt,
      attempts: 0,
      lease_by: null,
      lease_until: null,
      last_fault: null,
      opened_at: now,
      closed_at: null,
      close_reason: null,
    })
    .onConflict((conflict) => conflict.columns(['kind', 'key']).doNothing())
    .executeTakeFirst()
  return Number(result.numInsertedOrUpdatedRows ?? 0) > 0
}

/** Closes what is still owed for a subject; gives how many there were. */
export async function closeObligations(
  tx: RecordsTransaction,
  kind: string,
  subject: string,
  reason: string,
  now: Millis,
): Promise<number> {
  const result = await tx
    .updateTable('obligations')
    .set({ state: 'closed', closed_at: now, close_reason: reason, lease_by: null })
    .where('kind', '=', kind)
    .where('subject', '=', subject)
    .where('state', '=', 'waiting')
    .executeTakeFirst()
  return Number(result.numUpdatedRows)
}

/** The time of the database, in milliseconds: leases of several hubs are measured by one clock. */
function databaseNow(kind: Records['kind']) {
  return kind === 'sqlite'
    ? sql<Millis>`cast(unixepoch('subsec') * 1000 as integer)`
    : sql<Millis>`cast(extract(epoch from clock_timestamp()) * 1000 as bigint)`
}

/** What is due of a kind, leased to `holder`: the first of each lane before the second of any. `lease` in ms. */
export async function claim(
  records: Records,
  kind: string,
  holder: string,
  now: Millis,
  { limit, lease }: { readonly limit: number; readonly lease: Millis },
): Promise<Obligation[]> {
  const clock = databaseNow(records.kind)
  return records.write(async (tx) => {
    const turns = tx
      .selectFrom('obligations')
      .select([
        'id',
        'next_at',
        sql<number>`row_number() over (partition by lane order by next_at, id)`.as('turn'),
      ])
      .where('kind', '=', kind)
      .where('state', '=', 'waiting')
      .where('next_at', '<=', now)
      .where((row) => row.or([row('lease_by', 'is', null), row('lease_until', '<', clock)]))
    const ids = await tx
      .selectFrom(turns.as('turns'))
      .select('id')
      .orderBy('turn')
      .orderBy('next_at')
      .orderBy('id')
      .limit(limit)
      .execute()
    if (ids.length === 0) return []
    const places = new Map(ids.map(({ id }, place) => [id, place]))
    const rows = await tx
      .updateTable('obligations')
      .set({ lease_by: holder, lease_until: sql<Millis>`${clock} + ${sql.lit(Math.round(lease))}` })
      .where('id', 'in', [...places.keys()])
      .returningAll()
      .execute()
    return rows.map(obligationOf).sort((a, b) => places.get(a.id)! - places.get(b.id)!)
  })
}

/** Whether something of a kind is due and free, without a write. */
export async function anyDue(records: Records, kind: string, now: Millis): Promise<boolean> {
  const row = await records.read
    .selectFrom('obligations')
    .select('id')
    .where('kind', '=', kind)
    .where('state', '=', 'waiting')
    .where('next_at', '<=', now)
    .where((is) =>
      is.or([is('lease_by', 'is', null), is('lease_until', '<', databaseNow(records.kind))]),
    )
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** When the next one is due that nobody performs now; undefined: none. */
export async function nextAt(
  records: Records,
  kinds: readonly string[],
): Promise<Millis | undefined> {
  if (kinds.length === 0) return undefined
  const row = await records.read
    .selectFrom('obligations')
    .select((query) => query.fn.min('next_at').as('at'))
    .where('state', '=', 'waiting')
    .where('kind', 'in', [...kinds])
    .where('lease_by', 'is', null)
    .executeTakeFirst()
  return row?.at === null || row?.at === undefined ? undefined : Number(row.at)
}

/** Holds `ids` of `holder` for `lease` milliseconds more; a row it works on no longer must run out. */
export async function renewLeases(
  records: Records,
  holder: string,
  ids: readonly string[],
  lease: Millis,
): Promise<void> {
  if (ids.length === 0) return
  const until = sql<Millis>`${databaseNow(records.kind)} + ${sql.lit(lease)}`
  await records.write((tx) =>
    tx
      .updateTable('obligations')
      .set({ lease_until: until })
      .where('lease_by', '=', holder)
      .where('id', 'in', [...ids])
      .where('state', '=', 'waiting')
      .execute(),
  )
}

/** Whether something was opened or closed later than `now`: the clock went back while nobody looked. */
export async function cameFromAhead(records: Records, now: Millis): Promise<boolean> {
  const row = await records.read
    .selectFrom('obligations')
    .select('id')
    .where((is) => is.or([is('opened_at', '>', now), is('closed_at', '>', now)]))
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Makes everything that waits for later due now; whoever performs it says when it is really due. */
export async function timeAnew(records: Records, now: Millis): Promise<void> {
  await records.write((tx) =>
    tx
      .updateTable('obligations')
      .set({ next_at: now })
      .where('state', '=', 'waiting')
      .where('next_at', '>', now)
      .execute(),
  )
}

/** Frees what another run of this very hub had taken when it was killed; only where one hub has the database for itself. */
export async function releaseAll(records: Records): Promise<void> {
  await records.write((tx) =>
    tx
      .updateTable('obligations')
      .set({ lease_by: null, lease_until: null })
      .where('state', '=', 'waiting')
      .where('lease_by', 'is not', null)
      .execute(),
  )
}

/** Closes or renews one that `holder` performed; false when it is not its own any more. */
export async function finish(
  tx: RecordsTransaction,
  obligation: Obligation,
  holder: string,
  again: { readonly dueAt: Millis; readonly payload?: unknown } | undefined,
  now: Millis,
): Promise<boolean> {
  const done = { state: 'done', closed_at: now, close_reason: 'done' }
  const renewed = again && {
    due_at: again.dueAt,
    next_at: again.dueAt,
    attempts: 0,
    ...(again.payload === undefined ? {} : { payload: JSON.stringify(again.payload) }),
  }
  const result = await tx
    .updateTable('obligations')
    .set({ ...(renewed ?? done), lease_by: null, lease_until: null, last_fault: null })
    .where('id', '=', obligation.id)
    .where('state', '=', 'waiting')
    .where('lease_by', '=', holder)
    .executeTakeFirst()
  return Number(result.numUpdatedRows) > 0
}

/** Puts one that failed back, for a later attempt. */
export async function putBack(
  tx: RecordsTransaction,
  obligation: Obligation,
  holder: string,
  nextAttemptAt: Millis,
  fault: string,
): Promise<void> {
  await tx
    .updateTable('obligations')
    .set({
      next_at: nextAttemptAt,
      attempts: obligation.attempts + 1,
      last_fault: storableText(fault.slice(0, maxFaultLength)),
      lease_by: null,
      lease_until: null,
    })
    .where('id', '=', obligation.id)
    .where('state', '=', 'waiting')
    .where('lease_by', '=', holder)
    .execute()
}

/** Rows that one transaction of a pruning drops, and transactions of one pruning. */
const pruneLimits = { rowsAtOnce: 1_000, mostBatches: 200 }

/** Drops closed ones older than `before`; one that waits stays however old it is. Gives how many were dropped. */
export async function prune(
  records: Records,
  before: Millis,
  { rowsAtOnce, mostBatches } = pruneLimits,
): Promise<number> {
  let dropped = 0
  for (let batch = 0; batch < mostBatches; batch += 1) {
    const rows = await records.read
      .selectFrom('obligations')
      .select('id')
      .where('state', '<>', 'waiting')
      .where('closed_at', '<', before)
      .limit(rowsAtOnce)
      .execute()
    const ids = rows.map(({ id }) => id)
    if (ids.length > 0)
      await records.write((tx) => tx.deleteFrom('obligations').where('id', 'in', ids).execute())
    dropped += ids.length
    if (ids.length < rowsAtOnce) break
  }
  return dropped
}

/** Subjects that are owed something of `kind` by their own tables and have no live obligation; at most `limit`. */
export async function lostSubjects(
  database: Kysely<RecordsSchema> | RecordsTransaction,
  kind: ObligationKind,
  limit: number,
): Promise<string[]> {
  const rows = await (database as Kysely<RecordsSchema>)
    .selectFrom(kind.owed(database).as('owed'))
    .select('owed.subject')
    .distinct()
    .where((query) =>
      query.not(
        query.exists(
          query
            .selectFrom('obligations')
            .select('obligations.id')
            .where('obligations.kind', '=', kind.kind)
            .where('obligations.state', '=', 'waiting')
            .whereRef('obligations.subject', '=', 'owed.subject'),
        ),
      ),
    )
    .limit(limit)
    .execute()
  return rows.map(({ subject }) => subject)
}

/** A row as those who perform it see it. */
export function obligationOf(row: ObligationRow): Obligation {
  return {
    id: row.id,
    kind: row.kind,
    subject: row.subject,
    key: row.key,
    lane: row.lane,
    payload: JSON.parse(row.payload) as unknown,
    dueAt: Number(row.due_at),
    attempts: Number(row.attempts),
  }
}

/** How each kind stands: how many wait, and the age of the oldest that is due (0: none is). */
export async function standing(
  records: Records,
  now: Millis,
): Promise<{ kind: string; waiting: number; oldestDueMillis: Millis }[]> {
  const rows = await records.read
    .selectFrom('obligations')
    .select((query) => [
      'kind',
      query.fn.countAll<number>().as('waiting'),
      query.fn.min('due_at').as('oldest'),
    ])
    .where('state', '=', 'waiting')
    .groupBy('kind')
    .execute()
  return rows.map(({ kind, waiting, oldest }) => ({
    kind,
    waiting: Number(waiting),
    oldestDueMillis: Math.max(0, now - Number(oldest)),
  }))
}
