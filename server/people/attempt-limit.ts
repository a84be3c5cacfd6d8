import type { Millis } from '../clock.ts'

/** How many may fail before each further one waits, and how long at most. */
export interface AttemptRule {
  readonly free: number
  readonly longestMillis: Millis
}

interface Failures {
  count: number
  /** No attempt before this (monotonic). */
  until: number
  last: number
}

/** Names and addresses that are remembered; the one that was quiet longest makes room. */
export const attemptsKept = 10_000
const forgottenAfterMillis = 60 * 60_000

/**
 * Counts failed attempts of a key: after `free` of them each next one waits twice as long as the one before, from a second on. The wait is
 * bounded, so that whoever guesses cannot lock out the owner for good.
 */
export class AttemptLimit {
  readonly #rule: AttemptRule
  /** In the order of the last attempt. */
  readonly #failures = new Map<string, Failures>()

  constructor(rule: AttemptRule) {
    this.#rule = rule
  }

  /** Milliseconds until the key may try again; 0: now. */
  waitOf(key: string, now: number): Millis {
    return Math.max(0, (this.#known(key, now)?.until ?? 0) - now)
  }

  /** Counts an attempt as failed before its outcome is known, so that many at once count, too. */
  charge(key: string, now: number): void {
    const count = (this.#known(key, now)?.count ?? 0) + 1
    this.#failures.delete(key)
    if (this.#failures.size >= attemptsKept) {
      const [oldest] = this.#failures.keys()
      if (oldest !== undefined) this.#failures.delete(oldest)
    }
    const over = count - this.#rule.free
    const wait =
      over <= 0 ? 0 : Math.min(this.#rule.longestMillis, 1000 * 2 ** Math.min(over - 1, 30))
    this.#failures.set(key, { count, until: now + wait, last: now })
  }

  /** Takes one charge back: the attempt succeeded, or was not looked at. */
  refund(key: string): void {
    const known = this.#failures.get(key)
    if (known === undefined) return
    if (known.count <= 1) this.#failures.delete(key)
    else {
      known.count -= 1
      known.until = known.last
    }
  }

  /** The owner came: what failed before is forgotten. */
  clear(key: string): void {
    this.#failures.delete(key)
  }

  get size(): number {
    return this.#failures.size
  }

  #known(key: string, now: number): Failures | undefined {
    const known = this.#failures.get(key)
    if (known === undefined || now - known.last <= forgottenAfterMillis) return known
    this.#failures.delete(key)
    return undefined
  }
}
