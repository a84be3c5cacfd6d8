import type { Millis } from '../../clock.ts'
import type { PartSource } from '../parts/part-source.ts'
import type { LatestEntry } from '../reader.ts'
import { type Entries, isEmpty, merge } from '../samples.ts'
import type { Row, SeriesId } from '../writer.ts'
import { bit, Group } from './group.ts'
import { LooseColumns } from './loose-columns.ts'
import type { SampleRoom } from './sample-room.ts'
import { Spans } from './spans.ts'

/** What takes one row of loose entries out again. */
export interface LooseUndo {
  readonly generation: Generation
  readonly t: Millis
  /** Series in the order written: samples, then marks. */
  readonly ids: Uint32Array
  /** What the writes displaced, in order: index into `ids`, lower and upper word of the former value. */
  readonly displaced: readonly number[]
}

const noIds = new Uint32Array(0)

/** Groups a series stands in, as numbers in one array: group, column, next place (0: none). */
const placeNumbers = 3

/**
 * The samples taken between two freezes, of whatever time. Rows of streams stand in groups; everything else, and rows that would
 * meet an entry that is there already, in loose columns, which win at equal times.
 */
export class Generation {
  /** Ascending over the life of the store; later entries win. */
  readonly order: number
  /** When it was opened, on the monotonic clock. */
  readonly openedAt: number
  minTime = Infinity
  maxTime = -Infinity
  /** Where its times lie. */
  readonly spans = new Spans()
  /** Takes no more samples. */
  frozen = false
  readonly groups: Group[] = []
  private readonly loose: LooseColumns
  /** Place of a series' first group, by series; 0: in none. */
  private firstPlace = new Uint32Array(64)
  private places = new Uint32Array(64 * placeNumbers)
  private placeCount = 1

  /** `before`: the generation frozen just now, whose shape tells how much room columns will need. */
  constructor(order: number, openedAt: number, before?: Generation) {
    this.order = order
    this.openedAt = openedAt
    this.loose = new LooseColumns(before?.loose.entriesPerColumn)
  }

  get isEmpty(): boolean {
    return this.loose.entryCount === 0 && this.groups.every((group) => group.rows === 0)
  }

  /** Memory of the entries. */
  get bytes(): number {
    return this.groups.reduce((sum, group) => sum + group.bytes, this.loose.bytes)
  }

  private touch(t: Millis): void {
    if (t < this.minTime) this.minTime = t
    if (t > this.maxTime) this.maxTime = t
    this.spans.add(t, t)
  }

  /** Makes room for a stream's rows. Undefined when a series stands twice in the layout: such rows go loose. */
  openGroup(ids: Uint32Array, expectedRows: number): Group | undefined {
    if (hasTwice(ids)) return undefined
    const group = new Group(ids, expectedRows)
    this.groups.push(group)
    this.enter(group, ids, 0)
    return group
  }

  /** Adds columns to a group; false, and nothing done, when a series would stand in it twice. */
  extendGroup(group: Group, ids: Uint32Array): boolean {
    if (hasTwice(ids) || ids.some((id) => this.standsIn(id, group))) return false
    const before = group.ids.length
    group.extend(ids)
    this.enter(group, ids, before)
    return true
  }

  private standsIn(id: SeriesId, group: Group): boolean {
    let place = this.firstPlace[id] ?? 0
    for (; place !== 0; place = this.places[place * placeNumbers + 2]!)
      if (this.groups[this.places[place * placeNumbers]!] === group) return true
    return false
  }

