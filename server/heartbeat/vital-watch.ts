import type { Clock } from '../clock.ts'
import type { Records } from '../records/records.ts'
import type { Timers } from '../timers.ts'

export interface WatchParts {
  readonly clock: Clock
  readonly timers: Timers
  /** A write that changes nothing anybody reads; rejects when the records refuse it. */
  readonly tryRecords: (value: string) => Promise<void>
  readonly onRefused: (err: unknown) => void
}

const lookEveryMillis = 5_000
const tickMillis = 100
/** Looks over which the longest stall of the event loop counts: a minute. */
const stallLooks = 12

/** Tries every few seconds what shows only when it is tried: a write of the records, the event loop. */
export class VitalWatch {
  readonly #parts: WatchParts
  #ticker: NodeJS.Timeout | undefined
  #tickedAt = 0
  #longest = 0
  readonly #stalls: number[] = []
  #refusingSince: number | undefined
  #trying: number | undefined
  #looking: Promise<void> = Promise.resolve()
  #cancel: (() => void) | undefined

  constructor(parts: WatchParts) {
    this.#parts = parts
  }

  /** How long trial writes have been refused; one that neither ends nor fails counts from when it began. */
  get refusingSeconds(): number {
    const since = this.#refusingSince ?? this.#trying
    return since === undefined ? 0 : (this.#parts.clock.monotonic() - since) / 1000
  }

  /** The longest time within the last minute that the event loop did nothing else. */
  get stallSeconds(): number {
    return Math.max(this.#longest, ...this.#stalls)
  }

  start(): void {
    this.#tickedAt = performance.now()
    this.#ticker = setInterval(() => this.#tick(), tickMillis)
    this.#ticker.unref()
    this.#lookLater()
  }

  async stop(): Promise<void> {
    this.#cancel?.()
    clearInterval(this.#ticker)
    await this.#looking
  }

  /** Looks now; never rejects. */
  async look(): Promise<void> {
    this.#stalls.push(this.#longest)
    if (this.#stalls.length > stallLooks) this.#stalls.shift()
    this.#longest = 0
    // One that hangs is the finding; another would only wait behind it.
    if (this.#trying !== undefined) return
    const began = this.#parts.clock.monotonic()
    this.#trying = began
    try {
      await this.#parts.tryRecords(JSON.stringify(this.#parts.clock.now()))
      this.#refusingSince = undefined
    } catch (err) {
      if (this.#refusingSince === undefined) this.#parts.onRefused(err)
      this.#refusingSince ??= began
    } finally {
      this.#trying = undefined
    }
  }

  /** How much later than asked the timer had its turn; measured by the process's own time, whatever clock the hub has. */
  #tick(): void {
    const now = performance.now()
    this.#longest = Math.max(this.#longest, (now - this.#tickedAt - tickMillis) / 1000)
    this.#tickedAt = now
  }

  #lookLater(): void {
    this.#cancel = this.#parts.timers.after(lookEveryMillis, () => {
      this.#looking = this.look()
      this.#lookLater()
    })
  }
}

/** See `WatchParts.tryRecords`. */
export async function tryRecords(records: Records, value: string): Promise<void> {
  await records.write((tx) =>
    tx
      .insertInto('settings')
      .values({ key: 'heartbeat.trial', value })
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
      .execute(),
  )
}
