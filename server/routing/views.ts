import type { AlertView, Labels } from '../../alerts/alert.ts'
import { type AlertExplanation, explain } from '../../alerts/pipeline.ts'
import {
  effectiveLabels,
  type PipelineState,
  type SilenceRow,
} from '../../alerts/pipeline-state.ts'
import type { Silence, SilencePhase } from '../../alerts/silence.ts'
import { rowOf, rowsOf } from '../../alerts/table.ts'
import type { ReceiverTarget } from './receivers.ts'
import type { RoutingPlan } from './routing-file.ts'

/** A silence and what it hides now. */
export interface SilenceView {
  readonly silence: Silence
  readonly phase: SilencePhase['phase']
  /** Fingerprints of firing alerts. */
  readonly hides: readonly string[]
}

/** What a silence would hide. */
export interface SilencePreview {
  readonly hides: readonly AlertView[]
  /** Why it needs narrower matchers or force; absent when it does not. */
  readonly tooBroad?: string
}

/** Alerts that are told together to one receiver. */
export interface RoutedGroup {
  readonly key: string
  readonly receiver: string
  readonly labels: Labels
  readonly alerts: readonly RoutedAlert[]
}

/** A firing alert as routing sees it. */
export interface RoutedAlert {
  readonly alert: AlertView
  /** `severity` as it counts now. */
  readonly labels: Labels
  readonly receivers: readonly string[]
  readonly silencedBy: readonly string[]
  /** What else holds it back, in words. */
  readonly inhibitedBy: readonly string[]
}

export interface ReceiverView {
  readonly name: string
  readonly targets: readonly ReceiverTarget[]
}

/** Why somebody was not told, as it was at that time. */
export interface NotTold {
  readonly at: number
  readonly stage: string
  readonly receiver: string | null
  readonly because: string
  readonly until: number | null
}

export function silenceViews(state: PipelineState): readonly SilenceView[] {
  const hides = new Map<string, string[]>()
  for (const { hold, fingerprint, shown } of rowsOf(state.alerts)) {
    if (hold?.stage !== 'silence' || shown !== 'firing') continue
    for (const id of hold.by) hides.set(id, [...(hides.get(id) ?? []), fingerprint])
  }
  return [...rowsOf(state.silences)]
    .map(({ silence, phase }: SilenceRow) => ({
      silence,
      phase,
      hides: (hides.get(silence.id) ?? []).sort(),
    }))
    .sort((a, b) => a.silence.endsAt - b.silence.endsAt || (a.silence.id < b.silence.id ? -1 : 1))
}

/** Firing alerts, by fingerprint, with what holds them back. */
export function routedAlerts(state: PipelineState): ReadonlyMap<string, RoutedAlert> {
  const receivers = new Map([...rowsOf(state.groups)].map(({ key, receiver }) => [key, receiver]))
  const found = new Map<string, RoutedAlert>()
  for (const row of rowsOf(state.alerts)) {
    if (row.shown !== 'firing') continue
    const told = Object.entries(row.memberships)
      .filter(([, { moved }]) => !moved)
      .flatMap(([key]) => receivers.get(key) ?? [])
    found.set(row.fingerprint, {
      alert: row.alert,
      labels: effectiveLabels(row),
      receivers: [...new Set(told)].sort(),
      silencedBy: row.hold?.stage === 'silence' ? row.hold.by : [],
      inhibitedBy: row.hold !== undefined && row.hold.stage !== 'silence' ? [row.hold.because] : [],
    })
  }
  return found
}

/** Groups with at least one firing alert, by receiver and labels. */
export function groupViews(state: PipelineState): readonly RoutedGroup[] {
  const alerts = routedAlerts(state)
  const members = new Map<string, RoutedAlert[]>()
  for (const row of rowsOf(state.alerts)) {
    const routed = alerts.get(row.fingerprint)
    if (routed === undefined) continue
    for (const [key, { moved }] of Object.entries(row.memberships))
      if (!moved) members.set(key, [...(members.get(key) ?? []), routed])
  }
  return [...rowsOf(state.groups)]
    .flatMap(({ key, receiver, labels }) => {
      const of = members.get(key)
      return of === undefined ? [] : [{ key, receiver, labels, alerts: of }]
    })
    .sort((a, b) => (a.receiver + a.key < b.receiver + b.key ? -1 : 1))
}

/** As the pipeline explains, but a receiver that does nothing has told nobody. */
export function explanations(
  state: PipelineState,
  { targets }: RoutingPlan,
  fingerprint: string,
): readonly AlertExplanation[] {
  return explain(state, fingerprint).map((one) => {
    if (one.stage !== 'told' || one.receiver === undefined) return one
    if ((targets.get(one.receiver) ?? []).length > 0) return one
    const because = `the receiver "${one.receiver}" tells nobody`
    return { ...one, stage: 'route', because, told: false }
  })
}

/** As `explanations`, but a receiver whose notice nobody has taken is told of nothing yet; `untaken` knows why. */
export async function explained(
  state: PipelineState,
  plan: RoutingPlan,
  fingerprint: string,
  untaken: (notification: string) => Promise<string | undefined>,
): Promise<readonly AlertExplanation[]> {
  const found = explanations(state, plan, fingerprint)
  return Promise.all(
    found.map(async (one) => {
      const { stage, receiver = '', notification } = one
      if (stage !== 'told' || notification === undefined) return one
      // A page climbs until a person takes it, and says itself whom it reached.
      if (plan.targets.get(receiver)?.some(({ kind }) => kind === 'page') !== false) return one
      const reason = await untaken(notification)
      if (reason === undefined) return one
      return { ...one, told: false, because: `nobody behind ${receiver} has taken it: ${reason}` }
    }),
  )
}

/**
 * What keeps people now from being told of a life of an alert: empty when nothing does, undefined for one that routing
 * does not hold any more. Without a routing file a receiver that does nothing is no reason: the severity is.
 */
export function reasonsNow(
  state: PipelineState,
  plan: RoutingPlan,
  fingerprint: string,
  alertId: string,
): readonly NotTold[] | undefined {
  const row = rowOf(state.alerts, fingerprint)
  if (row?.alert.id !== alertId) return undefined
  const held = row.hold === undefined ? [] : [{ ...row.hold, receiver: undefined }]
  // Whoever was told before the silence is told no more; both are said.
  const others = explanations(state, plan, fingerprint).filter(
    ({ stage }) => !['told', ...held.map((one) => one.stage)].includes(stage),
  )
  const reasons = [...others, ...held]
    .filter(({ stage }) => !(plan.builtIn && stage === 'route'))
    .map(({ at, stage, receiver = null, because, until = null }) => ({
      ...{ at, stage, receiver, because, until },
    }))
  // What it says of an alert that is over was said at its time.
  return reasons.length === 0 && row.shown !== 'firing' ? undefined : reasons
}