  /** Notes where the series of a group stand, and what the group has to mind. */
  private enter(group: Group, ids: Uint32Array, firstColumn: number): void {
    const number = this.groups.indexOf(group)
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!
      if (id >= this.firstPlace.length) this.firstPlace = grown(this.firstPlace, id + 1)
      let place = this.firstPlace[id]!
      for (; place !== 0; place = this.places[place * placeNumbers + 2]!) {
        const other = this.groups[this.places[place * placeNumbers]!]!
        if (group.siblings.at(-1) === other || group.siblings.includes(other)) continue
        group.siblings.push(other)
        other.siblings.push(group)
      }
      const at = this.placeCount++ * placeNumbers
      if (at + placeNumbers > this.places.length)
        this.places = grown(this.places, at + placeNumbers)
      this.places[at] = number
      this.places[at + 1] = firstColumn + i
      this.places[at + 2] = this.firstPlace[id]!
      this.firstPlace[id] = at / placeNumbers
      if (this.loose.entryCount > 0) this.minded(group, id)
    }
  }

  private minded(group: Group, id: SeriesId): void {
    const { times, staleTimes } = this.loose.entries(id, -Infinity, Infinity)
    for (const list of [times, staleTimes]) {
      if (list.length === 0) continue
      group.looseMin = Math.min(group.looseMin, list[0]!)
      group.looseMax = Math.max(group.looseMax, list.at(-1)!)
    }
  }

  /** True when a row at `t` can stand in the group: behind its last, and no entry of its series is at that time. */
  takes(group: Group, t: Millis): boolean {
    if (!(t > group.lastTime) || (t >= group.looseMin && t <= group.looseMax)) return false
    for (const sibling of group.siblings) if (sibling.hasTime(t)) return false
    return true
  }

  /** Adds a row to a group that takes it. */
  appendRow(
    group: Group,
    t: Millis,
    values: Float64Array,
    absent: Uint8Array | undefined,
    stale: Uint8Array | undefined,
  ): void {
    group.append(t, values, absent, stale)
    this.touch(t)
  }

  /** Writes a row of loose entries; the last write to a (series, time) wins, sample or mark. */
  write({ t, ids, values, stale = noIds }: Row): LooseUndo {
    this.touch(t)
    const n = ids.length
    const displaced: number[] = []
    for (let i = 0; i < n; i++) if (this.loose.put(ids[i]!, t, values[i]!)) this.note(displaced, i)
    for (let i = 0; i < stale.length; i++)
      if (this.loose.mark(stale[i]!, t)) this.note(displaced, n + i)
    if (this.groups.length > 0) {
      this.mind(ids, t)
      this.mind(stale, t)
    }
    return { generation: this, t, ids: stale.length === 0 ? ids : joined(ids, stale), displaced }
  }

  private note(displaced: number[], index: number): void {
    displaced.push(index, this.loose.formerLow, this.loose.formerHigh)
  }

  /** Groups of these series have a loose entry at `t` to mind. */
  private mind(ids: Uint32Array, t: Millis): void {
    for (let i = 0; i < ids.length; i++) {
      let place = this.firstPlace[ids[i]!] ?? 0
      for (; place !== 0; place = this.places[place * placeNumbers + 2]!) {
        const group = this.groups[this.places[place * placeNumbers]!]!
        if (t < group.looseMin) group.looseMin = t
        if (t > group.looseMax) group.looseMax = t
      }
    }
  }

  /** Undoes a `write`; give the newest first. */
  undo({ t, ids, displaced }: LooseUndo): void {
    let next = displaced.length - 3
    for (let i = ids.length - 1; i >= 0; i--) {
      if (next >= 0 && displaced[next] === i) {
        this.loose.putBits(ids[i]!, t, displaced[next + 1]!, displaced[next + 2]!)
        next -= 3
      } else this.loose.remove(ids[i]!, t)
    }
  }

  /** Entries of a series within [start, end]; undefined when there are none. May be views: they stay as they are. */
  entries(id: SeriesId, start = -Infinity, end = Infinity): Entries | undefined {
    let found: Entries | undefined
    let more: Entries[] | undefined
    let place = this.firstPlace[id] ?? 0
    for (; place !== 0; place = this.places[place * placeNumbers + 2]!) {
      const at = place * placeNumbers
      const entries = this.groups[this.places[at]!]!.entries(this.places[at + 1]!, start, end)
      if (isEmpty(entries)) continue
      if (found === undefined) found = entries
      else more = [...(more ?? [found]), entries]
    }
    const loose = this.loose.entries(id, start, end)
    if (!isEmpty(loose)) {
      if (found === undefined) return loose
      more = [...(more ?? [found]), loose]
    }
    return more ? merge(more) : found
  }

  /** Adds a series' samples within [start, end] to those of older generations. */
  gather(id: SeriesId, start: Millis, end: Millis, room: SampleRoom): void {
    const at = (this.firstPlace[id] ?? 0) * placeNumbers
    const alone = at !== 0 && this.places[at + 2] === 0 && !this.loose.holds(id)
    if (alone) this.groups[this.places[at]!]!.gather(this.places[at + 1]!, start, end, room)
    else {
      const entries = this.entries(id, start, end)
      if (entries !== undefined) room.add(entries)
    }
  }

  /** Tells of a series' newest entry within [start, end] when it is newer than `found`. */
  latest(id: SeriesId, start: Millis, end: Millis, found: LatestEntry): void {
    // Loose entries win at equal times.
    if (this.loose.entryCount > 0) this.loose.latest(id, start, end, found)
    let place = this.firstPlace[id] ?? 0
    for (; place !== 0; place = this.places[place * placeNumbers + 2]!) {
      const at = place * placeNumbers
      this.groups[this.places[at]!]!.latest(this.places[at + 1]!, start, end, found)
    }
  }

  /** True when a series has a sample or mark within [start, end]. */
  has(id: SeriesId, start = -Infinity, end = Infinity): boolean {
    let place = this.firstPlace[id] ?? 0
    for (; place !== 0; place = this.places[place * placeNumbers + 2]!) {
      const at = place * placeNumbers
      if (this.groups[this.places[at]!]!.has(this.places[at + 1]!, start, end)) return true
    }
    return this.loose.has(id, start, end)
  }

  /** Ascending series that have a column here, be it empty. */
  ids(): Uint32Array {
    const all: number[] = [...this.loose.ids()]
    for (let id = 0; id < this.firstPlace.length; id++) if (this.firstPlace[id] !== 0) all.push(id)
    const sorted = Uint32Array.from(all).sort()
    return sorted.filter((id, i) => i === 0 || sorted[i - 1] !== id)
  }

  /** What a part is written from; for a frozen generation. */
  partSource(): PartSource {
    for (const group of this.groups) group.freeze()
    return {
      order: this.order,
      groups: this.groups
        .filter((group) => group.rows > 0)
        .map(({ ids, rows, capacity, times, values, sparse }) => ({
          ids,
          rows,
          capacity,
          times,
          values,
          sparse,
        })),
      loose: this.loose.source(),
    }
  }
}

/** The loose form of a stream's row. */
export function looseRow(
  t: Millis,
  ids: Uint32Array,
  values: Float64Array,
  absent: Uint8Array | undefined,
  stale: Uint8Array | undefined,
): Row {
  const present: number[] = []
  const samples: number[] = []
  const ended: number[] = []
  for (let c = 0; c < ids.length; c++) {
    if (bit(stale, c)) ended.push(ids[c]!)
    else if (!bit(absent, c)) {
      present.push(ids[c]!)
      samples.push(values[c]!)
    }
  }
  return {
    t,
    ids: Uint32Array.from(present),
    values: Float64Array.from(samples),
    stale: Uint32Array.from(ended),
  }
}

function hasTwice(ids: Uint32Array): boolean {
  const sorted = ids.slice().sort()
  for (let i = 1; i < sorted.length; i++) if (sorted[i] === sorted[i - 1]) return true
  return false
}

function grown(array: Uint32Array<ArrayBuffer>, atLeast: number): Uint32Array<ArrayBuffer> {
  const longer = new Uint32Array(Math.max(atLeast, array.length * 2))
  longer.set(array)
  return longer
}

function joined(a: Uint32Array, b: Uint32Array): Uint32Array {
  const both = new Uint32Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}
