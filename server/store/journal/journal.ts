import { join } from 'node:path'
import { CallwardError } from '../../errors.ts'
import { ByteWriter } from '../bytes.ts'
import { type AppendFile, type Disk, systemCode } from '../disk.ts'
import type { StoreLogger } from '../log.ts'
import type { Labels } from '../reader.ts'
import { SeriesTableWriter } from '../series/series-table.ts'
import { type Batch, type SeriesId, StoreUnavailable } from '../writer.ts'
import {
  batchBytes,
  maxRecordBytes,
  type StreamPosition,
  writeBatch,
  writeHeader,
  writeSeries,
} from './record.ts'
import { segmentName } from './segments.ts'

export interface JournalOptions<Ticket> {
  readonly folder: string
  readonly disk: Disk
  readonly logger: StoreLogger
  readonly firstSegment: number
  readonly firstBatch: number
  readonly segmentBytes: number
  /** How long a commit waits for company, milliseconds (0 to 5). */
  readonly lingerMillis: number
  /** Bytes that may wait for the disk before appends are refused. */
  readonly maxWaitingBytes: number
  /** Free bytes below which appends are refused. */
  readonly reserveBytes: number
  /** How long after a failure the disk is tried again, milliseconds. */
  readonly recoveryMillis: number
  readonly labels: (id: SeriesId) => Labels
  /** Positions that hold once everything handed over so far is durable. */
  readonly positions: () => readonly StreamPosition[]
  /** The batches are durable, in order. */
  readonly onCommit: (tickets: readonly Ticket[]) => void
  /** Nothing of the batches counts; newest first. */
  readonly onDiscard: (tickets: readonly Ticket[]) => void
}

/** Records that one write and one fdatasync commit. */
interface Group<Ticket> {
  readonly segment: number
  readonly writer: ByteWriter
  readonly tickets: Ticket[]
  readonly done: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

const sizeTriggerBytes = 1024 * 1024
const spaceCheckMillis = 1000

function newGroup<Ticket>(segment: number, writer: ByteWriter): Group<Ticket> {
  let resolve = () => {}
  let reject: (error: Error) => void = () => {}
  const done = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  done.catch(() => undefined)
  return { segment, writer, tickets: [], done, resolve, reject }
}

/**
 * Append-only segments with group commit. One write and one fdatasync are under way at a time; what comes meanwhile waits for the
 * next. A failed write or fdatasync refuses everything that waits; the journal then cuts the segment back to what is durable and
 * goes on in a new one as soon as the disk takes it. Should the process die in between, refused batches may come back, each whole.
 */
export class Journal<Ticket> {
  private readonly options: JournalOptions<Ticket>
  private readonly waiting: Group<Ticket>[] = []
  private committing: Group<Ticket> | undefined
  private file: AppendFile | undefined
  private fileSegment = 0
  private fileBytes = 0
  /** The segment that appends go to, and its bytes written or waiting. */
  private segment: number
  private segmentBytes = 0
  private started = false
  private defined = new Uint32Array(1024)
  private table = new SeriesTableWriter()
  private waitingBytes = 0
  private nextBatchNumber: number
  private timer: NodeJS.Timeout | undefined
  private failure: Error | undefined
  private recovery: Promise<void> = Promise.resolve()
  private recoveryTimer: NodeJS.Timeout | undefined
  private spaceCheckedAt = 0
  private spaceShort: string | undefined
  private closing = false
  private spare: ByteWriter | undefined
  private readonly sizes = new Map<number, number>()

  constructor(options: JournalOptions<Ticket>) {
    this.options = options
    this.segment = options.firstSegment
    this.nextBatchNumber = options.firstBatch
  }

  /** Number of the batch that the next append makes. */
  get nextBatch(): number {
    return this.nextBatchNumber
  }

  /** Segment that the next append goes to; it may not exist yet. */
  get currentSegment(): number {
    return this.segment
  }

  /** Durable bytes of the segments this process wrote. */
  get bytes(): number {
    let sum = 0
    for (const size of this.sizes.values()) sum += size
    return sum
  }

  /** Why appends are refused, undefined when they are not. */
  get refusal(): string | undefined {
    if (this.failure) return `the journal cannot be written (${this.failure.message})`
    if (this.waitingBytes > this.options.maxWaitingBytes)
      return `${this.waitingBytes} bytes already wait for the disk`
    return this.spaceShort
  }

