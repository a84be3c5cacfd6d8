import { join } from 'node:path'
import type { Clock, Millis } from '../clock.ts'
import type { Disk } from './disk.ts'
import { type Head, type HeadWindow, windowMillis } from './head/head.ts'
import { segmentName } from './journal/segments.ts'
import type { StoreLogger } from './log.ts'
import type { BlockFolder } from './parts/part-folder.ts'
import type { SeriesIndex } from './series/series-index.ts'
import type { SeriesId } from './writer.ts'

const dayMillis = 86_400_000
const hourMillis = 3_600_000

/** A window open for this long is sealed whatever is still written to it: it would hold the journal. */
const longestOpenMillis = 3 * windowMillis

/** What maintenance asks of the journal. */
export interface JournalView {
  readonly nextBatch: number
  readonly durableSegment: number | undefined
  settled(): Promise<void>
  segmentsBelow(segment: number): number[]
  forget(segment: number): void
}

export interface MaintenanceOptions {
  readonly clock: Clock
  readonly disk: Disk
  readonly logger: StoreLogger
  readonly journal: JournalView
  readonly journalFolder: string
  /** Sizes of the segments of earlier processes, by number. */
  readonly oldSegments: Map<number, number>
  readonly head: Head
  readonly blocks: BlockFolder
  readonly index: SeriesIndex
  readonly retentionDays: number
  readonly sealGraceMillis: number
}

/** Start of what retention keeps at `now`; 0 days keeps everything. */
export function oldestKept(now: Millis, retentionDays: number): Millis {
  return retentionDays === 0 ? -Infinity : now - retentionDays * dayMillis
}

/** First and last time that a store holds; undefined when it is empty. */
export function timeBounds(
  blocks: BlockFolder,
  head: Head,
): { oldest: Millis | undefined; newest: Millis | undefined } {
  let oldest = Infinity
  let newest = -Infinity
  for (const { minTime, maxTime } of [...blocks.all.map((block) => block.trailer), ...head.all]) {
    oldest = Math.min(oldest, minTime)
    newest = Math.max(newest, maxTime)
  }
  return newest === -Infinity ? { oldest: undefined, newest: undefined } : { oldest, newest }
}

/** Seals windows, removes what is past its retention, and lets the journal go where nothing needs it. */
export class Maintenance {
  private readonly options: MaintenanceOptions
  private readonly openedAt: { readonly wall: Millis; readonly monotonic: number }
  private readonly newestAtOpen: Millis | undefined
  private running: Promise<void> | undefined
  private stopped = false

  constructor(options: MaintenanceOptions) {
    this.options = options
    this.openedAt = { wall: options.clock.now(), monotonic: options.clock.monotonic() }
    this.newestAtOpen = timeBounds(options.blocks, options.head).newest
  }

  /**
   * The time retention believes. A clock that jumps ahead would remove everything, and unlinking cannot be taken
   * back: never later than the opening's time plus what has really passed, and in the first hour no more than a
   * day after the newest sample that was found.
   */
  private believedNow(): Millis {
    const passed = this.options.clock.monotonic() - this.openedAt.monotonic
    const found = this.newestAtOpen === undefined ? Infinity : this.newestAtOpen + dayMillis
    const opened = passed < hourMillis ? Math.min(this.openedAt.wall, found) : this.openedAt.wall
    return Math.min(this.options.clock.now(), opened + passed)
  }

  /** One run at a time; a call during a run waits for it. Rejects when a step fails; the next run tries again. */
  run(): Promise<void> {
    this.running ??= this.runOnce().finally(() => {
      this.running = undefined
    })
    return this.running
  }

  /** Begins no further step; resolves when the present one is done. */
  async stop(): Promise<void> {
    this.stopped = true
    await this.running?.catch(() => undefined)
  }

  private async runOnce(): Promise<void> {
    await this.removeOld()
    for (const window of this.options.head.all) {
      if (this.stopped) return
      if (this.isDue(window)) await this.seal(window)
    }
    await this.trimJournal()
  }

  private isDue(window: HeadWindow): boolean {
    const { clock, sealGraceMillis } = this.options
    const now = clock.now()
    const quietSince = now - sealGraceMillis
    if (window.frozen || window.openedAt <= now - longestOpenMillis) return true
    return window.end <= quietSince && window.lastWriteAt <= quietSince
  }

  private async seal(window: HeadWindow): Promise<void> {
    const { journal, blocks, head } = this.options
    if (!window.frozen) {
      window.frozen = true
      window.sealedBelow = journal.nextBatch
    }
    // A sealed file holds only what is durable; a refusal here has taken the refused rows out of the window.
    await journal.settled().catch(() => undefined)
    if (!window.isEmpty) await blocks.seal(window)
    head.drop(window)
  }

  private async removeOld(): Promise<void> {
    const { retentionDays, head, blocks, index, logger } = this.options
    if (retentionDays === 0) return
    // A clock that runs ahead must not remove what is fresh by the samples' own time.
    const { newest = -Infinity } = timeBounds(blocks, head)
    const before = oldestKept(Math.min(this.believedNow(), newest), retentionDays)
    let removed = await blocks.removeOlder(before)
    for (const window of head.all) {
      if (window.frozen || window.end > before) continue
      head.drop(window)
      removed++
    }
    if (removed === 0) return
    const retired = index.retireWithout(this.presenceOfData())
    logger.info({ removed, retired }, 'samples past their retention removed')
  }

  private presenceOfData(): (id: SeriesId) => boolean {
    const { index, blocks, head } = this.options
    const present = new Uint8Array(index.size)
    for (const { table } of blocks.all) for (const id of table.ids) present[id] = 1
    for (const window of head.all) for (const id of window.ids()) present[id] = 1
    return (id) => present[id] === 1
  }

  /** Unlinks the segments, oldest first, whose rows are all in sealed files. */
  private async trimJournal(): Promise<void> {
    const { journal, head, oldSegments, disk, journalFolder } = this.options
    // Positions stand at the head of each segment: the newest stays, whatever it holds.
    const newest = journal.durableSegment ?? Math.max(...oldSegments.keys(), 0)
    const needed = Math.min(head.firstSegment, newest)
    const old = [...oldSegments.keys()].filter((segment) => segment < needed)
    const free = [...old, ...journal.segmentsBelow(needed)].sort((a, b) => a - b)
    for (const segment of free) {
      await disk.unlink(join(journalFolder, segmentName(segment)))
      oldSegments.delete(segment)
      journal.forget(segment)
    }
    if (free.length > 0) await disk.syncFolder(journalFolder)
  }
}
