import type { Millis } from '../clock.ts'

/** One use within 15 minutes, as a sign-in link. */
export const tokenMillis = 15 * 60_000

/** Why a session, or what was to become one, is refused; docs/collector.md has the table. */
export type RefusalReason =
  | 'unknown'
  | 'insecure'
  | 'too_many_half_open'
  | 'no_proof'
  | 'bad_frame'
  | 'bad_proof'
  | 'replayed'
  | 'revoked'
  | 'replaced'
  | 'wrong_host'
  | 'wrong_collector'
  | 'other_machine'
  | 'cloned'
  | 'hub_behind'
  | 'hub_not_trusted'

/** Reasons that only the holder of the enrolment's key can cause: they page, the others could be anybody's noise. */
export const provenReasons: ReadonlySet<RefusalReason> = new Set<RefusalReason>([
  'revoked',
  'replaced',
  'wrong_host',
  'wrong_collector',
  'other_machine',
  'cloned',
  'hub_behind',
])

/** Why a one-time token is refused. */
export type TokenRefusal = 'unknown' | 'used' | 'expired'

export type EnrolmentState = 'active' | 'revoked' | 'replaced'

/** Salted hashes by fact. */
export type Machine = Readonly<Record<string, string>>

/** Facts that name a machine; the others change with a BIOS update or a restored disk. */
const naming = ['machine-id', 'product-uuid']

/**
 * Whether a fingerprint is of the machine that was enrolled. `other` when a fact that names the machine differs, or none that was
 * known is shown any more; `changed` when only lesser facts differ.
 */
export function compareMachine(
  known: Machine,
  shown: Machine,
): { readonly kind: 'same' | 'changed' | 'other'; readonly facts: readonly string[] } {
  const differing = Object.keys(known).filter(
    (name) => shown[name] !== undefined && shown[name] !== known[name],
  )
  const named = naming.filter((name) => known[name] !== undefined)
  const others = differing.filter((name) => naming.includes(name))
  if (others.length > 0) return { kind: 'other', facts: others }
  if (named.length > 0 && !named.some((name) => shown[name] !== undefined))
    return { kind: 'other', facts: named }
  return differing.length > 0 ? { kind: 'changed', facts: differing } : { kind: 'same', facts: [] }
}

/** The newest word on every fact: one that cannot be read now stays as it was. */
export function mergedMachine(known: Machine, shown: Machine): Machine {
  return { ...known, ...shown }
}

/** What a proof says, whose signature is right. */
export interface Claim {
  readonly instance: string
  /** The collector's UUID. */
  readonly collector: string
  readonly counter: number
  /** Whether it knows the link that the hub holds. */
  readonly linkKnown: boolean
  readonly machine: Machine
}

/** What the hub knows of an enrolment when it judges. */
export interface Standing {
  readonly instance: string
  readonly state: EnrolmentState
  readonly counter: number
  readonly resync: boolean
  readonly machine: Machine
  /** Whether that UUID belongs to another active enrolment. */
  readonly collectorTaken: boolean
}

export type Verdict =
  | {
      readonly kind: 'admitted'
      readonly counter: number
      readonly changedFacts: readonly string[]
    }
  | { readonly kind: 'refused'; readonly reason: RefusalReason; readonly message: string }

/** Judges a session whose signature is right. */
export function judge(claim: Claim, standing: Standing): Verdict {
  const { instance } = standing
  if (standing.state === 'revoked')
    return refused('revoked', `The enrolment of "${instance}" was revoked. ${enrolAgain(instance)}`)
  if (standing.state === 'replaced')
    return refused(
      'replaced',
      `"${instance}" was enrolled anew since; this key is not its key any more.`,
    )
  if (claim.instance !== instance)
    return refused(
      'wrong_host',
      `This key is of "${instance}" and may not report for "${claim.instance}".`,
    )
  if (standing.collectorTaken)
    return refused(
      'wrong_collector',
      'This collector’s id belongs to another enrolled host: its data folder was copied from there. Remove identity.json in it.',
    )
  const machine = compareMachine(standing.machine, claim.machine)
  if (machine.kind === 'other')
    return refused(
      'other_machine',
      `This is not the machine that was enrolled as "${instance}" (${machine.facts.join(', ')}). Its key was copied, or its hardware was changed: look, then ${enrolAgain(instance)}`,
    )
  const admitted = { kind: 'admitted', changedFacts: machine.facts } as const
  if (standing.resync)
    return { ...admitted, counter: Math.max(standing.counter, claim.counter) + 1 }
  if (claim.counter === standing.counter && claim.linkKnown)
    return { ...admitted, counter: standing.counter + 1 }
  return claim.counter > standing.counter ? hubBehind(claim, standing) : cloned(claim, standing)
}

function hubBehind(claim: Claim, { instance, counter }: Standing): Verdict {
  return refused(
    'hub_behind',
    `The collector of "${instance}" knows ${claim.counter} sessions, the hub ${counter}: the hub’s records are older. If they were restored: callward collectors accept ${instance}`,
  )
}

function cloned(claim: Claim, { instance, counter }: Standing): Verdict {
  return refused(
    'cloned',
    `Another copy of "${instance}" has been in session since this one (it knows ${claim.counter} sessions, the hub ${counter}): a cloned disk or one set back to a snapshot. ${enrolAgain(instance)}`,
  )
}

function enrolAgain(instance: string): string {
  return `On the hub: callward enrol --host ${instance} --replace`
}

function refused(reason: RefusalReason, message: string): Verdict {
  return { kind: 'refused', reason, message }
}

/** What has become of a one-time token. */
export function tokenState(
  token: { readonly usedAt: Millis | null; readonly expiresAt: Millis },
  now: Millis,
): 'waiting' | 'used' | 'expired' {
  if (token.usedAt !== null) return 'used'
  return token.expiresAt <= now ? 'expired' : 'waiting'
}
