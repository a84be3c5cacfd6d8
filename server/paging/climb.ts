import type { EscalationState, PolicySnapshot, Target } from '../oncall/plugin.ts'

/** A target with the name people know it by. */
export interface NamedTarget extends Target {
  readonly name: string
}

/** What became of one rung of the policy, in the newest climb. */
export interface Rung {
  /** From 1; the catch-all is the last. */
  readonly step: number
  readonly kind: 'step' | 'catch-all'
  readonly targets: readonly NamedTarget[]
  /** `told` by name, `empty` had nobody behind it, `next` comes by itself, `later` after it, `spared` was not needed. */
  readonly state: 'told' | 'empty' | 'next' | 'later' | 'spared'
  /** How often it was told or found empty. */
  readonly times: number
  /** RFC 3339: when it was told first, or will be at the earliest; null: never. */
  readonly at: string | null
  /** A sentence for people. */
  readonly because: string
}

/** A line of a page's history. */
export interface ClimbStep {
  readonly at: string
  readonly kind: string
  readonly content: Readonly<Record<string, unknown>>
}

export interface Climber {
  readonly policy: PolicySnapshot
  readonly escalation: EscalationState
  readonly steps: readonly ClimbStep[]
  readonly state: string
  readonly acknowledgedBy: string | null
  readonly nextStepAt: string | null
}

/**
 * Each rung of a page's frozen policy: who was told there and when, or why nobody was. Of several climbs (an
 * acknowledgement that became too old begins a new one) the newest counts.
 */
export function climbOf(page: Climber, nameOf: (target: Target) => string): readonly Rung[] {
  const { policy, steps, escalation } = page
  const newest = steps.filter(({ content }) => content['generation'] === escalation.generation)
  const rungs = policy.steps.map(({ targets, delaySeconds }, index) => {
    const visits = newest.filter(
      ({ kind, content }) => (kind === 'notify' || kind === 'skip') && content['step'] === index,
    )
    return { targets, delaySeconds, visits }
  })
  const shouts = newest.filter(({ kind }) => kind === 'catch-all')
  const next = shouts.length > 0 ? rungs.length : upcoming(escalation, rungs.length)
  return [
    ...rungs.map(({ targets, visits }, index) =>
      rungOf(page, { kind: 'step', index, targets, visits, isNext: index === next }, nameOf),
    ),
    rungOf(
      page,
      {
        kind: 'catch-all',
        index: rungs.length,
        targets: policy.catchAll,
        visits: shouts,
        isNext: next === rungs.length,
      },
      nameOf,
    ),
  ]
}

/** The rung that comes next by itself; -1: none. */
function upcoming({ phase, step, round }: EscalationState, steps: number): number {
  if (phase === 'shouting') return steps
  if (phase !== 'escalating') return -1
  return round > 0 && steps === 0 ? steps : step
}

interface Visit {
  readonly kind: Rung['kind']
  readonly index: number
  readonly targets: readonly Target[]
  readonly visits: readonly ClimbStep[]
  readonly isNext: boolean
}

function rungOf(page: Climber, rung: Visit, nameOf: (target: Target) => string): Rung {
  const { kind, index, visits, isNext } = rung
  const told = visits.find(({ content }) => isTold(content))
  const common = {
    step: index + 1,
    kind,
    targets: rung.targets.map((target) => ({ ...target, name: nameOf(target) })),
    times: visits.length,
  }
  if (told !== undefined)
    return { ...common, state: 'told', at: told.at, because: toldBecause(visits) }
  const empty = visits[0]
  if (empty !== undefined)
    return { ...common, state: 'empty', at: empty.at, because: emptyBecause(empty.content) }
  if (isNext && page.state === 'open')
    return { ...common, state: 'next', at: page.nextStepAt, because: 'comes next, unless taken' }
  if (page.state === 'open')
    return { ...common, state: 'later', at: null, because: 'comes after it, unless taken' }
  return { ...common, state: 'spared', at: null, because: sparedBecause(page) }
}

function isTold(content: ClimbStep['content']): boolean {
  const { recipients } = content
  return Array.isArray(recipients) && recipients.length > 0
}

function toldBecause(visits: readonly ClimbStep[]): string {
  const names = new Set(
    visits.flatMap(({ content }) =>
      ((content['recipients'] ?? []) as { name?: string }[]).map(({ name }) => name ?? ''),
    ),
  )
  const gaps = new Set(visits.flatMap(({ content }) => (content['gaps'] ?? []) as string[]))
  return [[...names].join(', '), ...gaps].join('; ')
}

function emptyBecause(content: ClimbStep['content']): string {
  const { reason, gaps } = content
  if (Array.isArray(gaps) && gaps.length > 0) return gaps.join('; ')
  return typeof reason === 'string' ? reason : 'nobody stands behind it'
}

function sparedBecause({ state, acknowledgedBy }: Climber): string {
  if (state === 'closed') return 'the page was over before'
  return `${acknowledgedBy ?? 'somebody'} took the page before`
}
