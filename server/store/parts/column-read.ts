import { BytesError, checksum } from '../bytes.ts'
import type { SeriesSamples, WantedRollup } from '../reader.ts'
import { type Entries, lowerBound, noEntries } from '../samples.ts'
import { readChunk } from './column-codec.ts'
import {
  type Layout,
  Layouts,
  layoutAt,
  type Piece,
  type Place,
  type WantedTimes,
  weightsOf,
} from './column-layout.ts'
import { type DirectoryCache, loadDirectories } from './directories.ts'
import { readMarks } from './marks.ts'
import { type Part, positionOf } from './part.ts'
import type { PartFiles } from './part-files.ts'
import type { Directory, Slot, TimeChunk } from './part-format.ts'
import { rolledSlots } from './rolled-slots.ts'
import { columnId, countsOf, firstWithout } from './rollup.ts'

/** What reading of columns stands on; one a thread. */
export interface ColumnSources {
  readonly files: PartFiles
  readonly directories: DirectoryCache
  /** Neighbouring chunks are read together when the gap between them is smaller. */
  readonly gapBytes: number
  /** A file is damaged somewhere; what is damaged is left out. */
  damaged(part: Part, error: BytesError): void
}

/** Lets other work in between, or throws to end the read. */
export interface Breathing {
  readonly due: boolean
  take(): Promise<void>
}

const longestReadBytes = 1024 * 1024

const none = noEntries.times

/** Entries of a series as a read gives them. */
export type FoundEntries = Omit<SeriesSamples, 'labels'>

/**
 * One read of the entries of many series in [start, end] over files given by ascending order, and memory. With `rollup` days that
 * are rolled up, and that nothing else has entries of, are read from their roll-ups, save the series that these leave out.
 */
export class ColumnRead {
  private readonly sources: ColumnSources
  private readonly ids: Uint32Array
  private readonly start: number
  private readonly end: number
  private readonly breathing: Breathing
  private readonly rollup: WantedRollup | undefined
  private readonly layouts: (Layout | undefined)[]
  /** Of the counts that belong to a roll-up. */
  private readonly countLayouts: (Layout | undefined)[]
  private readonly rolled: Uint8Array
  private parts: readonly Part[] = []
  /** A roll-up is damaged: the samples are read instead. */
  private rollupLost = false
  private readonly places: Place[] = []
  private everything: readonly Wanted[] | undefined
  private readonly putting: Layouts

  /** `ids` ascend; `inMemory` gives the entries that memory holds of one of them, clipped, oldest write first. */
  constructor(
    sources: ColumnSources,
    ids: Uint32Array,
    start: number,
    end: number,
    breathing: Breathing,
    rollup?: WantedRollup,
  ) {
    this.sources = sources
    this.ids = ids
    this.start = start
    this.end = end
    this.breathing = breathing
    this.rollup = rollup
    this.layouts = new Array(ids.length)
    this.countLayouts = new Array(ids.length)
    this.rolled = new Uint8Array(ids.length)
    this.putting = new Layouts(start, end)
  }

  /** Adds what memory holds of the series at index `i` of the ids, oldest write first. */
  addInMemory(i: number, entries: readonly Entries[]): void {
    if (entries.length === 0) return
    this.layouts[i] = { ...layoutAt(this.layouts, i), inMemory: entries }
  }

  /** Finds the chunks of the files and reads their times. Returns how many series have entries, and how many samples at most. */
  async locate(parts: readonly Part[]): Promise<{ series: number; samples: number }> {
    this.parts = parts
    const { rollup } = this
    const rolledUp = rollup
      ? rolledSlots(parts, rollup.resolution, this.inMemory())
      : new Map<Slot, Slot>()
    for (const part of parts) {
      for (const slot of part.slots) {
        if (slot.minTime > this.end || slot.maxTime < this.start) continue
        const rolled = rollup && rolledUp.get(slot)
        const left = rolled ? await this.locateRolledUp(part, rolled, rollup.column) : this.all()
        if (left.length > 0) await this.locateIn(part, slot, left)
      }
    }
    return this.count()
  }

  private *inMemory(): Iterable<Entries> {
    for (const layout of this.layouts) if (layout) yield* layout.inMemory
  }

  private all(): readonly Wanted[] {
    this.everything ??= Array.from(this.ids, (id, i) => ({ id, i, layouts: this.layouts }))
    return this.everything
  }

