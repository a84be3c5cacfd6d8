import type { Bundle, Row } from './bundle.ts'
import { type History, hashOf, push, type Told, timeOfId } from './history.ts'
import { entryName } from './log-checks.ts'
import { type Check, Findings } from './report.ts'
import type { RowCheck } from './rows.ts'

/** Closed pages are deleted in the end; one that closed so long before the range's end may have been. */
const keptMillis = 30 * 86_400_000
/** Rows and their entry are written in one transaction. */
const transactionMillis = 60_000
/** How long the first word of a page may take before its absence counts. */
const wordMillis = 10 * 60_000

/** Pages, whom they told and how, as rows and as entries. */
export function checkPageRows(history: History, rows: RowCheck): void {
  const shown = rows.unique('pages', 'id')
  for (const [object, entries] of history.byObject) {
    if (!object.startsWith('page:')) continue
    const id = object.slice('page:'.length)
    const opened = entries.find(({ value }) => openings.has(value.action))
    const row = shown.get(id)
    if (row !== undefined && opened !== undefined) checkPage(rows, history, entries, opened, row)
    else if (row !== undefined) rows.skip('pages that were opened before the range')
    else if (opened !== undefined && isOwed(history, rows, entries))
      rows.fault(`pages: page ${String(opened.value.content['number'])} has entries and no row`)
  }
  for (const [id, row] of shown)
    if (!history.byObject.has(`page:${id}`)) {
      if (timeOfId(id) > history.lastAt && !history.complete) rows.skip('pages after the period')
      else rows.fault(`pages: page ${String(row['number'])} has a row and no entry`)
    }
  for (const table of children) checkChildren(rows, history, table)
  checkAlertsOfPages(rows, history)
}

const openings = new Set(['paging.opened', 'paging.notice'])

/** Whether a bundle must show a page: it holds an alert that is shown, and is not too old. */
function isOwed(history: History, rows: RowCheck, entries: readonly Told[]): boolean {
  const alerts = rows.by('alerts', 'id')
  const closed = entries.findLast(({ value }) => value.action === 'paging.closed')
  const isOld = closed !== undefined && history.lastAt - closed.value.recordedAt > keptMillis
  return !isOld && alertsOf(entries).some(({ id }) => alerts.has(id))
}

function alertsOf(entries: readonly Told[]): { id: string; entry: Told }[] {
  return entries.flatMap((entry) => {
    const { alerts } = entry.value.content
    return entry.value.action === 'paging.joined' && Array.isArray(alerts)
      ? alerts.map((id) => ({ id: String(id), entry }))
      : []
  })
}

function checkPage(
  rows: RowCheck,
  history: History,
  entries: readonly Told[],
  opened: Told,
  row: Row,
): void {
  const { content } = opened.value
  const what = `pages: page ${String(row['number'])}`
  const lasting = {
    number: content['number'],
    group_key: content['groupKey'],
    lane: content['lane'],
    severity: content['severity'],
    opened_at: timeOfId(row['id']),
  }
  rows.equal(what, row, lasting, opened)
  if (hashOf(String(row['policy'])).hex !== content['policySha256'])
    rows.fault(`${what}: policy is not the one that ${entryName(opened)} holds the hash of`)
  rows.disclosed(what, 'title', row['title'], history.text(opened, 'title'), opened)
  if (history.complete) rows.equal(what, row, standing(entries, opened), entries.at(-1)!)
}

/** Where the entries leave a page. */
function standing(entries: readonly Told[], opened: Told): Row {
  const notice = opened.value.action === 'paging.notice'
  let state = notice ? 'closed' : 'open'
  let taken: Told | undefined
  let closedAt: number | null = notice ? opened.value.occurredAt : null
  for (const entry of entries) {
    const { action, content, occurredAt } = entry.value
    const kind = action === 'paging.step' ? content['kind'] : undefined
    if (action === 'paging.acknowledged') [state, taken] = ['acknowledged', entry]
    if (kind === 'acknowledgement expired') [state, taken] = ['open', undefined]
    if (action === 'paging.closed') state = 'closed'
    if (kind === 'closed') closedAt = occurredAt
  }
  return {
    state,
    acknowledged_at: taken?.value.occurredAt ?? null,
    acknowledged_by: taken?.value.actor ?? null,
    closed_at: closedAt,
  }
}

