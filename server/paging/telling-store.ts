import type { Millis } from '../clock.ts'
import { uuid } from '../ids.ts'
import { later, type RecordsTransaction } from '../records/records.ts'
import type { PageAttemptRow, PageTellingRow } from '../records/schema.ts'
import { ledgerAttempt, ledgerTold } from './ledgered.ts'
import { type Reading, readable } from './paging-store.ts'
import type { PagingPorts } from './ports.ts'

/** Everybody a page named so far. */
export async function namedBy(
  tx: Reading,
  pageId: string,
): Promise<Pick<PageTellingRow, 'recipient_kind' | 'recipient_id' | 'name'>[]> {
  return readable(tx)
    .selectFrom('page_tellings')
    .select(['recipient_kind', 'recipient_id', 'name'])
    .distinct()
    .where('page_id', '=', pageId)
    .where('kind', '=', 'page')
    .orderBy('name')
    .execute()
}

/** When those whom a page named were, or will be, told that more alerts joined it. */
export async function lastMoreAt(
  tx: Reading,
  pageId: string,
  place: string,
): Promise<Millis | undefined> {
  const { at } = await readable(tx)
    .selectFrom('page_tellings')
    .select((is) => is.fn.max('opened_at').as('at'))
    .where('page_id', '=', pageId)
    .where('kind', '=', 'page')
    .where('place', 'like', `${place}%`)
    .executeTakeFirstOrThrow()
  return at === null ? undefined : Number(at)
}

/** A notice whose ways fail in this round, not refuse, has been tried for over a minute (`nextWay` says when). */
const patientRounds = 4

/** Whether somebody was told by a notice, or soon may be: ways that refused twice, or failed for over a minute, count no more. */
export async function reachedSomebody(tx: Reading, pageId: string): Promise<boolean> {
  const db = readable(tx)
  const tellings = await db
    .selectFrom('page_tellings')
    .select(['id', 'state'])
    .where('page_id', '=', pageId)
    .where('state', 'in', ['waiting', 'told'])
    .execute()
  if (tellings.length === 0) return false
  if (tellings.some(({ state }) => state === 'told')) return true
  const attempts = await db
    .selectFrom('page_attempts')
    .innerJoin('page_tellings', 'page_tellings.id', 'page_attempts.telling_id')
    .select(['page_attempts.telling_id', 'page_attempts.round', 'page_attempts.outcome'])
    .where('page_tellings.page_id', '=', pageId)
    .execute()
  return tellings.some(({ id }) => {
    const own = attempts.filter(({ telling_id }) => telling_id === id)
    const round = Math.max(0, ...own.map((one) => Number(one.round)))
    const outcomes = new Set(own.map(({ outcome }) => outcome))
    if (outcomes.has('accepted') || outcomes.has('delivered')) return true
    return round < (outcomes.has('retry') ? patientRounds : 1)
  })
}

/** Whether a way has taken a telling's message, or a screen has shown it. */
export async function hasTaken(tx: Reading, tellingId: string): Promise<boolean> {
  const row = await readable(tx)
    .selectFrom('page_attempts')
    .select('id')
    .where('telling_id', '=', tellingId)
    .where((is) =>
      is.or([is('outcome', 'in', ['accepted', 'delivered']), is('displayed_at', 'is not', null)]),
    )
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** A telling that waits to be performed. */
export type TellingOpening = Pick<
  PageTellingRow,
  'page_id' | 'key' | 'kind' | 'recipient_kind' | 'recipient_id' | 'name' | 'place'
>

/** Gives its id; undefined when its key was opened before. */
export async function insertTelling(
  tx: RecordsTransaction,
  opening: TellingOpening,
  now: Millis,
): Promise<string | undefined> {
  const id = uuid(now)
  const result = await tx
    .insertInto('page_tellings')
    .values({ id, ...opening, state: 'waiting', reason: '', opened_at: now, ended_at: null })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .executeTakeFirst()
  return Number(result.numInsertedOrUpdatedRows ?? 0) > 0 ? id : undefined
}

export async function tellingById(
  database: Reading,
  id: string,
): Promise<PageTellingRow | undefined> {
  return readable(database)
    .selectFrom('page_tellings')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst()
}

/** Ends a telling that waits, with its entry in the ledger; one that has ended stays as it is. */
export async function endTelling(
  ports: Pick<PagingPorts, 'ledger'>,
  tx: RecordsTransaction,
  telling: PageTellingRow,
  state: 'told' | 'over',
  reason: string,
  now: Millis,
): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('page_tellings')
    .set({ state, reason, ended_at: now })
    .where('id', '=', telling.id)
    .where('state', '=', 'waiting')
    .executeTakeFirst()
  if (numUpdatedRows > 0n) await ledgerTold(ports, tx, telling, state, reason, now)
}