  /**
   * Enters a batch; `done` settles with its commit. Throws StoreUnavailable when the disk refuses, CallwardError `too_large` for a
   * batch over the record limit.
   */
  append(batch: Batch, ticket: Ticket): { readonly done: Promise<void>; readonly segment: number } {
    if (this.closing) throw new CallwardError('unavailable', 'The store is closing.')
    this.checkSpaceNowAndThen()
    const refusal = this.refusal
    if (refusal !== undefined) throw new StoreUnavailable(`Samples are refused: ${refusal}.`)
    const bytes = batchBytes(batch)
    if (bytes > maxRecordBytes)
      throw new CallwardError(
        'too_large',
        `A batch of ${bytes} bytes is over the limit of ${maxRecordBytes}.`,
      )
    const group = this.openGroup()
    const before = group.writer.length
    this.define(group.writer, batch)
    writeBatch(group.writer, batch)
    const added = group.writer.length - before
    this.segmentBytes += added
    this.waitingBytes += added
    this.nextBatchNumber++
    group.tickets.push(ticket)
    this.schedule()
    return { done: group.done, segment: group.segment }
  }

  /** Settles when everything entered so far is durable, or was refused. */
  settled(): Promise<void> {
    return (this.waiting.at(-1) ?? this.committing)?.done ?? Promise.resolve()
  }

  private openGroup(): Group<Ticket> {
    if (this.started && this.segmentBytes >= this.options.segmentBytes)
      this.beginSegment(this.segment + 1)
    const last = this.waiting.at(-1)
    if (last && last.segment === this.segment) return last
    const group = newGroup<Ticket>(this.segment, this.spare ?? new ByteWriter(64 * 1024))
    this.spare = undefined
    group.writer.length = 0
    this.waiting.push(group)
    if (!this.started) {
      this.started = true
      const { positions } = this.options
      writeHeader(group.writer, {
        format: 1,
        firstBatch: this.nextBatchNumber,
        positions: positions(),
      })
      this.waitingBytes += group.writer.length
    }
    return group
  }

  private beginSegment(segment: number): void {
    this.segment = segment
    this.segmentBytes = 0
    this.started = false
    this.table = new SeriesTableWriter()
  }

  /** Writes the labels of series that this segment has not named yet. */
  private define(writer: ByteWriter, batch: Batch): void {
    const fresh: SeriesId[] = []
    const mark = this.segment + 1
    for (const row of batch.rows) {
      for (const ids of [row.ids, row.stale]) {
        if (!ids) continue
        for (let i = 0; i < ids.length; i++) {
          const id = ids[i]!
          if (id >= this.defined.length) this.growDefined(id)
          if (this.defined[id] === mark) continue
          this.defined[id] = mark
          fresh.push(id)
        }
      }
    }
    if (fresh.length === 0) return
    const before = writer.length
    writeSeries(writer, this.table, fresh, this.options.labels)
    // Definitions do not count towards the segment's size: a segment of many series must still hold many rows.
    this.segmentBytes -= writer.length - before
  }

  private growDefined(id: number): void {
    const grown = new Uint32Array(Math.max(id + 1, this.defined.length * 2))
    grown.set(this.defined)
    this.defined = grown
  }

  private schedule(): void {
    if (this.committing) return
    if (this.waitingBytes >= sizeTriggerBytes || this.closing) void this.commit()
    else this.timer ??= setTimeout(() => void this.commit(), this.options.lingerMillis)
  }