  /** Finds the columns of a roll-up; what is left to be found among the samples. */
  private async locateRolledUp(
    part: Part,
    slot: Slot,
    column: WantedRollup['column'],
  ): Promise<readonly Wanted[]> {
    const counts = countsOf[column]
    const wanted: Wanted[] = []
    for (let i = 0; i < this.ids.length && this.ids[i]! < firstWithout; i++) {
      const id = this.ids[i]!
      wanted.push({ id: columnId(id, column), i, layouts: this.layouts })
      if (counts) wanted.push({ id: columnId(id, counts), i, layouts: this.countLayouts })
    }
    const here = await this.locateIn(part, slot, wanted)
    for (let i = 0; i < here.length; i++) this.rolled[i]! |= here[i]!
    return this.all().filter(({ i }) => here[i] === 0)
  }

  /** Finds the chunks of columns, given by ascending id, in one slot. Which of the series have any. */
  private async locateIn(part: Part, slot: Slot, columns: readonly Wanted[]): Promise<Uint8Array> {
    const place: Place = { part, slot, times: new Map(), pieces: [] }
    const here = new Uint8Array(this.ids.length)
    const { firstIds } = slot
    const wanted: number[] = []
    let b = -1
    for (const { id } of columns) {
      while (b + 1 < firstIds.length && firstIds[b + 1]! <= id) b++
      if (b >= 0 && wanted.at(-1) !== b) wanted.push(b)
    }
    const { files, directories } = this.sources
    const blocks = await loadDirectories(files, directories, part, slot, wanted, (error) =>
      this.lose(place, error),
    )
    b = -1
    for (const column of columns) {
      while (b + 1 < firstIds.length && firstIds[b + 1]! <= column.id) b++
      const directory = blocks.get(b)
      if (directory && this.addChunks(place, directory, column)) here[column.i] = 1
      if (this.breathing.due) await this.breathing.take()
    }
    await this.readTimes(place)
    if (place.pieces.length > 0) this.places.push(place)
    return here
  }

  /** False when the slot does not hold the column. */
  private addChunks(place: Place, directory: Directory, { id, i, layouts }: Wanted): boolean {
    const position = positionOf(directory, id)
    if (position < 0) return false
    const { chunkStarts, timeOf, times, marks, offsets, lengths, crcs } = directory
    for (let c = chunkStarts[position]!; c < chunkStarts[position + 1]!; c++) {
      const time = timeOf[c]! < 0 ? undefined : times[timeOf[c]!]!
      const span = marks.get(c)
      const hasTimes = time !== undefined && time.minTime <= this.end && time.maxTime >= this.start
      const hasMarks = span !== undefined && span.minTime <= this.end && span.maxTime >= this.start
      if (!hasTimes && !hasMarks) continue
      const piece: Piece = {
        place,
        time: hasTimes ? wantedTimes(place, time) : undefined,
        offset: offsets[c]!,
        length: lengths[c]!,
        crc: crcs[c]!,
        hasMarks: span !== undefined,
        minTime: Math.min(time?.minTime ?? Infinity, span?.minTime ?? Infinity),
        maxTime: Math.max(time?.maxTime ?? -Infinity, span?.maxTime ?? -Infinity),
        target: none,
        at: 0,
        staleTimes: none,
        isLost: false,
      }
      place.pieces.push(piece)
      layoutAt(layouts, i).pieces.push(piece)
    }
    return true
  }

  private lose({ part, slot }: Place, error: unknown): void {
    if (!(error instanceof BytesError)) throw error
    this.sources.damaged(part, error)
    if (slot.resolution > 0) this.rollupLost = true
  }

  private async readTimes(place: Place): Promise<void> {
    const wanted = [...place.times.values()].sort((a, b) => a.chunk.offset - b.chunk.offset)
    await this.readRuns(place, wanted, chunkOf, (time, bytes) => {
      const { count } = time.chunk
      const times = new Float64Array(count)
      readChunk(bytes, 0, bytes.length, count, times, 0)
      const { start } = place.slot
      for (let i = 0; i < count; i++) times[i]! += start
      time.from = lowerBound(times, this.start)
      time.to = lowerBound(times, this.end)
      if (times[time.to] === this.end) time.to++
      time.times = times.subarray(time.from, time.to)
    })
  }

