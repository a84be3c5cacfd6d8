import type { AlertView } from '../../alerts/alert.ts'
import type { PolicySnapshot } from '../oncall/plugin.ts'
import { storableText } from '../records/bindings.ts'

/** The group a page is opened for: the incident where there is one, else the alert's own label set. */
export function groupKeyOf(alert: AlertView, incidentId: string | undefined): string {
  return incidentId === undefined ? `alert:${alert.fingerprint}` : groupKeyOfIncident(incidentId)
}

/** The page of an incident's alerts, and of its time limits. */
export function groupKeyOfIncident(incidentId: string): string {
  return `incident:${incidentId}`
}

/** The system an alert is about: pages of one system wait for each other, never for those of another. */
export function laneOf({ labels }: AlertView): string {
  return storableText(
    labels['server'] ?? labels['instance'] ?? labels['site'] ?? labels['alertname'] ?? '',
  )
}

/** What is wrong, in one line. */
export function titleOf(alert: AlertView): string {
  return storableText(alert.annotations['summary'] ?? alert.rule)
}

/** What is wrong, in one line, where several alerts are told together. */
export function titleOfAll(alerts: readonly AlertView[]): string {
  const [first] = alerts
  return first === undefined ? '' : titleOfMany(first, alerts.length)
}

/** As `titleOfAll`, of the one that is named and how many there are with it. */
export function titleOfMany(first: AlertView, alerts: number): string {
  return andMore(titleOf(first), alerts)
}

/** A title, and how many others there are with it. */
export function andMore(title: string, all: number): string {
  return all <= 1 ? title : `${title} (and ${all - 1} more)`
}

/** Why an alert of a severity opens no page; undefined: it does. */
export function whyNotPaged(severity: string): string | undefined {
  if (severity === 'critical') return undefined
  return `severity ${severity} is shown on every screen and pages nobody; only critical pages`
}

/** The team that everybody on staff who may act belongs to. */
export const staffTeam = 'staff'

/** What a hub without a policy does: everybody who may act is told, again every five minutes, until one takes it. */
export const policyOfEverybody: PolicySnapshot = {
  format: 1,
  policyId: '',
  revision: 0,
  name: 'everybody on staff',
  steps: [{ delaySeconds: 300, targets: [{ kind: 'team', id: staffTeam }] }],
  repeat: 2,
  catchAll: [{ kind: 'team', id: staffTeam }],
  catchAllEverySeconds: 300,
  acknowledgementSeconds: 4 * 3600,
}
