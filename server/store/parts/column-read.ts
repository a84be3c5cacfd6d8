import { BytesError, checksum } from '../bytes.ts'
import { clip, type Entries, isEmpty, lowerBound, merge, noEntries } from '../samples.ts'
import { readChunk } from './column-codec.ts'
import { type DirectoryCache, loadDirectories } from './directories.ts'
import { readMarks } from './marks.ts'
import { type Part, positionOf } from './part.ts'
import type { PartFiles } from './part-files.ts'
import type { Directory, Slot, TimeChunk } from './part-format.ts'

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

/** Times of a chunk within the asked interval: indices [from, to) of the chunk. */
interface WantedTimes {
  readonly chunk: TimeChunk
  times: Float64Array
  from: number
  to: number
}

/** A slot of a file. */
interface Place {
  readonly part: Part
  readonly slot: Slot
  readonly times: Map<number, WantedTimes>
  readonly pieces: Piece[]
}

/** One chunk to read, and where its values go. */
interface Piece {
  readonly place: Place
  readonly time: WantedTimes | undefined
  readonly offset: number
  readonly length: number
  readonly crc: number
  readonly hasMarks: boolean
  readonly minTime: number
  readonly maxTime: number
  target: Float64Array
  at: number
  staleTimes: Float64Array
  isLost: boolean
}

/** Entries of a series: chunks of files, then what memory holds. */
interface Layout {
  readonly pieces: Piece[]
  readonly inMemory: readonly Entries[]
  /** Set when nothing overlaps: then the values are read right into the result. */
  times: Float64Array | undefined
  values: Float64Array
}

const none = noEntries.times

/** One read of the entries of many series in [start, end] over files given by ascending order, and memory. */
export class ColumnRead {
  private readonly sources: ColumnSources
  private readonly ids: Uint32Array
  private readonly start: number
  private readonly end: number
  private readonly breathing: Breathing
  private readonly layouts: (Layout | undefined)[]
  private readonly places: Place[] = []
  private lastTimes: readonly Float64Array[] = []
  private lastJoined: Float64Array = none

  /** `ids` ascend; `inMemory` gives the entries that memory holds of one of them, clipped, oldest write first. */
  constructor(
    sources: ColumnSources,
    ids: Uint32Array,
    start: number,
    end: number,
    breathing: Breathing,
  ) {
    this.sources = sources
    this.ids = ids
    this.start = start
    this.end = end
    this.breathing = breathing
    this.layouts = new Array(ids.length)
  }

  private layout(i: number): Layout {
    let layout = this.layouts[i]
    if (!layout) {
      layout = { pieces: [], inMemory: [], times: undefined, values: none }
      this.layouts[i] = layout
    }
    return layout
  }

  /** Adds what memory holds of the series at index `i` of the ids, oldest write first. */
  addInMemory(i: number, entries: readonly Entries[]): void {
    if (entries.length === 0) return
    const layout = this.layout(i)
    this.layouts[i] = { ...layout, inMemory: entries }
  }

  /** Finds the chunks of the files and reads their times. Returns how many series have entries, and how many samples at most. */
  async locate(parts: readonly Part[]): Promise<{ series: number; samples: number }> {
    for (const part of parts) {
      for (const slot of part.slots) {
        if (slot.minTime > this.end || slot.maxTime < this.start) continue
        const place: Place = { part, slot, times: new Map(), pieces: [] }
        await this.locateIn(place)
        if (place.pieces.length > 0) this.places.push(place)
      }
    }
    return this.count()
  }

  private async locateIn(place: Place): Promise<void> {
    const { slot, part } = place
    const { firstIds } = slot
    const wanted: number[] = []
    for (let i = 0, b = -1; i < this.ids.length; i++) {
      const id = this.ids[i]!
      while (b + 1 < firstIds.length && firstIds[b + 1]! <= id) b++
      if (b >= 0 && wanted.at(-1) !== b) wanted.push(b)
    }
    const { files, directories } = this.sources
    const blocks = await loadDirectories(files, directories, part, slot, wanted, (error) =>
      this.lose(part, error),
    )
    for (let i = 0, b = -1; i < this.ids.length; i++) {
      const id = this.ids[i]!
      while (b + 1 < firstIds.length && firstIds[b + 1]! <= id) b++
      const directory = blocks.get(b)
      if (directory) this.addChunks(place, directory, i)
      if (this.breathing.due) await this.breathing.take()
    }
    await this.readTimes(place)
  }

