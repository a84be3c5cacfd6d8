import type { Alert, AlertSeverity, IncidentSummary, LiveMessage } from './api-types.ts'

/** Messages kept to be replayed over a slower REST answer. */
const recentLimit = 500
const firstRetryMs = 250
const lastRetryMs = 10_000

/** What the console knows from REST and /live together. */
export interface LiveState {
  /** Sequence of the last message applied; null before the first welcome. */
  readonly sequence: number | null
  /** Firing alerts by fingerprint. */
  readonly alerts: ReadonlyMap<string, Alert>
  /** Incidents by id, the open ones and those that changed while this tab was open. */
  readonly incidents: ReadonlyMap<string, IncidentSummary>
  /** Newest last, at most 500. */
  readonly recent: readonly LiveMessage[]
}

export const emptyLiveState: LiveState = {
  sequence: null,
  alerts: new Map(),
  incidents: new Map(),
  recent: [],
}

/** Applies one message; a sequence already seen changes nothing and gives back the same object. */
export function applyMessage(state: LiveState, message: LiveMessage): LiveState {
  if (state.sequence !== null && message.sequence <= state.sequence) return state
  const recent = [...state.recent, message].slice(-recentLimit)
  return { ...overlay(state, message), sequence: message.sequence, recent }
}

function overlay(state: LiveState, message: LiveMessage): LiveState {
  if (message.kind === 'alert')
    return { ...state, alerts: withAlert(state.alerts, message.body.alert) }
  if (message.kind === 'incident') {
    return {
      ...state,
      incidents: new Map(state.incidents).set(message.body.incident.id, message.body.incident),
    }
  }
  return state
}

/** A map with this alert put in while it fires, or taken out. */
export function withAlert(
  alerts: ReadonlyMap<string, Alert>,
  alert: Alert,
): ReadonlyMap<string, Alert> {
  const next = new Map(alerts)
  if (alert.state === 'firing') next.set(alert.fingerprint, alert)
  else next.delete(alert.fingerprint)
  return next
}

export interface Snapshot {
  readonly alerts?: readonly Alert[]
  /** Replaces the open incidents; those resolved while the tab was open stay known. */
  readonly incidents?: readonly IncidentSummary[]
}

/**
 * Takes over a REST answer. `since` is the sequence held when the request was sent: messages that came after it are
 * put on top again, so a slow answer never hides an alert that was pushed meanwhile.
 */
export function applySnapshot(
  state: LiveState,
  snapshot: Snapshot,
  since: number | null,
): LiveState {
  let next = state
  if (snapshot.alerts) {
    const firing = snapshot.alerts.filter((alert) => alert.state === 'firing')
    next = { ...next, alerts: new Map(firing.map((alert) => [alert.fingerprint, alert])) }
  }
  if (snapshot.incidents) {
    const resolved = [...state.incidents.values()].filter(
      (incident) => incident.state === 'resolved',
    )
    const known = [...resolved, ...snapshot.incidents]
    next = { ...next, incidents: new Map(known.map((incident) => [incident.id, incident])) }
  }
  for (const message of state.recent) {
    const wanted = message.kind === 'alert' ? snapshot.alerts : snapshot.incidents
    if (wanted && message.sequence > (since ?? -1)) next = overlay(next, message)
  }
  return next
}

/**
 * Settles the sequence after a welcome. The hub's count is taken where we have none, and where it is behind ours: that
 * hub was restored from a backup, and our count means nothing to it.
 */
export function applyWelcome(state: LiveState, hubSequence: number): LiveState {
  if (state.sequence !== null && state.sequence <= hubSequence) return state
  return { ...state, sequence: hubSequence, recent: [] }
}

/** Milliseconds before connection attempt `attempt` (1 is the first retry); `random` is 0 to 1. Doubles to 10 s, half of it jitter. */
export function retryDelayMs(attempt: number, random: number): number {
  const full = Math.min(lastRetryMs, firstRetryMs * 2 ** Math.max(0, attempt - 1))
  return Math.round(full / 2 + (full / 2) * random)
}

const severityOrder: Readonly<Record<AlertSeverity, number>> = { critical: 0, warning: 1, info: 2 }

/** Worst first, unacknowledged before acknowledged, newest first. */
export function sortAlerts(alerts: Iterable<Alert>): Alert[] {
  return [...alerts].sort(
    (a, b) =>
      severityOrder[a.severity] - severityOrder[b.severity] ||
      Number(Boolean(a.acknowledgedAt)) - Number(Boolean(b.acknowledgedAt)) ||
      alertSince(b).localeCompare(alertSince(a)) ||
      a.fingerprint.localeCompare(b.fingerprint),
  )
}

/** When the alert began to fire, or began to be pending. */
export function alertSince(alert: Alert): string {
  return alert.firedAt ?? alert.activeAt
}

/** The host an alert is about; undefined for an alert about no single host. */
export function alertInstance(alert: Alert): string | undefined {
  return alert.instance ?? alert.labels['instance']
}

/** Not yet acknowledged first, then by severity, then newest. */
export function sortIncidents(incidents: Iterable<IncidentSummary>): IncidentSummary[] {
  return [...incidents].sort(
    (a, b) =>
      Number(a.state !== 'open') - Number(b.state !== 'open') ||
      a.severity.localeCompare(b.severity) ||
      b.openedAt.localeCompare(a.openedAt),
  )
}

/** The tab's title: the count of firing critical alerts in front, when there are any. */
export function tabTitle(alerts: Iterable<Alert>, page: string): string {
  let critical = 0
  for (const alert of alerts) if (alert.severity === 'critical') critical++
  const name = page === '' ? 'Callward' : `${page} · Callward`
  return critical === 0 ? name : `(${critical}) ${name}`
}
