import type { Millis } from '../../clock.ts'
import type { GroupSource } from '../parts/part-source.ts'
import type { LatestEntry } from '../reader.ts'
import { absentHigh, type Entries, noEntries, staleHigh } from '../samples.ts'
import type { SampleRoom } from './sample-room.ts'

const leastRows = 16

/** Columns to spare when a group gets its first new ones: some sessions name a series a report. */
const leastSpareColumns = 8

/** Rows kept by row before they go to their columns: a cache line's worth, so that each line is fetched once and not eight times. */
const stagedRows = 8

/** First index below `count` whose time is not below `t`; `count` when there is none. */
export function boundWithin(times: Float64Array, count: number, t: Millis): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (times[middle]! < t) low = middle + 1
    else high = middle
  }
  return low
}

/** Room for `count` numbers that another thread can read. */
export function sharedFloats(count: number): Float64Array {
  return new Float64Array(new SharedArrayBuffer(count * 8))
}

/** Tells whether bit `column` is set; an absent bitmap has none. */
export function bit(bits: Uint8Array | undefined, column: number): boolean {
  return bits !== undefined && ((bits[column >> 3]! >> (column & 7)) & 1) === 1
}

/**
 * The rows of one stream of reports in one generation: a column a series, the times shared, ascending. The newest rows wait in a
 * stage. Rows grow by doubling, columns by an eighth; what was read of it stays as it was.
 */
export class Group implements GroupSource {
  ids: Uint32Array
  rows = 0
  capacity: number
  times: Float64Array
  values: Float64Array
  sparse = false
  /** Times of loose entries that the group's series have in the same generation. */
  looseMin = Infinity
  looseMax = -Infinity
  /** Groups of the same generation that share series with this one. */
  readonly siblings: Group[] = []
  private words: Uint32Array
  /** Columns there is space for. */
  private room: number
  /** Rows from `settled` on, row by row, each with `room` cells. */
  private stage: Float64Array | undefined
  private stageWords: Uint32Array | undefined
  private settled = 0

  constructor(ids: Uint32Array, expectedRows: number) {
    this.ids = ids
    this.capacity = leastRows
    while (this.capacity < expectedRows) this.capacity *= 2
    this.room = ids.length
    this.times = sharedFloats(this.capacity)
    this.values = sharedFloats(this.capacity * this.room)
    this.words = new Uint32Array(this.values.buffer)
  }

  /** Memory of the rows; asked of every group each second, so without looking at the arrays. */
  get bytes(): number {
    const { room } = this
    const staged = this.stage ? stagedRows * room : 0
    return 8 * (this.capacity * (room + 1) + staged) + 4 * this.ids.length
  }

  get lastTime(): Millis {
    return this.rows === 0 ? -Infinity : this.times[this.rows - 1]!
  }

  /** True when a row has exactly this time. */
  hasTime(t: Millis): boolean {
    if (!(t <= this.lastTime)) return false
    return this.times[boundWithin(this.times, this.rows, t)] === t
  }

  /** Adds a row behind the last; `values` has a number for every column. */
  append(
    t: Millis,
    values: Float64Array,
    absent: Uint8Array | undefined,
    stale: Uint8Array | undefined,
  ): void {
    const columns = this.ids.length
    if (this.rows === this.capacity) this.resize(this.capacity * 2, this.room)
    if (this.rows - this.settled === stagedRows) this.settle()
    this.stage ??= new Float64Array(stagedRows * this.room)
    const { stage } = this
    const from = (this.rows - this.settled) * this.room
    for (let c = 0; c < columns; c++) {
      const value = values[c]!
      // A NaN is stored as the one canonical NaN, whatever its payload.
      stage[from + c] = Number.isNaN(value) ? Number.NaN : value
    }
    if (absent) this.strike(from, absent, absentHigh)
    if (stale) this.strike(from, stale, staleHigh)
    this.times[this.rows++] = t
  }

