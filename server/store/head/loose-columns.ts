import type { Millis } from '../../clock.ts'
import type { LooseSource } from '../parts/part-source.ts'
import type { LatestEntry } from '../reader.ts'
import { type Entries, noEntries, staleHigh } from '../samples.ts'
import type { SeriesId } from '../writer.ts'
import { boundWithin, sharedFloats } from './group.ts'

/** Rooms of a column, in entries. */
const rooms = [4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096, 8192]

const firstSlabNumbers = 1024
const largestSlabNumbers = 128 * 1024

/** Numbers kept of a column: slab, offset, room, entries. */
const stride = 4

function roomFor(entries: number): number {
  return rooms.find((room) => room >= entries) ?? entries + (entries >> 1)
}

/**
 * Columns of single series in pooled memory: no object a series. A column has its times and behind them its values; one that is full
 * moves to a larger room, and the room it left is used again. A stale mark is an entry whose value says so.
 */
export class LooseColumns {
  /** Number of the column + 1 by series. */
  private columnOf = new Uint32Array(64)
  private seriesOf = new Uint32Array(16)
  private meta = new Uint32Array(16 * stride)
  private columns = 0
  private readonly slabs: Float64Array[] = []
  private readonly words: Uint32Array[] = []
  private slabUsed = 0
  /** Left rooms by their size: slab and offset in turn. */
  private readonly left = new Map<number, number[]>()
  private readonly firstRoom: number
  entryCount = 0
  bytes = 0
  /** Bits of the entry that the last `put` or `mark` displaced, when it returned true. */
  formerLow = 0
  formerHigh = 0

  /** `expectedEntries`: how many a column will likely get. */
  constructor(expectedEntries = 0) {
    this.firstRoom = roomFor(Math.min(1024, expectedEntries))
  }

  /** Writes a sample; true when an entry stood at that time. */
  put(id: SeriesId, t: Millis, value: number): boolean {
    const meta = this.open(id)
    const at = this.place(meta, t)
    const slab = this.meta[meta]!
    const cell = this.meta[meta + 1]! + this.meta[meta + 2]! + (at < 0 ? ~at : at)
    if (at >= 0) this.remember(slab, cell)
    this.slabs[slab]![cell] = Number.isNaN(value) ? Number.NaN : value
    return at >= 0
  }

  /** Writes a stale mark; true when an entry stood at that time. */
  mark(id: SeriesId, t: Millis): boolean {
    return this.putBits(id, t, 0, staleHigh)
  }

  /** Writes the bits of an entry back. */
  putBits(id: SeriesId, t: Millis, low: number, high: number): boolean {
    const meta = this.open(id)
    const at = this.place(meta, t)
    const slab = this.meta[meta]!
    const cell = this.meta[meta + 1]! + this.meta[meta + 2]! + (at < 0 ? ~at : at)
    if (at >= 0) this.remember(slab, cell)
    this.words[slab]![cell * 2] = low
    this.words[slab]![cell * 2 + 1] = high
    return at >= 0
  }

  private remember(slab: number, cell: number): void {
    this.formerLow = this.words[slab]![cell * 2]!
    this.formerHigh = this.words[slab]![cell * 2 + 1]!
  }

  remove(id: SeriesId, t: Millis): void {
    const column = this.columnOf[id] ?? 0
    if (column === 0) return
    const meta = (column - 1) * stride
    const [slab, offset, room, count] = this.read(meta)
    const numbers = this.slabs[slab]!
    const at = boundWithin(numbers.subarray(offset, offset + count), count, t)
    if (at === count || numbers[offset + at] !== t) return
    this.move(slab, offset, at + 1, at, count)
    this.move(slab, offset + room, at + 1, at, count)
    this.meta[meta + 3] = count - 1
    this.entryCount--
  }

  private read(meta: number): readonly [number, number, number, number] {
    const { meta: m } = this
    return [m[meta]!, m[meta + 1]!, m[meta + 2]!, m[meta + 3]!]
  }

  /** Moves bits, so that no NaN changes on its way. */
  private move(slab: number, base: number, from: number, to: number, end: number): void {
    this.words[slab]!.copyWithin((base + to) * 2, (base + from) * 2, (base + end) * 2)
  }

  /** Place of a series' column in `meta`, made when missing. */
  private open(id: SeriesId): number {
    if (id >= this.columnOf.length) this.columnOf = grown(this.columnOf, id + 1)
    const known = this.columnOf[id]!
    if (known !== 0) return (known - 1) * stride
    const column = this.columns++
    if (column === this.seriesOf.length) {
      this.seriesOf = grown(this.seriesOf, column + 1)
      this.meta = grown(this.meta, this.seriesOf.length * stride)
    }
    this.columnOf[id] = column + 1
    this.seriesOf[column] = id
    const meta = column * stride
    this.takeRoom(meta, this.firstRoom)
    return meta
  }

  /** Index of the entry at `t`; when there was none, room is made for one there and the complement of its index returned. */
  private place(meta: number, t: Millis): number {
    const count = this.meta[meta + 3]!
    if (count === this.meta[meta + 2]!) this.enlarge(meta)
    const slab = this.meta[meta]!
    const offset = this.meta[meta + 1]!
    const numbers = this.slabs[slab]!
    let at = count
    if (count > 0 && numbers[offset + count - 1]! >= t) {
      at = boundWithin(numbers.subarray(offset, offset + count), count, t)
      if (numbers[offset + at] === t) return at
      this.move(slab, offset, at, at + 1, count)
      this.move(slab, offset + this.meta[meta + 2]!, at, at + 1, count)
    }
    numbers[offset + at] = t
    this.meta[meta + 3] = count + 1
    this.entryCount++
    return ~at
  }

