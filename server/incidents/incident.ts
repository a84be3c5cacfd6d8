import type { AlertChange, AlertView, Millis } from '../../alerts/alert.ts'
import type { CorrelationOpening } from '../../alerts/correlation-config.ts'
import { type Fact, hubActor, limits, type NewFact } from '../../incidents/facts.ts'
import { hubSays } from '../../incidents/hub-sentences.ts'
import type { Picture } from '../../incidents/picture.ts'
import { standingOf } from '../../incidents/standing.ts'
import { times, workflow } from '../../incidents/workflow.ts'
import { rfc3339 } from '../clock.ts'
import type { IncidentFactRow } from '../records/schema.ts'

export { hubActor, type NewFact } from '../../incidents/facts.ts'

/** An incident that recovered no longer ago than this takes a relapse instead of a twin. */
export const stabilityWindowMillis = times.stabilityMillis

/** A new incident with the same alert names the one before it for so long: Delegated Regulation (EU) 2024/1772 Art. 8(2). */
export const recurrenceMillis = 183 * 86_400_000

/** Longest title; it is read aloud. */
const titleCharacters = 500

/** What people say aloud when they speak of it. */
export function titleOf(alert: AlertView): string {
  const title = alert.annotations['summary'] ?? `${alert.rule} on ${alert.instance ?? 'the hub'}`
  return words(title, titleCharacters)
}

/** Labels hold anything; a fact takes no NUL, no half of a character, and not nothing. */
function words(text: string, characters: number = limits.textCharacters): string {
  const cut = text
    .slice(0, characters)
    .replaceAll('\0', '\ufffd')
    .replace(/\p{Surrogate}/gu, '\ufffd')
  return /\S/.test(cut) ? cut : '-'
}

/** A name of one line, whatever it was. */
export function line(text: string, characters = 200): string {
  return words(text.replace(/\p{Cc}/gu, ' '), characters)
}

const stamp = { certainty: 'actual', recordedBy: hubActor, supersedes: null } as const

/** The rule that opens an incident; `rule` is missing for a built-in one. */
export interface OpenedBy {
  readonly rule?: string | undefined
  readonly opening: CorrelationOpening
  /** When the alert's host was heard last, where the hub knows. */
  readonly lastReportAt?: Millis | undefined
}

/** A fault that is older than this when it is noticed is not dated by the last report: a host brought back from storage. */
const longestSilence = 30 * 86_400_000

/** The earliest the fault may have begun: an alert with `callward_since: last_report` is noticed intervals after it. */
function occurredOf({ activeAt, annotations }: AlertView, heard: Millis | undefined) {
  const told =
    annotations['callward_since'] === 'last_report' &&
    heard !== undefined &&
    heard < activeAt &&
    heard > activeAt - longestSilence
  return told
    ? { occurredAt: heard, text: hubSays('lastHeard', { time: rfc3339(heard) }) }
    : { occurredAt: activeAt, text: hubSays('firstSeen', { time: rfc3339(activeAt) }) }
}

/** Facts that open an incident by an alert. Impact, severity and cause are suggestions until somebody says them. */
export function openingFacts(
  change: AlertChange,
  runbook: { readonly name: string; readonly hash: string } | undefined,
  earlier: { readonly id: string; readonly number: number } | undefined,
  by: OpenedBy,
): NewFact[] {
  const { alert } = change
  const { annotations } = alert
  const occurredAt = alert.firedAt ?? alert.activeAt
  const suggested = { ...stamp, certainty: 'suggestion', occurredAt } as const
  const cause = annotations['callward_cause']
  const occurred = occurredOf(alert, by.lastReportAt)
  return [
    {
      ...{ ...stamp, kind: 'opened', occurredAt },
      value: {
        text: words(hubSays('openedFromAlert', { rule: alert.rule })),
        ...{ how: 'alert', discovery: 'monitoring', workflow: workflow.version },
      },
    },
    {
      ...{ ...stamp, kind: 'phenomenon', occurredAt: alert.activeAt },
      value: {
        text: words(annotations['description'] ?? titleOf(alert)),
        rule: line(alert.rule, 1000),
      },
    },
    {
      ...{ ...stamp, kind: 'occurred', certainty: 'estimate', occurredAt: occurred.occurredAt },
      value: { text: occurred.text },
    },
    {
      ...{ ...stamp, kind: 'detected', occurredAt },
      value: { text: words(hubSays('alertFired', { rule: alert.rule })) },
    },
    {
      ...{ ...suggested, kind: 'impact' },
      value: {
        text: words(annotations['callward_impact'] ?? hubSays('notKnown')),
        ...scopeOf(alert, by.opening.services),
      },
    },
    {
      ...{ ...suggested, kind: 'preliminary_cause' },
      value:
        cause === undefined
          ? { text: hubSays('notKnown'), confidence: 'unknown' }
          : { text: words(cause), confidence: 'low' },
    },
    ...gravity(by).map((fact) => ({ ...suggested, ...fact })),
    ...(runbook === undefined
      ? []
      : [
          {
            ...({ ...stamp, kind: 'runbook', occurredAt } as const),
            value: {
              text: words(hubSays('runbookAttached', { name: runbook.name })),
              ...{ name: line(runbook.name), hash: runbook.hash },
            },
          },
        ]),
    ...(earlier === undefined
      ? []
      : [
          {
            ...({ ...suggested, kind: 'recurrence_of' } as const),
            value: {
              text: hubSays('sameAlert', { number: earlier.number }),
              incident: earlier.id,
            },
          },
        ]),
    alertFact(change, false),
  ]
}

