import type { AlertView, Labels } from '../../alerts/alert.ts'
import { severityOf } from '../../alerts/alert.ts'
import type { AlertRow } from '../records/schema.ts'

/** An alert as it stands in the records. */
export function alertOf(row: AlertRow): AlertView {
  const labels = JSON.parse(row.labels) as Labels
  const maybe = (at: number | null) => (at === null ? undefined : Number(at))
  return {
    id: row.id,
    fingerprint: row.fingerprint,
    rule: row.rule,
    group: row.rule_group,
    severity: severityOf(labels),
    instance: row.instance ?? undefined,
    labels,
    annotations: JSON.parse(row.annotations) as Labels,
    state: row.state === 'firing' || row.state === 'pending' ? row.state : 'resolved',
    value: row.value,
    activeAt: Number(row.active_at),
    firedAt: maybe(row.fired_at),
    resolvedAt: maybe(row.resolved_at),
    acknowledgedAt: maybe(row.acknowledged_at),
    acknowledgedBy: row.acknowledged_by ?? undefined,
  }
}
