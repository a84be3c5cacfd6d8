import { join } from 'node:path'
import { CallwardError } from '../../errors.ts'
import { ByteWriter } from '../bytes.ts'
import type { AppendFile } from '../disk.ts'
import type { LooseUndo } from '../head/generation.ts'
import { StoreUnavailable } from '../writer.ts'
import { beginBlock, endBlock, type StreamPosition, writeHeader } from './record.ts'
import { cutBack, probe } from './recovery.ts'
import { segmentName } from './segments.ts'
import { SpaceWatch, type SpaceWatchOptions } from './space-watch.ts'

/** What waits for a commit; told once, after it. */
export interface Ticket {
  committed(): void
  /** Nothing of it counts; loose writes are undone already. Of several the newest is told first. */
  discarded(error: StoreUnavailable): void
}

/** A segment on disk. */
export interface SegmentInfo {
  readonly generation: number
  /** Durable length. */
  bytes: number
}

export interface JournalOptions extends SpaceWatchOptions {
  /** Those of earlier processes, by number; the journal keeps the map. */
  readonly segments: Map<number, SegmentInfo>
  readonly nextSegment: number
  readonly generation: number
  /** Bytes of one generation after which `onFull` is called. */
  readonly segmentBytes: number
  readonly onFull: () => void
  /** How long a commit waits for company, milliseconds. */
  readonly lingerMillis: number
  /** Bytes that may wait for the disk before appends are refused. */
  readonly maxWaitingBytes: number
  /** How long after a failure the disk is tried again, milliseconds. */
  readonly recoveryMillis: number
  /** What must be durable before the records that name it. */
  readonly series: { readonly pending: number; commit(): Promise<void> }
  /** Positions that hold once everything handed over so far is durable. */
  readonly positions: () => readonly StreamPosition[]
  /** Everything that waited was refused; the tickets are told next. */
  readonly onFail: () => void
}

/** Records that one write and one fdatasync commit. */
interface Group {
  readonly segment: number
  readonly generation: number
  readonly writer: ByteWriter
  /** Bytes of its whole records. */
  length: number
  readonly tickets: Ticket[]
  /** What its records wrote loose in memory, in that order: of one (series, time) each write knows only the one before it. */
  readonly loose: LooseUndo[]
}

const sizeTriggerBytes = 1024 * 1024

/**
 * Append-only segments with group commit. One write and one fdatasync are under way at a time; what comes meanwhile waits for the
 * next. A failed write or fdatasync refuses everything that waits; the journal then cuts the segment back to what is durable and
 * goes on in a new one as soon as the disk takes it. Should the process die in between, refused records may come back, each group
 * whole.
 */
export class Journal {
  private readonly options: JournalOptions
  private readonly space: SpaceWatch
  private readonly waiting: Group[] = []
  private committing: Group | undefined
  private file: AppendFile | undefined
  private fileSegment = 0
  /** Checksum of the last block of the file. */
  private link = 0
  /** The segment that records go to; its generation, and that one's bytes written or waiting in all segments. */
  private current: number
  private generation: number
  private generationBytes = 0
  private started = false
  private waitingBytes = 0
  private timer: NodeJS.Timeout | undefined
  private failure: Error | undefined
  private recovery: Promise<void> = Promise.resolve()
  private recoveryTimer: NodeJS.Timeout | undefined
  private closing = false
  private spare: ByteWriter | undefined
  private holders = 0

  constructor(options: JournalOptions) {
    this.options = options
    this.current = options.nextSegment
    this.generation = options.generation
    this.space = new SpaceWatch(options)
    for (const { generation, bytes } of options.segments.values())
      if (generation === options.generation) this.generationBytes += bytes
  }

  /** The generation has its bytes. */
  get isFull(): boolean {
    return this.generationBytes >= this.options.segmentBytes
  }

  /** Segment of the records that `begin` has last made room for; it may not exist yet. */
  get segment(): number {
    return this.current
  }

  /** Durable bytes of all segments. */
  get bytes(): number {
    let sum = 0
    for (const { bytes } of this.options.segments.values()) sum += bytes
    return sum
  }

  /** How many segments are on disk. */
  get segments(): number {
    return this.options.segments.size
  }

