import type { AlertView, Labels, Millis } from '../../alerts/alert.ts'
import { matchesAll } from '../../alerts/matchers.ts'
import { effectiveLabels, type PipelineState } from '../../alerts/pipeline-state.ts'
import { rowOf, rowsOf } from '../../alerts/table.ts'
import { rfc3339 } from '../clock.ts'
import { type AlertWishes, receiverWished } from './alert-query.ts'

/** An alert in the shape of Alertmanager's API v2 (`gettableAlert`); every list is always there. */
export interface GettableAlert {
  readonly annotations: Labels
  readonly endsAt: string
  readonly fingerprint: string
  readonly receivers: readonly { readonly name: string }[]
  readonly startsAt: string
  readonly status: {
    readonly inhibitedBy: readonly string[]
    readonly mutedBy: readonly string[]
    readonly silencedBy: readonly string[]
    readonly state: 'active' | 'suppressed' | 'unprocessed'
  }
  readonly updatedAt: string
  readonly generatorURL: string
  readonly labels: Labels
}

/** An alert group of the API v2. */
export interface AlertGroup {
  readonly alerts: readonly GettableAlert[]
  readonly labels: Labels
  readonly receiver: { readonly name: string }
}

/** What is known of a firing alert besides its view. */
export interface ShownAlert {
  readonly alert: AlertView
  readonly endsAt: Millis
  readonly updatedAt: Millis
  readonly generatorUrl: string
}

/** An alert with what the pipeline last decided about it. */
export function gettableAlert(shown: ShownAlert, state: PipelineState): GettableAlert {
  const { alert, endsAt, updatedAt, generatorUrl } = shown
  const row = rowOf(state.alerts, alert.fingerprint)
  const known = row?.alert.id === alert.id ? row : undefined
  const hold = known?.hold
  const names = Object.entries(known?.memberships ?? {})
    .filter(([, membership]) => membership.moved !== true)
    .map(([key]) => rowOf(state.groups, key)?.receiver)
    .filter((name) => name !== undefined)
  return {
    annotations: alert.annotations,
    endsAt: rfc3339(endsAt),
    fingerprint: alert.fingerprint,
    receivers: [...new Set(names)].sort().map((name) => ({ name })),
    startsAt: rfc3339(alert.activeAt),
    status: {
      inhibitedBy: hold !== undefined && hold.stage !== 'silence' ? hold.by : [],
      mutedBy: [],
      silencedBy: hold?.stage === 'silence' ? hold.by : [],
      state: known === undefined ? 'unprocessed' : hold === undefined ? 'active' : 'suppressed',
    },
    updatedAt: rfc3339(updatedAt),
    generatorURL: generatorUrl,
    labels: known === undefined ? alert.labels : effectiveLabels(known),
  }
}

/** Whether a client asked for this alert. */
export function wished(wishes: AlertWishes, { labels, status, receivers }: GettableAlert): boolean {
  return (
    (wishes.active || status.state !== 'active') &&
    (wishes.unprocessed || status.state !== 'unprocessed') &&
    (wishes.silenced || status.silencedBy.length === 0) &&
    (wishes.inhibited || status.inhibitedBy.length === 0) &&
    receiverWished(wishes, receivers) &&
    matchesAll(wishes.matchers, labels)
  )
}

/** The groups in which alerts are told, with those of their alerts that were asked for; empty ones are left out. */
export function alertGroups(
  shown: readonly ShownAlert[],
  state: PipelineState,
  wishes: AlertWishes,
): AlertGroup[] {
  const byGroup = new Map<string, GettableAlert[]>()
  for (const one of shown) {
    const alert = gettableAlert(one, state)
    if (!wished(wishes, alert)) continue
    const row = rowOf(state.alerts, alert.fingerprint)
    for (const [key, { moved }] of Object.entries(row?.memberships ?? {})) {
      if (moved === true) continue
      const list = byGroup.get(key)
      if (list === undefined) byGroup.set(key, [alert])
      else list.push(alert)
    }
  }
  const groups = [...rowsOf(state.groups)].flatMap(({ key, labels, receiver }) => {
    const alerts = byGroup.get(key)
    const one = { alerts: alerts?.sort(byFingerprint) ?? [], labels, receiver: { name: receiver } }
    return alerts === undefined || !receiverWished(wishes, [one.receiver]) ? [] : [one]
  })
  return groups.sort((a, b) => compare(nameOf(a), nameOf(b)))
}

/** Order of `/alerts`. */
export function byFingerprint(a: GettableAlert, b: GettableAlert): number {
  return compare(a.fingerprint, b.fingerprint)
}

function nameOf({ labels, receiver }: AlertGroup): string {
  return `${JSON.stringify(labels)} ${receiver.name}`
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
