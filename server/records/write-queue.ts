import { AsyncLocalStorage } from 'node:async_hooks'
import type { Kysely } from 'kysely'
import { type Clock, systemClock } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { type Records, type RecordsTransaction, runEnds } from './records.ts'
import { RecordsError } from './records-error.ts'
import type { RecordsSchema } from './schema.ts'

/** The engine's half of group commit. */
export interface WriteEngine {
  /** Its `transaction()` opens a savepoint inside the group, and the group when none is open. */
  readonly database: Kysely<RecordsSchema>
  /** True when the open group can only be rolled back. */
  broken(): boolean
  /** Number of the transaction that was opened last. */
  readonly lastScope: number
  /**
   * Makes the group durable. Gives those of its transactions that failed after their work had ended, and were rolled back alone. When it
   * throws, nothing of the group was kept (or, with a lost server, nobody knows).
   */
  commit(): Promise<LateFailures>
}

/** Why a transaction failed by a statement that it did not wait for; by its number. */
export type LateFailures = ReadonlyMap<number, unknown>

export interface WriteLimits {
  /** Transactions that may wait; more are refused with `unavailable`. */
  readonly maxWaiting: number
  /** One that waited longer is refused with `unavailable` when its turn comes. */
  readonly maxWaitMilliseconds: number
  /** Transactions sharing one commit. */
  readonly maxGroupTransactions: number
  /** No transaction joins a group older than this. */
  readonly maxGroupMilliseconds: number
  /** A transaction still open after this is rolled back. */
  readonly transactionMilliseconds: number
}

export const writeLimits: WriteLimits = {
  maxWaiting: 10_000,
  maxWaitMilliseconds: 30_000,
  maxGroupTransactions: 128,
  maxGroupMilliseconds: 10,
  transactionMilliseconds: 30_000,
}

/** What a queue has done since it was made. */
export interface WriteStatistics {
  readonly waiting: number
  readonly refused: number
  readonly committedTransactions: number
  readonly failedTransactions: number
  readonly commits: number
  /** Time spent in commits (the disk), in all. */
  readonly commitMilliseconds: number
}

/** Records that can say what their write queue does. */
export interface CountedRecords extends Records {
  readonly statistics: WriteStatistics
}

interface Job {
  scope?: number
  readonly waitingSince: number
  run(): Promise<void>
  resolve(): void
  reject(error: unknown): void
}

/**
 * Serialises write transactions with group commit: those that wait run as savepoints inside one transaction and all
 * resolve after its commit. One that fails is rolled back alone; a commit that fails rejects all of its group.
 */
export class WriteQueue {
  readonly #engine: WriteEngine
  readonly #clock: Clock
  readonly #limits: WriteLimits
  readonly #waiting: Job[] = []
  readonly #inside = new AsyncLocalStorage<{ running: boolean }>()
  #pumping: Promise<void> | undefined
  #closed = false
  #refused = 0
  #committed = 0
  #failed = 0
  #commits = 0
  #commitMilliseconds = 0

  constructor(engine: WriteEngine, clock: Clock = systemClock, limits: Partial<WriteLimits> = {}) {
    this.#engine = engine
    this.#clock = clock
    this.#limits = { ...writeLimits, ...limits }
  }

  get statistics(): WriteStatistics {
    return {
      waiting: this.#waiting.length,
      refused: this.#refused,
      committedTransactions: this.#committed,
      failedTransactions: this.#failed,
      commits: this.#commits,
      commitMilliseconds: this.#commitMilliseconds,
    }
  }

  /** As `Records.write`; `milliseconds` is how long the transaction may stay open. */
  async write<T>(
    work: (tx: RecordsTransaction) => Promise<T>,
    milliseconds: number = this.#limits.transactionMilliseconds,
  ): Promise<T> {
    this.#admit()
    return new Promise<T>((resolve, reject) => {
      let result: T
      const run = AsyncLocalStorage.bind(async () => {
        result = await this.#runTransaction(work, milliseconds)
      })
      const waitingSince = this.#clock.monotonic()
      this.#waiting.push({ waitingSince, run, reject, resolve: () => resolve(result) })
      this.#pumping ??= this.#pump()
    })
  }

