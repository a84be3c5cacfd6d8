import { type Kysely, sql } from 'kysely'
import type { Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { EscalationState, PolicySnapshot } from '../oncall/plugin.ts'
import { later, type RecordsTransaction } from '../records/records.ts'
import type {
  PageAttemptRow,
  PageRow,
  PageStepRow,
  PageTellingRow,
  RecordsSchema,
} from '../records/schema.ts'
import { ledgerAttempt, ledgerTold } from './ledgered.ts'
import type { PagingPorts } from './ports.ts'

/** Records as they are read, inside a transaction or not. */
export type Reading = Kysely<RecordsSchema> | RecordsTransaction

/** Rows one statement carries. */
const rowsPerStatement = 500

/** For queries that need no transaction. */
export const readable = (database: Reading) => database as Kysely<RecordsSchema>

/** What a page is opened with. */
export interface PageOpening {
  readonly groupKey: string
  readonly lane: string
  readonly title: string
  readonly severity: string
  readonly policy: PolicySnapshot
  readonly escalation: EscalationState
  /** It asks nobody for anything: closed as it is opened. */
  readonly closed?: true
}

/** A page with its JSON read. */
export interface Page {
  readonly row: PageRow
  readonly policy: PolicySnapshot
  readonly escalation: EscalationState
}

export function pageOf(row: PageRow): Page {
  return {
    row,
    policy: JSON.parse(row.policy) as PolicySnapshot,
    escalation: JSON.parse(row.escalation) as EscalationState,
  }
}

export async function insertPage(
  tx: RecordsTransaction,
  opening: PageOpening,
  now: Millis,
): Promise<PageRow> {
  const { groupKey, lane, title, severity, policy, escalation, closed } = opening
  const row = {
    id: uuid(now),
    group_key: groupKey,
    lane,
    title,
    severity,
    state: closed ? 'closed' : 'open',
    policy: JSON.stringify(policy),
    escalation: JSON.stringify(escalation),
    escalation_due_at: escalation.dueAt,
    opened_at: now,
    acknowledged_at: null,
    acknowledged_by: null,
    closed_at: closed ? now : null,
  }
  const { number } = await tx
    .insertInto('pages')
    .values((is) => ({
      ...row,
      number: sql<number>`(${is
        .selectFrom('pages as other')
        .select((s) => sql<number>`coalesce(${s.fn.max('other.number')}, 0) + 1`.as('next'))})`,
    }))
    .returning('number')
    .executeTakeFirstOrThrow()
  return { ...row, number: Number(number) }
}

/** Writes where the escalation stands; `more` is what else changes. */
export async function writeEscalation(
  tx: RecordsTransaction,
  id: string,
  escalation: EscalationState,
  more: Partial<Pick<PageRow, 'state' | 'acknowledged_at' | 'acknowledged_by' | 'closed_at'>> = {},
): Promise<void> {
  await tx
    .updateTable('pages')
    .set({
      escalation: JSON.stringify(escalation),
      escalation_due_at: escalation.dueAt,
      ...more,
    })
    .where('id', '=', id)
    .execute()
}

/** The page of a group that is not closed. */
export async function openPageOf(tx: Reading, groupKey: string): Promise<PageRow | undefined> {
  return readable(tx)
    .selectFrom('pages')
    .selectAll()
    .where('group_key', '=', groupKey)
    .where('state', '<>', 'closed')
    .executeTakeFirst()
}

/** The pages that are not closed and hold an alert; several where several receivers are told of it. */
export async function pagesOfAlert(tx: Reading, alertId: string): Promise<PageRow[]> {
  return readable(tx)
    .selectFrom('pages')
    .selectAll('pages')
    .innerJoin('page_alerts', 'page_alerts.page_id', 'pages.id')
    .where('page_alerts.alert_id', '=', alertId)
    .where('pages.state', '<>', 'closed')
    .orderBy('pages.number')
    .execute()
}

/** Throws not_found. An id, or the number people say aloud, names a page. */
export async function findPage(database: Reading, name: string): Promise<PageRow> {
  const query = readable(database).selectFrom('pages').selectAll()
  const row = await (/^\d{1,9}$/.test(name)
    ? query.where('number', '=', Number(name))
    : query.where('id', '=', name)
  ).executeTakeFirst()
  if (row === undefined)
    throw new CallwardError('not_found', `There is no page ${name}. List them with: callward pages`)
  return row
}

/** Pages whose policy is over and that nobody has taken. */
export async function shoutingPages(database: Reading): Promise<number> {
  const { count } = await readable(database)
    .selectFrom('pages')
    .select((is) => is.fn.countAll<number>().as('count'))
    .where('state', '<>', 'closed')
    .where('escalation', 'like', '%"phase":"shouting"%')
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Gives those that were not in the page before. */
export async function joinAlerts(
  tx: RecordsTransaction,
  pageId: string,
  alertIds: readonly string[],
  at: Millis,
): Promise<Set<string>> {
  const joined = new Set<string>()
  for (let from = 0; from < alertIds.length; from += rowsPerStatement) {
    const some = alertIds.slice(from, from + rowsPerStatement)
    const rows = await tx
      .insertInto('page_alerts')
      .values(
        some.map((id) => ({ page_id: pageId, alert_id: id, joined_at: at, resolved_at: null })),
      )
      .onConflict((conflict) => conflict.doNothing())
      .returning('alert_id')
      .execute()
    for (const { alert_id } of rows) joined.add(alert_id)
  }
  return joined
}

/** Whether every alert of a page that is not over is held back by routing: silenced, or a consequence. */
export async function heldBack(database: Reading, pageId: string): Promise<boolean> {
  const { open, held } = await readable(database)
    .selectFrom('page_alerts')
    .leftJoin('routing_alerts', 'routing_alerts.alert_id', 'page_alerts.alert_id')
    .select((is) => [
      is.fn.countAll<number>().as('open'),
      is.fn.sum<number | null>('routing_alerts.held').as('held'),
    ])
    .where('page_alerts.page_id', '=', pageId)
    .where('page_alerts.resolved_at', 'is', null)
    .executeTakeFirstOrThrow()
  return Number(open) > 0 && Number(open) === Number(held ?? 0)
}

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

/** Marks an alert of a page resolved; gives how many others still are not. */
export async function resolveAlert(
  tx: RecordsTransaction,
  pageId: string,
  alertId: string,
  at: Millis,
): Promise<number> {
  await tx
    .updateTable('page_alerts')
    .set({ resolved_at: at })
    .where('page_id', '=', pageId)
    .where('alert_id', '=', alertId)
    .where('resolved_at', 'is', null)
    .execute()
  const { count } = await tx
    .selectFrom('page_alerts')
    .select((is) => is.fn.countAll<number>().as('count'))
    .where('page_id', '=', pageId)
    .where('resolved_at', 'is', null)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Adds what happened to a page, and its entry in the ledger. */
export async function addStep(
  ports: Pick<PagingPorts, 'ledger'>,
  tx: RecordsTransaction,
  pageId: string,
  at: Millis,
  kind: string,
  content: object,
): Promise<void> {
  const step = { id: uuid(at), page_id: pageId, at, kind, content: JSON.stringify(content) }
  await later(
    tx,
    tx.insertInto('page_steps').values((is) => ({
      ...step,
      sequence: sql<number>`(${is
        .selectFrom('page_steps as other')
        .select((s) => sql<number>`coalesce(${s.fn.max('other.sequence')}, 0) + 1`.as('next'))
        .where('other.page_id', '=', pageId)})`,
    })),
  )
  const sensitive = { content: step.content }
  await ports.ledger(tx, 'paging.step', pageId, 'hub', at, { step: step.id, kind }, sensitive)
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

/** Everything that is known of one page. */
export async function historyOf(
  database: Reading,
  pageId: string,
): Promise<{
  readonly steps: PageStepRow[]
  readonly tellings: PageTellingRow[]
  readonly attempts: PageAttemptRow[]
  readonly alertIds: string[]
}> {
  const db = readable(database)
  const [steps, tellings, attempts, alerts] = await Promise.all([
    db
      .selectFrom('page_steps')
      .selectAll()
      .where('page_id', '=', pageId)
      .orderBy('sequence')
      .execute(),
    db
      .selectFrom('page_tellings')
      .selectAll()
      .where('page_id', '=', pageId)
      .orderBy('opened_at')
      .orderBy('id')
      .execute(),
    db
      .selectFrom('page_attempts')
      .selectAll('page_attempts')
      .innerJoin('page_tellings', 'page_tellings.id', 'page_attempts.telling_id')
      .where('page_tellings.page_id', '=', pageId)
      .orderBy('page_attempts.at')
      .orderBy('page_attempts.id')
      .execute(),
    db
      .selectFrom('page_alerts')
      .select('alert_id')
      .where('page_id', '=', pageId)
      .orderBy('joined_at')
      .execute(),
  ])
  return { steps, tellings, attempts, alertIds: alerts.map(({ alert_id }) => alert_id) }
}
