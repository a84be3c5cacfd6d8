import { closeSync, fdatasyncSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { ByteWriter, checksum } from '../bytes.ts'
import type { SeriesId } from '../writer.ts'
import { chunkNumbers, usualNumbers, usualNumbersOfDay, writeChunk } from './column-codec.ts'
import {
  blockSeries,
  dayMillis,
  type Level,
  type MarkSpan,
  type PlacedChunk,
  partMagic,
  type Slot,
  type TimeChunk,
  writeDirectory,
  writeIndex,
  writeTrailer,
} from './part-format.ts'

const flushBytes = 1024 * 1024

/** Time chunks of a slot that are found again: those of a stream's series, which stand near one another. */
const mostKnown = 4096

type Interval = Pick<Slot, 'start' | 'span' | 'resolution'>

interface PlacedSeries {
  readonly id: SeriesId
  readonly chunks: PlacedChunk[]
}

interface PlacedBlock {
  readonly firstId: SeriesId
  readonly offset: number
  readonly crc: number
}

/** Writes one part file, slot after slot and in each slot series after series. Waits for the disk: for worker threads only. */
export class PartWriter {
  private readonly descriptor: number
  private readonly order: number
  private readonly level: Level
  private readonly out = new ByteWriter(flushBytes * 2)
  private readonly slots: Slot[] = []
  private flushed = 0
  private slot: SlotWriter | undefined

  /** Makes the file; throws when it exists. */
  constructor(path: string, order: number, level: Level) {
    this.descriptor = openSync(path, 'wx')
    this.order = order
    this.level = level
    this.out.raw(partMagic)
  }

  /** Slots of samples must come with ascending starts; times are milliseconds. */
  beginSlot(start: number, span: number, resolution = 0): SlotWriter {
    this.endSlot()
    const interval = { start, span, resolution }
    this.slot = new SlotWriter(interval, this.flushed + this.out.length, this)
    return this.slot
  }

  private endSlot(): void {
    const slot = this.slot?.end()
    if (slot) this.slots.push(slot)
    this.slot = undefined
  }

  /** Copies a slot of another file, given in pieces. */
  copySlot(slot: Slot, pieces: Iterable<Uint8Array>): void {
    this.endSlot()
    this.slots.push({ ...slot, offset: this.flushed + this.out.length })
    for (const piece of pieces) this.put(piece)
  }

  /** Writes out what is there, as it is, and tells of the slots: nobody but the writer's owner can read it. */
  end(): readonly Slot[] {
    this.endSlot()
    this.flush()
    return this.slots
  }

  put(bytes: Uint8Array): void {
    this.out.raw(bytes)
    if (this.out.length >= flushBytes) this.flush()
  }

  private flush(): void {
    const bytes = this.out.bytes()
    for (let at = 0; at < bytes.length; ) at += writeSync(this.descriptor, bytes, at)
    this.flushed += bytes.length
    this.out.length = 0
    // In small portions, so that the journal's fdatasync never queues behind a large one.
    fdatasyncSync(this.descriptor)
  }

  /** Makes the file whole and durable; false when it holds no entry. */
  finish(): boolean {
    this.endSlot()
    const { slots } = this
    const ofSamples = slots.filter(({ resolution }) => resolution === 0)
    const indexOffset = this.flushed + this.out.length
    const index = new ByteWriter()
    writeIndex(index, slots)
    this.out.raw(index.bytes())
    writeTrailer(this.out, {
      order: this.order,
      level: this.level,
      minTime: ofSamples.reduce((least, slot) => Math.min(least, slot.minTime), Infinity),
      maxTime: ofSamples.reduce((most, slot) => Math.max(most, slot.maxTime), -Infinity),
      samples: ofSamples.reduce((sum, slot) => sum + slot.samples, 0),
      indexOffset,
      indexLength: index.length,
      indexCrc: checksum(index.bytes()),
    })
    this.flush()
    fsyncSync(this.descriptor)
    return slots.length > 0
  }

  close(): void {
    closeSync(this.descriptor)
  }
}

/** Writes one slot. Series come with ascending ids, each as `beginSeries` and its chunks in order of time. */
export class SlotWriter {
  private readonly start: number
  /** Numbers at which its chunks are cut. */
  readonly usualNumbers: number
  private readonly interval: Interval
  private readonly offset: number
  private readonly file: PartWriter
  private length = 0
  private readonly times = new ByteWriter()
  private readonly columns = new ByteWriter(64 * 1024)
  private readonly directories = new ByteWriter()
  private readonly scratch = new ByteWriter()
  private readonly distances = new Float64Array(chunkNumbers)
  private readonly known = new Map<string, TimeChunk>()
  private readonly blocks: PlacedBlock[] = []
  private readonly runs: number[] = []
  private region: PlacedSeries[] = []
  private chunks: PlacedChunk[] = []
  private series = 0
  private samples = 0
  private minTime = Infinity
  private maxTime = -Infinity

  constructor(interval: Interval, offset: number, file: PartWriter) {
    this.start = interval.start
    this.usualNumbers = interval.span < dayMillis ? usualNumbers : usualNumbersOfDay
    this.interval = interval
    this.offset = offset
    this.file = file
  }

  beginSeries(id: SeriesId): void {
    if (this.region.length === blockSeries) this.endRegion()
    this.chunks = []
    this.region.push({ id, chunks: this.chunks })
    this.series++
    // Which series have data is read of the samples' slots; columns of roll-ups would make a run each.
    if (this.interval.resolution > 0) return
    if (this.runs.at(-1) === id) this.runs[this.runs.length - 1] = id + 1
    else this.runs.push(id, id + 1)
  }

  /** Places `count` (at most chunkNumbers) times from `times[from]` on; equal ones are placed once. */
  timeChunk(times: Float64Array, from: number, count: number): TimeChunk {
    const { scratch, distances, start } = this
    for (let i = 0; i < count; i++) distances[i] = times[from + i]! - start
    scratch.length = 0
    writeChunk(scratch, distances, 0, count)
    return this.packedTimes(scratch.bytes(), count, times[from]!, times[from + count - 1]!)
  }

  /** As `timeChunk`, for times packed already. */
  packedTimes(bytes: Buffer, count: number, minTime: number, maxTime: number): TimeChunk {
    const key = `${count}:${bytes.toString('latin1')}`
    let placed = this.known.get(key)
    if (!placed) {
      if (this.known.size === mostKnown) this.known.clear()
      const offset = this.length + this.times.length
      placed = { offset, length: bytes.length, crc: checksum(bytes), count, minTime, maxTime }
      this.known.set(key, placed)
      this.times.raw(bytes)
    }
    return placed
  }

  /** Adds a chunk: as many values from `values[from]` on as `time` has times, and marks. */
  chunk(
    time: TimeChunk | undefined,
    values: Float64Array,
    from: number,
    marks: Float64Array | undefined,
  ): void {
    const { columns } = this
    const at = columns.length
    const span = marks && marks.length > 0 ? this.marks(marks) : undefined
    if (time) writeChunk(columns, values, from, time.count)
    this.place(time, columns.buffer.subarray(at, columns.length), span)
  }

  /** Adds a chunk packed already. */
  packedChunk(time: TimeChunk | undefined, bytes: Buffer, marks: MarkSpan | undefined): void {
    this.columns.raw(bytes)
    this.place(time, bytes, marks)
  }

  private marks(marks: Float64Array): MarkSpan {
    const { columns } = this
    columns.varint(marks.length)
    let last = this.start
    for (const t of marks) {
      columns.varint(t - last)
      last = t
    }
    return { minTime: marks[0]!, maxTime: marks.at(-1)! }
  }

  private place(time: TimeChunk | undefined, bytes: Uint8Array, marks: MarkSpan | undefined): void {
    this.chunks.push({ time, length: bytes.length, crc: checksum(bytes), marks })
    for (const span of [time, marks]) {
      if (!span) continue
      if (span.minTime < this.minTime) this.minTime = span.minTime
      if (span.maxTime > this.maxTime) this.maxTime = span.maxTime
    }
    this.samples += time?.count ?? 0
  }

  private endRegion(): void {
    const { times, columns, directories } = this
    const at = directories.length
    writeDirectory(directories, this.start, this.length + times.length, this.region)
    const crc = checksum(directories.buffer.subarray(at, directories.length))
    this.blocks.push({ firstId: this.region[0]!.id, offset: at, crc })
    this.length += times.length + columns.length
    this.file.put(times.bytes())
    this.file.put(columns.bytes())
    times.length = 0
    columns.length = 0
    this.region = []
  }

  /** What the index tells of the slot; undefined when it is empty. */
  end(): Slot | undefined {
    if (this.region.length > 0) this.endRegion()
    if (this.series === 0) return undefined
    const { blocks, directories } = this
    const offsets = blocks.map(({ offset }) => this.length + offset)
    this.length += directories.length
    this.file.put(directories.bytes())
    return {
      ...this.interval,
      offset: this.offset,
      length: this.length,
      minTime: this.minTime,
      maxTime: this.maxTime,
      samples: this.samples,
      series: this.series,
      runs: Uint32Array.from(this.runs),
      firstIds: Uint32Array.from(blocks, ({ firstId }) => firstId),
      blockOffsets: Float64Array.from([...offsets, this.length]),
      blockCrcs: Uint32Array.from(blocks, ({ crc }) => crc),
    }
  }
}
