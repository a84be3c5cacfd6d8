import { type AlertView, fingerprint, type Labels, severityOf } from '../../alerts/alert.ts'
import type { AlertRow } from './schema.ts'

/**
 * An alert as its row has it; a state nobody writes counts as resolved. Throws on labels or annotations that are no
 * JSON, and on nothing else: whom an alert is told to must not depend on the rest of its row.
 */
export function alertViewOf(row: AlertRow): AlertView {
  const labels = JSON.parse(row.labels) as Labels
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
    firedAt: optionalTime(row.fired_at),
    resolvedAt: optionalTime(row.resolved_at),
    acknowledgedAt: optionalTime(row.acknowledged_at),
    acknowledgedBy: row.acknowledged_by ?? undefined,
  }
}

/**
 * As `alertViewOf`, for whoever goes on with the alert: throws on a state nobody writes and on labels or annotations
 * that are no mapping of texts; the fingerprint is worked out from the labels.
 */
export function checkedAlertViewOf(row: AlertRow): AlertView {
  const view = alertViewOf(row)
  if (!isTexts(view.labels) || !isTexts(view.annotations))
    throw new Error('labels or annotations are not a mapping of texts')
  if (view.state !== row.state) throw new Error(`an alert in state "${row.state}"`)
  return { ...view, fingerprint: fingerprint(view.labels) }
}

/** A time of a row; PostgreSQL gives bigint as text. */
export function optionalTime(time: number | null): number | undefined {
  return time === null ? undefined : Number(time)
}

function isTexts(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((text) => typeof text === 'string')
  )
}