  private strike(from: number, bits: Uint8Array, high: number): void {
    this.stageWords ??= new Uint32Array(this.stage!.buffer)
    this.sparse = true
    for (let c = 0; c < this.ids.length; c++) {
      if (!bit(bits, c)) continue
      this.stageWords[(from + c) * 2] = 0
      this.stageWords[(from + c) * 2 + 1] = high
    }
  }

  /** Brings the staged rows to their columns. */
  private settle(): void {
    const { stage, settled, rows, capacity, room, values, words } = this
    if (settled === rows || !stage) return
    const columns = this.ids.length
    // Cells that are no sample keep their bits only as words.
    const from = this.sparse ? (this.stageWords ?? new Uint32Array(stage.buffer)) : undefined
    for (let c = 0; c < columns; c++) {
      const column = c * capacity + settled
      for (let r = 0; r < rows - settled; r++) {
        const cell = r * room + c
        if (!from) values[column + r] = stage[cell]!
        else {
          words[(column + r) * 2] = from[cell * 2]!
          words[(column + r) * 2 + 1] = from[cell * 2 + 1]!
        }
      }
    }
    this.settled = rows
  }

  /** No row follows: every row is in its columns. */
  freeze(): void {
    this.settle()
    this.stage = undefined
    this.stageWords = undefined
  }

  /** Takes the rows from `rows` on out again. */
  truncate(rows: number): void {
    if (rows < this.rows) this.rows = rows
    if (rows < this.settled) this.settled = rows
  }

  /** New columns have nothing in the rows so far. */
  extend(ids: Uint32Array): void {
    const before = this.ids.length
    const longer = new Uint32Array(before + ids.length)
    longer.set(this.ids)
    longer.set(ids, before)
    if (longer.length > this.room) {
      this.freeze()
      const spare = Math.max(leastSpareColumns, longer.length >> 3)
      this.resize(this.capacity, longer.length + spare)
    }
    this.ids = longer
    if (this.rows > 0) this.sparse = true
    for (let c = before; c < longer.length; c++) this.blank(c)
  }

  /** A column without entries in the rows so far. */
  private blank(column: number): void {
    const { words, rows, settled, capacity, room } = this
    for (let cell = column * capacity; cell < column * capacity + settled; cell++) {
      words[cell * 2] = 0
      words[cell * 2 + 1] = absentHigh
    }
    if (settled === rows) return
    this.stageWords ??= new Uint32Array(this.stage!.buffer)
    for (let r = 0; r < rows - settled; r++) {
      this.stageWords[(r * room + column) * 2] = 0
      this.stageWords[(r * room + column) * 2 + 1] = absentHigh
    }
  }

  /** Space for so many rows and columns; other columns only while no row is staged. */
  private resize(capacity: number, room: number): void {
    const values = sharedFloats(capacity * room)
    for (let c = 0; c < this.ids.length; c++) {
      const from = c * this.capacity
      values.set(this.values.subarray(from, from + this.settled), c * capacity)
    }
    if (capacity !== this.capacity) {
      const times = sharedFloats(capacity)
      times.set(this.times.subarray(0, this.rows))
      this.times = times
    }
    this.capacity = capacity
    this.room = room
    this.values = values
    this.words = new Uint32Array(values.buffer)
  }

  /** Entries of a column within [start, end]: views where every cell is a sample and in its column, else copies. */
  entries(column: number, start: Millis, end: Millis): Entries {
    const from = boundWithin(this.times, this.rows, start)
    let to = boundWithin(this.times, this.rows, end)
    if (to < this.rows && this.times[to] === end) to++
    if (from >= to) return noEntries
    if (this.sparse) return this.sparseEntries(column, from, to)
    const base = column * this.capacity
    const times = this.times.subarray(from, to)
    const { staleTimes } = noEntries
    if (to <= this.settled)
      return { times, values: this.values.subarray(base + from, base + to), staleTimes }
    const values = new Float64Array(to - from)
    if (from < this.settled) values.set(this.values.subarray(base + from, base + this.settled))
    for (let r = Math.max(from, this.settled); r < to; r++)
      values[r - from] = this.stage![(r - this.settled) * this.room + column]!
    return { times, values, staleTimes }
  }

