/** At most `count` in any window of `perMillis`. */
export interface Limit {
  readonly count: number
  readonly perMillis: number
}

/** Keys remembered at once. */
const keysKept = 10_000

/** Counts by key in sliding windows, on a clock that never goes back. */
export class RateLimits {
  readonly #taken = new Map<string, number[]>()

  /**
   * Takes one and gives 0, or takes nothing and gives the milliseconds until there is room. `share` of a limit is all that may be used
   * by then: what can wait leaves the rest to what cannot.
   */
  take(key: string, limits: readonly Limit[], now: number, share = 1): number {
    const longest = Math.max(0, ...limits.map(({ perMillis }) => perMillis))
    const times = (this.#taken.get(key) ?? []).filter((at) => at > now - longest)
    let wait = 0
    for (const { count: whole, perMillis } of limits) {
      const count = Math.max(1, Math.floor(whole * share))
      const within = times.filter((at) => at > now - perMillis)
      const oldest = within[within.length - count]
      if (within.length >= count && oldest !== undefined)
        wait = Math.max(wait, oldest + perMillis - now)
    }
    if (wait === 0) times.push(now)
    this.#taken.delete(key)
    if (this.#taken.size >= keysKept) {
      const [eldest] = this.#taken.keys()
      if (eldest !== undefined) this.#taken.delete(eldest)
    }
    this.#taken.set(key, times)
    return wait
  }
}
