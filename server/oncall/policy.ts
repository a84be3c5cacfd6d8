/** Whom a step tells. A team, and a contact of nobody in particular, are resolved by whoever knows them. */
export interface Target {
  readonly kind: 'person' | 'schedule' | 'team' | 'contact'
  readonly id: string
}

export interface PolicyStep {
  /** Seconds this step waits for an acknowledgement before the next one. */
  readonly delaySeconds: number
  /** All are told at once. */
  readonly targets: readonly Target[]
}

/** How a page climbs until a person takes it. */
export interface PolicyContent {
  readonly name: string
  readonly description: string
  readonly steps: readonly PolicyStep[]
  /** Further rounds after the first. */
  readonly repeat: number
  /** Told, loudly, when the rounds are over and nobody has acknowledged; again every `catchAllEverySeconds` until somebody does. */
  readonly catchAll: readonly Target[]
  readonly catchAllEverySeconds: number
  /** An acknowledgement older than this, while the alert still fires, begins the escalation again; null: never. */
  readonly acknowledgementSeconds: number | null
}

/** What a policy may hold. */
export const policyLimits = {
  steps: 20,
  targetsOfStep: 20,
  repeat: 20,
  delaySecondsLeast: 10,
  delaySecondsMost: 86_400,
  acknowledgementSecondsLeast: 60,
  acknowledgementSecondsMost: 7 * 86_400,
} as const

/** A policy as a page carries it: later changes of the policy do not touch it. JSON. */
export interface PolicySnapshot
  extends Pick<
    PolicyContent,
    'name' | 'steps' | 'repeat' | 'catchAll' | 'catchAllEverySeconds' | 'acknowledgementSeconds'
  > {
  readonly format: 1
  readonly policyId: string
  readonly revision: number
}

/** Freezes a policy for a page. */
export function snapshotOf(id: string, revision: number, policy: PolicyContent): PolicySnapshot {
  const { name, steps, repeat, catchAll, catchAllEverySeconds, acknowledgementSeconds } = policy
  const copy = structuredClone({ name, steps, repeat, catchAll })
  return {
    format: 1,
    policyId: id,
    revision,
    ...copy,
    catchAllEverySeconds,
    acknowledgementSeconds,
  }
}

/** Every schedule a policy names. */
export function schedulesOf(policy: Pick<PolicyContent, 'steps' | 'catchAll'>): Set<string> {
  const targets = [...policy.steps.flatMap((step) => step.targets), ...policy.catchAll]
  return new Set(targets.flatMap(({ kind, id }) => (kind === 'schedule' ? [id] : [])))
}
