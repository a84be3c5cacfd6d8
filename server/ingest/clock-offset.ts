import type { Millis } from '../clock.ts'

/** Beyond this a collector's times are corrected by the measured offset, and the series says so. */
export const correctBeyondMillis = 2000
/** Reports further ahead than this are refused, as sent or as corrected. */
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
 * of those the smallest difference has the least delay in it. One thing every report tells: it was read before
 * it was received, so an offset that says otherwise is of a clock that was set since.
 */
export class ClockOffset {
  #previous: Reading | undefined
  /** Of the reports that count, the newest last. */
  readonly #differences: number[] = []
  #least: number

  /**
   * `difference` is the hub's wall clock minus the hello's, in milliseconds: the offset until a report counts. A hello so far ahead
   * that its reports would be refused tells none: those that are taken were read after the clock was set. `underWay`: the hello was
   * on its way for at most so long, which a busy hub must not take for a clock that is behind.
   */
  constructor(difference: number, underWay = 0) {
    const least = difference - underWay
    this.#least = difference < -refuseAheadMillis ? 0 : difference
    if (difference <= correctBeyondMillis || least > correctBeyondMillis) return
    // It leaves the window as the reports do: eight of them that say otherwise are believed.
    this.#least = Math.max(0, least)
    this.#differences.push(this.#least)
  }

  /** Takes a live report's clocks into account; milliseconds. */
  observe(reading: Reading): void {
    const difference = reading.receivedAt - reading.wall
    if (difference < -refuseAheadMillis) return
    const previous = this.#previous
    this.#previous = reading
    const wasSet = difference < this.#least - stepMillis
    if (!wasSet && (previous === undefined || !arrivedAsRead(previous, reading))) return
    const differences = this.#differences
    if (wasSet || (previous !== undefined && Math.abs(stepOf(previous, reading)) > stepMillis))
      differences.length = 0
    if (differences.length === windowLength) differences.shift()
    differences.push(difference)
    this.#least = Math.min(...differences)
  }

  /** Hub's clock minus collector's, milliseconds; positive when the collector is behind. */
  get millis(): number {
    return this.#least
  }
}

/** Whether two reports arrived as far apart as they were read. */
function arrivedAsRead(before: Reading, after: Reading): boolean {
  const apart = after.monotonic - before.monotonic
  const arrivedApart = after.receivedAt - before.receivedAt
  return apart > 0 && Math.abs(arrivedApart - apart) <= apart / 2
}

/** How far the collector's clock was set between two reports. */
function stepOf(before: Reading, after: Reading): number {
  return after.wall - before.wall - (after.monotonic - before.monotonic)
}

/** The time a report's samples are stored under, or why it is refused. */
export function storedTime(
  wall: Millis,
  offset: number,
  now: Millis,
): { kind: 'as sent' | 'corrected'; t: Millis } | { kind: 'refused'; reason: string } {
  const isCorrected = Math.abs(offset) > correctBeyondMillis
  const t = isCorrected ? Math.max(0, wall + offset) : wall
  // A report of a clock that was set since it was measured may come out ahead only when corrected.
  const ahead = Math.max(wall, t) - now
  if (ahead > refuseAheadMillis) {
    const hours = (ahead / 3_600_000).toFixed(1)
    return {
      kind: 'refused',
      reason: `its time is ${hours} h ahead of the hub; set the host's clock (see chronyc tracking)`,
    }
  }
  if (wall < 0) return { kind: 'refused', reason: 'its time is before 1970; set the host’s clock' }
  return { kind: isCorrected ? 'corrected' : 'as sent', t }
}
