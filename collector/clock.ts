import type { Millis } from './wire/frames.ts'

/** Where the collector reads time, so that tests and simulated hosts move it by hand. */
export interface Clock {
  now(): Millis
  /** Milliseconds that never go back; for durations only. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}
