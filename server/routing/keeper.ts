import { newPipeline, type PipelineState } from '../../alerts/pipeline-state.ts'
import type { Clock } from '../clock.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { RoutingStateRow } from '../records/schema.ts'
import { loadPipeline, readHead } from './routing-store.ts'

export interface KeeperOptions {
  readonly records: Records
  readonly clock: Clock
  readonly onBadRow: (table: string, id: string, error: unknown) => void
}

/**
 * Holds the pipeline's states in memory. Which of them is current is what the transaction itself reads: when one was
 * rolled back, or the hub was started anew, the tables name an older state or one that must be loaded.
 */
export class PipelineKeeper {
  readonly #options: KeeperOptions
  /** By revision, the oldest first: the last known to be committed and what was written after it. */
  readonly #states = new Map<string, PipelineState>()
  readonly #empty: PipelineState
  #committed: PipelineState
  #confirming: Promise<void> | undefined
  #again = false

  constructor(options: KeeperOptions) {
    this.#options = options
    this.#empty = newPipeline(options.clock.now())
    this.#committed = this.#empty
  }

  /** The newest state known to be committed; behind by one small read. */
  get committed(): PipelineState {
    return this.#committed
  }

  /** The state this transaction goes on from. */
  async current(
    tx: RecordsTransaction,
  ): Promise<{ readonly head: RoutingStateRow | undefined; readonly state: PipelineState }> {
    const head = await readHead(tx)
    if (head === undefined) {
      this.#states.clear()
      return { head, state: this.#empty }
    }
    const known = this.#states.get(head.revision)
    if (known === undefined) this.#states.clear()
    const state = known ?? (await loadPipeline(tx, head.at, this.#options.onBadRow))
    this.#dropAfter(head.revision)
    this.#states.set(head.revision, state)
    return { head, state }
  }

  /** A transaction wrote a new state; whether it commits shows later. */
  wrote(revision: string, state: PipelineState): void {
    this.#states.set(revision, state)
  }

  /** Reads which state is committed; several callers share one read, which begins after each of them called. */
  async confirm(): Promise<void> {
    this.#again = true
    this.#confirming ??= this.#read().finally(() => {
      this.#confirming = undefined
    })
    await this.#confirming
  }

  async #read(): Promise<void> {
    const { records, onBadRow } = this.#options
    while (this.#again) {
      this.#again = false
      const head = await readHead(records.read)
      if (head === undefined) continue
      const known = this.#states.get(head.revision)
      if (known !== undefined) {
        this.#committed = known
        this.#dropBefore(head.revision)
      } else if (this.#states.size === 0) {
        const state = await loadPipeline(records.read, head.at, onBadRow)
        // Written meanwhile: the rows may be of several states.
        if ((await readHead(records.read))?.revision !== head.revision) this.#again = true
        else {
          this.#states.set(head.revision, state)
          this.#committed = state
        }
      }
    }
  }

  #dropAfter(revision: string): void {
    let after = false
    for (const key of [...this.#states.keys()]) {
      if (after) this.#states.delete(key)
      if (key === revision) after = true
    }
  }

  #dropBefore(revision: string): void {
    for (const key of [...this.#states.keys()]) {
      if (key === revision) return
      this.#states.delete(key)
    }
  }
}
