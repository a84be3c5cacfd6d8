import type { Clock } from './clock.ts'
import type { Millis } from './wire/frames.ts'

/** One exchange, RFC 5905 §8: sent here, received there, answered there, received here. */
export interface Exchange {
  readonly sentAt: Millis
  readonly hubReceivedAt: Millis
  readonly hubSentAt: Millis
  readonly receivedAt: Millis
}

interface Sample {
  /** Hub's wall clock minus this host's monotonic clock, so that a step of the wall clock shows at once. */
  readonly hubMinusMonotonic: number
  readonly delay: number
}

const samplesKept = 8
/** Beyond both uncertainties by this much, two samples cannot both be right: the hub's clock has stepped. */
const stepMilliseconds = 100

/** Offset of the collector's clock from the hub's: the exchange of least delay among the last 8 (RFC 5905 §10). */
export class ClockOffset {
  readonly #clock: Clock
  #samples: Sample[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Call at once when the answer arrived: the wall clock is tied to the monotonic clock now. */
  observe(exchange: Exchange): void {
    const there = exchange.hubReceivedAt + exchange.hubSentAt
    const here = exchange.sentAt + exchange.receivedAt
    const wallMinusMonotonic = this.#clock.now() - this.#clock.monotonic()
    const delay =
      exchange.receivedAt - exchange.sentAt - (exchange.hubSentAt - exchange.hubReceivedAt)
    // A wall clock set back during the exchange gives a negative delay and no offset worth having.
    if (!Number.isFinite(delay) || delay < 0) return
    const sample = { hubMinusMonotonic: wallMinusMonotonic + (there - here) / 2, delay }
    const best = this.#best()
    const apart =
      best === undefined ? 0 : Math.abs(best.hubMinusMonotonic - sample.hubMinusMonotonic)
    const uncertainty = ((best?.delay ?? 0) + delay) / 2 + stepMilliseconds
    this.#samples = apart > uncertainty ? [sample] : [...this.#samples, sample].slice(-samplesKept)
  }

  /** Collector's clock minus hub's, seconds; undefined before the first exchange. */
  get seconds(): number | undefined {
    const best = this.#best()
    if (best === undefined) return undefined
    return (this.#clock.now() - this.#clock.monotonic() - best.hubMinusMonotonic) / 1000
  }

  #best(): Sample | undefined {
    return this.#samples.reduce<Sample | undefined>(
      (best, one) => (best === undefined || one.delay <= best.delay ? one : best),
      undefined,
    )
  }
}
