import type { AlertChange, AlertView } from '../../alerts/alert.ts'
import type { RecordsTransaction } from '../records/records.ts'
import type { Timers } from '../timers.ts'
import { type AlertWrite, saveAlerts } from './alert-store.ts'
import { FairClock, fairOrder, type Turn } from './fair-order.ts'

/** What one evaluation changed; each alert's row is written with its change, or neither is. */
export interface OutboxBatch {
  readonly writes: readonly AlertWrite[]
  readonly changes: readonly AlertChange[]
  /** Rows of others that belong to these alerts; written after the alerts' own, before anybody is told. */
  readonly also?: (tx: RecordsTransaction, ids: ReadonlySet<string>) => Promise<void>
  /** After its commit. */
  readonly onWritten?: () => void
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

interface Waiting extends Turn {
  ids: readonly string[]
  readonly writes: Map<string, AlertWrite>
  changes: readonly AlertChange[]
  also?: OutboxBatch['also'] | undefined
  onWritten?: OutboxBatch['onWritten'] | undefined
  /** Told how the first attempt went. */
  attempted?: ((written: boolean) => void) | undefined
  /** How often it was refused alone: it waits for the retry, what follows it as well, and the others do not. */
  refused?: number
}

/** Few, so that a write of another kind waits a moment only. */
const changesPerTransaction = 50
/** So many refused alone, one after the other: the records refuse, not what they were given. */
const refusalsInARow = 3

/**
 * Queue between the evaluations and the records. Keeps the order of each alert's changes; when the records refuse
 * a write it tries again every second and marks what comes late. Evaluations never wait for it.
 */
export class AlertOutbox {
  readonly #options: OutboxOptions
  readonly #retryMillis: number
  readonly #maxWaiting: number
  /** In the order they came. */
  #queue: Waiting[] = []
  readonly #turns = new FairClock()
  #writing: Promise<void> | undefined
  #cancelRetry: (() => void) | undefined
  #failing = false
  #closed = false

  constructor(options: OutboxOptions) {
    this.#options = options
    this.#retryMillis = options.retryMillis ?? 1_000
    this.#maxWaiting = options.maxWaiting ?? 50_000
  }

  /** Changes the records do not hold yet. */
  get waiting(): number {
    return this.#queue.reduce((sum, batch) => sum + batch.changes.length, 0)
  }

  /** Nothing waits, rows of pending alerts included. */
  get empty(): boolean {
    return this.#queue.length === 0
  }

  /** As `add`; resolves with whether the first attempt wrote it. What was not written is tried again all the same. */
  put(batch: OutboxBatch): Promise<boolean> {
    const writes = new Map(batch.writes.map((write) => [idOf(write), write]))
    const pieces = this.#enqueue(writes, batch.changes)
    let left = pieces.length
    const attempts = pieces.map((piece) => {
      piece.also = batch.also
      piece.onWritten = () => {
        left--
        if (left === 0) batch.onWritten?.()
      }
      return new Promise<boolean>((attempted) => {
        piece.attempted = attempted
      })
    })
    this.#bound()
    // While the records refuse, nobody waits for the next retry.
    if (this.#failing) this.#attempted(pieces, false)
    else this.#start()
    return Promise.all(attempts).then((all) => all.every((written) => written))
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
      last.refused === undefined &&
      last.also === undefined &&
      batch.changes.length === 0
    if (mergeable) {
      for (const [id, write] of writes) last.writes.set(id, write)
      last.ids = idsOf(last.writes)
    } else this.#enqueue(writes, batch.changes)
    this.#bound()
    if (!this.#failing) this.#start()
  }

  /** In pieces that a transaction takes; the lanes, which are systems, have their turns fairly. */
  #enqueue(writes: Map<string, AlertWrite>, changes: readonly AlertChange[]): readonly Waiting[] {
    const left = new Map(writes)
    const pieces: Waiting[] = []
    for (let from = 0; from === 0 || from < changes.length; from += changesPerTransaction) {
      const some = changes.slice(from, from + changesPerTransaction)
      const last = from + changesPerTransaction >= changes.length
      const ids = new Set(some.map(({ alert }) => alert.id))
      const theirs = new Map([...left].filter(([id]) => last || ids.has(id)))
      for (const id of theirs.keys()) left.delete(id)
      const turn = this.#turns.stamp(laneOf(some[0]?.alert), some.length)
      const all = [...new Set([...ids, ...idsOf(theirs)])]
      pieces.push({ ...turn, ids: all, writes: theirs, changes: some })
    }
    this.#queue.push(...pieces)
    return pieces
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
    this.#cancelRetry?.()
    this.#writing = this.#drain().finally(() => {
      this.#writing = undefined
      // Added while the last write was ending.
      if (!this.#failing && this.#next().length > 0) this.#start()
    })
  }

