import { BytesError, checksum } from '../bytes.ts'
import { type Entries, merge } from '../samples.ts'
import type { SeriesId } from '../writer.ts'
import { chunkNumbers, readChunk, usualNumbers } from './column-codec.ts'
import { readMarks } from './marks.ts'
import { type OpenFile, openPart, type Part, unpackDirectory } from './part.ts'
import { SyncFiles, slotBytes } from './part-files.ts'
import {
  type Directory,
  dayMillis,
  type Level,
  type MarkSpan,
  type Slot,
  slotMillis,
  type TimeChunk,
} from './part-format.ts'
import { PartWriter, type SlotWriter } from './part-writer.ts'
import { RollupWriter } from './rollup-writer.ts'
import { placeTimes, writeEntries, writeValues } from './series-entries.ts'

/** A merge as the worker is told of it. */
export interface MergeTask {
  /** Paths by ascending order. */
  readonly inputs: readonly string[]
  /** New files, each of some slots of the inputs. */
  readonly outputs: readonly {
    readonly slots: readonly number[]
    readonly order: number
    readonly level: Level
    readonly path: string
  }[]
  /** Files for the slots that are in no output, one an input that has any. */
  readonly rests: readonly { readonly input: number; readonly path: string }[]
}

const noNumbers = new Float64Array(0)

/** A chunk at least so long is copied as it is when nothing overlaps it and its slot is no day's. */
const longChunk = usualNumbers / 2

/** Unpacked time chunks that a cursor keeps: those of the streams it is in the middle of. */
const timesKept = 64

/** Merges part files into new ones and makes these durable. Throws BytesError when an input is damaged. For worker threads. */
export async function mergeParts(task: MergeTask): Promise<void> {
  const files = new SyncFiles()
  try {
    const inputs: Part[] = []
    for (const path of task.inputs) inputs.push(await openPart(path, fileOf(files, path)))
    const merged = new Set(task.outputs.flatMap(({ slots }) => slots))
    for (const { input, path } of task.rests) {
      const { order, level, slots } = inputs[input]!
      writeFile(path, order, level, (file) => {
        for (const slot of slots)
          if (!merged.has(slot.start))
            file.copySlot(slot, slotBytes(files, inputs[input]!.path, slot))
      })
    }
    for (const { path, order, level, slots } of task.outputs)
      writeFile(path, order, level, (file) => {
        if (level === 2) mergeDay(file, path, files, inputs, slots)
        else for (const start of slots) mergeSlot(file, files, inputs, start)
      })
  } finally {
    await files.close()
  }
}

function fileOf(files: SyncFiles, path: string): OpenFile {
  return {
    bytes: files.size(path),
    read: (offset, length) => files.read(path, offset, length),
  }
}

function writeFile(
  path: string,
  order: number,
  level: Level,
  write: (file: PartWriter) => void,
): void {
  const file = new PartWriter(path, order, level)
  try {
    write(file)
    file.finish()
  } finally {
    file.close()
  }
}

function mergeSlot(
  file: PartWriter,
  files: SyncFiles,
  inputs: readonly Part[],
  start: number,
): void {
  const found = inputs.flatMap((part) => {
    const slot = part.slots.find((one) => one.start === start)
    return slot ? [{ part, slot }] : []
  })
  if (found.length === 1) {
    const { part, slot } = found[0]!
    file.copySlot(slot, slotBytes(files, part.path, slot))
    return
  }
  const cursors = found.map(({ part, slot }) => new SlotCursor(files, part, slot))
  new SlotMerge(file.beginSlot(start, slotMillis), cursors).run()
}

/** Makes one slot of all slots of a day (by their starts), and its roll-ups. */
function mergeDay(
  file: PartWriter,
  path: string,
  files: SyncFiles,
  inputs: readonly Part[],
  starts: readonly number[],
): void {
  const wanted = new Set(starts)
  const cursors = inputs.flatMap((part) =>
    part.slots
      .filter(({ start }) => wanted.has(start))
      .map((slot) => new SlotCursor(files, part, slot)),
  )
  const start = Math.floor(starts[0]! / dayMillis) * dayMillis
  const rollups = new RollupWriter(path, start)
  try {
    new SlotMerge(file.beginSlot(start, dayMillis), cursors, rollups).run()
    rollups.moveTo(file, files)
  } finally {
    rollups.close()
  }
}

