import type { Millis } from '../clock.ts'

/** One way to a recipient: the live push, or a contact point. */
export interface Way {
  /** `live`, or the contact point's id. */
  readonly id: string
  readonly channel: string
}

/** Where a telling stands; its obligation carries it. JSON. */
export interface TellingState {
  /** Counts from 0; a new one begins when no way of the last took the message. */
  readonly round: number
  /** Ways tried in this round. */
  readonly tried: readonly string[]
  /** Whether a contact point took it; the screen counts when it has shown it. */
  readonly taken: boolean
}

export const newTelling: TellingState = { round: 0, tried: [], taken: false }

/** What comes next: one more way; the end; or all of them again, `afterMillis` later. */
export type NextWay =
  | { readonly kind: 'try'; readonly way: Way; readonly state: TellingState }
  | { readonly kind: 'told' }
  | { readonly kind: 'nobody'; readonly reason: string }
  | { readonly kind: 'again'; readonly afterMillis: Millis; readonly state: TellingState }

const longestPauseMillis = 60_000

/** The screen: what is queued there stays there, so it is used once. */
export const screen = 'live'

/** The next way of a telling, in the order the ways are given. */
export function nextWay(ways: readonly Way[], state: TellingState): NextWay {
  if (ways.length === 0) return { kind: 'nobody', reason: 'there is no way to reach them' }
  const usable = state.round === 0 ? ways : ways.filter(({ id }) => id !== screen)
  const way = usable.find(({ id }) => !state.tried.includes(id))
  if (way !== undefined)
    return { kind: 'try', way, state: { ...state, tried: [...state.tried, way.id] } }
  if (state.taken) return { kind: 'told' }
  if (ways.every(({ id }) => id === screen))
    return {
      kind: 'nobody',
      reason: 'it waits on their screens, and there is no other way to them',
    }
  const afterMillis = Math.min(longestPauseMillis, 5_000 * 2 ** Math.min(state.round, 4))
  return {
    kind: 'again',
    afterMillis,
    state: { round: state.round + 1, tried: [], taken: false },
  }
}