  /** Reads stretches (by ascending offset) of a slot, near ones at once; a damaged one stays untouched. */
  private async readRuns<T>(
    place: Place,
    stretches: readonly T[],
    extentOf: (stretch: T) => { offset: number; length: number; crc: number },
    use: (stretch: T, bytes: Buffer) => void,
    lost: (stretch: T) => void = () => undefined,
  ): Promise<void> {
    const { part, slot } = place
    const { files, gapBytes } = this.sources
    for (let i = 0; i < stretches.length; ) {
      const first = extentOf(stretches[i]!).offset
      let last = first
      let end = i
      for (; end < stretches.length; end++) {
        const { offset, length } = extentOf(stretches[end]!)
        if (end > i && (offset - last > gapBytes || offset + length - first > longestReadBytes))
          break
        last = Math.max(last, offset + length)
      }
      const reading = files.read(part.path, slot.offset + first, last - first)
      const bytes = reading instanceof Promise ? await reading : reading
      for (; i < end; i++) {
        const stretch = stretches[i]!
        const { offset, length, crc } = extentOf(stretch)
        const found = bytes.subarray(offset - first, offset - first + length)
        try {
          if (checksum(found) !== crc)
            throw new BytesError(`the ${length} bytes at ${slot.offset + offset} are damaged`)
          use(stretch, found)
        } catch (error) {
          lost(stretch)
          this.lose(place, error)
        }
        if (this.breathing.due) await this.breathing.take()
      }
    }
  }

  private count(): { series: number; samples: number } {
    let series = 0
    let samples = 0
    for (const layout of this.layouts) {
      if (!layout) continue
      let isFilled = layout.inMemory.length > 0
      for (const entries of layout.inMemory) samples += entries.times.length
      for (const { time, hasMarks } of layout.pieces) {
        const count = time ? time.to - time.from : 0
        samples += count
        isFilled ||= hasMarks || count > 0
      }
      if (isFilled) series++
    }
    return { series, samples }
  }

  /** Reads the values; the entries of the series at each index of the ids, undefined where there is none. */
  async read(): Promise<(FoundEntries | undefined)[]> {
    for (const layouts of [this.layouts, this.countLayouts])
      for (const layout of layouts) {
        if (layout) this.putting.arrange(layout)
        if (this.breathing.due) await this.breathing.take()
      }
    for (const place of this.places)
      await this.readRuns(
        place,
        place.pieces.filter(({ time, hasMarks }) => hasMarks || (time && time.to > time.from)),
        (piece) => piece,
        (piece, bytes) => this.unpack(piece, bytes),
        (piece) => {
          piece.isLost = true
        },
      )
    if (this.rollupLost) return this.readSamples()
    const results: (FoundEntries | undefined)[] = new Array(this.layouts.length)
    for (const [i, layout] of this.layouts.entries()) {
      const found = layout && this.putting.finish(layout)
      results[i] = found && this.rolled[i] === 1 ? this.asRolledUp(found, i) : found
      if (this.breathing.due) await this.breathing.take()
    }
    return results
  }

  /** As if there were no roll-ups. */
  private async readSamples(): Promise<(FoundEntries | undefined)[]> {
    const { sources, ids, start, end, breathing } = this
    const read = new ColumnRead(sources, ids, start, end, breathing)
    for (const [i, layout] of this.layouts.entries())
      if (layout) read.addInMemory(i, layout.inMemory)
    await read.locate(this.parts)
    return read.read()
  }

  private asRolledUp(entries: Entries, i: number): FoundEntries {
    const layout = this.countLayouts[i]
    const counts = layout && this.putting.finish(layout)
    if (!counts) return { ...entries, isRolledUp: true }
    return { ...entries, isRolledUp: true, weights: weightsOf(entries.times, counts) }
  }

  private unpack(piece: Piece, bytes: Buffer): void {
    const { place, time, hasMarks, target, at } = piece
    let from = 0
    if (hasMarks) {
      const found = readMarks(bytes, place.slot.start)
      from = found.end
      piece.staleTimes = found.staleTimes
    }
    if (time && time.to > time.from)
      readChunk(bytes, from, bytes.length, time.chunk.count, target, at, time.from, time.to)
  }
}

/** A column of a slot, and where its entries go. */
interface Wanted {
  readonly id: number
  /** Index of the series among the ids of the read. */
  readonly i: number
  readonly layouts: (Layout | undefined)[]
}

function chunkOf({ chunk }: WantedTimes): TimeChunk {
  return chunk
}

function wantedTimes(place: Place, chunk: TimeChunk): WantedTimes {
  let wanted = place.times.get(chunk.offset)
  if (!wanted) {
    wanted = { chunk, times: none, from: 0, to: 0 }
    place.times.set(chunk.offset, wanted)
  }
  return wanted
}
