import type { Millis } from '../clock.ts'
import type { PolicySnapshot, Target } from './policy.ts'

/** Whom a page goes to: a person by all their contact points, or one contact point of nobody in particular. */
export interface Recipient {
  readonly kind: 'person' | 'contact'
  readonly id: string
}

/** Who stands behind a target now, or why nobody does. */
export interface Resolution {
  readonly recipients: readonly Recipient[]
  /** Why there is nobody; also said where only some are there. */
  readonly reason?: string
}

/** Answers for the instant of the step; must not throw. */
export type ResolveTarget = (target: Target) => Resolution

/** Where a page stands in its policy. JSON: it is stored with the page. */
export interface EscalationState {
  readonly format: 1
  /** `shouting`: the policy is over, and the catch-all is told again and again. */
  readonly phase: 'escalating' | 'shouting' | 'acknowledged' | 'resolved'
  /** Counts from 0; one more for each acknowledgement that expired. */
  readonly generation: number
  readonly round: number
  /** The step that comes next, or how often the catch-all was told. */
  readonly step: number
  /** Whether a step of this generation told anybody. */
  readonly reached: boolean
  /** When `nextStep` has something to do; null: never again by itself. Finite as long as nobody has acknowledged. */
  readonly dueAt: Millis | null
  /** How far ahead `dueAt` was set: further than that it can only be because the clock went back. */
  readonly waitMillis: Millis
  readonly acknowledgedAt: Millis | null
  readonly acknowledgedBy: string | null
}

/** One thing to do or to write down, in order. */
export type Decision =
  | {
      readonly kind: 'notify'
      /** Position in the policy, the same after a replay; with the recipient it is the idempotency key of a message. */
      readonly key: string
      readonly generation: number
      readonly round: number
      readonly step: number
      readonly recipients: readonly Recipient[]
      /** Why targets of this step brought nobody. */
      readonly gaps: readonly string[]
    }
  | {
      readonly kind: 'skip'
      readonly key: string
      readonly generation: number
      readonly round: number
      readonly step: number
      readonly reason: string
    }
  | {
      /** Always loud: the policy is over and no person has taken the page. */
      readonly kind: 'catch-all'
      readonly key: string
      readonly generation: number
      /** Counts from 0. */
      readonly call: number
      readonly recipients: readonly Recipient[]
      readonly gaps: readonly string[]
      /** Whether a step told anybody before. */
      readonly reached: boolean
      readonly reason: string
    }
  | {
      readonly kind: 'acknowledgement expired'
      readonly acknowledgedAt: Millis
      readonly acknowledgedBy: string
    }

export interface Advance {
  readonly state: EscalationState
  readonly decisions: readonly Decision[]
}

/** A page that has just been triggered: the first step is due at once. */
export function triggered(now: Millis): EscalationState {
  return { format: 1, phase: 'escalating', ...beginning(0, now), ...noAcknowledgement }
}

const noAcknowledgement = { acknowledgedAt: null, acknowledgedBy: null }

function beginning(generation: number, now: Millis) {
  return { generation, round: 0, step: 0, reached: false, dueAt: now, waitMillis: 0 }
}

/**
 * Takes the page as far as it goes at `now`: at most one step that tells somebody, with all empty steps before it. Calling it
 * too early, or twice with the state it gave, does nothing. After a pause only one step is taken, and the rest keep their delays.
 */
export function nextStep(
  snapshot: PolicySnapshot,
  state: EscalationState,
  now: Millis,
  resolve: ResolveTarget,
): Advance {
  if (state.dueAt === null || state.phase === 'resolved') return { state, decisions: [] }
  // Further ahead than it was ever set: the clock went back meanwhile.
  const dueAt = Math.min(state.dueAt, now + state.waitMillis)
  if (now < dueAt)
    return { state: dueAt === state.dueAt ? state : { ...state, dueAt }, decisions: [] }
  if (state.phase === 'shouting') return shout(snapshot, state, now, resolve, [])
  if (state.phase === 'escalating') return climb(snapshot, state, now, resolve, [])
  const expired: Decision = {
    kind: 'acknowledgement expired',
    acknowledgedAt: state.acknowledgedAt ?? now,
    acknowledgedBy: state.acknowledgedBy ?? 'unknown',
  }
  const again: EscalationState = {
    format: 1,
    phase: 'escalating',
    ...beginning(state.generation + 1, now),
    ...noAcknowledgement,
  }
  return climb(snapshot, again, now, resolve, [expired])
}

