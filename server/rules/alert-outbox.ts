import type { AlertChange } from '../../alerts/alert.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { Timers } from '../timers.ts'
import { type AlertWrite, saveAlerts } from './alert-store.ts'

/** What one evaluation changed; written whole or not at all. */
export interface OutboxBatch {
  readonly writes: readonly AlertWrite[]
  readonly changes: readonly AlertChange[]
}

export interface OutboxOptions {
  readonly write: (work: (tx: RecordsTransaction) => Promise<void>) => Promise<void>
  /** Tells incidents and the people, inside the transaction: what happened together, no alert twice. */
  readonly deliver: (tx: RecordsTransaction, changes: readonly AlertChange[]) => Promise<void>
  /** After a commit. */
  readonly onWritten: (changes: readonly AlertChange[]) => void
  /** After a failed attempt; called again at every failed retry. */
  readonly onFailed: (error: unknown, waiting: number) => void
  /** A change was given up because more than `maxWaiting` waited. */
  readonly onLost: (change: AlertChange) => void
  readonly timers: Timers
  readonly retryMillis?: number
  readonly maxWaiting?: number
}

interface Waiting {
  readonly writes: Map<string, AlertWrite>
  changes: readonly AlertChange[]
}

const changesPerTransaction = 200

/**
 * Queue between the evaluations and the records. Keeps the order of each alert's changes; when the records refuse
 * a write it tries again every second and marks what comes late. Evaluations never wait for it.
 */
export class AlertOutbox {
  readonly #options: OutboxOptions
  readonly #retryMillis: number
  readonly #maxWaiting: number
  #queue: Waiting[] = []
  #writing: Promise<void> | undefined
  #cancelRetry: (() => void) | undefined
  #failing = false
  #closed = false

  constructor(options: OutboxOptions) {
    this.#options = options
    this.#retryMillis = options.retryMillis ?? 1_000
    this.#maxWaiting = options.maxWaiting ?? 10_000
  }

  /** Changes the records do not hold yet. */
  get waiting(): number {
    return this.#queue.reduce((sum, batch) => sum + batch.changes.length, 0)
  }

  /** Nothing waits, rows of pending alerts included. */
  get empty(): boolean {
    return this.#queue.length === 0
  }

  /** Takes what one evaluation changed; returns at once. */
  add(batch: OutboxBatch): void {
    if (batch.writes.length === 0 && batch.changes.length === 0) return
    const writes = new Map(batch.writes.map((write) => [idOf(write), write]))
    const last = this.#queue.at(-1)
    // A batch that is being written right now must not change.
    const mergeable =
      this.#writing === undefined &&
      last !== undefined &&
      last.changes.length === 0 &&
      batch.changes.length === 0
    if (mergeable) for (const [id, write] of writes) last.writes.set(id, write)
    else this.#queue.push({ writes, changes: batch.changes })
    this.#bound()
    if (!this.#failing) this.#start()
  }

  /** Resolves when nothing is being written; what failed waits for its retry. */
  async settled(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
  }

  /** One more attempt now, then no retries. */
  async close(): Promise<void> {
    this.#closed = true
    this.#cancelRetry?.()
    await this.settled()
    this.#start()
    await this.settled()
  }

  #start(): void {
    if (this.#writing !== undefined || this.#queue.length === 0) return
    this.#writing = this.#drain().finally(() => {
      this.#writing = undefined
      // Added while the last write was ending.
      if (!this.#failing && this.#queue.length > 0) this.#start()
    })
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      if (!(await this.#attempt(this.#queue.slice(0, this.#countForOne())))) break
    }
    // One batch at a time, so that one that cannot be written holds up only its own alerts.
    if (this.#queue.length > 1) await this.#drainSingly()
    this.#failing = this.#queue.length > 0
    if (this.#failing && !this.#closed) {
      this.#cancelRetry = this.#options.timers.after(this.#retryMillis, () => this.#start())
    }
  }

  async #drainSingly(): Promise<void> {
    const blocked = new Set<string>()
    let failures = 0
    for (const batch of [...this.#queue]) {
      const ids = alertIds(batch)
      if (ids.some((id) => blocked.has(id)) || !(await this.#attempt([batch]))) {
        for (const id of ids) blocked.add(id)
        failures++
      }
      if (failures >= 3) return
    }
  }

  /** One transaction; false when it failed. */
  async #attempt(batches: readonly Waiting[]): Promise<boolean> {
    const { write, deliver, onWritten, onFailed } = this.#options
    const changes = batches.flatMap((batch) => batch.changes)
    try {
      await write(async (tx) => {
        for (const together of withoutRepeats(batches)) {
          for (const { writes } of together) await saveAlerts(tx, [...writes.values()])
          const changes = together.flatMap((batch) => batch.changes)
          if (changes.length > 0) await deliver(tx, changes)
        }
      })
    } catch (error) {
      for (const batch of batches)
        batch.changes = batch.changes.map((change) => ({ ...change, late: true }))
      this.#failing = true
      onFailed(error, this.waiting)
      return false
    }
    const written = new Set(batches)
    this.#queue = this.#queue.filter((batch) => !written.has(batch))
    onWritten(changes)
    return true
  }

  #countForOne(): number {
    let changes = 0
    const over = this.#queue.findIndex((batch) => {
      changes += batch.changes.length
      return changes > changesPerTransaction
    })
    return over < 0 ? this.#queue.length : Math.max(1, over)
  }

  /** Keeps the newest changes; rows are kept in any case. */
  #bound(): void {
    let over = this.waiting - this.#maxWaiting
    for (const batch of this.#queue) {
      if (over <= 0) return
      const lost = batch.changes.slice(0, over)
      batch.changes = batch.changes.slice(lost.length)
      over -= lost.length
      for (const change of lost) this.#options.onLost(change)
    }
  }
}

/** Batches in their order, parted before one that has an alert of those before it. */
function withoutRepeats(batches: readonly Waiting[]): readonly (readonly Waiting[])[] {
  const parts: Waiting[][] = []
  let seen = new Set<string>()
  for (const batch of batches) {
    const ids = alertIds(batch)
    const last = parts.at(-1)
    if (last === undefined || ids.some((id) => seen.has(id))) {
      parts.push([batch])
      seen = new Set(ids)
    } else {
      last.push(batch)
      for (const id of ids) seen.add(id)
    }
  }
  return parts
}

function idOf(write: AlertWrite): string {
  return write.kind === 'drop' ? write.id : write.row.id
}

function alertIds(batch: Waiting): string[] {
  return [...batch.writes.keys(), ...batch.changes.map((change) => change.alert.id)]
}
