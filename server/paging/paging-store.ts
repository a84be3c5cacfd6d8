import { type Kysely, sql } from 'kysely'
import type { Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { EscalationState, PolicySnapshot } from '../oncall/plugin.ts'
import { later, type RecordsTransaction } from '../records/records.ts'
import type {
  PageAskRow,
  PageAttemptRow,
  PageRow,
  PageStepRow,
  PageTellingRow,
  RecordsSchema,
} from '../records/schema.ts'
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

/** Whether all that a page asks for is held back by routing: each of its alerts silenced, or a consequence; nothing else asked. */
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
  if (Number(open) === 0 || Number(open) !== Number(held ?? 0)) return false
  const ask = await readable(database)
    .selectFrom('page_asks')
    .select('id')
    .where('page_id', '=', pageId)
    .where('ended_at', 'is', null)
    .limit(1)
    .executeTakeFirst()
  return ask === undefined
}

/** Whether an alert of a page is not over. */
export async function hasOpenAlerts(tx: Reading, pageId: string): Promise<boolean> {
  const row = await readable(tx)
    .selectFrom('page_alerts')
    .select('alert_id')
    .where('page_id', '=', pageId)
    .where('resolved_at', 'is', null)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Marks an alert of a page resolved; gives whether it was not before. */
export async function resolveAlert(
  tx: RecordsTransaction,
  pageId: string,
  alertId: string,
  at: Millis,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('page_alerts')
    .set({ resolved_at: at })
    .where('page_id', '=', pageId)
    .where('alert_id', '=', alertId)
    .where('resolved_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows > 0n
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

/** Everything that is known of one page. */
export async function historyOf(
  database: Reading,
  pageId: string,
): Promise<{
  readonly steps: PageStepRow[]
  readonly tellings: PageTellingRow[]
  readonly attempts: PageAttemptRow[]
  readonly alertIds: string[]
  readonly asks: PageAskRow[]
}> {
  const db = readable(database)
  const [steps, tellings, attempts, alerts, asks] = await Promise.all([
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
    db
      .selectFrom('page_asks')
      .selectAll()
      .where('page_id', '=', pageId)
      .orderBy('asked_at')
      .orderBy('id')
      .execute(),
  ])
  return { steps, tellings, attempts, asks, alertIds: alerts.map(({ alert_id }) => alert_id) }
}
