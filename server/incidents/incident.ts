import type { AlertChange, AlertView } from '../../alerts/alert.ts'
import { type Millis, rfc3339 } from '../clock.ts'

export type IncidentState = 'open' | 'acknowledged' | 'resolved'
export type Certainty = 'actual' | 'estimate' | 'suggestion'

/** Kinds of stamped facts; docs/incidents.md says what each value holds. */
export type FactKind =
  | 'phenomenon'
  | 'occurred'
  | 'detected'
  | 'impact'
  | 'preliminary_cause'
  | 'runbook'
  | 'alert_fired'
  | 'alert_resolved'
  | 'acknowledged'
  | 'note'
  | 'restored'
  | 'relapse'
  | 'resolved'

/** A fact before it has an id and a place in the incident. */
export interface NewFact {
  readonly kind: FactKind
  /** Always has `text`, the line a person reads. */
  readonly value: { readonly text: string; readonly [key: string]: unknown }
  readonly certainty: Certainty
  readonly occurredAt: Millis
  readonly recordedBy: string
}

/** An incident that resolved no longer ago than this takes a relapse instead of a twin. */
export const stabilityWindowMillis = 10 * 60_000

/** Recorded by the hub itself, not by a person. */
export const hubActor = 'hub'

/** Alerts with the same key belong to one incident: those of one host. */
export function joinKey(alert: AlertView): string {
  return alert.instance ?? `alert:${alert.fingerprint}`
}

/** What people say aloud when they speak of it. */
export function titleOf(alert: AlertView): string {
  const title = alert.annotations['summary'] ?? `${alert.rule} on ${alert.instance ?? 'the hub'}`
  // A label may hold anything; the records take no NUL and no half of a character.
  return Buffer.from(title.replaceAll('\0', '\ufffd')).toString()
}

/** Facts that open an incident: phenomenon, time, impact and preliminary cause (the last two as suggestions). */
export function openingFacts(
  alert: AlertView,
  runbook: { name: string; hash: string } | undefined,
): NewFact[] {
  const firedAt = alert.firedAt ?? alert.activeAt
  const by = hubActor
  const facts: NewFact[] = [
    {
      kind: 'phenomenon',
      value: { text: alert.annotations['description'] ?? titleOf(alert), rule: alert.rule },
      certainty: 'actual',
      occurredAt: alert.activeAt,
      recordedBy: by,
    },
    {
      kind: 'occurred',
      value: { text: `First seen at ${rfc3339(alert.activeAt)}; the fault may be older.` },
      certainty: 'estimate',
      occurredAt: alert.activeAt,
      recordedBy: by,
    },
    {
      kind: 'detected',
      value: { text: `Alert ${alert.rule} fired.` },
      certainty: 'actual',
      occurredAt: firedAt,
      recordedBy: by,
    },
  ]
  const impact = alert.annotations['callward_impact']
  const cause = alert.annotations['callward_cause']
  facts.push({
    kind: 'impact',
    value: { text: impact ?? 'Not known yet.' },
    certainty: 'suggestion',
    occurredAt: firedAt,
    recordedBy: by,
  })
  facts.push({
    kind: 'preliminary_cause',
    value: { text: cause ?? 'Not known yet.' },
    certainty: 'suggestion',
    occurredAt: firedAt,
    recordedBy: by,
  })
  if (runbook !== undefined) {
    facts.push({
      kind: 'runbook',
      value: { text: `Runbook ${runbook.name} attached as it was.`, ...runbook },
      certainty: 'actual',
      occurredAt: firedAt,
      recordedBy: by,
    })
  }
  return facts
}

/** The fact an alert's change leaves in its incident. */
export function alertFact(change: AlertChange): NewFact {
  const { alert } = change
  const fired = change.kind === 'firing'
  const late =
    change.late === true ? ' (recorded late: the records could not be written at the time)' : ''
  return {
    kind: fired ? 'alert_fired' : 'alert_resolved',
    value: {
      text: `${alert.rule} ${fired ? 'fired' : 'resolved'}: ${titleOf(alert)}${late}`,
      rule: alert.rule,
      fingerprint: alert.fingerprint,
      value: alert.value,
    },
    certainty: 'actual',
    occurredAt: change.at,
    recordedBy: hubActor,
  }
}
