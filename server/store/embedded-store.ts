import { stat } from 'node:fs/promises'
import { endianness } from 'node:os'
import { basename, join } from 'node:path'
import type { Clock, Millis } from '../clock.ts'
import { CallwardError, StartError } from '../errors.ts'
import { checkBatch, prepareRows } from './batch-check.ts'
import { BatchTicket } from './batch-ticket.ts'
import { BelievedClock, oldestKept } from './believed-clock.ts'
import { type Disk, realDisk } from './disk.ts'
import type {
  EmbeddedStore,
  EmbeddedStoreOptions,
  EmbeddedStoreStats,
  StoreCopy,
} from './engine-options.ts'
import { EngineStream, type StreamHost } from './engine-stream.ts'
import type { FolderLock } from './folder-lock.ts'
import { Generation } from './head/generation.ts'
import { Head } from './head/head.ts'
import { Journal } from './journal/journal.ts'
import { Positions } from './journal/positions.ts'
import { batchBytes, maxBatchBytes, writeBatch } from './journal/record.ts'
import { replayJournal } from './journal/replay.ts'
import { segmentName } from './journal/segments.ts'
import { type StoreLogger, silentLogger } from './log.ts'
import { Maintenance, timeBounds } from './maintenance.ts'
import { PartFolder } from './parts/part-folder.ts'
import type { PlanningReader } from './read-plan.ts'
import type { Labels, SeriesColumns, StoreReader } from './reader.ts'
import { RecentColumns } from './recent-columns.ts'
import { SeriesIndex } from './series/series-index.ts'
import { openSeriesLog, type SeriesLog, seriesLogName } from './series/series-log.ts'
import { formatName, journalName, partsName, takeFolder } from './store-folder.ts'
import { StoreReads } from './store-reads.ts'
import {
  type Batch,
  type SeriesId,
  StoreUnavailable,
  type StoreWriter,
  type StreamKey,
} from './writer.ts'

export type { EmbeddedStore, EmbeddedStoreOptions, EmbeddedStoreStats, StoreCopy }