/** Tellings of a page that wait. */
export async function waitingTellings(tx: Reading, pageId: string): Promise<PageTellingRow[]> {
  return readable(tx)
    .selectFrom('page_tellings')
    .selectAll()
    .where('page_id', '=', pageId)
    .where('state', '=', 'waiting')
    .execute()
}

/** Adds an attempt, and its entry in the ledger. */
export async function addAttempt(
  ports: Pick<PagingPorts, 'ledger'>,
  tx: RecordsTransaction,
  pageId: string,
  row: PageAttemptRow,
): Promise<void> {
  await later(tx, tx.insertInto('page_attempts').values(row))
  await ledgerAttempt(ports, tx, pageId, row)
}

/** Whether a screen has shown this telling's message. */
export async function displayed(database: Reading, tellingId: string): Promise<boolean> {
  const row = await readable(database)
    .selectFrom('page_attempts')
    .select('id')
    .where('telling_id', '=', tellingId)
    .where('displayed_at', 'is not', null)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Recipients whom a way other than the screen told of this page, each with the way that did. */
export async function toldByWay(
  tx: Reading,
  pageId: string,
): Promise<Pick<PageTellingRow, 'recipient_kind' | 'recipient_id' | 'name'>[]> {
  return readable(tx)
    .selectFrom('page_tellings')
    .select(['recipient_kind', 'recipient_id', 'name'])
    .distinct()
    .innerJoin('page_attempts', 'page_attempts.telling_id', 'page_tellings.id')
    .where('page_tellings.page_id', '=', pageId)
    .where('page_tellings.kind', '=', 'page')
    .where('page_attempts.outcome', 'in', ['accepted', 'delivered'])
    .execute()
}

/** Whether a later step owes the same recipient the word. */
export async function toldAnew(database: Reading, telling: PageTellingRow): Promise<boolean> {
  const row = await readable(database)
    .selectFrom('page_tellings')
    .select('id')
    .where('page_id', '=', telling.page_id)
    .where('kind', '=', 'page')
    .where('recipient_kind', '=', telling.recipient_kind)
    .where('recipient_id', '=', telling.recipient_id)
    .where('opened_at', '>', telling.opened_at)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Contact points that took this page for the recipient of a telling. */
export async function waysThatTook(
  database: Reading,
  telling: Pick<PageTellingRow, 'page_id' | 'recipient_kind' | 'recipient_id'>,
): Promise<Set<string>> {
  const rows = await readable(database)
    .selectFrom('page_attempts')
    .select('page_attempts.contact_point_id')
    .distinct()
    .innerJoin('page_tellings', 'page_tellings.id', 'page_attempts.telling_id')
    .where('page_tellings.page_id', '=', telling.page_id)
    .where('page_tellings.recipient_kind', '=', telling.recipient_kind)
    .where('page_tellings.recipient_id', '=', telling.recipient_id)
    .where('page_tellings.kind', '=', 'page')
    .where('page_attempts.outcome', 'in', ['accepted', 'delivered'])
    .execute()
  return new Set(rows.flatMap(({ contact_point_id: id }) => (id === null ? [] : [id])))
}
