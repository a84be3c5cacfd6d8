import type { Row } from './bundle.ts'
import { canonical } from './canonical.ts'
import type { History, Told } from './history.ts'
import { entryName } from './log-checks.ts'
import type { RowCheck } from './rows.ts'

/** Alerts, as rows and as entries. */
export function checkAlertRows(history: History, rows: RowCheck): void {
  const shown = rows.unique('alerts', 'id')
  for (const [id, row] of shown) {
    const entries = history.byObject.get(`alert:${id}`) ?? []
    const fired = entries.find(({ value }) => value.action === 'alert.fired')
    if (fired === undefined) {
      if (
        entries.length === 0 &&
        Number(row['fired_at']) >= history.firstAt &&
        isWithin(history, row)
      )
        rows.fault(`alerts: alert ${id} (${String(row['rule'])}) has a row and no entry`)
      else rows.skip('alerts that fired before the range')
    } else checkAlert(rows, history, entries, fired, row)
  }
  const linked = new Set(rows.table('incident_alerts').map(({ alert_id }) => String(alert_id)))
  const incidents = new Set(rows.table('incidents').map(({ number }) => Number(number)))
  for (const [number, alerts] of history.alertsOf)
    for (const id of alerts)
      if (!shown.has(id) && (incidents.has(number) || linked.has(id)))
        rows.fault(`alerts: alert ${id} of incident ${number} has entries and no row`)
}

function isWithin({ complete, lastAt }: History, row: Row): boolean {
  return complete || Number(row['fired_at']) <= lastAt
}

function checkAlert(
  rows: RowCheck,
  history: History,
  entries: readonly Told[],
  fired: Told,
  row: Row,
): void {
  const what = `alerts: alert ${String(row['id'])} (${String(row['rule'])})`
  const { fingerprint, rule, severity, labels } = fired.value.content
  const lasting = { fingerprint, rule, severity, fired_at: fired.value.occurredAt }
  rows.equal(what, row, lasting, fired)
  if (canonicalText(row['labels']) !== canonical(labels))
    rows.fault(`${what}: labels are not those of ${entryName(fired)}`)
  const instance = (labels as Row | undefined)?.['instance'] ?? null
  rows.equal(what, row, { instance }, fired)
  if (!history.complete) return
  const acknowledged = entries.find(({ value }) => value.action === 'alert.acknowledged')
  const resolved = entries.find(({ value }) => value.action === 'alert.resolved')
  rows.equal(
    what,
    row,
    {
      state: resolved === undefined ? 'firing' : 'resolved',
      resolved_at: resolved?.value.occurredAt ?? null,
      acknowledged_at: acknowledged?.value.occurredAt ?? null,
      acknowledged_by: acknowledged?.value.actor ?? null,
    },
    entries.at(-1)!,
  )
}

function canonicalText(json: unknown): string | undefined {
  try {
    return canonical(JSON.parse(String(json)))
  } catch {
    return undefined
  }
}
