import type { Millis } from '../../clock.ts'
import { clip, type Entries } from '../samples.ts'
import type { Row, SeriesId } from '../writer.ts'

/** Length of a head window and of a sealed file, milliseconds; windows are aligned to the epoch. */
export const windowMillis = 2 * 3_600_000

/** What stood at a time before a write. */
type Former =
  | { readonly kind: 'sample'; readonly value: number }
  | { readonly kind: 'mark' }
  | undefined

/** Sizes of a column, in numbers: two a sample. */
const growth = [8, 64, 256, 512, 1024, 1536]

/** One series in one window: samples as pairs (time, value), ascending; marks apart. */
class Column {
  pairs = new Float64Array(8)
  count = 0
  marks: Millis[] | undefined

  /** Index of the first sample not before `t`. */
  private find(t: Millis): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.pairs[middle * 2]! < t) low = middle + 1
      else high = middle
    }
    return low
  }

  private hasSample(at: number, t: Millis): boolean {
    return at < this.count && this.pairs[at * 2] === t
  }

  setSample(t: Millis, value: number): Former {
    const former: Former = this.marks && this.removeMark(t) ? { kind: 'mark' } : undefined
    const end = this.count * 2
    let at = this.count
    if (at > 0 && this.pairs[end - 2]! >= t) {
      at = this.find(t)
      if (this.hasSample(at, t)) {
        const replaced = this.pairs[at * 2 + 1]!
        this.pairs[at * 2 + 1] = value
        return { kind: 'sample', value: replaced }
      }
    }
    if (end === this.pairs.length) this.grow()
    if (at < this.count) this.pairs.copyWithin(at * 2 + 2, at * 2, end)
    this.pairs[at * 2] = t
    this.pairs[at * 2 + 1] = value
    this.count++
    return former
  }

  setMark(t: Millis): Former {
    const former = this.remove(t)
    this.marks ??= []
    let at = this.marks.length
    while (at > 0 && this.marks[at - 1]! > t) at--
    this.marks.splice(at, 0, t)
    return former
  }

  remove(t: Millis): Former {
    if (this.marks && this.removeMark(t)) return { kind: 'mark' }
    const at = this.find(t)
    if (!this.hasSample(at, t)) return undefined
    const value = this.pairs[at * 2 + 1]!
    this.pairs.copyWithin(at * 2, at * 2 + 2, this.count * 2)
    this.count--
    return { kind: 'sample', value }
  }

  private removeMark(t: Millis): boolean {
    const at = this.marks!.indexOf(t)
    if (at < 0) return false
    this.marks!.splice(at, 1)
    if (this.marks!.length === 0) this.marks = undefined
    return true
  }

  /** Few steps on the way to the 720 samples that one report in ten seconds makes. */
  private grow(): void {
    const length = this.pairs.length
    const grown = new Float64Array(
      growth.find((step) => step > length) ?? length + (length >> 2) * 2,
    )
    grown.set(this.pairs)
    this.pairs = grown
  }

  /** Copies of the entries within [start, end]. */
  entries(start: Millis, end: Millis): Entries {
    const from = this.find(start)
    let to = this.find(end)
    if (this.hasSample(to, end)) to++
    const times = new Float64Array(to - from)
    const values = new Float64Array(to - from)
    for (let i = from, k = 0; i < to; i++, k++) {
      times[k] = this.pairs[i * 2]!
      values[k] = this.pairs[i * 2 + 1]!
    }
    const marks = this.marks?.filter((t) => t >= start && t <= end) ?? []
    return { times, values, staleTimes: Float64Array.from(marks) }
  }

  hasEntry(start: Millis, end: Millis): boolean {
    const at = this.find(start)
    if (at < this.count && this.pairs[at * 2]! <= end) return true
    return this.marks?.some((t) => t >= start && t <= end) ?? false
  }

  get isEmpty(): boolean {
    return this.count === 0 && this.marks === undefined
  }
}

/** The samples of one two-hour interval that are not in a sealed file yet. */
export class HeadWindow {
  readonly start: Millis
  /** Journal segment that holds its first batch. */
  firstSegment: number
  lastWriteAt: Millis
  readonly openedAt: Millis
  /** A frozen window takes no more samples: it is being sealed. */
  frozen = false
  /** Batches below this number that touch the interval are in the window or in a sealed file; set when frozen. */
  sealedBelow = 0
  minTime = Infinity
  maxTime = -Infinity
  private readonly columns = new Map<SeriesId, Column>()

  constructor(start: Millis, firstSegment: number, now: Millis) {
    this.start = start
    this.firstSegment = firstSegment
    this.lastWriteAt = now
    this.openedAt = now
  }