  /** Why records are refused, undefined when they are not. */
  get refusal(): string | undefined {
    if (this.failure) return `the journal cannot be written (${this.failure.message})`
    if (this.waitingBytes > this.options.maxWaitingBytes)
      return `${this.waitingBytes} bytes already wait for the disk`
    return this.space.shortage
  }

  /** Free space at the last look, and what only records may use of it. */
  get room(): { readonly freeBytes: number | undefined; readonly reserveBytes: number } {
    return { freeBytes: this.space.freeBytes, reserveBytes: this.options.reserveBytes }
  }

  /** Compares the free space with the reserve. */
  checkSpace(): Promise<void> {
    return this.space.check()
  }

  /**
   * Where the next records go; write them and call `end` in the same turn: without it they are left out. Throws StoreUnavailable when
   * the disk refuses, CallwardError `unavailable` when closing.
   */
  begin(): ByteWriter {
    if (this.closing) throw new CallwardError('unavailable', 'The store is closing.')
    this.space.checkNowAndThen()
    const refusal = this.refusal
    if (refusal !== undefined) throw new StoreUnavailable(`Samples are refused: ${refusal}.`)
    const { writer, length } = this.openGroup()
    writer.length = length
    return writer
  }

  /** The records since `begin` are whole; `loose` is undone when they are refused. Returns their bytes. */
  end(ticket: Ticket | undefined, loose: readonly LooseUndo[] = []): number {
    const group = this.waiting.at(-1)!
    const added = group.writer.length - group.length
    group.length = group.writer.length
    this.waitingBytes += added
    if (ticket) group.tickets.push(ticket)
    for (const undo of loose) group.loose.push(undo)
    const wasFull = this.isFull
    this.generationBytes += added
    if (!wasFull && this.isFull) this.options.onFull()
    this.schedule()
    return added
  }

  /** What the next `begin` adds to: an object a commit, undefined before its first record. */
  get nextCommit(): object | undefined {
    return this.waiting.at(-1)
  }

  /** The ticket is told when everything handed over so far is durable, or was refused. */
  tellWithLast(ticket: Ticket): void {
    const group = this.waiting.at(-1) ?? this.committing
    if (group) group.tickets.push(ticket)
    else queueMicrotask(() => ticket.committed())
  }

  /** Settles when everything entered so far is durable, or was refused. */
  settled(): Promise<void> {
    return new Promise((resolve, reject) =>
      this.tellWithLast({ committed: resolve, discarded: reject }),
    )
  }

  private openGroup(): Group {
    const last = this.waiting.at(-1)
    if (last && last.segment === this.current) return last
    const writer = this.spare ?? new ByteWriter(64 * 1024)
    this.spare = undefined
    writer.length = 0
    beginBlock(writer)
    if (!this.started) {
      this.started = true
      const { generation } = this
      writeHeader(writer, { generation, positions: this.options.positions() })
    }
    const group = {
      segment: this.current,
      generation: this.generation,
      writer,
      length: writer.length,
      tickets: [],
      loose: [],
    }
    this.waiting.push(group)
    this.waitingBytes += writer.length
    return group
  }

  private beginSegment(segment: number): void {
    this.current = segment
    this.started = false
  }

  /** What follows belongs to `generation` and goes to a new segment. */
  rotate(generation: number): void {
    if (generation !== this.generation) this.generationBytes = 0
    this.generation = generation
    // A segment that nothing was written to is not skipped: its number would be a gap without reason.
    if (this.started) this.beginSegment(this.current + 1)
  }