  private async commit(): Promise<void> {
    clearTimeout(this.timer)
    this.timer = undefined
    if (this.committing || this.failure) return
    const group = this.waiting.shift()
    if (!group) return
    this.committing = group
    try {
      await this.writeDurably(group)
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)))
      return
    }
    this.committing = undefined
    this.waitingBytes -= group.writer.length
    this.options.onCommit(group.tickets)
    if (group.writer.buffer.length <= 4 * sizeTriggerBytes) this.spare = group.writer
    group.resolve()
    if (this.waiting.length > 0) void this.commit()
  }

  private async writeDurably(group: Group<Ticket>): Promise<void> {
    const { disk, folder } = this.options
    if (!this.file || this.fileSegment !== group.segment) {
      await this.file?.close()
      this.file = undefined
      this.file = await disk.create(join(folder, segmentName(group.segment)))
      this.fileSegment = group.segment
      this.fileBytes = 0
      await this.file.write(group.writer.bytes())
      await this.file.sync()
      await disk.syncFolder(folder)
    } else {
      await this.file.write(group.writer.bytes())
      await this.file.sync()
    }
    this.fileBytes += group.writer.length
    this.sizes.set(group.segment, this.fileBytes)
  }

  private fail(error: Error): void {
    this.failure = error
    const groups = [...(this.committing ? [this.committing] : []), ...this.waiting]
    this.committing = undefined
    this.waiting.length = 0
    this.waitingBytes = 0
    const tickets = groups.flatMap((group) => group.tickets)
    this.options.onDiscard(tickets.toReversed())
    this.options.logger.error(
      { err: error, batches: tickets.length },
      'journal write failed; samples are refused until the disk takes them again',
    )
    const refusal = new StoreUnavailable(`The disk refused the samples: ${error.message}.`, {
      cause: error,
    })
    for (const group of groups) group.reject(refusal)
    this.recoverSoon()
  }

  private recoverSoon(): void {
    if (this.closing) return
    this.recoveryTimer = setTimeout(() => {
      this.recovery = this.recover()
    }, this.options.recoveryMillis).unref()
  }

  /** Cuts the failed segment back to what is durable; appends then start a new one. */
  private async recover(): Promise<void> {
    const { disk, folder, logger } = this.options
    const path = join(folder, segmentName(Math.max(this.fileSegment, this.segment)))
    try {
      await this.file?.close().catch(() => undefined)
      this.file = undefined
      await this.cutBack()
      const probe = `${path}.probe`
      await disk.unlink(probe).catch(() => undefined)
      const file = await disk.create(probe)
      try {
        await file.write(Buffer.alloc(sizeTriggerBytes / 4))
        await file.sync()
      } finally {
        await file.close()
        await disk.unlink(probe)
      }
    } catch (error) {
      logger.warn({ err: error }, 'journal still cannot be written')
      return this.recoverSoon()
    }
    this.beginSegment(Math.max(this.fileSegment, this.segment) + 1)
    this.failure = undefined
    logger.info({ segment: this.segment }, 'journal takes samples again')
  }

  /** Unacknowledged bytes leave the disk: of the open segment, and of one that was being created. */
  private async cutBack(): Promise<void> {
    const { disk, folder } = this.options
    for (
      let segment = Math.max(this.fileSegment, this.options.firstSegment);
      segment <= this.segment;
      segment++
    ) {
      const path = join(folder, segmentName(segment))
      const durableBytes = this.sizes.get(segment)
      try {
        if (durableBytes === undefined) await disk.unlink(path)
        else await disk.truncate(path, durableBytes)
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') throw error
      }
    }
    await disk.syncFolder(folder)
  }

  private checkSpaceNowAndThen(): void {
    const now = performance.now()
    if (this.spaceCheckedAt !== 0 && now - this.spaceCheckedAt < spaceCheckMillis) return
    this.spaceCheckedAt = now
    void this.checkSpace()
  }

  /** Compares the free space with the reserve. */
  async checkSpace(): Promise<void> {
    const { disk, folder, reserveBytes, logger } = this.options
    try {
      const { freeBytes } = await disk.space(folder)
      const short = freeBytes < reserveBytes
      if (short !== (this.spaceShort !== undefined)) {
        if (short)
          logger.error(
            { freeBytes, reserveBytes },
            'free space is below the reserve; samples are refused',
          )
        else logger.info({ freeBytes, reserveBytes }, 'free space is above the reserve again')
      }
      this.spaceShort = short
        ? `${freeBytes} bytes are free on the disk of ${folder}, the reserve is ${reserveBytes}; free space there`
        : undefined
    } catch (error) {
      logger.warn({ err: error }, 'free space cannot be read')
    }
  }

  /** Newest segment of this process with a durable header; undefined before the first commit. */
  get durableSegment(): number | undefined {
    const known = [...this.sizes.keys()]
    return known.length === 0 ? undefined : Math.max(...known)
  }

  /** How many segments this process holds on disk. */
  get segments(): number {
    return this.sizes.size
  }

  /** This process's segments below `segment`, ascending. */
  segmentsBelow(segment: number): number[] {
    return [...this.sizes.keys()].filter((known) => known < segment).sort((a, b) => a - b)
  }

  /** A segment was unlinked. */
  forget(segment: number): void {
    this.sizes.delete(segment)
  }

  /**
   * Commits what waits and closes the file; appends are refused from now on. Rejects when the last commit fails. What a failed disk
   * may still hold of refused batches is cut off if the disk allows.
   */
  async close(): Promise<void> {
    this.closing = true
    clearTimeout(this.recoveryTimer)
    await this.recovery
    void this.commit()
    try {
      await this.settled()
    } finally {
      await this.file?.close().catch(() => undefined)
      this.file = undefined
      if (this.failure) {
        await this.cutBack().catch((error: unknown) => {
          this.options.logger.warn(
            { err: error },
            'refused batches could not be cut off the journal; they may come back',
          )
        })
      }
    }
  }
}