function gravity({ rule, opening }: OpenedBy) {
  const { severity, major } = opening
  const ofSeverity = (text: string) => ({ kind: 'severity', value: { text, severity } }) as const
  if (rule === undefined) return [ofSeverity(hubSays('severityAsCritical'))]
  const text = hubSays('majorByRule', { rule })
  return [
    ofSeverity(hubSays('severityByRule', { rule })),
    ...(major ? [{ kind: 'major', value: { text, major } } as const] : []),
  ]
}

/** What an alert's labels say of the scope. A service is named by the rule that opens, else by its label, else the host's part stands for it. */
function scopeOf({ labels, instance, rule }: AlertView, named: readonly string[]) {
  const service = labels['service'] ?? labels['role'] ?? labels['server'] ?? instance ?? rule
  const one = (name: string, text: string | undefined) =>
    text === undefined ? {} : { [name]: [line(text)] }
  return {
    services: named.length > 0 ? [...new Set(named.map((one) => line(one)))] : [line(service)],
    ...one('hosts', instance),
    ...one('customers', labels['customer']),
    ...one('regions', labels['site']),
  }
}

/** The fact an alert's change leaves in its incident; a related alert only stands beside it. */
export function alertFact(change: AlertChange, related: boolean): NewFact {
  return change.kind === 'firing' ? firedFact(change, related) : resolvedFact(change)
}

function firedFact(change: AlertChange, related: boolean): NewFact {
  const { severity } = change.alert
  const note = related ? hubSays('related') : ''
  return {
    ...{ ...stamp, kind: 'alert_fired', occurredAt: change.at },
    value: { ...alertValue(change, 'fired', note), severity, related },
  }
}

function resolvedFact(change: AlertChange): NewFact {
  return {
    ...{ ...stamp, kind: 'alert_resolved', occurredAt: change.at },
    value: alertValue(change, 'ended'),
  }
}

function alertValue({ alert, late }: AlertChange, happened: 'fired' | 'ended', note = '') {
  const recorded = late === true ? hubSays('recordedLate') : ''
  const said = hubSays(happened, { rule: line(alert.rule, 1000), title: titleOf(alert) })
  return {
    text: words(`${said}${recorded}${note}`),
    rule: line(alert.rule, 1000),
    fingerprint: alert.fingerprint,
    value: alert.value.slice(0, 1000),
  }
}

/** The columns that only repeat what the facts say. */
export function standingColumns(picture: Picture) {
  const { state, workflowState, severity, major, attended, ...times } = standingOf(picture)
  return {
    ...{ state, workflow_state: workflowState, severity },
    ...{ major: major ? 1 : 0, attended: attended ? 1 : 0 },
    acknowledged_at: times.acknowledgedAt ?? null,
    acknowledged_by: times.acknowledgedBy ?? null,
    resolved_at: times.resolvedAt ?? null,
    closed_at: times.closedAt ?? null,
  }
}

/** A fact as the workflow reads it. */
export function factOf(row: IncidentFactRow): Fact {
  return {
    id: row.id,
    kind: row.kind,
    value: JSON.parse(row.value),
    certainty: row.certainty,
    occurredAt: Number(row.occurred_at),
    recordedAt: Number(row.recorded_at),
    recordedBy: row.recorded_by,
    supersedes: row.supersedes,
    // The workflow judges kind and value itself.
  } as Fact
}
