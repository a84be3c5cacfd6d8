import type { SeriesId } from '../writer.ts'

const noIds = new Uint32Array(0)

/** Ascending ids, one list a key; keys count from 0. A list of one id takes no object. */
export class Postings {
  private counts = new Uint32Array(256)
  private single = new Uint32Array(256)
  private readonly lists: (Uint32Array | undefined)[] = []
  /** How many ids of a list ascend, where others were entered behind them; the next reader puts those in their places. */
  private readonly unsorted = new Map<number, number>()

  count(key: number): number {
    return this.counts[key] ?? 0
  }

  /** A view of a key's ids as they stand. */
  ids(key: number): Uint32Array {
    const count = this.count(key)
    if (count === 0) return noIds
    if (this.unsorted.size > 0) this.sort(key)
    return this.lists[key]?.subarray(0, count) ?? this.single.subarray(key, key + 1)
  }

  /** The array that starts with a key's ids; what lies behind `count(key)` of them is no id. */
  backing(key: number): Uint32Array {
    if (this.unsorted.size > 0) this.sort(key)
    return this.lists[key] ?? this.ids(key)
  }

  /** Enters an id that the list does not hold; in any order at the same cost. */
  insert(key: number, id: SeriesId): void {
    if (key >= this.counts.length) this.grow(key)
    const count = this.counts[key]!
    this.counts[key] = count + 1
    if (count === 0) {
      this.single[key] = id
      return
    }
    let list = this.lists[key]
    if (list === undefined) {
      while (this.lists.length <= key) this.lists.push(undefined)
      list = new Uint32Array(4)
      list[0] = this.single[key]!
      this.lists[key] = list
    } else if (count === list.length) {
      const grown = new Uint32Array(count + Math.max(4, count >>> 1))
      grown.set(list)
      list = grown
      this.lists[key] = list
    }
    if (list[count - 1]! > id && !this.unsorted.has(key)) this.unsorted.set(key, count)
    list[count] = id
  }

  /** Merges what was entered out of order: once for all of it, however long the list is. */
  private sort(key: number): void {
    const sorted = this.unsorted.get(key)
    if (sorted === undefined) return
    this.unsorted.delete(key)
    const list = this.lists[key]!
    const late = list.slice(sorted, this.counts[key]!).sort()
    let from = sorted - 1
    let to = this.counts[key]! - 1
    for (let i = late.length - 1; i >= 0; to--) {
      const id = late[i]!
      if (from >= 0 && list[from]! > id) list[to] = list[from--]!
      else {
        list[to] = id
        i--
      }
    }
  }

  /** Takes ids out of a list, which becomes a new one: views of the old stay as they are. */
  remove(key: number, gone: (id: SeriesId) => boolean): void {
    const ids = this.ids(key)
    const kept = new Uint32Array(ids.length)
    let count = 0
    for (let i = 0; i < ids.length; i++) if (!gone(ids[i]!)) kept[count++] = ids[i]!
    if (count === ids.length) return
    this.counts[key] = count
    this.lists[key] = count > 1 ? kept.slice(0, count) : undefined
    if (count === 1) this.single[key] = kept[0]!
  }

  private grow(key: number): void {
    const length = Math.max(key + 1, this.counts.length * 2)
    const counts = new Uint32Array(length)
    counts.set(this.counts)
    this.counts = counts
    const single = new Uint32Array(length)
    single.set(this.single)
    this.single = single
  }
}

/** First index in [from, to) whose id is not below `id`; `ids` ascends there. */
function lowerBound(ids: Uint32Array, id: number, from: number, to: number): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ids[middle]! < id) low = middle + 1
    else high = middle
  }
  return low
}

/** As `lowerBound`, in steps that double from `from`: the cost follows the logarithm of the distance. */
function gallop(ids: Uint32Array, id: number, from: number, to: number): number {
  if (from >= to || ids[from]! >= id) return from
  let step = 1
  while (from + step < to && ids[from + step]! < id) step *= 2
  return lowerBound(ids, id, from + (step >>> 1) + 1, Math.min(to, from + step))
}

/**
 * Ids that the first `aCount` of `a` and the first `bCount` of `b` share, written to `out`, which may be `a`; returns how many.
 * Both leap over what the other lacks.
 */
export function intersect(
  a: Uint32Array,
  aCount: number,
  b: Uint32Array,
  bCount: number,
  out: Uint32Array,
): number {
  let found = 0
  let i = 0
  let j = 0
  while (i < aCount) {
    const id = a[i]!
    j = gallop(b, id, j, bCount)
    if (j === bCount) break
    const other = b[j]!
    if (other === id) {
      out[found++] = id
      i++
      j++
    } else i = gallop(a, other, i + 1, aCount)
  }
  return found
}