  private addChunks(place: Place, directory: Directory, i: number): void {
    const position = positionOf(directory, this.ids[i]!)
    if (position < 0) return
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
      this.layout(i).pieces.push(piece)
    }
  }

  private lose(part: Part, error: unknown): void {
    if (!(error instanceof BytesError)) throw error
    this.sources.damaged(part, error)
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
    { part, slot }: Place,
    stretches: readonly T[],
    extentOf: (stretch: T) => { offset: number; length: number; crc: number },
    use: (stretch: T, bytes: Buffer) => void,
    lost: (stretch: T) => void = () => undefined,
  ): Promise<void> {
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
          this.lose(part, error)
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
  async read(): Promise<(Entries | undefined)[]> {
    for (const layout of this.layouts) {
      if (layout) this.arrange(layout)
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
    const results: (Entries | undefined)[] = new Array(this.layouts.length)
    for (const [i, layout] of this.layouts.entries()) {
      results[i] = layout && this.finish(layout)
      if (this.breathing.due) await this.breathing.take()
    }
    return results
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

  /** Decides where the values of a series go. */
  private arrange(layout: Layout): void {
    const { pieces, inMemory } = layout
    const runs: { minTime: number; times: Float64Array; piece?: Piece; entries?: Entries }[] = []
    let isPlain = true
    let total = 0
    for (const piece of pieces) {
      if (piece.hasMarks) isPlain = false
      const times = piece.time?.times ?? none
      if (times.length === 0) continue
      total += times.length
      runs.push({ minTime: times[0]!, times, piece })
    }
    for (const entries of inMemory) {
      if (entries.staleTimes.length > 0) isPlain = false
      if (entries.times.length === 0) continue
      total += entries.times.length
      runs.push({ minTime: entries.times[0]!, times: entries.times, entries })
    }
    if (isPlain) {
      runs.sort((a, b) => a.minTime - b.minTime)
      for (let i = 1; i < runs.length && isPlain; i++)
        isPlain = runs[i - 1]!.times.at(-1)! < runs[i]!.minTime
    }
    if (!isPlain) {
      for (const piece of pieces) piece.target = new Float64Array(piece.time?.times.length ?? 0)
      return
    }
    layout.values = new Float64Array(total)
    layout.times = this.joined(runs.map(({ times }) => times))
    let at = 0
    for (const { times, piece, entries } of runs) {
      if (entries) layout.values.set(entries.values, at)
      else if (piece) {
        piece.target = layout.values
        piece.at = at
      }
      at += times.length
    }
  }

  /** Joined times; series that follow one another mostly share them. */
  private joined(runs: readonly Float64Array[]): Float64Array {
    if (runs.length === 1) return runs[0]!
    const { lastTimes } = this
    if (runs.length === lastTimes.length && runs.every((run, i) => isSame(run, lastTimes[i]!)))
      return this.lastJoined
    const joined = new Float64Array(runs.reduce((sum, run) => sum + run.length, 0))
    let at = 0
    for (const run of runs) {
      joined.set(run, at)
      at += run.length
    }
    this.lastTimes = runs
    this.lastJoined = joined
    return joined
  }

  private finish({ pieces, inMemory, times, values }: Layout): Entries | undefined {
    if (times && !pieces.some(({ isLost }) => isLost))
      return times.length === 0 ? undefined : { times, values, staleTimes: none }
    const parts = pieces
      .filter(({ isLost }) => !isLost)
      .map(({ time, target, at, staleTimes }): Entries => {
        const found = time?.times ?? none
        return {
          times: found,
          values: target.subarray(at, at + found.length),
          staleTimes: clip({ ...noEntries, staleTimes }, this.start, this.end).staleTimes,
        }
      })
    const merged = merge([...parts, ...inMemory])
    return isEmpty(merged) ? undefined : merged
  }
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

function isSame(a: Float64Array, b: Float64Array): boolean {
  return (
    a === b || (a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.length === b.length)
  )
}
