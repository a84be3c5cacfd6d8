import type { Millis } from '../clock.ts'
import type { Principal } from '../people/plugin.ts'

/** A request waits a day for its second person. */
export const approvalMillis = 24 * 3_600_000

export type ApprovalState = 'open' | 'approved' | 'rejected' | 'expired'

/** What two people decide together. */
export interface Approval {
  readonly id: string
  readonly kind: string
  /** What it is about; one open request of a kind and subject at a time. */
  readonly subject: string
  readonly content: unknown
  readonly state: ApprovalState
  readonly requestedBy: Half
  readonly requestedAt: Millis
  readonly expiresAt: Millis
  readonly decidedBy: Half | null
  readonly decidedAt: Millis | null
  readonly reason: string | null
}

/** One of the two. */
export interface Half {
  readonly id: string
  readonly name: string
}

/** What is known of an account that wants to be one of the two. */
export interface Standing extends Half {
  readonly role: string
  /** False for accounts of programs, the bootstrap token's too. */
  readonly isPerson: boolean
  readonly enabled: boolean
}

export type Refusal =
  | { readonly code: 'forbidden'; readonly message: string }
  | { readonly code: 'conflict'; readonly message: string }

/**
 * Why a request may not be one of the two halves, whoever's it is; undefined when it may. An administrator can make tokens and
 * sign-in links in anybody's name; the password is its owner's.
 */
export function sessionRefusal({ via, way }: Pick<Principal, 'via' | 'way'>): Refusal | undefined {
  if (via === 'cookie' && way === 'password') return undefined
  return forbidden(
    'What takes two people is asked for and decided by people who signed in themselves, not by a token or a sign-in link: sign in to the console with your own password.',
  )
}

/** Why an account may not ask; undefined when it may. */
export function requestRefusal(who: Standing, roles: readonly string[]): Refusal | undefined {
  if (!who.isPerson || !who.enabled)
    return forbidden(
      `"${who.name}" is not a person’s account: what takes two people is asked for and approved by people only. Sign in as yourself; callward people invite makes accounts.`,
    )
  if (!roles.includes(who.role))
    return forbidden(`The role ${who.role} may not ask for this; it takes ${roles.join(' or ')}.`)
  return undefined
}

/** Why an account may not agree to a request; undefined when it may. `requester` as the account stands now. */
export function approvalRefusal(
  approval: Pick<Approval, 'state' | 'expiresAt' | 'subject'>,
  requester: Standing,
  who: Standing,
  roles: readonly string[],
  now: Millis,
): Refusal | undefined {
  const over = closedRefusal(approval, now)
  if (over !== undefined) return over
  if (!who.isPerson || !who.enabled)
    return forbidden(
      `"${who.name}" is not a person’s account: what takes two people is approved by people only. Sign in as yourself.`,
    )
  if (who.id === requester.id)
    return forbidden('You asked for this yourself; a second person must agree.')
  if (!roles.includes(who.role))
    return forbidden(`The role ${who.role} may not approve this; it takes ${roles.join(' or ')}.`)
  if (!requester.isPerson || !requester.enabled || !roles.includes(requester.role))
    return conflict(
      `${requester.name}, who asked for this, may not do so any more; somebody else asks anew.`,
    )
  return undefined
}

/** Why a request cannot be decided any more. */
export function closedRefusal(
  { state, expiresAt, subject }: Pick<Approval, 'state' | 'expiresAt' | 'subject'>,
  now: Millis,
): Refusal | undefined {
  if (state === 'open' && now >= expiresAt)
    return conflict(`The request for "${subject}" has expired; ask for it anew.`)
  if (state !== 'open')
    return conflict(
      `The request for "${subject}" is ${state} already; ask for it anew if it is still wanted.`,
    )
  return undefined
}

function forbidden(message: string): Refusal {
  return { code: 'forbidden', message }
}

function conflict(message: string): Refusal {
  return { code: 'conflict', message }
}
