import { setImmediate as nextTurn } from 'node:timers/promises'
import { executionFailure, QueryFailure } from '../failure.ts'

/** Bounds of one query. */
export interface QueryLimits {
  /** Samples in memory at once, as read and as computed. */
  readonly maxSamples: number
  readonly timeoutMilliseconds: number
  /** Points of one series in a range query's answer. */
  readonly maxPoints: number
}

/** Prometheus's defaults. */
export const defaultLimits: QueryLimits = {
  maxSamples: 50_000_000,
  timeoutMilliseconds: 120_000,
  maxPoints: 11_000,
}

const sliceMilliseconds = 20
const workBetweenLooks = 20_000
const tooManySamples = 'query processing would load too many samples into memory in query execution'

/** Counts what one query spends, stops it when it is over, and lets others run in between. */
export class Budget {
  private readonly limits: QueryLimits
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal | undefined
  private readonly deadline: number
  private loaded = 0
  private held = 0
  private work = 0
  private sliceEnd: number
  /** Most samples held at once. */
  peakSamples = 0

  constructor(limits: QueryLimits, signal: AbortSignal | undefined) {
    this.limits = limits
    this.signal = signal
    const now = performance.now()
    this.deadline = now + limits.timeoutMilliseconds
    this.sliceEnd = now + sliceMilliseconds
  }

  /** Samples that may still be taken into memory. */
  get left(): number {
    return this.limits.maxSamples - this.loaded - this.held
  }

  /** Counts samples read from the store, kept until the query ends. */
  load(samples: number): void {
    this.loaded += samples
    this.look()
  }

  /** Counts samples computed; over the limit throws the failure Prometheus names. */
  hold(samples: number): void {
    this.held += samples
    this.look()
  }

  /** Samples computed and held now, for `settle`. */
  get mark(): number {
    return this.held
  }

  /** Forgets what was held since `mark`, save the result's samples. */
  settle(mark: number, samples: number): void {
    this.held = mark
    this.hold(samples)
  }

  private look(): void {
    const samples = this.loaded + this.held
    if (samples > this.peakSamples) this.peakSamples = samples
    if (samples > this.limits.maxSamples) throw executionFailure(tooManySamples)
  }

  /** Reports work done (about one per sample touched); true when it is time to `pause`. */
  spend(work: number): boolean {
    this.work += work
    if (this.work < workBetweenLooks) return false
    this.work = 0
    const now = performance.now()
    if (now > this.deadline) {
      throw new QueryFailure('timeout', 'query timed out in expression evaluation')
    }
    return now > this.sliceEnd
  }

  /** Gives the event loop a turn. */
  async pause(): Promise<void> {
    await nextTurn()
    this.check()
    this.sliceEnd = performance.now() + sliceMilliseconds
  }

  /** Throws when the query was cancelled or is late. */
  check(): void {
    if (this.signal?.aborted) {
      throw new QueryFailure('canceled', 'query was canceled in expression evaluation')
    }
    if (performance.now() > this.deadline) {
      throw new QueryFailure('timeout', 'query timed out in expression evaluation')
    }
  }
}