  async #drain(): Promise<void> {
    let [written, sound] = [0, false]
    for (let group = this.#next(); group.length > 0; group = this.#next()) {
      sound = true
      if (await this.#attempt(group)) written++
      else {
        const some = await this.#oneByOne(group)
        if (some === 0) break
        written += some
      }
    }
    written += await this.#oneByOne(this.#refused())
    // What follows something refused was not tried, and comes late all the same.
    for (const batch of this.#queue) markLate(batch)
    // Only what was refused before says nothing of the records: what comes next is tried at once.
    this.#failing = sound && written === 0
    if (this.#queue.length > 0 && !this.#closed)
      this.#cancelRetry = this.#options.timers.after(this.#retryMillis, () => this.#start())
  }

  /** Each in a transaction of its own, so that one that cannot be written holds up only its own alerts; gives how many were. */
  async #oneByOne(batches: readonly Waiting[]): Promise<number> {
    const blocked = new Set<string>()
    let [written, inARow] = [0, 0]
    for (const batch of batches) {
      if (inARow >= refusalsInARow) break
      if (batch.ids.some((id) => blocked.has(id))) {
        for (const id of batch.ids) blocked.add(id)
      } else if (await this.#attempt([batch])) {
        written++
        inARow = 0
      } else {
        batch.refused = (batch.refused ?? 0) + 1
        for (const id of batch.ids) blocked.add(id)
        inARow++
      }
    }
    return written
  }

  /** Those refused alone, the least often first: after the records refused everything, most are sound. */
  #refused(): Waiting[] {
    const refused = this.#queue.filter((batch) => batch.refused !== undefined)
    return refused.sort((a, b) => (a.refused ?? 0) - (b.refused ?? 0))
  }

  /** One transaction; false when it failed. */
  async #attempt(batches: readonly Waiting[]): Promise<boolean> {
    const { write, deliver, onWritten, onFailed } = this.#options
    const changes = batches.flatMap((batch) => batch.changes)
    try {
      await write(async (tx) => {
        for (const together of withoutRepeats(batches)) {
          for (const { writes, also } of together) {
            await saveAlerts(tx, [...writes.values()])
            await also?.(tx, new Set(writes.keys()))
          }
          const changes = together.flatMap((batch) => batch.changes)
          if (changes.length > 0) await deliver(tx, changes)
        }
      })
    } catch (error) {
      for (const batch of batches) markLate(batch)
      this.#failing = true
      this.#attempted(batches, false)
      onFailed(error, this.waiting)
      return false
    }
    this.#failing = false
    const written = new Set(batches)
    this.#queue = this.#queue.filter((batch) => !written.has(batch))
    for (const batch of batches) this.#turns.served(batch)
    if (this.#queue.length === 0) this.#turns.clear()
    onWritten(changes)
    for (const batch of batches) batch.onWritten?.()
    this.#attempted(batches, true)
    return true
  }

  #attempted(batches: readonly Waiting[], written: boolean): void {
    for (const batch of batches) {
      batch.attempted?.(written)
      batch.attempted = undefined
    }
  }

  /** What one transaction takes; nothing when only what was refused waits, and what follows it. */
  #next(): Waiting[] {
    const sound = this.#sound()
    const order = sound.length <= 1 ? sound : fairOrder(sound)
    let changes = 0
    const over = order.findIndex((batch) => {
      changes += batch.changes.length
      return changes > changesPerTransaction
    })
    return order.slice(0, over < 0 ? order.length : Math.max(1, over))
  }

  #sound(): readonly Waiting[] {
    if (this.#queue.every((batch) => batch.refused === undefined)) return this.#queue
    const blocked = new Set<string>()
    return this.#queue.filter((batch) => {
      const waits = batch.refused !== undefined || batch.ids.some((id) => blocked.has(id))
      if (waits) for (const id of batch.ids) blocked.add(id)
      return !waits
    })
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

function markLate(batch: Waiting): void {
  batch.changes = batch.changes.map((change) => ({ ...change, late: true }))
}

/** Batches in their order, parted before one that has an alert of those before it. */
function withoutRepeats(batches: readonly Waiting[]): readonly (readonly Waiting[])[] {
  const parts: Waiting[][] = []
  let seen = new Set<string>()
  for (const batch of batches) {
    const { ids } = batch
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

/** The system an alert is about. */
function laneOf(alert: AlertView | undefined): string {
  return alert?.labels['server'] ?? alert?.instance ?? alert?.rule ?? ''
}

/** Lives and label sets: a life begins after the one before it has ended. */
function idsOf(writes: ReadonlyMap<string, AlertWrite>): readonly string[] {
  const labelSets = [...writes.values()].map((write) =>
    write.kind === 'save' ? write.row.fingerprint : write.id,
  )
  return [...new Set([...writes.keys(), ...labelSets])]
}

function idOf(write: AlertWrite): string {
  return write.kind === 'drop' ? write.id : write.row.id
}
