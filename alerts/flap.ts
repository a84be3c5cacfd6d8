import type { Millis } from './alert.ts'

/**
 * Icinga 2's flap detection (lib/icinga/checkable-flapping.cpp since 2.8): of the last 20 checks those that changed
 * the state are counted, the oldest with weight 0.8, the newest with 1.18, as a share of 20.
 */
export interface FlapBand {
  /** Percent; at or below it an alert flaps no longer. */
  readonly low: number
  /** Percent; above it an alert flaps. */
  readonly high: number
  /** Length of one check. */
  readonly interval: Millis
}

/** Icinga's thresholds; a check a minute, as its default. */
export const flapBand: FlapBand = { low: 25, high: 30, interval: 60_000 }

export interface FlapWindow {
  /** The last 20 checks, `1` where the state changed, newest last. */
  readonly checks: string
  readonly flapping: boolean
  /** The check that is counted newest. */
  readonly checkedAt: Millis
}

const size = 20
const quiet = '0'.repeat(size)

/** The window of an alert that was never seen before. */
export function newFlapWindow(at: Millis): FlapWindow {
  return { checks: quiet, flapping: false, checkedAt: at }
}

/** Percent of weighted changes in the window. */
export function flapValue(window: FlapWindow): number {
  let sum = 0
  for (let i = 0; i < size; i++) if (window.checks[i] === '1') sum += 80 + 2 * i
  return sum / size
}

/**
 * The window after the checks before `at` that saw no change, and the one at `at` that did when `changed`. Looking
 * in between changes nothing: a check counts as calm only once its instant has passed.
 */
export function observe(
  window: FlapWindow,
  band: FlapBand,
  changed: boolean,
  at: Millis,
): FlapWindow {
  const calm = Math.max(0, Math.ceil((at - window.checkedAt) / band.interval) - 1)
  let next = window
  const shifts = window.checks === quiet && !window.flapping ? 0 : Math.min(calm, size)
  for (let i = 0; i < shifts; i++) next = checked(next, band, '0')
  if (changed) return { ...checked(next, band, '1'), checkedAt: at }
  return { ...next, checkedAt: window.checkedAt + calm * band.interval }
}

function checked(window: FlapWindow, band: FlapBand, check: '0' | '1'): FlapWindow {
  const next = { ...window, checks: (window.checks + check).slice(-size) }
  const value = flapValue(next)
  return { ...next, flapping: window.flapping ? value > band.low : value > band.high }
}

/** When a window that sees no further change stops flapping; undefined when it does not flap. */
export function calmAt(window: FlapWindow, band: FlapBand): Millis | undefined {
  if (!window.flapping) return undefined
  let next = window
  for (let i = 1; i <= size; i++) {
    next = checked(next, band, '0')
    if (!next.flapping) return passed(window, band, i)
  }
  return passed(window, band, size)
}

/** When no change is left in the window and it may be forgotten; undefined when that is so already. */
export function forgottenAt(window: FlapWindow, band: FlapBand): Millis | undefined {
  const newest = window.checks.lastIndexOf('1')
  return newest < 0 ? undefined : passed(window, band, newest + 1)
}

/** The first instant at which that many further checks have passed. */
function passed(window: FlapWindow, band: FlapBand, checks: number): Millis {
  return window.checkedAt + checks * band.interval + 1
}
