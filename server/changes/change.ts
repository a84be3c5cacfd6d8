import type { Millis } from '../clock.ts'
import type { ItemKind } from './difference.ts'
import type { Standing } from './standing.ts'

/** What a record says will change; `to` absent: to whatever version. */
export interface ExpectedChange {
  readonly kind: ItemKind
  /** Name or path; `*` stands for any characters; `running` for the kernel. */
  readonly subject: string
  readonly to?: string
}

/** What is planned; a correction replaces it whole. */
export interface ChangeContent {
  readonly title: string
  readonly description: string
  /** Instances, or `role=pbx` and the like. */
  readonly hosts: readonly string[]
  readonly expected: readonly ExpectedChange[]
  /** Absent: a change that is made once. */
  readonly standing?: Standing
}

export interface ChangeWindow {
  readonly startsAt: Millis
  readonly endsAt: Millis
}

export type ChangeState = 'draft' | 'approved' | 'closed' | 'rejected'
/** What people see: an approved record is in progress from the beginning of its window on. */
export type ShownState = ChangeState | 'in progress'

/** Kinds of entries; docs/changes.md says what each value holds. */
export type EntryKind =
  | 'created'
  | 'corrected'
  | 'approved'
  | 'rejected'
  | 'verified'
  | 'closed'
  | 'linked'

export type ChangeAction = Exclude<EntryKind, 'created' | 'linked'>

/** Of a record what decides who may do what with it. */
export interface ChangeStanding {
  readonly number: number
  readonly state: ChangeState
  /** Principals who wrote what it says: they do not approve it. */
  readonly authors: ReadonlySet<string>
  readonly isVerified: boolean
}

/** A window longer than this approves nothing in particular. */
export const longestWindowDays = 31
/** A standing record is approved anew at least once a year. */
export const longestStandingDays = 366

/** Subjects with `*` in one record; each is compared with everything that changed. */
const mostPatterns = 50

const allowed: Readonly<Record<ChangeAction, readonly ChangeState[]>> = {
  corrected: ['draft', 'approved'],
  approved: ['draft'],
  rejected: ['draft', 'approved'],
  verified: ['approved'],
  closed: ['approved'],
}

/** The state an action leaves a record in; a correction takes the approval away. */
export const stateAfter: Readonly<Record<ChangeAction, ChangeState>> = {
  corrected: 'draft',
  approved: 'approved',
  rejected: 'rejected',
  verified: 'approved',
  closed: 'closed',
}

/** Why a person may not do this with a record now; undefined when they may. */
export function refusal(
  standing: ChangeStanding,
  action: ChangeAction,
  principalId: string,
): { readonly code: 'conflict' | 'forbidden'; readonly message: string } | undefined {
  const { number, state, authors, isVerified } = standing
  if (!allowed[action].includes(state)) {
    const message = `Change ${number} is ${state}; only one that is ${allowed[action].join(' or ')} can be ${action}.`
    return { code: 'conflict', message }
  }
  if (action === 'approved' && authors.has(principalId)) {
    const message = `Who wrote change ${number} cannot approve it; ask another operator or administrator.`
    return { code: 'forbidden', message }
  }
  if (action === 'closed' && !isVerified) {
    const message = `Change ${number} is not verified. First: callward change verify ${number} --result ok --note TEXT`
    return { code: 'conflict', message }
  }
  return undefined
}

/** What is wrong with a window; undefined when nothing is. */
export function windowFault(
  { startsAt, endsAt }: ChangeWindow,
  isStanding = false,
): string | undefined {
  if (!Number.isFinite(startsAt) || !Number.isFinite(endsAt))
    return 'window: start and end must be real times with a zone. Example: 2026-03-02T22:00:00+07:00'
  if (endsAt <= startsAt) return 'window: its end must come after its start.'
  const days = isStanding ? longestStandingDays : longestWindowDays
  if (endsAt - startsAt > days * 86_400_000)
    return isStanding
      ? `window: longer than ${days} days; a standing record is approved anew at least once a year.`
      : `window: longer than ${days} days; make a record for each part.`
  return undefined
}

/** What is wrong with a list of expected changes; undefined when nothing is. */
export function expectedFault(expected: readonly ExpectedChange[]): string | undefined {
  const { length } = expected.filter(({ subject }) => subject.includes('*'))
  if (length <= mostPatterns) return undefined
  return `expected: ${length} subjects have a "*"; at most ${mostPatterns} are taken, name the others in full.`
}

/** The state people see at a time. */
export function shownState(
  state: ChangeState,
  { startsAt }: ChangeWindow,
  now: Millis,
): ShownState {
  return state === 'approved' && now >= startsAt ? 'in progress' : state
}
