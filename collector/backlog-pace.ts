import { limits } from './wire/frames.ts'

const atFirst = 8
const atLeast = 4
const growth = 2
/** Answers that take no longer than the quickest of the connection and this let more be sent ahead. */
const quickMilliseconds = 60
/** Those that take this much longer halve what is sent ahead: the live reports of all collectors wait behind it. */
const slowMilliseconds = 150
/** A way to the hub that takes longer is taken for a queue. */
const longestWayMilliseconds = 400

/**
 * How much of the backlog is sent ahead. It follows how soon the hub answers, so that a hub to which hundreds come back at
 * once answers their live reports soon, and one collector alone fills its window within a few answers.
 */
export class BacklogPace {
  #window = atFirst
  #quickest = longestWayMilliseconds
  #slowedAt = Number.NEGATIVE_INFINITY

  /** Reports of the backlog that may be unanswered, 4 to `limits.backlogInFlight`. */
  get window(): number {
    return this.#window
  }

  /** A new connection: the hub may have changed. */
  begin(): void {
    this.#window = atFirst
    this.#quickest = longestWayMilliseconds
    this.#slowedAt = Number.NEGATIVE_INFINITY
  }

  /** A report of the backlog was answered; both in monotonic milliseconds. */
  answered(sentAt: number, answeredAt: number): void {
    const took = answeredAt - sentAt
    this.#quickest = Math.min(this.#quickest, took)
    const queued = took - this.#quickest
    if (queued <= quickMilliseconds) {
      this.#window = Math.min(limits.backlogInFlight, this.#window + growth)
    } else if (queued > slowMilliseconds && sentAt > this.#slowedAt) {
      // What was sent before the last halving says nothing of it.
      this.#window = Math.max(atLeast, this.#window >> 1)
      this.#slowedAt = answeredAt
    }
  }
}
