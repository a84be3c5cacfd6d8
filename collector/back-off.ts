/** What the last connection came to, which decides how soon the next is tried. */
export type Ending =
  /** The hub had welcomed us: the first retry is fast, so that a restarted hub is back at once. */
  | 'lost'
  /** The hub could not be reached, or closed before its welcome, or will not have us. */
  | 'failed'

const fastMilliseconds = { least: 100, most: 500 }
const firstMilliseconds = 1000
const longestMilliseconds = 60_000
/** A connection that held this long ends the row of failures. */
const steadyMilliseconds = 5000

/** Delays between connections: once 0.1-0.5 s after a loss, then 1 s doubling to 60 s, with up to half taken off at random. */
export class BackOff {
  readonly #random: () => number
  #failures = 0
  #fastUsed = false

  /** `random` gives [0, 1). */
  constructor(random: () => number = Math.random) {
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
    const whole = Math.min(longestMilliseconds, firstMilliseconds * 2 ** this.#failures)
    this.#failures++
    return Math.max(firstMilliseconds, whole * (0.5 + this.#random() / 2))
  }
}
