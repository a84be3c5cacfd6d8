import type { AlertAnswer, IncidentAnswer } from './answers.ts'
import { localTime, type Paint, plain } from './render.ts'

/** Body of a pushed message of kind `alert`. */
export interface AlertChangeBody {
  readonly change: string
  readonly alert: AlertAnswer
  /** It happened at the line's time, but could be recorded only later. */
  readonly late?: boolean
}

/** Body of a pushed message of kind `incident`. */
export interface IncidentChangeBody {
  readonly change: string
  readonly incident: IncidentAnswer
}

/** How lines are made: colours, and where links lead. */
export interface LineStyle {
  readonly paint: Paint
  readonly hubUrl: string
}

/** Host an alert is about, `-` when it is about none. */
export function hostOf({ instance, labels }: AlertAnswer): string {
  return plain(instance ?? labels.instance ?? labels.server ?? '-')
}

/** What an alert says. */
export function summaryOf({ annotations, rule }: AlertAnswer): string {
  return plain(annotations.summary ?? annotations.description ?? rule)
}

/** `#12`, or nothing. */
export function incidentOf({ incident }: AlertAnswer): string {
  return incident ? `#${incident.number}` : ''
}

/** One line for a change of an alert; `at` is RFC 3339. */
export function alertLine(
  { change, alert, late }: AlertChangeBody,
  at: string,
  { paint, hubUrl }: LineStyle,
): string {
  const word = change === 'firing' ? alert.severity.toUpperCase() : change.toUpperCase()
  const by =
    change === 'acknowledged' && alert.acknowledgedBy ? `by ${plain(alert.acknowledgedBy)}` : ''
  const runbook = change === 'firing' ? runbookUrl(alert, hubUrl) : ''
  const parts = [
    localTime(at),
    paint(word, plain(word).padEnd(12)),
    hostOf(alert),
    summaryOf(alert),
    by,
    incidentOf(alert),
    late === true ? '(recorded late)' : '',
    runbook,
  ]
  return parts.filter((part) => part !== '').join('  ')
}

function runbookUrl({ runbook, annotations }: AlertAnswer, hubUrl: string): string {
  const given = plain(runbook ?? annotations.runbook_url ?? '')
  return given.startsWith('/') ? `${hubUrl}${given}` : given
}

/** One line for a change of an incident. */
export function incidentLine(
  { change, incident }: IncidentChangeBody,
  at: string,
  { paint }: LineStyle,
): string {
  const severity = incident.severity.toUpperCase()
  const by =
    change === 'acknowledged' && incident.acknowledgedBy
      ? ` by ${plain(incident.acknowledgedBy)}`
      : ''
  return [
    localTime(at),
    paint('INCIDENT', 'INCIDENT    '),
    plain(incident.server),
    `#${incident.number} ${paint(severity)} ${plain(change)}${by}: ${plain(incident.title)}`,
  ].join('  ')
}

/** One line of the list shown at the start. */
export function firingLine(alert: AlertAnswer, style: LineStyle): string {
  const line = alertLine({ change: 'firing', alert }, alert.firedAt ?? alert.activeAt, style)
  if (!alert.acknowledgedAt) return line
  return `${line}  acknowledged by ${plain(alert.acknowledgedBy ?? '-')}`
}
