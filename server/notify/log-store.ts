import type { Clock, Millis } from '../clock.ts'
import { uuid } from '../ids.ts'
import type { Records } from '../records/records.ts'
import type { NotifyLogRow } from '../records/schema.ts'
import type { Outcome } from './outcome.ts'

export interface Attempt extends Outcome {
  readonly contactPointId: string
  readonly channel: string
  readonly idempotencyKey: string
  readonly kind: string
  readonly at: Millis
  readonly durationMillis: number
}

/** Attempts that may wait to be written; more are counted and dropped, for sending never waits for a record. */
const mostWaiting = 5_000
/** Rows of one transaction. */
const batchRows = 200
/** Rows kept whatever their age. */
const rowsKept = 500_000
/** Rows that one transaction of a sweep drops, and transactions of one sweep. */
const sweptAtOnce = 1_000
const sweptBatches = 200
const dayMillis = 86_400_000

/** What was tried, by contact point; written behind the sending. */
export class NotifyLog {
  readonly #records: Records
  readonly #clock: Clock
  readonly #keepDays: number
  readonly #fault: (error: unknown) => void
  #waiting: NotifyLogRow[] = []
  #writing: Promise<void> | undefined
  dropped = 0

  constructor(records: Records, clock: Clock, keepDays: number, fault: (error: unknown) => void) {
    this.#records = records
    this.#clock = clock
    this.#keepDays = keepDays
    this.#fault = fault
  }

  add(attempt: Attempt): void {
    if (this.#waiting.length >= mostWaiting) {
      this.dropped++
      return
    }
    this.#waiting.push({
      id: uuid(attempt.at),
      key: attempt.idempotencyKey.slice(0, 200),
      contact_point_id: attempt.contactPointId,
      channel: attempt.channel,
      kind: attempt.kind,
      outcome: attempt.outcome,
      reason: attempt.reason,
      provider_reference: attempt.providerReference ?? null,
      at: attempt.at,
      duration_millis: Math.round(attempt.durationMillis),
    })
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
    })
  }

  /** Resolves when nothing waits, or a write failed; what failed is tried again with the next attempt. */
  async settled(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
  }

  async #write(): Promise<void> {
    // Attempts of the same moment share a transaction.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const rows = this.#waiting.slice(0, batchRows)
      try {
        await this.#records.write((tx) => tx.insertInto('notify_log').values(rows).execute())
      } catch (error) {
        this.#fault(error)
        return
      }
      this.#waiting.splice(0, rows.length)
    }
  }

  /** Newest first. */
  async list(filter: {
    contactPointId?: string | undefined
    key?: string | undefined
    limit: number
  }): Promise<readonly NotifyLogRow[]> {
    let query = this.#records.read.selectFrom('notify_log').selectAll()
    if (filter.contactPointId !== undefined)
      query = query.where('contact_point_id', '=', filter.contactPointId)
    if (filter.key !== undefined) query = query.where('key', '=', filter.key)
    return query.orderBy('at', 'desc').orderBy('id', 'desc').limit(filter.limit).execute()
  }

  /** Drops what is older than the retention, and the oldest beyond the number kept; nothing from `keepFrom` on (legal holds). */
  async sweep(keepFrom: Millis = Number.POSITIVE_INFINITY): Promise<void> {
    const oldest = this.#clock.now() - this.#keepDays * dayMillis
    const beyond = await this.#records.read
      .selectFrom('notify_log')
      .select('at')
      .orderBy('at', 'desc')
      .orderBy('id', 'desc')
      .offset(rowsKept)
      .limit(1)
      .executeTakeFirst()
    const due = Math.max(this.#keepDays === 0 ? 0 : oldest, beyond?.at ?? 0)
    const before = Math.min(due, keepFrom)
    for (let batch = 0; batch < sweptBatches; batch += 1)
      if ((await this.#drop(before)) < sweptAtOnce) return
  }

  async #drop(before: Millis): Promise<number> {
    const old = await this.#records.read
      .selectFrom('notify_log')
      .select('id')
      .where('at', '<', before)
      .limit(sweptAtOnce)
      .execute()
    if (old.length > 0)
      await this.#records.write((tx) =>
        tx
          .deleteFrom('notify_log')
          .where(
            'id',
            'in',
            old.map(({ id }) => id),
          )
          .execute(),
      )
    return old.length
  }
}
