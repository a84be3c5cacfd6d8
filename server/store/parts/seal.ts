import { absentHigh, type Entries, merge, noEntries, staleHigh } from '../samples.ts'
import { slotMillis, slotStart, type TimeChunk } from './part-format.ts'
import type { LooseSource, PartSource } from './part-source.ts'
import { PartWriter, type SlotWriter } from './part-writer.ts'
import { placeTimes, writeEntries, writeValues } from './series-entries.ts'

/** A column of a group, or the loose entries of a series (`group` -1). */
interface Columns {
  readonly ids: Uint32Array
  readonly group: Int32Array
  readonly column: Uint32Array
}

/** Rows of columns that fall into one slot, three numbers each: index into `Columns`, first row, row behind the last. */
type Pieces = number[]

/** All columns by id; of one series the groups' before the loose one. */
function columnsOf({ groups, loose }: PartSource): Columns {
  const count = groups.reduce((sum, group) => sum + group.ids.length, loose.ids.length)
  const found = {
    ids: new Uint32Array(count),
    group: new Int32Array(count),
    column: new Uint32Array(count),
  }
  let at = 0
  const add = (ids: Uint32Array, group: number) => {
    for (let i = 0; i < ids.length; i++) {
      found.ids[at] = ids[i]!
      found.group[at] = group
      found.column[at++] = i
    }
  }
  const byFirstId = [...groups.keys()].sort(
    (a, b) => (groups[a]!.ids[0] ?? 0) - (groups[b]!.ids[0] ?? 0),
  )
  for (const group of byFirstId) add(groups[group]!.ids, group)
  add(loose.ids, -1)
  return inOrder(found)
}

function inOrder(columns: Columns): Columns {
  const { ids } = columns
  let ascends = true
  for (let i = 1; i < ids.length && ascends; i++) ascends = ids[i - 1]! <= ids[i]!
  if (ascends) return columns
  const order = Uint32Array.from(ids.keys()).sort((a, b) => ids[a]! - ids[b]! || a - b)
  return {
    ids: order.map((i) => columns.ids[i]!),
    group: Int32Array.from(order, (i) => columns.group[i]!),
    column: order.map((i) => columns.column[i]!),
  }
}

/** First index in [from, to) whose time is not below `t`. */
function firstNotBelow(times: Float64Array, from: number, to: number, t: number): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >>> 1
    if (times[middle]! < t) low = middle + 1
    else high = middle
  }
  return low
}

/** Slots of ascending times: start, first row, row behind the last. */
function slotRows(times: Float64Array, from: number, to: number): [number, number, number][] {
  const rows: [number, number, number][] = []
  for (let at = from; at < to; ) {
    const start = slotStart(times[at]!)
    const end = firstNotBelow(times, at, to, start + slotMillis)
    rows.push([start, at, end])
    at = end
  }
  return rows
}

/** Writes a frozen generation to a new file and makes it durable; false when it holds no entry. For worker threads. */
export function writeGeneration(path: string, source: PartSource): boolean {
  const file = new PartWriter(path, source.order, 0)
  try {
    new GenerationWriter(file, source).write()
    return file.finish()
  } finally {
    file.close()
  }
}

class GenerationWriter {
  private readonly file: PartWriter
  private readonly source: PartSource
  private readonly columns: Columns
  private readonly slots = new Map<number, Pieces>()
  /** Times of whole rows of a group, placed once a slot. */
  private placed = new Map<string, readonly TimeChunk[]>()
  private readonly words = new Map<Float64Array, Uint32Array>()

  constructor(file: PartWriter, source: PartSource) {
    this.file = file
    this.source = source
    this.columns = columnsOf(source)
  }

  write(): void {
    this.sortIntoSlots()
    for (const start of [...this.slots.keys()].sort((a, b) => a - b)) {
      this.placed = new Map()
      this.writeSlot(this.file.beginSlot(start, slotMillis), this.slots.get(start)!)
      this.slots.delete(start)
    }
  }

