import type { Millis } from '../clock.ts'

/** Beyond this a collector's times are corrected by the measured offset, and the series says so. */
export const correctBeyondMillis = 2000
/** Reports further ahead than this are refused. */
export const refuseAheadMillis = 3_600_000

const windowLength = 8
/** A collector's clock that moves this far against its monotonic clock was set, not drifting. */
const stepMillis = 1000

interface Reading {
  readonly wall: Millis
  readonly monotonic: number
  readonly receivedAt: Millis
}

/**
 * How far the hub's clock is ahead of a collector's, from its own reports. A report that waited (sent in a
 * burst after an outage) tells nothing, so only reports that arrive as far apart as they were read count;
 * of those the smallest difference has the least delay in it.
 */
export class ClockOffset {
  #previous: Reading | undefined
  readonly #differences: number[]
  #least: number

  /** `difference` is the hub's wall clock minus the hello's, in milliseconds. */
  constructor(difference: number) {
    this.#differences = [difference]
    this.#least = difference
  }

  /** Takes a live report's clocks into account; milliseconds. */
  observe(reading: Reading): void {
    const previous = this.#previous
    this.#previous = reading
    if (previous === undefined) return
    const apart = reading.monotonic - previous.monotonic
    const arrivedApart = reading.receivedAt - previous.receivedAt
    if (apart <= 0 || Math.abs(arrivedApart - apart) > apart / 2) return
    const stepped = reading.wall - previous.wall - apart
    const differences = this.#differences
    if (Math.abs(stepped) > stepMillis) differences.length = 0
    if (differences.length === windowLength) differences.shift()
    differences.push(reading.receivedAt - reading.wall)
    this.#least = Math.min(...differences)
  }

  /** Hub's clock minus collector's, milliseconds; positive when the collector is behind. */
  get millis(): number {
    return this.#least
  }
}

/** The time a report's samples are stored under, or why it is refused. */
export function storedTime(
  wall: Millis,
  offset: number,
  now: Millis,
): { kind: 'as sent' | 'corrected'; t: Millis } | { kind: 'refused'; reason: string } {
  if (wall > now + refuseAheadMillis) {
    const hours = ((wall - now) / 3_600_000).toFixed(1)
    return {
      kind: 'refused',
      reason: `its time is ${hours} h ahead of the hub; set the host's clock (see chronyc tracking)`,
    }
  }
  if (wall < 0) return { kind: 'refused', reason: 'its time is before 1970; set the host’s clock' }
  if (Math.abs(offset) <= correctBeyondMillis) return { kind: 'as sent', t: wall }
  return { kind: 'corrected', t: Math.max(0, wall + offset) }
}
