import type { Clock, Millis } from '../clock.ts'

const dayMillis = 86_400_000

/**
 * How fast a clock far ahead of all samples comes to be believed, a day an hour: there is time to set it right, and a store that was
 * off for weeks still gets there.
 */
const catchUp = 24

/** Start of what retention keeps at `now`; 0 days keeps everything. */
export function oldestKept(now: Millis, retentionDays: number): Millis {
  return retentionDays === 0 ? -Infinity : now - retentionDays * dayMillis
}

/**
 * The time retention believes. A clock that runs ahead would remove everything, and unlinking cannot be taken back: never later than
 * the opening's time plus what has really passed, nor than a day, and a day more each hour, after the newest sample that was found.
 */
export class BelievedClock {
  private readonly clock: Clock
  private readonly openedAt: Millis
  private readonly openedMonotonic: number
  private readonly found: Millis

  /** `newest`: the newest sample found at the opening, undefined in an empty store. */
  constructor(clock: Clock, newest: Millis | undefined) {
    this.clock = clock
    this.openedAt = clock.now()
    this.openedMonotonic = clock.monotonic()
    this.found = newest === undefined ? Infinity : newest + dayMillis
  }

  /** Never later than the clock's own. */
  now(): Millis {
    const passed = this.clock.monotonic() - this.openedMonotonic
    return Math.min(this.clock.now(), this.openedAt + passed, this.found + passed * catchUp)
  }
}
