import type { Millis } from './wire/frames.ts'

/** Where the collector reads time, so that tests and simulated hosts move it by hand. */
export interface Clock {
  now(): Millis
  /** Milliseconds since the machine's start, the same for all its processes; they never go back. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => Number(process.hrtime.bigint()) / 1e6,
}
