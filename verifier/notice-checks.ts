import type { Bundle, Row } from './bundle.ts'
import { checkDeliveries } from './delivery-checks.ts'
import { type History, hashOf, isTold, type Told } from './history.ts'
import { entryName } from './log-checks.ts'
import { type Check, Findings } from './report.ts'
import { RowCheck } from './rows.ts'

const table = 'incident_notices'

/** (9) Notices of incidents: written, approved and sent as their entries and facts say, to each receiver, and how that ended. */
export function checkNotices(bundle: Bundle, history: History): Check {
  const found = new Findings('notices')
  if (!bundle.manifest.tables.has(table)) {
    found.notChecked('the hub that made the bundle puts no notices in; update it')
    return found.done('')
  }
  const rows = new RowCheck(found, bundle)
  const shown = rows.unique(table, 'id')
  const approvals = approvalsOf(bundle)
  const incidents = new Set(rows.table('incidents').map(({ id }) => String(id)))
  for (const [object, entries] of history.byObject) {
    if (!object.startsWith('notice:')) continue
    const written = entries.find(({ value }) => value.action === 'notice.written')
    const row = shown.get(object.slice('notice:'.length))
    if (written === undefined) {
      if (row !== undefined) unwritten(rows, history, row)
      continue
    }
    if (row !== undefined) {
      checkNotice(rows, history, written, entries, row, approvals)
      checkDeliveries(rows, history, written, entries, row)
    } else if (incidents.has(String(written.value.content['incident'])))
      rows.fault(`${table}: the notice of ${entryName(written)} has no row`)
  }
  for (const [id, row] of shown)
    if (!history.byObject.has(`notice:${id}`)) unwritten(rows, history, row)
  for (const row of rows.table('incident_notice_deliveries'))
    if (!shown.has(String(row['notice_id'])))
      rows.fault(`incident_notice_deliveries: ${String(row['id'])} is of no notice shown`)
  for (const [why, count] of rows.uncompared) found.flag(`not compared: ${count} × ${why}`)
  if (shown.size === 0 && rows.compared === 0)
    found.notChecked('no notice of an incident is in the bundle')
  const deliveries = rows.table('incident_notice_deliveries').length
  return found.done(
    `${shown.size} notices to ${deliveries} receivers: written, approved, sent and ended as their entries say. That a receiver read one, and how long before planned work one was sent, is not proven.`,
  )
}

/** A row without the entry that it was written. */
function unwritten(rows: RowCheck, history: History, row: Row): void {
  const [first] = history.byObject.get(`incident:${String(row['incident_id'])}`) ?? []
  if (first?.value.action !== 'incident.state') rows.skip('notices before the range')
  else if (!history.complete && Number(row['written_at']) > history.lastAt)
    rows.skip('notices after the period')
  else rows.fault(`${table}: notice ${String(row['id'])} has no entry`)
}

/** Entries of approvals that were asked for and agreed to, by the approval. */
function approvalsOf({ entries }: Bundle): Map<string, Told[]> {
  const approvals = new Map<string, Told[]>()
  for (const entry of entries.filter(isTold)) {
    if (entry.value.object.type !== 'approval') continue
    const { id } = entry.value.object
    approvals.set(id, [...(approvals.get(id) ?? []), entry])
  }
  return approvals
}

function checkNotice(
  rows: RowCheck,
  history: History,
  written: Told,
  entries: readonly Told[],
  row: Row,
  approvals: ReadonlyMap<string, readonly Told[]>,
): void {
  const what = `${table}: notice ${String(row['id'])}`
  const { content, actor, occurredAt } = written.value
  rows.equal(
    what,
    row,
    {
      ...{ incident_id: content['incident'], series_id: content['series'] },
      ...{ version: content['version'], audience: content['audience'], form: content['form'] },
      ...{ language: content['language'], text_hash: content['textHash'] },
      contact_points: JSON.stringify(content['contactPoints']),
      ...{ written_by: actor, written_at: occurredAt },
    },
    written,
  )
  checkApproval(rows, what, written, entries, row, approvals)
  const sent = entries.find(({ value }) => value.action === 'notice.sent')
  if (sent === undefined) {
    if (!history.complete && row['state'] === 'sent') rows.skip('notices sent after the period')
    else
      rows.equal(
        what,
        row,
        { state: 'waiting', fact_id: null, approved_by: null, sent_at: null },
        written,
      )
    return
  }
  const { content: said, occurredAt: sentAt } = sent.value
  const present = { state: 'sent', fact_id: said['fact'], approved_by: said['approvedBy'] }
  rows.equal(what, row, { ...present, sent_at: sentAt }, sent)
  if (said['textHash'] !== content['textHash'])
    rows.fault(`${what}: ${entryName(sent)} sends another text than ${entryName(written)} wrote`)
  checkFact(rows, history, what, sent, row)
}

/** What customers read, a second person has agreed to. */
function checkApproval(
  rows: RowCheck,
  what: string,
  written: Told,
  entries: readonly Told[],
  row: Row,
  approvals: ReadonlyMap<string, readonly Told[]>,
): void {
  if (written.value.content['audience'] !== 'customers') {
    rows.equal(what, row, { approval_id: null }, written)
    return
  }
  const about = approvals.get(String(row['approval_id'])) ?? []
  const of = `[${String(row['id'])}]`
  const asked = about.find(
    ({ value }) =>
      value.action === 'approval.requested' && String(value.content['subject']).endsWith(of),
  )
  if (asked === undefined)
    rows.fault(`${what}: approval_id names no request for a second person about it`)
  const sent = entries.find(({ value }) => value.action === 'notice.sent')
  if (sent === undefined) return
  const by = sent.value.content['approvedBy']
  const agreed = about.some(
    ({ value }) =>
      value.action === 'approval.approved' &&
      value.actor === by &&
      String(value.content['subject']).endsWith(of),
  )
  if (!agreed || by === written.value.actor)
    rows.fault(`${what}: ${entryName(sent)} sent it to customers, and no second person agreed`)
}

/** The fact of the incident says the very text that was sent. */
function checkFact(rows: RowCheck, history: History, what: string, sent: Told, row: Row): void {
  const { content } = sent.value
  const entries = history.byObject.get(`incident:${String(content['incident'])}`) ?? []
  const fact = entries.find(
    ({ value }) => value.action === 'incident.fact' && value.content['fact'] === content['fact'],
  )
  if (fact === undefined) {
    rows.fault(`${what}: the fact that ${entryName(sent)} names is not in the log`)
    return
  }
  const text = history.text(fact, 'value')
  if (text.kind !== 'true' || history.factText(fact) !== text) {
    rows.skip('texts of notices whose fact was erased')
    return
  }
  const value = parsed(text.text)
  const said = String(value['text'])
  const end = said.indexOf('\n\n')
  if (hashOf(`${said.slice(0, end)}\n${said.slice(end + 2)}`).hex !== content['textHash'])
    rows.fault(`${what}: ${entryName(fact)} says another text than was sent`)
  const wanted = { audience: value['audience'], form: value['form'] }
  rows.equal(what, row, { ...wanted, next_update_at: value['nextUpdateAt'] ?? null }, fact)
}

function parsed(text: string): Row {
  try {
    return JSON.parse(text) as Row
  } catch {
    return {}
  }
}