  private sortIntoSlots(): void {
    const { groups, loose } = this.source
    const { ids, group, column } = this.columns
    const groupRows = groups.map(({ times, rows }) => slotRows(times, 0, rows))
    for (let i = 0; i < ids.length; i++) {
      const rows = group[i]! >= 0 ? groupRows[group[i]!]! : looseRows(loose, column[i]!)
      for (const [start, from, to] of rows) {
        let pieces = this.slots.get(start)
        if (!pieces) {
          pieces = []
          this.slots.set(start, pieces)
        }
        pieces.push(i, from, to)
      }
    }
  }

  private writeSlot(slot: SlotWriter, pieces: Pieces): void {
    const { ids, group } = this.columns
    for (let at = 0; at < pieces.length; ) {
      const i = pieces[at]!
      const id = ids[i]!
      let end = at + 3
      while (end < pieces.length && ids[pieces[end]!] === id) end += 3
      if (end > at + 3 || group[i]! < 0) {
        const parts = []
        for (; at < end; at += 3)
          parts.push(this.entries(pieces[at]!, pieces[at + 1]!, pieces[at + 2]!))
        write(slot, id, merge(parts))
        continue
      }
      this.writeGroupColumn(slot, i, pieces[at + 1]!, pieces[at + 2]!)
      at = end
    }
  }

  private writeGroupColumn(slot: SlotWriter, i: number, from: number, to: number): void {
    const group = this.columns.group[i]!
    const source = this.source.groups[group]!
    const base = this.columns.column[i]! * source.capacity
    if (source.sparse && !this.isFull(source.values, base + from, base + to)) {
      write(slot, this.columns.ids[i]!, this.entries(i, from, to))
      return
    }
    const key = `${group}:${from}:${to}`
    let placed = this.placed.get(key)
    slot.beginSeries(this.columns.ids[i]!)
    if (!placed) {
      placed = placeTimes(slot, source.times, from, to)
      this.placed.set(key, placed)
    }
    writeValues(slot, placed, source.values, base + from)
  }

  /** Upper words of values are what tells cells without a sample. */
  private wordsOf(values: Float64Array): Uint32Array {
    let words = this.words.get(values)
    if (!words) {
      words = new Uint32Array(values.buffer, values.byteOffset, values.length * 2)
      this.words.set(values, words)
    }
    return words
  }

  private isFull(values: Float64Array, from: number, to: number): boolean {
    const words = this.wordsOf(values)
    for (let i = from; i < to; i++) {
      const high = words[2 * i + 1]!
      if (high === absentHigh || high === staleHigh) return false
    }
    return true
  }

  /** Entries of one column within rows. */
  private entries(i: number, from: number, to: number): Entries {
    const { groups, loose } = this.source
    const group = this.columns.group[i]!
    const column = this.columns.column[i]!
    if (group >= 0) {
      const { times, values, capacity } = groups[group]!
      return this.gather(times, values, from, to, column * capacity)
    }
    const slab = loose.slabs[loose.slab[column]!]!
    return this.gather(slab, slab, from, to, loose.room[column]!)
  }

  /** Entries whose times lie at `times[from..to)` and whose values `shift` further on in `values`. */
  private gather(
    times: Float64Array,
    values: Float64Array,
    from: number,
    to: number,
    shift: number,
  ): Entries {
    const words = this.wordsOf(values)
    const foundTimes = new Float64Array(to - from)
    const foundValues = new Float64Array(to - from)
    const stale: number[] = []
    let count = 0
    for (let i = from; i < to; i++) {
      const high = words[2 * (i + shift) + 1]!
      if (high === absentHigh) continue
      if (high === staleHigh) {
        stale.push(times[i]!)
        continue
      }
      foundTimes[count] = times[i]!
      foundValues[count++] = values[i + shift]!
    }
    if (count === 0 && stale.length === 0) return noEntries
    return {
      times: foundTimes.subarray(0, count),
      values: foundValues.subarray(0, count),
      staleTimes: Float64Array.from(stale),
    }
  }
}

function looseRows(loose: LooseSource, i: number): [number, number, number][] {
  const from = loose.offset[i]!
  return slotRows(loose.slabs[loose.slab[i]!]!, from, from + loose.count[i]!)
}

function write(slot: SlotWriter, id: number, entries: Entries): void {
  if (entries.times.length === 0 && entries.staleTimes.length === 0) return
  slot.beginSeries(id)
  writeEntries(slot, entries)
}
