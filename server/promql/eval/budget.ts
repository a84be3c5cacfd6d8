import { setImmediate as nextTurn } from 'node:timers/promises'
import { executionFailure, QueryFailure } from '../failure.ts'

/** Bounds of one query. */
export interface QueryLimits {
  /** Samples in memory at once, as read and as computed. */
  readonly maxSamples: number
  readonly timeoutMilliseconds: number
  /** Points of one series in a range query's answer. */
  readonly maxPoints: number
  /** Series that one selector may give. */
  readonly maxSeries: number
}

/** Prometheus's defaults, where it has the limit. */
export const defaultLimits: QueryLimits = {
  maxSamples: 50_000_000,
  timeoutMilliseconds: 120_000,
  maxPoints: 11_000,
  maxSeries: 1_000_000,
}

/** How much a query may cost where it was started; see `Outgrown`. */
export interface Allowance {
  /** Samples in memory at once. */
  readonly samples: number
  /** Samples touched, about; a million take some 10 ms. */
  readonly work: number
  /** Series for which the store may read files. */
  readonly fileSeries: number
}

/** Thrown by a query that needs more than its allowance: it is to be started again elsewhere. */
export class Outgrown extends Error {
  readonly over: 'cost' | 'files'

  constructor(over: Outgrown['over']) {
    super('BUG: a query outgrew its allowance and nobody took it over')
    this.over = over
  }
}

/** Who may stop a query, and where it may run. */
export interface Terms {
  readonly signal?: AbortSignal
  readonly isCancelled?: () => boolean
  readonly allowance?: Allowance
}

const sliceMilliseconds = 10
const workBetweenLooks = 20_000
const tooManySamples = 'query processing would load too many samples into memory in query execution'

/** Counts what one query spends, stops it when it is over, and lets others run in between. */
export class Budget {
  private readonly limits: QueryLimits
  private readonly terms: Terms
  private readonly deadline: number
  private loaded = 0
  private held = 0
  private work = 0
  private workDone = 0
  private sliceEnd: number
  /** Most samples held at once. */
  peakSamples = 0
  /** Time spent waiting for the store. */
  readMilliseconds = 0

  constructor(limits: QueryLimits, terms: Terms = {}) {
    this.limits = limits
    this.terms = terms
    const now = performance.now()
    this.deadline = now + limits.timeoutMilliseconds
    this.sliceEnd = now + sliceMilliseconds
  }

  /** Aborts when nobody waits for the answer any more. */
  get signal(): AbortSignal | undefined {
    return this.terms.signal
  }

  /** Samples that may still be taken into memory here. */
  get left(): number {
    const limit = Math.min(this.limits.maxSamples, this.terms.allowance?.samples ?? Infinity)
    return Math.max(0, limit - this.loaded - this.held)
  }

  /** Series for which the store may read files here. */
  get fileSeries(): number {
    return this.terms.allowance?.fileSeries ?? Infinity
  }

  /** Counts samples read from the store, kept until the query ends. */
  load(samples: number): void {
    this.loaded += samples
    this.look()
  }

  /** A store refused to give more samples than `left`. Throws. */
  refuseLoad(): never {
    if (this.terms.allowance !== undefined) throw new Outgrown('cost')
    throw executionFailure(tooManySamples)
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
    if (samples > (this.terms.allowance?.samples ?? Infinity)) throw new Outgrown('cost')
  }

  /** Reports work done (about one per sample touched); true when it is time to pause. */
  spend(work: number): boolean {
    this.work += work
    if (this.work < workBetweenLooks) return false
    this.workDone += this.work
    this.work = 0
    if (this.workDone > (this.terms.allowance?.work ?? Infinity)) throw new Outgrown('cost')
    const now = performance.now()
    this.checkAt(now)
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
    this.checkAt(performance.now())
  }

  private checkAt(now: number): void {
    const { signal, isCancelled } = this.terms
    if (signal?.aborted === true || isCancelled?.() === true) {
      throw new QueryFailure('canceled', 'query was canceled in expression evaluation')
    }
    if (now > this.deadline) {
      throw new QueryFailure('timeout', 'query timed out in expression evaluation')
    }
  }
}
