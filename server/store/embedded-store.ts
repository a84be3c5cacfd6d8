import { mkdir } from 'node:fs/promises'
import { endianness } from 'node:os'
import { join } from 'node:path'
import type { Clock, Millis } from '../clock.ts'
import { checkBatch, prepareRows } from './batch-check.ts'
import { BlockFolder } from './block-folder.ts'
import { type Disk, realDisk, systemCode } from './disk.ts'
import { type FolderLock, lockFolder } from './folder-lock.ts'
import { Head, type HeadWindow, type Undo } from './head.ts'
import { SeriesIndex } from './index.ts'
import { Journal } from './journal.ts'
import { type StoreLogger, silentLogger } from './log.ts'
import { Positions } from './positions.ts'
import type { Labels, StoreReader } from './reader.ts'
import { replayJournal } from './replay.ts'
import { segmentName } from './segments.ts'
import { StoreReads } from './store-reads.ts'
import {
  type Batch,
  type SeriesId,
  type StoreStats,
  StoreUnavailable,
  type StoreWriter,
  type StreamKey,
} from './writer.ts'

const dayMillis = 86_400_000

export interface EmbeddedStoreOptions {
  /** Made when missing; the store's alone. */
  readonly folder: string
  readonly clock: Clock
  /** Days that samples are kept; 0 keeps everything. Default 15. */
  readonly retentionDays?: number
  /** Free bytes below which samples are refused. Default: the larger of 512 MB and 2 % of the file system. */
  readonly reserveBytes?: number
  readonly logger?: StoreLogger
  /** Live series beyond which new ones are refused. Default 1,000,000. */
  readonly maxSeries?: number
  /** A window is sealed when it ended, and was last written, this long ago. Default 10 minutes. */
  readonly sealGraceMillis?: number
  /** Bytes of rows after which a journal segment is followed by the next. Default 64 MB. */
  readonly segmentBytes?: number
  /** How long a commit waits for company, 0 to 5 ms. Default 2. */
  readonly lingerMillis?: number
  /** Bytes that may wait for the disk before samples are refused. Default 64 MB. */
  readonly maxWaitingBytes?: number
  /** How often sealing and retention are looked at, milliseconds; 0: only when `maintain` is called. Default 30 s. */
  readonly maintenanceMillis?: number
  /** The file system of the journal; for tests. */
  readonly disk?: Disk
}

/** Figures beyond what every store has. */
export interface EmbeddedStoreStats extends StoreStats {
  readonly blockFiles: number
  readonly journalSegments: number
  /** Refused since the start: new series over the limit, and batches while the disk refused. */
  readonly seriesRefused: number
  readonly batchesRefused: number
  /** Samples older than the retention, dropped since the start. */
  readonly samplesTooOld: number
  /** Batches whose sequence was already in, dropped since the start. */
  readonly batchesRepeated: number
  /** Damaged journal segments, sealed files and columns met since the start. */
  readonly damaged: number
  /** Why samples are refused now. */
  readonly refusal: string | undefined
}

/** The store that the hub carries in itself. */
export interface EmbeddedStore extends StoreReader, StoreWriter {
  stats(): EmbeddedStoreStats
  /** Seals what is due and removes what is past its retention. Runs by itself; tests call it. */
  maintain(): Promise<void>
  /** Commits what waits; everything stays replayable. */
  close(): Promise<void>
}

/** What the journal gives back when a batch is durable or refused. */
interface Ticket {
  readonly origin: Batch['origin']
  readonly samples: number
  undo: readonly Undo[]
}

