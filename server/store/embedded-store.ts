import { mkdir } from 'node:fs/promises'
import { endianness } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { StartError } from '../errors.ts'
import { checkBatch, prepareRows } from './batch-check.ts'
import { batchStream } from './batch-stream.ts'
import { type Disk, realDisk, systemCode } from './disk.ts'
import { type FolderLock, lockFolder } from './folder-lock.ts'
import { Head, type Undo } from './head/head.ts'
import { Journal } from './journal/journal.ts'
import { Positions } from './journal/positions.ts'
import { replayJournal } from './journal/replay.ts'
import { type StoreLogger, silentLogger } from './log.ts'
import { Maintenance, oldestKept, timeBounds } from './maintenance.ts'
import { BlockFolder } from './parts/part-folder.ts'
import type { Labels, RecentReader, StoreReader } from './reader.ts'
import { SeriesIndex } from './series/series-index.ts'
import { StoreReads } from './store-reads.ts'
import {
  type Batch,
  type SeriesId,
  type StoreStats,
  StoreUnavailable,
  type StoreWriter,
  type StreamKey,
} from './writer.ts'

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
  /** How long after a failure the journal is tried again. Default 500 ms. */
  readonly recoveryMillis?: number
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
export interface EmbeddedStore extends StoreReader, RecentReader, StoreWriter {
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
    throw new StartError(
      'The embedded store needs a little-endian machine; use an external store here.',
    )
  const lock = await lockWritable(options.folder)
  try {
    return await Engine.open(options, lock)
  } catch (error) {
    await lock.release()
    throw error
  }
}

async function lockWritable(folder: string): Promise<FolderLock> {
  let lock: FolderLock | undefined
  try {
    lock = await lockFolder(folder)
    await mkdir(join(folder, 'journal'), { recursive: true })
    await mkdir(join(folder, 'blocks'), { recursive: true })
    for (const path of [join(folder, '..'), folder])
      await realDisk.syncFolder(path).catch(() => undefined)
    return lock
  } catch (error) {
    await lock?.release()
    const code = systemCode(error)
    if (code === undefined) throw error
    throw new StartError(
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
  private maintenance!: Maintenance
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
      oldest: oldestKept(this.clock.now(), this.retentionDays),
      now: this.clock.now(),
    })
    this.damagedSegments = replayed.damaged
    for (const [segment, bytes] of replayed.segments) this.oldSegments.set(segment, bytes)
    this.journal = await this.openJournal(replayed.nextSegment, replayed.nextBatch)
    this.maintenance = this.makeMaintenance()
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
      recoveryMillis: this.options.recoveryMillis ?? 500,
      reserveBytes: this.options.reserveBytes ?? Math.max(512 * 1024 * 1024, totalBytes * 0.02),
      labels: (id) => this.index.labels(id),
      positions: () => this.positions.snapshot(this.clock.now()),
      onCommit: (tickets) => this.committed(tickets),
      onDiscard: (tickets) => this.discarded(tickets),
    })
    await journal.checkSpace()
    return journal
  }

  private makeMaintenance(): Maintenance {
    const {
      clock,
      disk,
      logger,
      journal,
      journalFolder,
      oldSegments,
      head,
      blocks,
      index,
      retentionDays,
    } = this
    const sealGraceMillis = this.options.sealGraceMillis ?? 600_000
    return new Maintenance({
      clock,
      disk,
      logger,
      journal,
      journalFolder,
      oldSegments,
      head,
      blocks,
      index,
      retentionDays,
      sealGraceMillis,
    })
  }

  readonly intern = (labels: Labels): SeriesId => this.index.intern(labels)
  readonly labels = (id: SeriesId): Labels => this.index.labels(id)
  readonly position = (stream: StreamKey): number => this.positions.durable(stream)
  readonly stream: StoreWriter['stream'] = (key, events) =>
    batchStream(key, events, (batch) => this.append(batch))
  readonly recent: RecentReader['recent'] = () => undefined
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
    const prepared = prepareRows(
      batch.rows,
      oldestKept(this.clock.now(), this.retentionDays),
      this.index,
    )
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

  private get retentionDays(): number {
    return this.options.retentionDays ?? 15
  }

  maintain(): Promise<void> {
    return this.maintenance.run()
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

  stats(): EmbeddedStoreStats {
    let journalBytes = this.journal.bytes
    for (const bytes of this.oldSegments.values()) journalBytes += bytes
    return {
      series: this.index.live,
      samplesAppended: this.samplesAppended,
      bytesOnDisk: journalBytes + this.blocks.bytes,
      journalBytes,
      ...timeBounds(this.blocks, this.head),
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
      await this.maintenance.stop()
      await this.journal.close()
    } finally {
      await this.lock.release()
    }
  }
}