  /**
   * Resolves when everything handed over so far is durable, and so are the positions that hold behind it, in the present segment.
   * Rejects with StoreUnavailable when the disk refuses.
   */
  async settleHeader(): Promise<void> {
    if (this.closing || this.failure) throw new StoreUnavailable('The journal takes nothing now.')
    if (!this.started) {
      this.openGroup()
      this.schedule()
    }
    await this.settled()
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
    group.writer.length = group.length
    this.link = endBlock(
      group.writer,
      0,
      group.segment === this.fileSegment ? this.link : group.segment,
    )
    try {
      if (this.options.series.pending > 0) await this.options.series.commit()
      await this.writeDurably(group)
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)))
      return
    }
    this.committing = undefined
    this.waitingBytes -= group.writer.length
    if (group.writer.buffer.length <= 4 * sizeTriggerBytes) this.spare = group.writer
    for (const ticket of group.tickets) ticket.committed()
    if (this.waiting.length > 0) void this.commit()
  }

  private async writeDurably({ segment, generation, writer }: Group): Promise<void> {
    const { disk, folder, segments } = this.options
    if (!this.file || this.fileSegment !== segment) {
      await this.file?.close()
      this.file = undefined
      this.file = await disk.create(join(folder, segmentName(segment)))
      this.fileSegment = segment
      await this.file.write(writer.bytes())
      await this.file.sync()
      await disk.syncFolder(folder)
      segments.set(segment, { generation, bytes: writer.length })
    } else {
      await this.file.write(writer.bytes())
      await this.file.sync()
      segments.get(segment)!.bytes += writer.length
    }
  }

  private fail(error: Error): void {
    this.failure = error
    const groups = [...(this.committing ? [this.committing] : []), ...this.waiting]
    this.committing = undefined
    this.waiting.length = 0
    this.waitingBytes = 0
    const tickets = groups.flatMap((group) => group.tickets)
    this.options.onFail()
    this.options.logger.error(
      { err: error, waiting: tickets.length },
      'journal write failed; samples are refused until the disk takes them again',
    )
    const refusal = new StoreUnavailable(`The disk refused the samples: ${error.message}.`, {
      cause: error,
    })
    for (const undo of groups.flatMap(({ loose }) => loose).reverse()) undo.generation.undo(undo)
    for (const ticket of tickets.toReversed()) ticket.discarded(refusal)
    this.recoverSoon()
  }

  private recoverSoon(): void {
    if (this.closing) return
    this.recoveryTimer = setTimeout(() => {
      this.recovery = this.recover()
    }, this.options.recoveryMillis).unref()
  }

  /** Cuts the failed segment back to what is durable; records then go to a new one. */
  private async recover(): Promise<void> {
    const { disk, folder, logger } = this.options
    const newest = Math.max(this.fileSegment, this.current)
    try {
      await this.file?.close().catch(() => undefined)
      this.file = undefined
      await this.cutBack()
      await probe(disk, join(folder, `${segmentName(newest)}.probe`))
    } catch (error) {
      logger.warn({ err: error }, 'journal still cannot be written')
      return this.recoverSoon()
    }
    this.beginSegment(newest + 1)
    this.failure = undefined
    logger.info({ segment: this.current }, 'journal takes samples again')
  }

  /** Unacknowledged bytes leave the disk: of the open segment, and of one that was being created. */
  private cutBack(): Promise<void> {
    const first = Math.max(this.fileSegment, this.options.nextSegment)
    return cutBack(this.options, first, this.current)
  }

  /** Durable segments that take no more records, ascending. */
  closedSegments(): { readonly segment: number; readonly bytes: number }[] {
    const closed = []
    for (const [segment, { bytes }] of this.options.segments)
      if (segment < this.current) closed.push({ segment, bytes })
    return closed.sort((a, b) => a.segment - b.segment)
  }

  /** Keeps every segment on disk until the returned function is called. */
  hold(): () => void {
    this.holders++
    let released = false
    return () => {
      if (!released) this.holders--
      released = true
    }
  }

  /** Unlinks the segments, oldest first, of generations up to `generation`: their samples are in parts. */
  async trim(generation: number): Promise<void> {
    const { segments, disk, folder } = this.options
    if (this.holders > 0) return
    // Positions stand at the head of each segment: the newest stays, whatever it holds.
    const newest = Math.max(...segments.keys())
    const free = [...segments.keys()]
      .filter((segment) => segment < newest && segments.get(segment)!.generation <= generation)
      .sort((a, b) => a - b)
    for (const segment of free) {
      if (this.holders > 0) break
      const info = segments.get(segment)!
      segments.delete(segment)
      try {
        await disk.unlink(join(folder, segmentName(segment)))
      } catch (error) {
        segments.set(segment, info)
        throw error
      }
    }
    if (free.length > 0) await disk.syncFolder(folder)
  }

  /**
   * Commits what waits and closes the file; records are refused from now on. Rejects when the last commit fails. What a failed disk
   * may still hold of refused records is cut off if the disk allows.
   */
  async close(): Promise<void> {
    this.closing = true
    this.space.stop()
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
            'refused records could not be cut off the journal; they may come back',
          )
        })
      }
    }
  }
}