  private enlarge(meta: number): void {
    const [slab, offset, room, count] = this.read(meta)
    const from = this.words[slab]!
    this.takeRoom(meta, roomFor(room + 1))
    const to = this.words[this.meta[meta]!]!
    const target = this.meta[meta + 1]!
    to.set(from.subarray(offset * 2, (offset + count) * 2), target * 2)
    const values = (offset + room) * 2
    to.set(from.subarray(values, values + count * 2), (target + this.meta[meta + 2]!) * 2)
    const left = this.left.get(room)
    if (left) left.push(slab, offset)
    else this.left.set(room, [slab, offset])
  }

  private takeRoom(meta: number, room: number): void {
    const left = this.left.get(room)
    let offset = left?.pop()
    let slab = left?.pop()
    if (slab === undefined || offset === undefined) {
      slab = this.slabs.length - 1
      if (slab < 0 || this.slabUsed + room * 2 > this.slabs[slab]!.length) this.addSlab(room * 2)
      slab = this.slabs.length - 1
      offset = this.slabUsed
      this.slabUsed += room * 2
    }
    this.meta[meta] = slab
    this.meta[meta + 1] = offset
    this.meta[meta + 2] = room
  }

  private addSlab(atLeast: number): void {
    const length = Math.min(largestSlabNumbers, firstSlabNumbers * 2 ** this.slabs.length)
    const slab = sharedFloats(Math.max(atLeast, length))
    this.slabs.push(slab)
    this.words.push(new Uint32Array(slab.buffer))
    this.slabUsed = 0
    this.bytes += slab.byteLength
  }

  /** Copies of the entries within [start, end]: a late write moves what lies behind it. */
  entries(id: SeriesId, start: Millis, end: Millis): Entries {
    const column = this.columnOf[id] ?? 0
    if (column === 0) return noEntries
    const [slab, offset, room, count] = this.read((column - 1) * stride)
    const times = this.slabs[slab]!.subarray(offset, offset + count)
    const from = boundWithin(times, count, start)
    let to = boundWithin(times, count, end)
    if (to < count && times[to] === end) to++
    if (from >= to) return noEntries
    const words = this.words[slab]!
    let marks = 0
    for (let i = from; i < to; i++) if (words[(offset + room + i) * 2 + 1] === staleHigh) marks++
    const values = this.slabs[slab]!.slice(offset + room + from, offset + room + to)
    if (marks === 0)
      return { times: times.slice(from, to), values, staleTimes: noEntries.staleTimes }
    return split(times.subarray(from, to), values, marks)
  }

  /** True when a series has an entry of whatever time. */
  holds(id: SeriesId): boolean {
    const column = this.columnOf[id] ?? 0
    return column !== 0 && this.meta[(column - 1) * stride + 3]! > 0
  }

  /** Tells of a series' newest entry within [start, end] when it is newer than `found`. */
  latest(id: SeriesId, start: Millis, end: Millis, found: LatestEntry): void {
    const column = this.columnOf[id] ?? 0
    if (column === 0) return
    const meta = (column - 1) * stride
    const slab = this.meta[meta]!
    const offset = this.meta[meta + 1]!
    const numbers = this.slabs[slab]!
    let at = offset + this.meta[meta + 3]! - 1
    if (at < offset || numbers[offset]! > end) return
    if (numbers[at]! > end) {
      const count = at - offset
      at = offset + boundWithin(numbers.subarray(offset, at), count, end)
      if (numbers[at]! > end) at--
    }
    const time = numbers[at]!
    if (time < start || time <= found.time) return
    const cell = at + this.meta[meta + 2]!
    found.time = time
    found.isMark = this.words[slab]![cell * 2 + 1] === staleHigh
    found.value = numbers[cell]!
  }

  has(id: SeriesId, start: Millis, end: Millis): boolean {
    const column = this.columnOf[id] ?? 0
    if (column === 0) return false
    const [slab, offset, , count] = this.read((column - 1) * stride)
    const times = this.slabs[slab]!.subarray(offset, offset + count)
    const at = boundWithin(times, count, start)
    return at < count && times[at]! <= end
  }

  /** Ascending series with entries. */
  ids(): Uint32Array {
    const ids = new Uint32Array(this.columns)
    let kept = 0
    for (let column = 0; column < this.columns; column++)
      if (this.meta[column * stride + 3]! > 0) ids[kept++] = this.seriesOf[column]!
    return ids.subarray(0, kept).sort()
  }

  /** How many entries a column has on average. */
  get entriesPerColumn(): number {
    return this.columns === 0 ? 0 : this.entryCount / this.columns
  }

  source(): LooseSource {
    const ids = this.ids().slice()
    const take = (part: number) =>
      ids.map((id) => this.meta[(this.columnOf[id]! - 1) * stride + part]!)
    return { ids, slab: take(0), offset: take(1), room: take(2), count: take(3), slabs: this.slabs }
  }
}

function grown(array: Uint32Array<ArrayBuffer>, atLeast: number): Uint32Array<ArrayBuffer> {
  const longer = new Uint32Array(Math.max(atLeast, array.length * 2))
  longer.set(array)
  return longer
}

function split(times: Float64Array, values: Float64Array, marks: number): Entries {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length * 2)
  const samples = { times: [] as number[], values: [] as number[] }
  const staleTimes = new Float64Array(marks)
  let mark = 0
  for (let i = 0; i < times.length; i++) {
    if (words[i * 2 + 1] === staleHigh) staleTimes[mark++] = times[i]!
    else {
      samples.times.push(times[i]!)
      samples.values.push(values[i]!)
    }
  }
  return {
    times: Float64Array.from(samples.times),
    values: Float64Array.from(samples.values),
    staleTimes,
  }
}