  /** Refuses further writes; resolves when those already waiting are settled. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#pumping
  }

  #admit(): void {
    if (this.#inside.getStore()?.running === true) {
      throw new Error(
        'BUG: records.write inside records.write would wait for itself; pass the transaction on',
      )
    }
    if (this.#closed) {
      this.#refused += 1
      throw new CallwardError('unavailable', 'The records are closed: the hub is stopping.')
    }
    if (this.#waiting.length >= this.#limits.maxWaiting) {
      this.#refused += 1
      throw new CallwardError(
        'unavailable',
        `${this.#limits.maxWaiting} writes wait for the records' disk; try again shortly.`,
      )
    }
  }

  async #pump(): Promise<void> {
    await null // let the writes of this turn gather
    while (this.#waiting.length > 0) await this.#runGroup()
    this.#pumping = undefined
    // While it is in use, Node 20 follows every promise of the process.
    this.#inside.disable()
  }

  async #runGroup(): Promise<void> {
    const done: Job[] = []
    let joined = 0
    const startedAt = this.#clock.monotonic()
    const mayJoin = () =>
      joined === 0 ||
      (!this.#engine.broken() &&
        joined < this.#limits.maxGroupTransactions &&
        this.#clock.monotonic() - startedAt < this.#limits.maxGroupMilliseconds)
    while (this.#waiting.length > 0 && mayJoin()) {
      const job = this.#waiting.shift()!
      if (this.#refuseLate(job)) continue
      joined += 1
      try {
        await job.run()
        job.scope = this.#engine.lastScope
        done.push(job)
      } catch (error) {
        this.#failed += 1
        job.reject(error)
      }
    }
    await this.#commit(done)
  }

  /** Keeps a stalled database from stalling every caller in turn. */
  #refuseLate(job: Job): boolean {
    if (this.#clock.monotonic() - job.waitingSince <= this.#limits.maxWaitMilliseconds) return false
    this.#refused += 1
    const seconds = this.#limits.maxWaitMilliseconds / 1000
    job.reject(
      new CallwardError(
        'unavailable',
        `The write waited over ${seconds} s for the records' database; nothing of it was kept. Check its disk or server.`,
      ),
    )
    return true
  }

  async #commit(done: readonly Job[]): Promise<void> {
    const startedAt = this.#clock.monotonic()
    try {
      const failures = await this.#engine.commit()
      this.#commits += 1
      this.#committed += done.length - failures.size
      this.#failed += failures.size
      for (const job of done) {
        if (failures.has(job.scope!)) job.reject(failures.get(job.scope!))
        else job.resolve()
      }
    } catch (error) {
      this.#failed += done.length
      for (const job of done) job.reject(error)
    }
    this.#commitMilliseconds += this.#clock.monotonic() - startedAt
  }

  async #runTransaction<T>(
    work: (tx: RecordsTransaction) => Promise<T>,
    milliseconds: number,
  ): Promise<T> {
    const inside = { running: true }
    const deadline = deadlineAfter(milliseconds)
    try {
      return await this.#inside.run(inside, () =>
        this.#engine.database
          .transaction()
          .execute((tx) => Promise.race([wholeWork(work, tx), deadline.passed])),
      )
    } finally {
      inside.running = false
      deadline.cancel()
    }
  }
}

async function wholeWork<T>(
  work: (tx: RecordsTransaction) => Promise<T>,
  tx: RecordsTransaction,
): Promise<T> {
  const result = await work(tx)
  await runEnds(tx)
  return result
}

function deadlineAfter(milliseconds: number): { passed: Promise<never>; cancel(): void } {
  let timer: NodeJS.Timeout | undefined
  const passed = new Promise<never>((_resolve, reject) => {
    if (!Number.isFinite(milliseconds)) return
    timer = setTimeout(() => {
      reject(
        new RecordsError(
          'busy',
          `A write transaction was open for ${milliseconds} ms and was rolled back.`,
        ),
      )
    }, milliseconds)
  })
  return { passed, cancel: () => clearTimeout(timer) }
}
