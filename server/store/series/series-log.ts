import { link, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { StartError } from '../../errors.ts'
import { ByteWriter } from '../bytes.ts'
import { type AppendFile, type Disk, systemCode } from '../disk.ts'
import type { StoreLogger } from '../log.ts'
import { Pause } from '../pause.ts'
import type { SeriesId } from '../writer.ts'
import type { SeriesIndex } from './series-index.ts'
import { headerOf, LogEncoder, readLog, recordSeries, writeHeader } from './series-log-format.ts'

/** File name of the log within a store folder. */
export const seriesLogName = 'series.log'

/** A log of fewer entries is not rewritten. */
const fewEntries = 1000

/** A lost entry took so many bytes at least. */
const leastEntryBytes = 3

export interface SeriesLogOptions {
  /** The store's. */
  readonly folder: string
  readonly disk: Disk
  readonly logger: StoreLogger
  /** Filled from the log; its new series go to the log from then on. */
  readonly index: SeriesIndex
}

/** Which id stands for which labels, for good. An id is never given twice, whatever happens to the file. */
export interface SeriesLog {
  /** Series that `commit` has still to write. */
  readonly pending: number
  /** Series in the file. */
  readonly entries: number
  /** Durable length of the file; what lies before it changes only by `rewrite`. */
  readonly bytes: number
  /** Stretches of the file that could not be read at the opening. */
  readonly damaged: number
  /** More than half of the file is of retired series. */
  readonly worthRewriting: boolean
  /**
   * Resolves when every series the index has given so far is durable. Calls that come together share one write. Rejects with the disk's
   * error: nothing is lost, the next call tries again.
   */
  commit(): Promise<void>
  /** Leaves retired series out of the file; does nothing while it is held. */
  rewrite(): Promise<void>
  /** Keeps `rewrite` away, so that the first `bytes` of the file can be copied, until the returned function is called. */
  hold(): Promise<() => void>
  close(): Promise<void>
}

/**
 * Opens or begins the log of a store folder and fills the index. A torn tail is cut; damage elsewhere costs the series in it, is logged,
 * and the damaged file is kept aside. Throws StartError for the format of a later version.
 */
export async function openSeriesLog(options: SeriesLogOptions): Promise<SeriesLog> {
  const log = new Log(options)
  await log.load()
  options.index.listen(log)
  return log
}

/** Bytes that failed to reach the file; the numbers in them are given. */
interface Unwritten {
  readonly bytes: Buffer
  readonly entries: number
}

class Log implements SeriesLog {
  private readonly options: SeriesLogOptions
  private readonly path: string
  private file: AppendFile | undefined
  private encoder: LogEncoder
  private waiting: SeriesId[] = []
  private unwritten: Unwritten | undefined
  /** Ids that a rewrite left out. */
  private readonly leftOut = new Set<SeriesId>()
  /** Behind `bytes` the file may hold anything. */
  private torn = false
  /** The name of the file may not be durable. */
  private nameWaits = false
  /** One commit or rewrite at a time. */
  private work: Promise<void> = Promise.resolve()
  private nextCommit: Promise<void> | undefined
  private holders = 0
  private closed = false
  entries = 0
  bytes = 0
  damaged = 0

  constructor(options: SeriesLogOptions) {
    this.options = options
    this.path = join(options.folder, seriesLogName)
    this.encoder = new LogEncoder(options.index)
  }

  get pending(): number {
    return this.waiting.length + (this.unwritten?.entries ?? 0)
  }

  get worthRewriting(): boolean {
    return this.entries > fewEntries && this.entries > 2 * this.options.index.live
  }

  /** A new series of the index, or one that is back. */
  add(id: SeriesId, isBack: boolean): void {
    if (!isBack || this.leftOut.delete(id)) this.waiting.push(id)
  }

  async load(): Promise<void> {
    const { index, disk, logger } = this.options
    await unlinkIfThere(disk, `${this.path}.tmp`)
    const bytes = await readFile(this.path).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return undefined
      throw error
    })
    if (bytes === undefined) return
    if (headerOf(bytes) === 'later')
      throw new StartError(
        `${this.path} was written by a later version of Callward; start that version, or restore a backup made by this one.`,
      )
    const read = readLog(bytes, index, this.encoder)
    this.entries = read.entries
    this.damaged = read.damaged
    this.bytes = read.end
    this.torn = read.end === 0
    if (read.lostBytes === 0) return
    // What was lost may have given ids: they stay taken.
    index.reserve(index.size + Math.ceil(read.lostBytes / leastEntryBytes))
    if (read.damaged > 0) await this.setAside(read.lostBytes)
    else {
      this.torn = true
      logger.info(
        { path: this.path, cutBytes: bytes.length - read.end, keptBytes: read.end },
        'torn tail of the series log cut; nothing in it was acknowledged',
      )
      await this.run(() => this.write([])).catch((error: unknown) => {
        logger.warn({ err: error }, 'series log cannot be written; it is tried again')
      })
    }
  }

  /** Keeps the damaged file beside a new one of what could be read. */
  private async setAside(lostBytes: number): Promise<void> {
    const aside = `${this.path}.damaged-${Date.now()}`
    await link(this.path, aside)
    await this.rewrite()
    this.options.logger.error(
      { path: this.path, lostBytes, aside },
      'series log is damaged; samples of the series lost with it cannot be found. Check the disk, or restore a backup; the file is kept aside',
    )
  }

  commit(): Promise<void> {
    if (this.pending === 0) return Promise.resolve()
    this.nextCommit ??= this.run(() => {
      this.nextCommit = undefined
      const ids = this.waiting
      this.waiting = []
      return this.write(ids)
    })
    return this.nextCommit
  }

  private run(step: () => Promise<void>): Promise<void> {
    // The folder is another's by now; what comes late is not acknowledged.
    if (this.closed) return Promise.reject(new Error('the series log is closed'))
    const done = this.work.then(step)
    this.work = done.catch(() => undefined)
    return done
  }

  /** Appends what failed before and the given series; what fails again is kept. */
  private async write(ids: readonly SeriesId[]): Promise<void> {
    const writer = new ByteWriter(64 * 1024)
    if (this.unwritten) writer.raw(this.unwritten.bytes)
    else if (this.bytes === 0) writeHeader(writer)
    const pause = new Pause()
    let from = 0
    do {
      this.encoder.record(writer, ids, from)
      from += recordSeries
      if (pause.due) await pause.take()
    } while (from < ids.length)
    const entries = (this.unwritten?.entries ?? 0) + ids.length
    this.unwritten = { bytes: writer.bytes(), entries }
    if (this.torn) await this.cutBack()
    this.torn = true
    const file = await this.opened()
    await file.write(this.unwritten.bytes)
    await file.sync()
    await this.settleName()
    this.torn = false
    this.bytes += writer.length
    this.entries += entries
    this.unwritten = undefined
  }

  private async opened(): Promise<AppendFile> {
    if (this.file) return this.file
    const { disk } = this.options
    if (this.bytes === 0) this.nameWaits = true
    this.file = await (this.bytes === 0 ? disk.create(this.path) : disk.append(this.path))
    return this.file
  }

  private async settleName(): Promise<void> {
    if (!this.nameWaits) return
    await this.options.disk.syncFolder(this.options.folder)
    this.nameWaits = false
  }

  /** Takes off the file what a failed write left behind; a descriptor that failed once is not used again. */
  private async cutBack(): Promise<void> {
    const { disk } = this.options
    await this.file?.close().catch(() => undefined)
    this.file = undefined
    if (this.bytes === 0) await unlinkIfThere(disk, this.path)
    else await disk.truncate(this.path, this.bytes)
  }

  rewrite(): Promise<void> {
    return this.run(async () => {
      if (this.holders === 0) await this.writeAnew()
    })
  }

  private async writeAnew(): Promise<void> {
    const { index } = this.options
    const ids = index.liveIds.slice()
    const covered = this.waiting.length
    for (let id = 0; id < index.size; id++) if (index.isRetired(id)) this.leftOut.add(id)
    const encoder = new LogEncoder(index)
    const writer = new ByteWriter(1024 * 1024)
    writeHeader(writer)
    const pause = new Pause()
    let from = 0
    do {
      encoder.record(writer, ids, from)
      from += recordSeries
      if (pause.due) await pause.take()
    } while (from < ids.length)
    await this.replaceFile(writer.bytes())
    this.encoder = encoder
    this.waiting.splice(0, covered)
    this.unwritten = undefined
    this.torn = false
    this.bytes = writer.length
    this.entries = ids.length
    await this.settleName()
  }

  private async replaceFile(bytes: Buffer): Promise<void> {
    const { disk } = this.options
    const path = `${this.path}.tmp`
    await unlinkIfThere(disk, path)
    const file = await disk.create(path)
    try {
      await file.write(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(path, this.path)
    this.nameWaits = true
    await this.file?.close().catch(() => undefined)
    this.file = undefined
  }

  async hold(): Promise<() => void> {
    this.holders++
    await this.work
    let held = true
    return () => {
      if (held) this.holders--
      held = false
    }
  }

  async close(): Promise<void> {
    this.closed = true
    await this.work
    await this.file?.close()
    this.file = undefined
  }
}

async function unlinkIfThere(disk: Disk, path: string): Promise<void> {
  try {
    await disk.unlink(path)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
}