/**
 * Opens a store folder, alone. Throws an Error that says what to do when the folder cannot be written, is in use by another process,
 * holds another format, or the machine is big-endian.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  if (endianness() !== 'LE')
    throw new StartError(
      'The embedded store needs a little-endian machine; use an external store here.',
    )
  const lock = await takeFolder(options.folder)
  try {
    const engine = new Engine(options, lock)
    await engine.load()
    return engine
  } catch (error) {
    await lock.release()
    throw error
  }
}

class Engine implements EmbeddedStore, StreamHost {
  private readonly options: EmbeddedStoreOptions
  private readonly clock: Clock
  private readonly logger: StoreLogger
  private readonly disk: Disk
  private readonly lock: FolderLock
  private readonly retentionDays: number
  private readonly keepFrom: () => Millis
  private readonly positions = new Positions()
  readonly parts: PartFolder
  readonly index: SeriesIndex
  head!: Head
  journal!: Journal
  private seriesLog!: SeriesLog
  private reads!: StoreReads
  private recentColumns!: RecentColumns
  private maintenance!: Maintenance
  private believed!: BelievedClock
  private timer: NodeJS.Timeout | undefined
  private closed: Promise<void> | undefined
  private nextStream = 1
  private damagedSegments = 0
  readonly counters = {
    samplesAppended: 0,
    samplesTooOld: 0,
    batchesRepeated: 0,
    batchesRefused: 0,
  }

  constructor(options: EmbeddedStoreOptions, lock: FolderLock) {
    this.options = options
    this.clock = options.clock
    this.logger = options.logger ?? silentLogger
    this.disk = options.disk ?? realDisk
    this.lock = lock
    this.retentionDays = options.retentionDays ?? 15
    this.keepFrom = options.keepFrom ?? (() => Number.POSITIVE_INFINITY)
    this.index = new SeriesIndex(options.maxSeries ?? 2_000_000)
    const { disk, logger } = this
    this.parts = new PartFolder({ folder: join(options.folder, partsName), disk, logger })
  }

  async load(): Promise<void> {
    const started = performance.now()
    const { index, positions, disk, logger, clock, parts } = this
    const { folder } = this.options
    this.seriesLog = await openSeriesLog({ folder, disk, logger, index })
    await parts.open()
    const replayed = await replayJournal({
      folder: join(folder, journalName),
      disk,
      logger,
      positions,
      sealedOrder: parts.newestOrder,
      now: clock.now(),
      monotonic: clock.monotonic(),
    })
    index.reserve(replayed.idsBelow)
    this.damagedSegments = replayed.damaged
    const [first, ...more] = replayed.generations
    this.head = new Head([
      first ?? new Generation(parts.newestOrder + 1, clock.monotonic()),
      ...more,
    ])
    for (const { slots } of parts.all)
      for (const { minTime, maxTime } of slots) this.head.partsHold(maxTime, minTime)
    this.believed = new BelievedClock(clock, timeBounds(parts, this.head).newest)
    this.journal = await this.openJournal(replayed)
    this.reads = new StoreReads({ index, head: this.head, parts })
    this.recentColumns = new RecentColumns(index, this.head)
    this.maintenance = this.makeMaintenance()
    // What earlier processes left counts too: a hub that restarts often must still seal.
    if (this.journal.isFull) this.maintenance.noteFull()
    const millis = Math.round(performance.now() - started)
    logger.info({ folder, series: index.live, partFiles: parts.all.length, millis }, 'store opened')
    const period = this.options.maintenanceMillis ?? 15_000
    if (period > 0) this.timer = setInterval(() => void this.maintainQuietly(), period).unref()
  }

  private async openJournal({
    segments,
    nextSegment,
  }: Awaited<ReturnType<typeof replayJournal>>): Promise<Journal> {
    const { totalBytes } = await this.disk.space(this.options.folder)
    const journal = new Journal({
      folder: join(this.options.folder, journalName),
      disk: this.disk,
      logger: this.logger,
      segments,
      nextSegment,
      generation: this.head.open.order,
      segmentBytes: this.options.segmentBytes ?? 64 * 1024 * 1024,
      onFull: () => this.full(),
      lingerMillis: Math.min(50, this.options.lingerMillis ?? 5),
      maxWaitingBytes: this.options.maxWaitingBytes ?? 64 * 1024 * 1024,
      recoveryMillis: this.options.recoveryMillis ?? 500,
      reserveBytes: this.options.reserveBytes ?? Math.max(512 * 1024 * 1024, totalBytes * 0.02),
      unsealedBytes: () => this.head.unsealedBytes,
      maxUnsealedBytes: this.options.maxUnsealedBytes ?? 2 * 1024 ** 3,
      series: this.seriesLog,
      positions: () => this.positions.snapshot(this.clock.now()),
      onFail: () => this.positions.discard(),
    })
    await journal.checkSpace()
    return journal
  }

  private makeMaintenance(): Maintenance {
    const { clock, believed, logger, journal, head, parts, index, seriesLog, retentionDays } = this
    const { keepFrom } = this
    const freezeMillis = this.options.freezeMillis ?? 300_000
    return new Maintenance({
      clock,
      believed,
      logger,
      journal,
      head,
      parts,
      index,
      seriesLog,
      retentionDays,
      keepFrom,
      freezeMillis,
    })
  }

  now(): Millis {
    return this.clock.now()
  }

  keptFrom(): Millis {
    return Math.min(oldestKept(this.believed.now(), this.retentionDays), this.keepFrom())
  }

  heldFrom(): Millis {
    const { oldest = this.now() } = timeBounds(this.parts, this.head)
    return Math.max(oldest, this.keptFrom())
  }

  sealedTo(): Millis {
    return this.head.all.reduce((least, { minTime }) => Math.min(least, minTime), this.now())
  }

  isTooOld(t: Millis, now: Millis): boolean {
    // The believed time is never later than the clock's: mostly that one tells.
    return t < oldestKept(now, this.retentionDays) && t < this.keptFrom()
  }

  readonly intern = (labels: Labels): SeriesId => this.index.intern(labels)
  readonly labels = (id: SeriesId): Labels => this.index.labels(id)
  readonly position = (stream: StreamKey): number => this.positions.durable(stream)
  readonly settled = async (stream: StreamKey): Promise<number> => {
    if (this.positions.accepted(stream) > this.position(stream)) await this.journal.settled()
    return this.position(stream)
  }
  readonly stream: StoreWriter['stream'] = (key, events) =>
    new EngineStream(this, this.nextStream++, this.positions.of(key, this.now()), events)

  get columns(): SeriesColumns {
    return this.recentColumns
  }

  readonly select: StoreReader['select'] = (...query) => this.reads.select(...query)
  readonly series: StoreReader['series'] = (...query) => this.reads.series(...query)
  readonly labelNames: StoreReader['labelNames'] = (...query) => this.reads.labelNames(...query)
  readonly labelValues: StoreReader['labelValues'] = (...query) => this.reads.labelValues(...query)
  readonly plan: PlanningReader['plan'] = (...query) => this.reads.plan(...query)
  readonly reportDamage: PlanningReader['reportDamage'] = (...damage) =>
    this.reads.reportDamage(...damage)

  async append(batch: Batch): Promise<void> {
    checkBatch(batch, this.index.size)
    const { origin } = batch
    if (origin && origin.sequence <= this.positions.accepted(origin)) {
      this.counters.batchesRepeated++
      // It is durable when everything handed over up to now is.
      if (origin.sequence > this.positions.durable(origin)) await this.journal.settled()
      return
    }
    const prepared = prepareRows(batch.rows, this.keptFrom(), this.index)
    if (prepared.rows.length === 0 && !origin) {
      this.counters.samplesTooOld += prepared.tooOld
      return
    }
    const { rows } = prepared
    await this.enter(origin ? { origin, rows } : { rows }, prepared.tooOld)
  }

  /** Into the journal and into memory in one turn of the event loop; the record counts when memory has it all. */
  private enter(batch: Batch, tooOld: number): Promise<void> {
    const bytes = batchBytes(batch)
    if (bytes > maxBatchBytes)
      throw new CallwardError(
        'too_large',
        `A batch of ${bytes} bytes is over the limit of ${maxBatchBytes}.`,
      )
    const { origin, rows } = batch
    writeBatch(this.beginRecord(), batch)
    const written = rows.map((row) => this.head.open.write(row))
    const samples = rows.reduce((sum, row) => sum + row.ids.length, 0)
    const position = origin && this.positions.of(origin, this.now())
    const ticket = new BatchTicket(samples, position, origin?.sequence ?? 0, (taken, refused) => {
      this.counters.samplesAppended += taken
      this.counters.batchesRefused += refused
    })
    if (position && origin) {
      position.accepted = origin.sequence
      position.movedAt = this.now()
    }
    this.journal.end(ticket, written)
    this.counters.samplesTooOld += tooOld
    return ticket.done
  }

  beginRecord(): ReturnType<Journal['begin']> {
    try {
      return this.journal.begin()
    } catch (error) {
      if (error instanceof StoreUnavailable) this.counters.batchesRefused++
      throw error
    }
  }

  /** The journal of the open generation has become long. */
  private full(): void {
    this.maintenance.noteFull()
    if (this.timer) setImmediate(() => void this.maintainQuietly())
  }

  maintain(): Promise<void> {
    return this.maintenance.run()
  }

  compact(): Promise<void> {
    return this.maintenance.compact()
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

  async beginCopy(): Promise<StoreCopy> {
    const { journal, parts, seriesLog, head } = this
    const holds = [journal.hold(), parts.hold(), await seriesLog.hold()]
    const release = () => {
      for (const letGo of holds) letGo()
    }
    try {
      journal.rotate(head.open.order)
      await journal.settleHeader()
      await seriesLog.commit()
      const { size } = await stat(join(this.options.folder, formatName))
      return {
        files: [
          { path: formatName, bytes: size },
          { path: seriesLogName, bytes: seriesLog.bytes },
          ...parts.all.map(({ path, bytes }) => ({ path: join(partsName, basename(path)), bytes })),
          ...journal.closedSegments().map(({ segment, bytes }) => ({
            path: join(journalName, segmentName(segment)),
            bytes,
          })),
        ].filter(({ bytes }) => bytes > 0),
        release,
      }
    } catch (error) {
      release()
      throw error
    }
  }

  stats(): EmbeddedStoreStats {
    const { journal, parts, head, index, seriesLog } = this
    return {
      series: index.live,
      samplesAppended: this.counters.samplesAppended,
      bytesOnDisk: journal.bytes + parts.bytes + seriesLog.bytes,
      journalBytes: journal.bytes,
      ...timeBounds(parts, head),
      partFiles: parts.all.length,
      journalSegments: journal.segments,
      headBytes: head.bytes,
      seriesRefused: index.refused,
      batchesRefused: this.counters.batchesRefused,
      samplesTooOld: this.counters.samplesTooOld,
      batchesRepeated: this.counters.batchesRepeated,
      damaged: this.damagedSegments + parts.damaged + seriesLog.damaged,
      refusal: journal.refusal,
      ...journal.room,
    }
  }

  close(): Promise<void> {
    this.closed ??= this.shut()
    return this.closed
  }

  private async shut(): Promise<void> {
    clearInterval(this.timer)
    this.timer = undefined
    try {
      await this.maintenance.stop()
      await this.journal.close()
    } finally {
      await this.parts.close()
      await this.seriesLog.close()
      await this.lock.release()
    }
  }
}
