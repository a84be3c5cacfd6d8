import { type Metric, metric, stateOfError } from '../../source.ts'
import type { Section, SectionState } from '../../wire/frames.ts'
import { whyOf } from './paths.ts'

export interface PendingUpdate {
  readonly name: string
  readonly from: string
  readonly to: string
  readonly security: boolean
}

/** Updates that wait, as far as the host's own lists tell. */
export interface UpdatesFact {
  readonly state: SectionState
  readonly pending?: readonly PendingUpdate[]
  /** How many there are, where `pending` does not hold all. */
  readonly pendingCount?: number
  /** When the oldest of the lists was last checked with its server. */
  readonly checkedAt?: string
  readonly detail?: string
}

/** Updates named in the document; the figures count all. */
export const pendingShown = 1000
export const listDaysLimit = 7

/** The fact, its section and its figures from what one manager found. Old lists are an error: what they lack is not known. */
export function updatesFact(found: {
  readonly pending: readonly PendingUpdate[]
  /** Milliseconds since the epoch; undefined when it cannot be told. */
  readonly checkedAt: number | undefined
  readonly checkedText: string | undefined
  /** Only security updates are known. */
  readonly securityOnly?: boolean
  readonly note?: string
  readonly now: number
}): { section: Section; updates: UpdatesFact; metrics: readonly Metric[] } {
  const { pending, checkedAt, now } = found
  const isOld = checkedAt === undefined || now - checkedAt > listDaysLimit * 86_400_000
  const since = found.checkedText ?? 'an unknown time'
  const old = `cannot know: the lists were last checked at ${since}, over ${listDaysLimit} days ago; run apt-get update or dnf makecache daily`
  const [state, detail] = isOld ? (['error', old] as const) : (['ok', found.note ?? ''] as const)
  const sorted = [...pending].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  const updates: UpdatesFact = {
    state,
    pending: sorted.slice(0, pendingShown),
    ...(sorted.length > pendingShown ? { pendingCount: sorted.length } : {}),
    ...(found.checkedText === undefined ? {} : { checkedAt: found.checkedText }),
    ...(detail === '' ? {} : { detail }),
  }
  return {
    section: { name: 'updates', state, detail },
    updates,
    metrics: figures(pending, found.securityOnly),
  }
}

function figures(pending: readonly PendingUpdate[], securityOnly = false): Metric[] {
  const count = (security: boolean) =>
    metric(
      'callward_software_updates_pending',
      pending.filter((one) => one.security === security).length,
      { security: String(security) },
    )
  return securityOnly ? [count(true)] : [count(true), count(false)]
}

/** What is said where updates cannot be known. */
export function unknownUpdates(error: unknown) {
  return withoutUpdates(stateOfError(error), whyOf(error))
}

export function withoutUpdates(state: Exclude<SectionState, 'ok'>, detail: string) {
  const section: Section = { name: 'updates', state, detail }
  return { section, updates: { state, detail } as UpdatesFact, metrics: [] as readonly Metric[] }
}
