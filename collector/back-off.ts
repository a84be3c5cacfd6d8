/** What the last connection came to, which decides how soon the next is tried. */
export type Ending =
  /** The hub had welcomed us: the first retry is fast, so that a restarted hub is back at once. */
  | 'lost'
  /** The hub could not be reached, or closed before its welcome. */
  | 'failed'
  /** The hub will not have us until someone acts: token, version, a second collector of the same identity. */
  | 'refused'

const fastMilliseconds = { least: 100, most: 500 }
const firstMilliseconds = 1000
const longestMilliseconds = 60_000
/** A connection that held this long ends the row of failures. */
const steadyMilliseconds = 5000

/**
 * Longest delay while the hub cannot be reached: half of the three intervals after which it calls a host
 * silent, so that a hub that was away long does not page for hosts that are well. 1.5 s to 60 s.
 */
export function longestFailedMilliseconds(intervalSeconds: number): number {
  return Math.min(longestMilliseconds, intervalSeconds * 1500)
}

/** Delays between connections: once 0.1-0.5 s after a loss, then 1 s doubling to the longest, with up to half taken off at random. */
export class BackOff {
  readonly #longestFailed: number
  readonly #random: () => number
  #failures = 0
  #fastUsed = false

  /** `random` gives [0, 1). */
  constructor(longestFailed: number, random: () => number = Math.random) {
    this.#longestFailed = longestFailed
    this.#random = random
  }

  /** Milliseconds to wait, 100 to 60 000. `livedMilliseconds` counts from the welcome. */
  after(ending: Ending, livedMilliseconds = 0): number {
    if (ending === 'lost' && livedMilliseconds >= steadyMilliseconds) {
      this.#failures = 0
      this.#fastUsed = false
    }
    if (ending === 'lost' && !this.#fastUsed) {
      this.#fastUsed = true
      const { least, most } = fastMilliseconds
      return least + this.#random() * (most - least)
    }
    const longest = ending === 'refused' ? longestMilliseconds : this.#longestFailed
    const whole = Math.min(longest, firstMilliseconds * 2 ** this.#failures)
    this.#failures++
    return Math.max(firstMilliseconds, whole * (0.5 + this.#random() / 2))
  }
}
