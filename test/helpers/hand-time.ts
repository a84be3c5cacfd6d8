/** A clock and its timers, moved by hand. */
export class HandTime {
  #at: number
  readonly #waiting = new Set<{ readonly at: number; readonly work: () => void }>()

  constructor(at: number) {
    this.#at = at
  }

  now = (): number => this.#at
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
}
