/** Milliseconds since the epoch, UTC. */
export type Millis = number

/** Where the hub reads time, so that tests move it by hand. */
export interface Clock {
  now(): Millis
  /** Milliseconds that never go back; for durations only. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}

/** RFC 3339 in UTC with milliseconds. */
export function rfc3339(at: Millis): string {
  return new Date(at).toISOString()
}
