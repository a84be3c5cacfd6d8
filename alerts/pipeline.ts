import type { AlertChange, AlertView, Labels, Millis, Severity } from './alert.ts'
import { PipelineDraft } from './pipeline-draft.ts'
import { PipelineIndex } from './pipeline-index.ts'
import { PipelineRun } from './pipeline-run.ts'
import type {
  AlertRow,
  Explanation,
  GroupRow,
  PipelineContext,
  PipelineState,
  SilenceRow,
  Stage,
} from './pipeline-state.ts'
import type { NotifyReason } from './repeat.ts'
import type { Silence } from './silence.ts'
import { rowOf, rowsOf, tableOf } from './table.ts'

/** What happens to the pipeline besides time. Ordered by `at`. */
export type PipelineInput =
  | { readonly kind: 'alert'; readonly at: Millis; readonly change: AlertChange }
  | { readonly kind: 'silence'; readonly at: Millis; readonly silence: Silence }
  | { readonly kind: 'end-silence'; readonly at: Millis; readonly id: string; readonly by: string }

export interface ToldAlert {
  readonly alert: AlertView
  /** As counted now, by tier and calendar. */
  readonly severity: Severity
  readonly severityBecause?: string | undefined
}

/** What follows. `at` is when it was due, also when it is worked out late. */
export type Decision =
  | {
      readonly kind: 'notify'
      /** Equal for the same notification after a replay. */
      readonly key: string
      readonly at: Millis
      readonly group: { readonly key: string; readonly labels: Labels }
      readonly receiver: string
      readonly reason: NotifyReason
      readonly firing: readonly ToldAlert[]
      readonly resolved: readonly ToldAlert[]
    }
  | {
      readonly kind: 'hold'
      readonly key: string
      readonly at: Millis
      readonly alert: AlertView
      /** Absent: nobody is told. */
      readonly receiver?: string | undefined
      readonly stage: Stage
      readonly because: string
      readonly until?: Millis | undefined
    }
  | {
      readonly kind: 'silence-ended' | 'silence-refused'
      readonly key: string
      readonly at: Millis
      readonly silence: Silence
      readonly because: string
    }
  | {
      /** The author of a silence is asked whether it may end. */
      readonly kind: 'silence-nudge'
      readonly key: string
      readonly at: Millis
      readonly silence: Silence
      readonly hidden: readonly AlertView[]
    }

export interface PipelineResult {
  readonly state: PipelineState
  readonly decisions: readonly Decision[]
  /** Rows written, undefined where deleted: what a store saves in the transaction of the decisions. */
  readonly changes: {
    readonly alerts: ReadonlyMap<string, AlertRow | undefined>
    readonly groups: ReadonlyMap<string, GroupRow | undefined>
    readonly silences: ReadonlyMap<string, SilenceRow | undefined>
  }
  /** When to call again although nothing happens; undefined: never. May be too early, never too late. */
  readonly nextAt: Millis | undefined
}

/** A clock that went back less is taken as standing still. */
const standstillMax: Millis = 1_000

/**
 * Each state's index, handed on to the state that follows. Whoever goes on from an older state, as after a
 * transaction that was rolled back, pays for a new one and gets the same answers.
 */
const indexes = new WeakMap<PipelineState, PipelineIndex>()

/**
 * Feeds what happened through silence, inhibition, dependency, grouping, routing and repeating, and lets time pass
 * until `now`. Everything that fell due is worked out at its own instant, so it does not matter how often this is
 * called. Cost: a step a change, plus the members of the groups that are told.
 */
export function runPipeline(
  state: PipelineState,
  context: PipelineContext,
  inputs: readonly PipelineInput[],
  now: Millis,
): PipelineResult {
  const back = state.at - now
  const from = back > standstillMax ? setBack(state, back) : state
  const known = indexes.get(from)
  const fresh = known === undefined || known.context !== context
  const index = fresh ? new PipelineIndex(context, from) : known
  indexes.delete(state)
  const draft = new PipelineDraft(from, context, index)
  const run = new PipelineRun(draft)
  if (fresh) run.review(from.at)
  const end = Math.max(from.at, now)
  let at = from.at
  for (const input of inputs) {
    at = Math.max(at, Math.min(input.at, end))
    run.before(at)
    run.take(input, at)
  }
  run.upTo(end)
  const result = draft.finish(end)
  indexes.set(result.state, index)
  return result
}

/** Moves what is waited for back with the wall clock, so nothing waits twice and nothing is told twice. */
function setBack(state: PipelineState, back: Millis): PipelineState {
  const at = state.at - back
  const earlier = (time: Millis | undefined) => (time === undefined ? undefined : time - back)
  const groups = [...rowsOf(state.groups)].map(
    (row) =>
      [
        row.key,
        { ...row, notifiedAt: earlier(row.notifiedAt), dueAt: earlier(row.dueAt) },
      ] as const,
  )
  const alerts = [...rowsOf(state.alerts)].map((row) => {
    const flap = row.flap && { ...row.flap, checkedAt: row.flap.checkedAt - back }
    const since = row.tier.since.map((time) => (time === null ? null : time - back))
    return [row.fingerprint, { ...row, flap, tier: { ...row.tier, since }, wakeAt: at }] as const
  })
  const silences = [...rowsOf(state.silences)].map(
    (row) => [row.silence.id, { ...row, wakeAt: at }] as const,
  )
  return {
    ...state,
    at,
    alerts: tableOf(alerts),
    groups: tableOf(groups),
    silences: tableOf(silences),
  }
}

/** Why each receiver was told of an alert, or was not; one entry without a receiver when nobody is. */
export interface AlertExplanation extends Explanation {
  readonly receiver: string | undefined
  /** Handed to whoever sends. */
  readonly told: boolean
  /** Key of the newest notification that said it fires: whoever sends knows whether anybody took it. */
  readonly notification?: string | undefined
}

/** The explained state of an alert; empty only for a fingerprint the pipeline does not hold. */
export function explain(state: PipelineState, fingerprint: string): readonly AlertExplanation[] {
  const row = rowOf(state.alerts, fingerprint)
  if (row === undefined) return []
  const everywhere = Object.entries(row.memberships).map(([key, { explanation, told }]) => ({
    ...(row.hold !== undefined && explanation.stage !== 'told' ? row.hold : explanation),
    receiver: rowOf(state.groups, key)?.receiver,
    told: told !== undefined && told.life === row.alert.id,
    notification: told?.life === row.alert.id && told.state === 'firing' ? told.key : undefined,
  }))
  if (everywhere.length > 0) return everywhere
  const because = 'it is over, and whoever had to know was told so'
  const over = { stage: 'told' as const, because, at: row.alert.resolvedAt ?? state.at }
  return [{ ...(row.hold ?? over), receiver: undefined, told: row.hold === undefined }]
}

/**
 * Repeats that a later one of the same group replaces, as after hours in which nothing ran: whoever sends skips
 * these, so that a gap ends with one page and not with one for every hour of it.
 */
export function outdatedRepeats(decisions: readonly Decision[]): ReadonlySet<string> {
  const newest = new Set<string>()
  const outdated = new Set<string>()
  for (const decision of decisions.toReversed()) {
    if (decision.kind !== 'notify') continue
    if (decision.reason === 'repeat' && newest.has(decision.group.key)) outdated.add(decision.key)
    newest.add(decision.group.key)
  }
  return outdated
}