/** A chunk of an input, its bytes at hand. */
interface InputChunk {
  readonly cursor: SlotCursor
  readonly time: TimeChunk | undefined
  readonly bytes: Buffer
  readonly marks: MarkSpan | undefined
  readonly minTime: number
  readonly maxTime: number
}

/** Walks through one slot of one file by id. */
class SlotCursor {
  private readonly files: SyncFiles
  private readonly part: Part
  private readonly slot: Slot
  private readonly packed = new Map<number, Buffer>()
  private readonly times = new Map<number, Float64Array>()
  private block = -1
  private directory: Directory | undefined
  private region: Buffer = Buffer.alloc(0)
  private regionStart = 0
  private position = 0

  constructor(files: SyncFiles, part: Part, slot: Slot) {
    this.files = files
    this.part = part
    this.slot = slot
    this.nextBlock()
  }

  /** Id of the present series; Infinity behind the last. */
  get id(): number {
    return this.directory ? this.directory.ids[this.position]! : Infinity
  }

  get start(): number {
    return this.slot.start
  }

  next(): void {
    this.position++
    if (this.position >= this.directory!.ids.length) this.nextBlock()
  }

  private read(offset: number, length: number): Buffer {
    return this.files.read(this.part.path, this.slot.offset + offset, length)
  }

  private nextBlock(): void {
    const { slot } = this
    this.block++
    this.position = 0
    this.directory = undefined
    if (this.block >= slot.firstIds.length) return
    const offset = slot.blockOffsets[this.block]!
    const bytes = this.read(offset, slot.blockOffsets[this.block + 1]! - offset)
    const directory = unpackDirectory(bytes, slot, this.block)
    this.directory = directory
    const last = directory.offsets.length - 1
    this.regionStart = directory.offsets[0]!
    this.region = this.read(
      this.regionStart,
      directory.offsets[last]! + directory.lengths[last]! - this.regionStart,
    )
  }

  /** Chunks of the present series. Throws BytesError for a damaged one. */
  chunks(): InputChunk[] {
    const { chunkStarts, offsets, lengths, crcs, timeOf, times, marks } = this.directory!
    const found = []
    for (let c = chunkStarts[this.position]!; c < chunkStarts[this.position + 1]!; c++) {
      const at = offsets[c]! - this.regionStart
      const bytes = this.region.subarray(at, at + lengths[c]!)
      if (checksum(bytes) !== crcs[c]) throw this.damaged('a chunk')
      const time = timeOf[c]! < 0 ? undefined : times[timeOf[c]!]!
      const span = marks.get(c)
      found.push({
        cursor: this,
        time,
        bytes,
        marks: span,
        minTime: Math.min(time?.minTime ?? Infinity, span?.minTime ?? Infinity),
        maxTime: Math.max(time?.maxTime ?? -Infinity, span?.maxTime ?? -Infinity),
      })
    }
    return found
  }

  private damaged(what: string): BytesError {
    return new BytesError(`${what} of ${this.part.path} is damaged`)
  }

  packedTimes(time: TimeChunk): Buffer {
    let bytes = this.packed.get(time.offset)
    if (!bytes) {
      bytes = this.read(time.offset, time.length)
      if (checksum(bytes) !== time.crc) throw this.damaged('a time chunk')
      keep(this.packed, time.offset, bytes)
    }
    return bytes
  }

  timesOf(time: TimeChunk): Float64Array {
    let times = this.times.get(time.offset)
    if (!times) {
      times = new Float64Array(time.count)
      readChunk(this.packedTimes(time), 0, time.length, time.count, times, 0)
      for (let i = 0; i < times.length; i++) times[i]! += this.start
      keep(this.times, time.offset, times)
    }
    return times
  }
}

function keep<T>(kept: Map<number, T>, key: number, value: T): void {
  if (kept.size >= timesKept) kept.delete(kept.keys().next().value!)
  kept.set(key, value)
}

