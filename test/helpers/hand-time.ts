/** A clock and its timers, moved by hand. */
export class HandTime {
  #at: number
  /** What the wall clock was set by: `monotonic` and the timers do not feel it. */
  #set = 0
  readonly #waiting = new Set<{ readonly at: number; readonly work: () => void }>()

  constructor(at: number) {
    this.#at = at
  }

  now = (): number => this.#at + this.#set
  monotonic = (): number => this.#at

  after(delay: number, work: () => void): () => void {
    const one = { at: this.#at + delay, work }
    this.#waiting.add(one)
    return () => this.#waiting.delete(one)
  }

  /** Moves on by milliseconds and does what has become due. */
  move(by: number): void {
    this.#at += by
    for (const one of [...this.#waiting])
      if (one.at <= this.#at && this.#waiting.delete(one)) one.work()
  }

  /** Sets the wall clock on, or back, by milliseconds; no time passes. */
  set(by: number): void {
    this.#set += by
  }

  /** Milliseconds until the next timer; undefined: none waits. */
  untilNext(): number | undefined {
    if (this.#waiting.size === 0) return undefined
    return Math.max(0, Math.min(...[...this.#waiting].map(({ at }) => at)) - this.#at)
  }
}
