import type { Clock } from '../clock.ts'
import { hubLabels } from '../hub-labels.ts'
import type { SeriesId, StoreWriter } from '../store/writer.ts'
import type { RefusalReason, TokenRefusal } from './enrolment.ts'

/** How long a refusal counts as present: a collector that is refused comes back within minutes. */
const presentMillis = 10 * 60_000
/** Misuse of a token is not repeated by itself: it stays in sight long enough to be looked into. */
const misusePresentMillis = 30 * 60_000
/** Different hosts and reasons kept at once. */
const keptAtOnce = 10_000

/**
 * What is refused now, as series that rules can watch: `callward_collector_refused{host, reason}` and
 * `callward_enrolment_tokens_misused{reason}` are 1 while it is, and end after it.
 */
export class RefusalSeries {
  readonly #store: StoreWriter
  readonly #clock: Clock
  /** Until when each is present, by the monotonic clock. */
  readonly #until = new Map<SeriesId, number>()
  #written: ReadonlySet<SeriesId> = new Set()

  constructor(store: StoreWriter, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  refused(host: string, reason: RefusalReason): void {
    this.#present({ __name__: 'callward_collector_refused', host, reason }, presentMillis)
  }

  misused(reason: TokenRefusal): void {
    this.#present({ __name__: 'callward_enrolment_tokens_misused', reason }, misusePresentMillis)
  }

  /** Ends what is told of a host: it was put right. */
  settled(host: string): void {
    for (const id of this.#until.keys())
      if (this.#store.labels(id)['host'] === host) this.#until.delete(id)
  }

  #present(labels: Readonly<Record<string, string>>, millis: number): void {
    const id = this.#store.intern({ ...hubLabels, ...labels })
    if (this.#until.size >= keptAtOnce && !this.#until.has(id)) return
    this.#until.set(id, this.#clock.monotonic() + millis)
  }

  /** Writes what is present, and marks what is not any more. Rejects when the store refuses; the next call says it again. */
  async write(): Promise<void> {
    const now = this.#clock.monotonic()
    for (const [id, until] of this.#until) if (until <= now) this.#until.delete(id)
    const present = new Set(this.#until.keys())
    const ended = [...this.#written].filter((id) => !present.has(id))
    if (present.size + ended.length === 0) return
    await this.#store.append({
      rows: [
        {
          t: this.#clock.now(),
          ids: Uint32Array.from(present),
          values: new Float64Array(present.size).fill(1),
          stale: Uint32Array.from(ended),
        },
      ],
    })
    this.#written = present
  }
}
