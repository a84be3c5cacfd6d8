import type { Clock, Millis } from '../clock.ts'
import { type BelievedClock, oldestKept } from './believed-clock.ts'
import type { Generation } from './head/generation.ts'
import type { Head } from './head/head.ts'
import type { Journal } from './journal/journal.ts'
import type { StoreLogger } from './log.ts'
import type { PartFolder } from './parts/part-folder.ts'
import type { SeriesIndex } from './series/series-index.ts'
import type { SeriesLog } from './series/series-log.ts'

export interface MaintenanceOptions {
  readonly clock: Clock
  /** What retention goes by. */
  readonly believed: BelievedClock
  readonly logger: StoreLogger
  readonly journal: Journal
  readonly head: Head
  readonly parts: PartFolder
  readonly index: SeriesIndex
  readonly seriesLog: SeriesLog
  readonly retentionDays: number
  /** Nothing from here on is removed. */
  readonly keepFrom: () => Millis
  readonly freezeMillis: number
}

/** Memory of an open generation beyond which it is frozen early. */
const freezeBytes = 512 * 1024 * 1024

/** First and last time that a store holds; undefined when it is empty. */
export function timeBounds(
  parts: { readonly minTime: Millis; readonly maxTime: Millis },
  head: Head,
): { oldest: Millis | undefined; newest: Millis | undefined } {
  let { minTime: oldest, maxTime: newest } = parts
  for (const generation of head.all) {
    oldest = Math.min(oldest, generation.minTime)
    newest = Math.max(newest, generation.maxTime)
  }
  return newest === -Infinity ? { oldest: undefined, newest: undefined } : { oldest, newest }
}

/** Freezes and seals generations, lets the journal go where nothing needs it, merges parts, removes what is past its retention. */
export class Maintenance {
  private readonly options: MaintenanceOptions
  private running: Promise<void> | undefined
  private merging: Promise<void> | undefined
  private full = false
  private stopped = false
  /** Series without data have been looked for since the start. */
  private retiredOnce = false
  /** Series from here on are new since the last look: their first samples may still be on their way. */
  private firstNew: number

  constructor(options: MaintenanceOptions) {
    this.options = options
    this.firstNew = options.index.size
  }

  /** The open generation is large enough; the next run freezes it. */
  noteFull(): void {
    this.full = true
  }

  /**
   * Sealing and retention one run at a time (a call during a run waits for it), then merges, which hold up no later run. Rejects when a
   * step fails; the next run tries again.
   */
  async run(): Promise<void> {
    if (this.stopped) return
    this.running ??= this.runOnce().finally(() => {
      this.running = undefined
    })
    await this.running
    if (this.stopped) return
    this.merging ??= this.merge().finally(() => {
      this.merging = undefined
    })
    await this.merging
  }

  private async merge(): Promise<void> {
    await this.options.parts.mergeDue(this.options.clock.now())
  }

  /** Seals and merges everything. */
  async compact(): Promise<void> {
    await this.running?.catch(() => undefined)
    this.full = true
    await this.run()
    await this.options.parts.compact()
  }

  /** Begins no further step; resolves when the present one is done. */
  async stop(): Promise<void> {
    this.stopped = true
    await this.running?.catch(() => undefined)
  }

  private async runOnce(): Promise<void> {
    await this.removeOld()
    do {
      this.freezeWhenDue()
      for (const generation of this.options.head.frozen) {
        if (this.stopped) return
        await this.seal(generation)
      }
      await this.options.journal.trim(this.options.parts.newestOrder)
    } while (this.full)
  }

  private freezeWhenDue(): void {
    const { head, clock, journal, freezeMillis } = this.options
    const { open } = head
    const now = clock.monotonic()
    const due = this.full || now - open.openedAt >= freezeMillis || open.bytes >= freezeBytes
    if (!due) return
    this.full = false
    if (open.isEmpty) return
    head.freeze(now)
    // In the same turn: what comes next is of the next generation in memory and in the journal.
    journal.rotate(head.open.order)
  }

  private async seal(generation: Generation): Promise<void> {
    const { journal, parts, head, logger } = this.options
    // A part holds only what is durable; a refusal here has taken the refused rows out of the generation.
    await journal.settleHeader()
    const started = performance.now()
    if (!generation.isEmpty) await parts.seal(generation.partSource())
    head.seal(generation)
    logger.info(
      { order: generation.order, millis: Math.round(performance.now() - started) },
      'samples sealed',
    )
  }

  private async removeOld(): Promise<void> {
    const { retentionDays, keepFrom, believed, head, parts, index, seriesLog, logger } =
      this.options
    let removed = 0
    if (retentionDays > 0) {
      // A clock that runs ahead must not remove what is fresh by the samples' own time.
      const { newest = -Infinity } = timeBounds(parts, head)
      const kept = oldestKept(Math.min(believed.now(), newest), retentionDays)
      const before = Math.min(kept, keepFrom())
      removed = await parts.removeOlder(before)
    }
    if (removed === 0 && this.retiredOnce) return
    this.retiredOnce = true
    const retiring = index.retireWithout(this.presenceOfData(), this.firstNew)
    this.firstNew = index.size
    const retired = await retiring
    if (removed > 0) logger.info({ removed, retired }, 'samples past their retention removed')
    if (seriesLog.worthRewriting) await seriesLog.rewrite()
  }

  private presenceOfData(): (id: number) => boolean {
    const { index, parts, head } = this.options
    const present = new Uint8Array(index.size)
    for (const part of parts.all) for (const { from, to } of part.runs()) present.fill(1, from, to)
    for (const generation of head.all) for (const id of generation.ids()) present[id] = 1
    return (id) => present[id] === 1
  }
}
