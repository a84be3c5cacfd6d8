import type { Millis } from '../clock.ts'

/**
 * When a group is due, on the monotonic clock: multiples of its interval, so it does not drift, and a wall clock
 * that jumps changes nothing.
 */
export interface Cadence {
  readonly interval: Millis
  /** Monotonic milliseconds of the next evaluation. */
  readonly nextAt: number
}

/**
 * The first turn: within the first interval, at a wall time that is a multiple of the interval plus the group's
 * own offset, so that groups spread out and a restart keeps the beat.
 */
export function firstTurn(name: string, interval: Millis, now: Millis, monotonic: number): Cadence {
  const offset = hash(name) % interval
  const wait = (interval - ((now - offset) % interval)) % interval
  return { interval, nextAt: monotonic + wait }
}

/** The turn after one that was taken at `monotonic`, and how many were missed on the way. */
export function nextTurn(
  cadence: Cadence,
  monotonic: number,
): { readonly cadence: Cadence; readonly missed: number } {
  const passed = Math.max(0, Math.floor((monotonic - cadence.nextAt) / cadence.interval))
  return {
    cadence: { ...cadence, nextAt: cadence.nextAt + (passed + 1) * cadence.interval },
    missed: passed,
  }
}

function hash(text: string): number {
  let sum = 0
  for (const character of text) sum = (sum * 31 + character.codePointAt(0)!) % 1_000_003
  return sum
}