/**
 * Opens a store folder, alone. Throws an Error that says what to do when the folder cannot be written, is in use by another process,
 * or the machine is big-endian.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  if (endianness() !== 'LE')
    throw new Error('The embedded store needs a little-endian machine; use an external store here.')
  const lock = await lockWritable(options.folder)
  try {
    return await Engine.open(options, lock)
  } catch (error) {
    await lock.release()
    throw error
  }
}

async function lockWritable(folder: string): Promise<FolderLock> {
  try {
    const lock = await lockFolder(folder)
    await mkdir(join(folder, 'journal'), { recursive: true })
    await mkdir(join(folder, 'blocks'), { recursive: true })
    for (const path of [join(folder, '..'), folder])
      await realDisk.syncFolder(path).catch(() => undefined)
    return lock
  } catch (error) {
    const code = systemCode(error)
    if (code === undefined) throw error
    throw new Error(
      `The store folder ${folder} cannot be written (${code}). Create it, give it to the account the hub runs as, or set another folder.`,
      { cause: error },
    )
  }
}

class Engine implements EmbeddedStore {
  private readonly options: EmbeddedStoreOptions
  private readonly clock: Clock
  private readonly logger: StoreLogger
  private readonly disk: Disk
  private readonly lock: FolderLock
  private readonly index: SeriesIndex
  private readonly head = new Head()
  private readonly positions = new Positions()
  private readonly blocks: BlockFolder
  private readonly reads: StoreReads
  private readonly oldSegments = new Map<number, number>()
  private journal!: Journal<Ticket>
  private timer: NodeJS.Timeout | undefined
  private maintenance: Promise<void> | undefined
  private closed: Promise<void> | undefined
  private samplesAppended = 0
  private samplesTooOld = 0
  private batchesRefused = 0
  private batchesRepeated = 0
  private damagedSegments = 0

  private constructor(options: EmbeddedStoreOptions, lock: FolderLock) {
    this.options = options
    this.clock = options.clock
    this.logger = options.logger ?? silentLogger
    this.disk = options.disk ?? realDisk
    this.lock = lock
    this.index = new SeriesIndex(options.maxSeries ?? 1_000_000)
    const folder = join(options.folder, 'blocks')
    this.blocks = new BlockFolder({
      folder,
      disk: this.disk,
      logger: this.logger,
      index: this.index,
    })
    this.reads = new StoreReads({ index: this.index, head: this.head, blocks: this.blocks })
  }

  static async open(options: EmbeddedStoreOptions, lock: FolderLock): Promise<Engine> {
    const engine = new Engine(options, lock)
    await engine.load()
    const period = options.maintenanceMillis ?? 30_000
    if (period > 0) engine.timer = setInterval(() => void engine.maintainQuietly(), period).unref()
    return engine
  }

  private get journalFolder(): string {
    return join(this.options.folder, 'journal')
  }

  private async load(): Promise<void> {
    const started = performance.now()
    const { head, index, positions, disk, logger } = this
    await this.blocks.open()
    const replayed = await replayJournal({
      folder: this.journalFolder,
      disk,
      logger,
      index,
      head,
      positions,
      blocks: this.blocks.all,
      oldest: this.oldestKept(),
      now: this.clock.now(),
    })
    this.damagedSegments = replayed.damaged
    for (const [segment, bytes] of replayed.segments) this.oldSegments.set(segment, bytes)
    this.journal = await this.openJournal(replayed.nextSegment, replayed.nextBatch)
    const millis = Math.round(performance.now() - started)
    logger.info(
      {
        folder: this.options.folder,
        series: index.live,
        blockFiles: this.blocks.all.length,
        millis,
      },
      'store opened',
    )
  }

  private async openJournal(firstSegment: number, firstBatch: number): Promise<Journal<Ticket>> {
    const { totalBytes } = await this.disk.space(this.options.folder)
    const journal = new Journal<Ticket>({
      folder: this.journalFolder,
      disk: this.disk,
      logger: this.logger,
      firstSegment,
      firstBatch,
      segmentBytes: this.options.segmentBytes ?? 64 * 1024 * 1024,
      lingerMillis: Math.min(5, this.options.lingerMillis ?? 2),
      maxWaitingBytes: this.options.maxWaitingBytes ?? 64 * 1024 * 1024,
      reserveBytes: this.options.reserveBytes ?? Math.max(512 * 1024 * 1024, totalBytes * 0.02),
      labels: (id) => this.index.labels(id),
      positions: () => this.positions.snapshot(this.clock.now()),
      onCommit: (tickets) => this.committed(tickets),
      onDiscard: (tickets) => this.discarded(tickets),
    })
    await journal.checkSpace()
    return journal
  }

  readonly intern = (labels: Labels): SeriesId => this.index.intern(labels)
  readonly labels = (id: SeriesId): Labels => this.index.labels(id)
  readonly position = (stream: StreamKey): number => this.positions.durable(stream)
  readonly select: StoreReader['select'] = (...query) => this.reads.select(...query)
  readonly series: StoreReader['series'] = (...query) => this.reads.series(...query)
  readonly labelNames: StoreReader['labelNames'] = (...query) => this.reads.labelNames(...query)
  readonly labelValues: StoreReader['labelValues'] = (...query) => this.reads.labelValues(...query)

  async append(batch: Batch): Promise<void> {
    checkBatch(batch, this.index.size)
    const { origin } = batch
    if (origin && origin.sequence <= this.positions.accepted(origin)) {
      this.batchesRepeated++
      // It is durable when everything handed over up to now is.
      if (origin.sequence > this.positions.durable(origin)) await this.journal.settled()
      return
    }
    const prepared = prepareRows(batch.rows, this.oldestKept(), this.index)
    if (prepared.rows.length === 0 && !origin) {
      this.samplesTooOld += prepared.tooOld
      return
    }
    await this.enter(
      origin ? { origin, rows: prepared.rows } : { rows: prepared.rows },
      prepared.tooOld,
    )
  }

  /** Journal first, then memory, in one turn of the event loop. */
  private enter(batch: Batch, tooOld: number): Promise<void> {
    const samples = batch.rows.reduce((sum, row) => sum + row.ids.length, 0)
    const ticket: Ticket = { origin: batch.origin, samples, undo: [] }
    const now = this.clock.now()
    let entered: ReturnType<Journal<Ticket>['append']>
    try {
      entered = this.journal.append(batch, ticket)
    } catch (error) {
      if (error instanceof StoreUnavailable) this.batchesRefused++
      throw error
    }
    if (batch.origin) this.positions.accept(batch.origin, batch.origin.sequence, now)
    ticket.undo = batch.rows.map((row) => this.head.write(row, entered.segment, now))
    this.samplesTooOld += tooOld
    return entered.done
  }

  private committed(tickets: readonly Ticket[]): void {
    for (const { origin, samples } of tickets) {
      if (origin) this.positions.commit(origin, origin.sequence)
      this.samplesAppended += samples
    }
  }

  private discarded(tickets: readonly Ticket[]): void {
    this.positions.discard()
    this.batchesRefused += tickets.length
    for (const { undo } of tickets) {
      for (const one of undo.toReversed()) this.head.undo(one)
    }
  }

  /** Start of what retention keeps at `now`. */
  private oldestKept(now = this.clock.now()): Millis {
    const days = this.options.retentionDays ?? 15
    return days === 0 ? -Infinity : now - days * dayMillis
  }

  /** One run at a time; a call during a run waits for it. */
  maintain(): Promise<void> {
    this.maintenance ??= this.maintainOnce().finally(() => {
      this.maintenance = undefined
    })
    return this.maintenance
  }

  private async maintainQuietly(): Promise<void> {
    try {
      await this.maintain()
    } catch (error) {
      this.logger.error(
        { err: error },
        'sealing or retention failed; nothing is lost, it is tried again',
      )
    }
  }

  private async maintainOnce(): Promise<void> {
    await this.removeOld()
    for (const window of this.head.all) {
      if (this.closed) return
      if (this.isDue(window)) await this.sealWindow(window)
    }
    await this.trimJournal()
  }

  private isDue(window: HeadWindow): boolean {
    const latest = this.clock.now() - (this.options.sealGraceMillis ?? 600_000)
    return window.frozen || (window.end <= latest && window.lastWriteAt <= latest)
  }

  private async sealWindow(window: HeadWindow): Promise<void> {
    if (!window.frozen) {
      window.frozen = true
      window.sealedBelow = this.journal.nextBatch
    }
    // A sealed file holds only what is durable; a refusal here has taken the refused rows out of the window.
    await this.journal.settled().catch(() => undefined)
    if (!window.isEmpty) await this.blocks.seal(window)
    this.head.drop(window)
  }

  private async removeOld(): Promise<void> {
    if ((this.options.retentionDays ?? 15) === 0) return
    // A clock that runs ahead must not remove what is fresh by the samples' own time.
    const before = this.oldestKept(Math.min(this.clock.now(), this.newest() ?? -Infinity))
    let removed = await this.blocks.removeOlder(before)
    for (const window of this.head.all) {
      if (window.frozen || window.end > before) continue
      this.head.drop(window)
      removed++
    }
    if (removed === 0) return
    const retired = this.index.retireWithout(this.presenceOfData())
    this.logger.info({ removed, retired }, 'samples past their retention removed')
  }

  private presenceOfData(): (id: SeriesId) => boolean {
    const present = new Uint8Array(this.index.size)
    for (const { table } of this.blocks.all) for (const id of table.ids) present[id] = 1
    for (const window of this.head.all) for (const id of window.ids()) present[id] = 1
    return (id) => present[id] === 1
  }

  /** Unlinks the segments, oldest first, whose rows are all in sealed files. */
  private async trimJournal(): Promise<void> {
    // Positions stand at the head of each segment: the newest stays, whatever it holds.
    const newest = this.journal.durableSegment ?? Math.max(...this.oldSegments.keys(), 0)
    const needed = Math.min(this.head.firstSegment, newest)
    const own = this.journal.segmentsBelow(needed)
    const old = [...this.oldSegments.keys()].filter((segment) => segment < needed)
    for (const segment of [...old, ...own].sort((a, b) => a - b)) {
      await this.disk.unlink(join(this.journalFolder, segmentName(segment)))
      this.oldSegments.delete(segment)
      this.journal.forget(segment)
    }
    if (old.length + own.length > 0) await this.disk.syncFolder(this.journalFolder)
  }

  private newest(): Millis | undefined {
    const times = [
      ...this.blocks.all.map((block) => block.trailer.maxTime),
      ...this.head.all.map((window) => window.maxTime),
    ]
    return times.length === 0 ? undefined : times.reduce((a, b) => Math.max(a, b))
  }

  private oldest(): Millis | undefined {
    const times = [
      ...this.blocks.all.map((block) => block.trailer.minTime),
      ...this.head.all.map((window) => window.minTime),
    ]
    return times.length === 0 ? undefined : times.reduce((a, b) => Math.min(a, b))
  }

  stats(): EmbeddedStoreStats {
    let journalBytes = this.journal.bytes
    for (const bytes of this.oldSegments.values()) journalBytes += bytes
    return {
      series: this.index.live,
      samplesAppended: this.samplesAppended,
      bytesOnDisk: journalBytes + this.blocks.bytes,
      journalBytes,
      oldest: this.oldest(),
      newest: this.newest(),
      blockFiles: this.blocks.all.length,
      journalSegments: this.oldSegments.size + this.journal.segments,
      seriesRefused: this.index.refused,
      batchesRefused: this.batchesRefused,
      samplesTooOld: this.samplesTooOld,
      batchesRepeated: this.batchesRepeated,
      damaged: this.damagedSegments + this.blocks.damaged,
      refusal: this.journal.refusal,
    }
  }

  close(): Promise<void> {
    this.closed ??= this.shut()
    return this.closed
  }

  private async shut(): Promise<void> {
    clearInterval(this.timer)
    try {
      await this.journal.close()
      await this.maintenance?.catch(() => undefined)
    } finally {
      await this.lock.release()
    }
  }
}