function climb(
  snapshot: PolicySnapshot,
  state: EscalationState,
  now: Millis,
  resolve: ResolveTarget,
  before: readonly Decision[],
): Advance {
  const decisions = [...before]
  const { generation } = state
  let { round, step, reached } = state
  // A step past the first is stored only after one before it has told somebody.
  let toldInRound = step > 0
  for (; round <= snapshot.repeat; round += 1, step = 0, toldInRound = false) {
    for (; step < snapshot.steps.length; step += 1) {
      const { targets, delaySeconds } = snapshot.steps[step]!
      const { recipients, gaps } = resolved(targets, resolve)
      const place = { key: `g${generation}.r${round}.s${step}`, generation, round, step }
      if (recipients.length > 0) {
        reached = true
        decisions.push({ kind: 'notify', ...place, recipients, gaps })
        const wait = delaySeconds * 1000
        const next = { ...state, ...placeAfter(snapshot, round, step), reached }
        return { state: { ...next, dueAt: now + wait, waitMillis: wait }, decisions }
      }
      decisions.push({ kind: 'skip', ...place, reason: gaps.join('; ') })
    }
    // A round that told nobody would be the same again at this very instant.
    if (!toldInRound) break
  }
  return shout(snapshot, { ...state, round, step: 0, reached }, now, resolve, decisions)
}

/** The step after this one, as it is stored: past the last step it is the next round's first. */
function placeAfter(snapshot: PolicySnapshot, round: number, step: number) {
  return step + 1 < snapshot.steps.length
    ? { round, step: step + 1 }
    : { round: round + 1, step: 0 }
}

function shout(
  snapshot: PolicySnapshot,
  state: EscalationState,
  now: Millis,
  resolve: ResolveTarget,
  before: readonly Decision[],
): Advance {
  const call = state.phase === 'shouting' ? state.step : 0
  const { generation, reached } = state
  const { recipients, gaps } = resolved(snapshot.catchAll, resolve)
  const decision: Decision = {
    kind: 'catch-all',
    key: `g${generation}.c${call}`,
    generation,
    call,
    recipients,
    gaps,
    reached,
    reason: reached
      ? 'every step has told somebody or was empty, and nobody has acknowledged'
      : 'no step has anybody to tell',
  }
  const wait = snapshot.catchAllEverySeconds * 1000
  const next = { ...state, step: call + 1, dueAt: now + wait, waitMillis: wait }
  return { state: { ...next, phase: 'shouting' }, decisions: [...before, decision] }
}

/** Each recipient once, in the order of the targets; and why targets brought nobody. */
function resolved(
  targets: readonly Target[],
  resolve: ResolveTarget,
): { recipients: Recipient[]; gaps: string[] } {
  const found = new Map<string, Recipient>()
  const gaps: string[] = []
  for (const target of targets) {
    const { recipients, reason } = resolve(target)
    for (const { kind, id } of recipients) found.set(`${kind}:${id}`, { kind, id })
    if (reason !== undefined) gaps.push(reason)
    else if (recipients.length === 0) gaps.push(`${target.kind} ${target.id} brings nobody`)
  }
  if (targets.length === 0) gaps.push('it names nobody')
  return { recipients: [...found.values()], gaps }
}

/** A person takes the page; nothing is due until the acknowledgement expires. A page that is resolved stays so. */
export function acknowledge(
  snapshot: PolicySnapshot,
  state: EscalationState,
  by: string,
  now: Millis,
): EscalationState {
  if (state.phase === 'resolved') return state
  const seconds = snapshot.acknowledgementSeconds
  const wait = seconds === null ? 0 : seconds * 1000
  return {
    ...state,
    phase: 'acknowledged',
    dueAt: seconds === null ? null : now + wait,
    waitMillis: wait,
    acknowledgedAt: now,
    acknowledgedBy: by,
  }
}

/** The alert is over: nothing is due any more. */
export function resolve(state: EscalationState): EscalationState {
  return { ...state, phase: 'resolved', dueAt: null, waitMillis: 0 }
}

/** The key of one message: the same page, place and recipient give the same key, whenever it is worked out. */
export function messageKey(pageId: string, place: string, { kind, id }: Recipient): string {
  return `${pageId}/${place}/${kind}:${id}`
}