  /** Upper word of a cell. */
  private highOf(column: number, row: number): number {
    if (row < this.settled) return this.words[(column * this.capacity + row) * 2 + 1]!
    this.stageWords ??= new Uint32Array(this.stage!.buffer)
    return this.stageWords[((row - this.settled) * this.room + column) * 2 + 1]!
  }

  private valueOf(column: number, row: number): number {
    return row < this.settled
      ? this.values[column * this.capacity + row]!
      : this.stage![(row - this.settled) * this.room + column]!
  }

  private sparseEntries(column: number, from: number, to: number): Entries {
    let absent = 0
    let stale = 0
    for (let r = from; r < to; r++) {
      const high = this.highOf(column, r)
      if (high === absentHigh) absent++
      else if (high === staleHigh) stale++
    }
    const count = to - from - absent - stale
    const times = new Float64Array(count)
    const values = new Float64Array(count)
    const staleTimes = stale === 0 ? noEntries.staleTimes : new Float64Array(stale)
    let kept = 0
    let marks = 0
    for (let r = from; r < to; r++) {
      const high = this.highOf(column, r)
      if (high === absentHigh) continue
      if (high === staleHigh) staleTimes[marks++] = this.times[r]!
      else {
        times[kept] = this.times[r]!
        values[kept++] = this.valueOf(column, r)
      }
    }
    return { times, values, staleTimes }
  }

  /** Rows before it are not later than `end`. */
  private behind(end: Millis): number {
    const { times, rows } = this
    // Who asks for the newest mostly asks for a time behind the last row.
    if (rows === 0 || times[rows - 1]! <= end) return rows
    const at = boundWithin(times, rows, end)
    return times[at] === end ? at + 1 : at
  }

  /** Adds a column's samples within [start, end] to older ones. */
  gather(column: number, start: Millis, end: Millis, room: SampleRoom): void {
    const { times, settled } = this
    const from = boundWithin(times, this.rows, start)
    const to = this.behind(end)
    if (from >= to) return
    if (times[from]! <= room.last) room.tangled = true
    room.last = times[to - 1]!
    room.reserve(to - from)
    if (this.sparse) {
      this.gatherSparse(column, from, to, room)
      return
    }
    const shift = room.count - from
    for (let row = from; row < to; row++) room.times[row + shift] = times[row]!
    const base = column * this.capacity
    const until = Math.min(to, settled)
    for (let row = from; row < until; row++) room.values[row + shift] = this.values[base + row]!
    for (let row = Math.max(from, settled); row < to; row++)
      room.values[row + shift] = this.stage![(row - settled) * this.room + column]!
    room.count += to - from
  }

  private gatherSparse(column: number, from: number, to: number, room: SampleRoom): void {
    for (let row = from; row < to; row++) {
      const high = this.highOf(column, row)
      if (high === absentHigh || high === staleHigh) continue
      room.times[room.count] = this.times[row]!
      room.values[room.count++] = this.valueOf(column, row)
    }
  }

  /** Tells of a column's newest entry within [start, end] when it is newer than `found`. */
  latest(column: number, start: Millis, end: Millis, found: LatestEntry): void {
    const { times } = this
    for (let row = this.behind(end) - 1; row >= 0; row--) {
      const time = times[row]!
      if (time < start || time <= found.time) return
      const high = this.sparse ? this.highOf(column, row) : 0
      if (high === absentHigh) continue
      found.time = time
      found.isMark = high === staleHigh
      found.value = this.valueOf(column, row)
      return
    }
  }

  /** True when a column has a sample or mark within [start, end]. */
  has(column: number, start: Millis, end: Millis): boolean {
    for (let r = boundWithin(this.times, this.rows, start); r < this.rows; r++) {
      if (this.times[r]! > end) return false
      if (!this.sparse || this.highOf(column, r) !== absentHigh) return true
    }
    return false
  }
}