interface ChildTable {
  readonly table: 'page_steps' | 'page_tellings' | 'page_attempts'
  readonly action: string
  /** Name of the row's id in the entry. */
  readonly id: string
  readonly hidden: string
  wanted(entry: Told, row: Row): Row
}

const children: readonly ChildTable[] = [
  {
    table: 'page_steps',
    action: 'paging.step',
    id: 'step',
    hidden: 'content',
    wanted: ({ value }) => ({
      page_id: value.object.id,
      at: value.occurredAt,
      kind: value.content['kind'],
    }),
  },
  {
    table: 'page_tellings',
    action: 'paging.told',
    id: 'telling',
    hidden: 'reason',
    wanted: ({ value: { content, object, occurredAt } }, row) => ({
      opened_at: timeOfId(row['id']),
      page_id: object.id,
      key: content['key'],
      kind: content['kind'],
      recipient_kind: content['recipientKind'],
      recipient_id: content['recipientId'],
      name: content['name'],
      place: content['place'],
      state: content['state'],
      ended_at: occurredAt,
    }),
  },
  {
    table: 'page_attempts',
    action: 'paging.attempt',
    id: 'attempt',
    hidden: 'reason',
    wanted: ({ value: { content, occurredAt } }) => ({
      telling_id: content['telling'],
      round: content['round'],
      channel: content['channel'],
      contact_point_id: content['contactPoint'],
      outcome: content['outcome'],
      at: occurredAt,
    }),
  },
]

/** Steps, tellings and attempts: each row its entry, each entry its row. */
function checkChildren(rows: RowCheck, history: History, child: ChildTable): void {
  const { table, action, hidden } = child
  const shown = rows.unique(table, 'id')
  const pages = new Set(rows.table('pages').map(({ id }) => String(id)))
  const known = new Set<string>()
  for (const id of pages) {
    let sequence = 0
    const entries = history.byObject.get(`page:${id}`) ?? []
    const whole = entries.some(({ value }) => openings.has(value.action))
    for (const entry of entries) {
      if (entry.value.action !== action) continue
      sequence++
      const own = String(entry.value.content[child.id])
      known.add(own)
      const row = shown.get(own)
      if (row === undefined) {
        rows.fault(`${table}: ${own} of ${entryName(entry)} has no row`)
        continue
      }
      const what = `${table}: ${own}`
      rows.equal(what, row, child.wanted(entry, row), entry)
      if (table === 'page_steps' && whole) rows.equal(what, row, { sequence }, entry)
      rows.disclosed(what, hidden, row[hidden], history.text(entry, hidden), entry)
    }
  }
  for (const [id, row] of shown) if (!known.has(id)) unknownChild(rows, history, table, row)
}

function unknownChild(rows: RowCheck, history: History, table: string, row: Row): void {
  const id = String(row['id'])
  const at = Number(row['ended_at'] ?? row['at'] ?? timeOfId(id))
  if (table === 'page_tellings' && row['state'] === 'waiting')
    rows.skip('people who are still being told, which is ledgered when it ends')
  else if (at < history.firstAt) rows.skip(`${table} before the range`)
  else if (at > history.lastAt && !history.complete) rows.skip(`${table} after the period`)
  else rows.fault(`${table}: ${id} has a row and no entry`)
}

/** The alerts a page holds, and when each ended. */
function checkAlertsOfPages(rows: RowCheck, history: History): void {
  const links = rows.by('page_alerts', 'page_id')
  for (const { id: page, number } of rows.table('pages')) {
    const entries = history.byObject.get(`page:${String(page)}`) ?? []
    if (!entries.some(({ value }) => openings.has(value.action))) continue
    const wanted = new Map(alertsOf(entries).map(({ id, entry }) => [id, entry]))
    const mine = new Map(
      (links.get(String(page)) ?? []).map((row) => [String(row['alert_id']), row]),
    )
    for (const [id, entry] of wanted) {
      const row = mine.get(id)
      if (row === undefined)
        rows.fault(`page_alerts: alert ${id} of ${entryName(entry)} has no row`)
      else
        checkLink(rows, history, `page_alerts: alert ${id} of page ${String(number)}`, row, entry)
    }
    for (const [id, row] of mine)
      if (!wanted.has(id) && (history.complete || Number(row['joined_at']) <= history.lastAt))
        rows.fault(`page_alerts: alert ${id} is in page ${String(number)}, and no entry says so`)
  }
}