/** Merges slots of one interval, given by ascending order, series by series, and rolls them up. */
class SlotMerge {
  private readonly slot: SlotWriter
  private readonly cursors: readonly SlotCursor[]
  private readonly rollups: RollupWriter | undefined
  private values = new Float64Array(2 * chunkNumbers)
  /** Times of the series before, which the next one mostly shares: where they came from and where they were placed. */
  private lastChunks: readonly InputChunk[] = []
  private lastTimes = noNumbers
  private lastPlaced: readonly TimeChunk[] = []

  constructor(slot: SlotWriter, cursors: readonly SlotCursor[], rollups?: RollupWriter) {
    this.slot = slot
    this.cursors = cursors
    this.rollups = rollups
  }

  run(): void {
    for (;;) {
      let id = Infinity
      for (const cursor of this.cursors) if (cursor.id < id) id = cursor.id
      if (id === Infinity) return
      const chunks: InputChunk[] = []
      for (const cursor of this.cursors) {
        if (cursor.id !== id) continue
        for (const chunk of cursor.chunks()) chunks.push(chunk)
        cursor.next()
      }
      this.slot.beginSeries(id)
      this.series(id, chunks)
    }
  }

  private series(id: SeriesId, chunks: readonly InputChunk[]): void {
    const { rollups } = this
    const ordered = chunks.toSorted((a, b) => a.minTime - b.minTime)
    const disjoint = ordered.every((chunk, i) => i === 0 || ordered[i - 1]!.maxTime < chunk.minTime)
    if (!disjoint || ordered.some(({ marks, time }) => marks || !time))
      this.write(id, merge(chunks.map(unpacked)))
    else if (!rollups && ordered.every(({ time }) => time!.count >= longChunk)) this.copy(ordered)
    else this.join(id, ordered)
  }

  private copy(chunks: readonly InputChunk[]): void {
    for (const { cursor, bytes, time, marks } of chunks) {
      const { count, minTime, maxTime } = time!
      const placed = this.slot.packedTimes(cursor.packedTimes(time!), count, minTime, maxTime)
      this.slot.packedChunk(placed, bytes, marks)
    }
  }

  /** Makes one run of values of chunks that follow one another. */
  private join(id: SeriesId, chunks: readonly InputChunk[]): void {
    const count = chunks.reduce((sum, { time }) => sum + time!.count, 0)
    if (this.values.length < count) this.values = new Float64Array(count * 2)
    let at = 0
    for (const { bytes, time } of chunks) {
      readChunk(bytes, 0, bytes.length, time!.count, this.values, at)
      at += time!.count
    }
    writeValues(this.slot, this.placedTimes(chunks, count), this.values, 0)
    const values = this.values.subarray(0, count)
    this.rollups?.add(id, { times: this.lastTimes, values, staleTimes: noNumbers })
  }

  private write(id: SeriesId, entries: Entries): void {
    writeEntries(this.slot, entries)
    this.rollups?.add(id, entries)
  }

  private placedTimes(chunks: readonly InputChunk[], count: number): readonly TimeChunk[] {
    const { lastChunks } = this
    const shared =
      chunks.length === lastChunks.length &&
      chunks.every(
        ({ cursor, time }, i) =>
          cursor === lastChunks[i]!.cursor && time!.offset === lastChunks[i]!.time!.offset,
      )
    if (shared) return this.lastPlaced
    const times = new Float64Array(count)
    let at = 0
    for (const { cursor, time } of chunks) {
      times.set(cursor.timesOf(time!), at)
      at += time!.count
    }
    this.lastChunks = chunks
    this.lastTimes = times
    this.lastPlaced = placeTimes(this.slot, times, 0, count)
    return this.lastPlaced
  }
}

function unpacked({ cursor, time, bytes, marks }: InputChunk): Entries {
  const found = marks ? readMarks(bytes, cursor.start) : { staleTimes: noNumbers, end: 0 }
  const times = time ? cursor.timesOf(time) : noNumbers
  const values = new Float64Array(times.length)
  if (time) readChunk(bytes, found.end, bytes.length, time.count, values, 0)
  return { times, values, staleTimes: found.staleTimes }
}