  get end(): Millis {
    return this.start + windowMillis
  }

  get isEmpty(): boolean {
    for (const column of this.columns.values()) if (!column.isEmpty) return false
    return true
  }

  column(id: SeriesId): Column {
    let column = this.columns.get(id)
    if (!column) {
      column = new Column()
      this.columns.set(id, column)
    }
    return column
  }

  touch(t: Millis, now: Millis): void {
    if (t < this.minTime) this.minTime = t
    if (t > this.maxTime) this.maxTime = t
    this.lastWriteAt = now
  }

  /** Ascending ids with entries. */
  ids(): SeriesId[] {
    const ids = []
    for (const [id, column] of this.columns) if (!column.isEmpty) ids.push(id)
    return ids.sort((a, b) => a - b)
  }

  has(id: SeriesId, start: Millis = -Infinity, end: Millis = Infinity): boolean {
    return this.columns.get(id)?.hasEntry(start, end) ?? false
  }

  /** Copies; undefined when the series has no column here. */
  entries(id: SeriesId, start: Millis = -Infinity, end: Millis = Infinity): Entries | undefined {
    return this.columns.get(id)?.entries(start, end)
  }
}

/** What takes one row out again. */
export interface Undo {
  readonly window: HeadWindow
  readonly t: Millis
  /** Series in the order written: samples, then marks. */
  readonly ids: Uint32Array
  /** What the writes displaced: index into `ids` and the former entry, in order. */
  readonly displaced: readonly (readonly [number, NonNullable<Former>])[]
}

/** The windows in memory. Any past time has its window; a sealed interval may get another one. */
export class Head {
  private windows: HeadWindow[] = []

  /** Oldest first; of one interval the frozen before the open. */
  get all(): readonly HeadWindow[] {
    return this.windows
  }

  /** Writes a row at once; the last write to a (series, time) wins, sample or mark. */
  write(row: Row, segment: number, now: Millis): Undo {
    const window = this.openWindow(row.t, segment, now)
    window.touch(row.t, now)
    const stale = row.stale ?? noIds
    const n = row.ids.length
    const ids = new Uint32Array(n + stale.length)
    ids.set(row.ids)
    ids.set(stale, n)
    const displaced: [number, NonNullable<Former>][] = []
    for (let i = 0; i < ids.length; i++) {
      const column = window.column(ids[i]!)
      const value = row.values[i]!
      // NaN is stored as one canonical NaN.
      const former =
        i < n
          ? column.setSample(row.t, Number.isNaN(value) ? Number.NaN : value)
          : column.setMark(row.t)
      if (former) displaced.push([i, former])
    }
    return { window, t: row.t, ids, displaced }
  }

  /** Undoes writes; give the newest first. */
  undo({ window, t, ids, displaced }: Undo): void {
    let next = displaced.length - 1
    for (let i = ids.length - 1; i >= 0; i--) {
      const column = window.column(ids[i]!)
      column.remove(t)
      if (next < 0 || displaced[next]![0] !== i) continue
      const former = displaced[next--]![1]
      if (former.kind === 'sample') column.setSample(t, former.value)
      else column.setMark(t)
    }
  }

  private openWindow(t: Millis, segment: number, now: Millis): HeadWindow {
    const start = windowStart(t)
    let at = this.windows.length
    while (at > 0 && this.windows[at - 1]!.start > start) at--
    const candidate = this.windows[at - 1]
    if (candidate?.start === start && !candidate.frozen) return candidate
    const window = new HeadWindow(start, segment, now)
    this.windows = this.windows.toSpliced(at, 0, window)
    return window
  }

  drop(window: HeadWindow): void {
    this.windows = this.windows.filter((other) => other !== window)
  }

  /** Windows with times in [start, end], oldest first. */
  overlapping(start: Millis, end: Millis): readonly HeadWindow[] {
    return this.windows.filter((window) => window.minTime <= end && window.maxTime >= start)
  }

  /** First journal segment that a window still needs; Infinity when none does. */
  get firstSegment(): number {
    return this.windows.reduce((least, window) => Math.min(least, window.firstSegment), Infinity)
  }
}

const noIds = new Uint32Array(0)

/** Start of the window that holds `t`. */
export function windowStart(t: Millis): Millis {
  return Math.floor(t / windowMillis) * windowMillis
}

/** Entries of one series over windows given oldest first, unmerged. */
export function headEntries(
  windows: readonly HeadWindow[],
  id: SeriesId,
  start: Millis,
  end: Millis,
): Entries[] {
  const parts = []
  for (const window of windows) {
    const entries = window.entries(id, start, end)
    if (entries) parts.push(clip(entries, start, end))
  }
  return parts
}