function checkLink(rows: RowCheck, history: History, what: string, row: Row, entry: Told): void {
  rows.equal(what, row, { joined_at: entry.value.occurredAt }, entry)
  const ends = (history.byObject.get(`alert:${String(row['alert_id'])}`) ?? []).filter(
    ({ value }) => value.action === 'alert.resolved',
  )
  const [end] = ends
  const resolvedAt = row['resolved_at']
  if (end === undefined) {
    if (resolvedAt !== null) rows.skip('ends of alerts that went on as another life')
  } else if (resolvedAt === null) {
    if (history.complete)
      rows.fault(`${what}: resolved_at is missing, ${entryName(end)} says it ended`)
  } else if (!isBetween(Number(resolvedAt), end.value.occurredAt, end.value.recordedAt))
    rows.fault(`${what}: resolved_at is not the time of ${entryName(end)}`)
}

/** A page learns of an end when routing does: in the transaction that records it. */
function isBetween(at: number, first: number, last: number): boolean {
  return at >= first - transactionMillis && at <= last + transactionMillis
}

/** (8) Every critical alert was paged, and somebody took the page or it climbed. */
export function checkPaging(bundle: Bundle, history: History): Check {
  const found = new Findings('paging')
  const pagesByAlert = new Map<string, (readonly Told[])[]>()
  for (const [object, entries] of history.byObject)
    if (object.startsWith('page:'))
      for (const { id } of alertsOf(entries)) push(pagesByAlert, id, entries)
  let alerts = 0
  for (const row of bundle.tables.alerts) {
    const id = String(row['id'])
    const [fired] = (history.byObject.get(`alert:${id}`) ?? []).filter(
      ({ value }) => value.action === 'alert.fired',
    )
    if (fired?.value.content['severity'] !== 'critical') continue
    alerts++
    const pages = pagesByAlert.get(id) ?? []
    if (pages.length === 0) unpaged(found, bundle, id, fired)
    else if (!pages.some((entries) => answered(found, entries, fired, history.lastAt)))
      found.fault(`${entryName(fired)}: its page reached nobody, was not taken and did not end`)
  }
  if (alerts === 0) found.notChecked('no critical alert fired in the range')
  return found.done(`${alerts} critical alerts were paged, and taken or climbed until they ended.`)
}

function unpaged(found: Findings, { tables }: Bundle, id: string, fired: Told): void {
  const holds = tables.routing_holds.filter(({ alert_id }) => alert_id === id)
  if (holds.length === 0) found.fault(`${entryName(fired)} was not paged`)
  for (const { stage, because } of holds)
    found.flag(
      `${entryName(fired)} was not paged: ${String(stage)}, ${String(because)} (the ledger does not hold this reason)`,
    )
}

/** Taken, or out by some way, or over before anybody took it. */
function answered(found: Findings, entries: readonly Told[], fired: Told, lastAt: number): boolean {
  const actions = new Set(entries.map(({ value }) => value.action))
  if (actions.has('paging.acknowledged')) return true
  const out = entries.filter(({ value: { action, content } }) =>
    action === 'paging.told' ? content['state'] === 'told' : outcomes.has(content['outcome']),
  ).length
  const isOver = actions.has('paging.closed') || actions.has('paging.notice')
  if (!isOver && out === 0 && lastAt - fired.value.recordedAt > wordMillis) return false
  found.flag(
    `${entryName(fired)}: nobody took its page${isOver ? ', which is over' : ' yet'}; ${out} words of it were out`,
  )
  return true
}

/** Of attempts, those that put the word before somebody. */
const outcomes: ReadonlySet<unknown> = new Set(['queued', 'accepted', 'delivered'])
