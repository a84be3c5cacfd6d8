import { CallwardError } from '../../errors.ts'
import { Pause } from '../pause.ts'
import type { Labels } from '../reader.ts'
import type { SeriesId } from '../writer.ts'
import { LabelPairs } from './label-pairs.ts'
import { type CompiledMatcher, maxCharacters, normalLabels } from './labels.ts'
import { intersect, Postings } from './postings.ts'

/** Hears of series that were not in the index, or come back after they were retired. */
export interface SeriesListener {
  add(id: SeriesId, isBack: boolean): void
}

/** Label objects kept ready; a power of two. */
const keptLabels = 16_384

/** With at most so many candidates the other matchers look at each candidate's own pairs. */
const fewCandidates = 8

const allKey = 0

/** A series that can be found. */
const isLive = 0
/** One out of the way. */
const isOut = 1
/** One on its way out: it still stands in lists of ids that `retireWithout` has not come to. */
const isLeaving = 2

/**
 * Label sets, their ids and the way from label pairs to ids. A label set keeps one id for good: without data it is retired, leaves
 * the way, and comes back under the same id. Label sets are slices of one array of pair numbers.
 */
export class SeriesIndex {
  readonly pairs = new LabelPairs()
  private readonly maxSeries: number
  private listener: SeriesListener | undefined
  /** Slices, each its length and then its pairs by name; the first word is not used. */
  private words = new Uint32Array(1024)
  private wordsUsed = 1
  /** Start of an id's slice, 0 for an id without labels. */
  private slices = new Uint32Array(256)
  private idCount = 0
  private known = 0
  /** Open addressing from the hash of a slice: id + 1, 0 for an empty slot. */
  private table = new Uint32Array(512)
  /** `isLive`, `isOut` or `isLeaving`. */
  private retired = new Uint8Array(256)
  /** Pairs whose lists no leaving series stands in any more. */
  private readonly left = new Set<number>()
  private retiredCount = 0
  private readonly byPair = new Postings()
  private readonly all = new Postings()
  private pairsInUse = new Uint32Array(16)
  private readonly readyIds = new Uint32Array(keptLabels)
  private readonly ready: (Labels | undefined)[] = Array(keptLabels)
  private scratch = new Uint32Array(64)
  private found = new Uint32Array(1024)
  private changes = 0
  /** Times a new series was refused because `maxSeries` was reached. */
  refused = 0

  constructor(maxSeries: number) {
    this.maxSeries = maxSeries
  }

  /** From now on told of every new or revived series. */
  listen(listener: SeriesListener): void {
    this.listener = listener
  }

  /** Every id given so far is below it; there may be gaps. */
  get size(): number {
    return this.idCount
  }

  /** Series that can be found. */
  get live(): number {
    return this.all.count(allKey)
  }

  /** Changes when a series appears, comes back or is retired. */
  get version(): number {
    return this.changes
  }

  /** New ids are given from here on, or from above. */
  reserve(nextId: SeriesId): void {
    this.idCount = Math.max(this.idCount, nextId)
  }

  /**
   * Id of a label set. Throws CallwardError `unprocessable` for a bad set, or a new one over the limit of live series; `stored` sets,
   * read back from disk, are beyond the limit.
   */
  intern(labels: Labels, stored = false): SeriesId {
    let count = 0
    let characters = 0
    for (const name of Object.keys(labels)) {
      const value = labels[name]!
      if (value === '') continue
      const pair = this.pairs.findAt(count, name, value)
      if (pair < 0) return this.internNew(labels, stored)
      count = this.sortIn(pair, count)
      characters += name.length + value.length
    }
    const known = this.reuse(count, stored)
    if (known !== undefined) return known
    // Pairs that are known were checked when they came: only how many there are of them is new.
    if (count === 0 || characters > maxCharacters) return this.internNew(labels, stored)
    if (!stored) this.refuseOverLimit()
    return this.makeSeries(count)
  }

  /** Puts a pair at its place among the first `count` of the scratch; returns the new count. */
  private sortIn(pair: number, count: number): number {
    if (count === this.scratch.length) {
      const grown = new Uint32Array(count * 2)
      grown.set(this.scratch)
      this.scratch = grown
    }
    const { scratch, pairs } = this
    const name = pairs.name(pair)
    let at = count
    for (; at > 0 && pairs.name(scratch[at - 1]!) > name; at--) scratch[at] = scratch[at - 1]!
    scratch[at] = pair
    return count + 1
  }

  /** Id of the set in the scratch when it is known; a retired one comes back. */
  private reuse(count: number, stored: boolean): SeriesId | undefined {
    const id = this.table[this.slot(this.scratch, 0, count)]! - 1
    if (id < 0) return undefined
    if (this.isRetired(id)) {
      if (!stored) this.refuseOverLimit()
      this.revive(id)
    }
    return id
  }

  private internNew(labels: Labels, stored: boolean): SeriesId {
    const normal = normalLabels(labels)
    const names = Object.keys(normal)
    let count = 0
    for (const name of names) {
      const pair = this.pairs.find(name, normal[name]!)
      if (pair >= 0) count = this.sortIn(pair, count)
    }
    const known = count === names.length ? this.reuse(count, stored) : undefined
    if (known !== undefined) return known
    if (!stored) this.refuseOverLimit()
    count = 0
    for (const name of names) count = this.sortIn(this.pairs.make(name, normal[name]!), count)
    return this.makeSeries(count)
  }

  /** Gives the set in the scratch an id. */
  private makeSeries(count: number): SeriesId {
    const id = this.idCount
    this.enter(id, this.scratch, 0, count)
    this.listener?.add(id, false)
    return id
  }

  private refuseOverLimit(): void {
    if (this.live < this.maxSeries) return
    this.refused++
    throw new CallwardError(
      'unprocessable',
      `The store holds its limit of ${this.maxSeries} series; drop a label with many values, or raise the limit.`,
    )
  }

  /**
   * Makes a series known under an id of its own: `count` pairs by name, from `at` on. Nothing happens when the id is known; of a set
   * known under another id, that one stays current.
   */
  enter(id: SeriesId, pairs: Uint32Array, at: number, count: number): void {
    if (id < this.slices.length && this.slices[id] !== 0) return
    const slot = this.slot(pairs, at, count)
    this.keepSlice(id, pairs, at, count)
    if (this.table[slot] !== 0) {
      this.retired[id] = isOut
      this.retiredCount++
      return
    }
    this.table[slot] = id + 1
    this.known++
    if (this.known * 3 > this.table.length * 2) this.growTable(this.table.length * 2)
    this.publish(id)
  }

  private keepSlice(id: SeriesId, pairs: Uint32Array, at: number, count: number): void {
    if (id >= this.slices.length) this.growIds(id)
    if (this.wordsUsed + count + 1 > this.words.length) {
      const grown = new Uint32Array(this.wordsUsed + count + 1 + (this.wordsUsed >>> 1))
      grown.set(this.words)
      this.words = grown
    }
    const slice = this.wordsUsed
    this.words[slice] = count
    for (let i = 0; i < count; i++) this.words[slice + 1 + i] = pairs[at + i]!
    this.wordsUsed += count + 1
    this.slices[id] = slice
    if (id >= this.idCount) this.idCount = id + 1
  }

  private growIds(id: SeriesId): void {
    const length = id + 1 + (this.slices.length >>> 1)
    const slices = new Uint32Array(length)
    slices.set(this.slices)
    this.slices = slices
    const retired = new Uint8Array(length)
    retired.set(this.retired)
    this.retired = retired
  }

  /** Where a set stands in the table, or the empty slot where it would. */
  private slot(pairs: Uint32Array, at: number, count: number): number {
    const mask = this.table.length - 1
    let slot = hashOf(pairs, at, count) & mask
    for (;;) {
      const entry = this.table[slot]!
      if (entry === 0 || this.equals(entry - 1, pairs, at, count)) return slot
      slot = (slot + 1) & mask
    }
  }

  private equals(id: SeriesId, pairs: Uint32Array, at: number, count: number): boolean {
    const { words } = this
    const slice = this.slices[id]!
    if (words[slice] !== count) return false
    for (let i = 0; i < count; i++) if (words[slice + 1 + i] !== pairs[at + i]) return false
    return true
  }

  /** Makes room for so many series at once. */
  expect(series: number): void {
    let length = this.table.length
    while (series * 3 > length * 2) length *= 2
    if (length > this.table.length) this.growTable(length)
  }

  private growTable(length: number): void {
    const old = this.table
    this.table = new Uint32Array(length)
    const mask = this.table.length - 1
    for (let i = 0; i < old.length; i++) {
      const entry = old[i]!
      if (entry === 0) continue
      const slice = this.slices[entry - 1]!
      let slot = hashOf(this.words, slice + 1, this.words[slice]!) & mask
      while (this.table[slot] !== 0) slot = (slot + 1) & mask
      this.table[slot] = entry
    }
  }

  /** Enters a series into the way; one that was leaving, only where it has left. */
  private publish(id: SeriesId, wasLeaving = false): void {
    const { words, byPair, left } = this
    const slice = this.slices[id]!
    const end = slice + 1 + words[slice]!
    for (let at = slice + 1; at < end; at++) {
      const pair = words[at]!
      if (wasLeaving && !left.has(pair)) continue
      if (byPair.count(pair) === 0) this.countPair(pair, 1)
      byPair.insert(pair, id)
    }
    if (!wasLeaving) this.all.insert(allKey, id)
    this.changes++
  }

  private countPair(pair: number, change: 1 | -1): void {
    const name = this.pairs.nameNumber(pair)
    if (name >= this.pairsInUse.length) {
      const grown = new Uint32Array(name * 2)
      grown.set(this.pairsInUse)
      this.pairsInUse = grown
    }
    this.pairsInUse[name] = this.pairsInUse[name]! + change
  }

  /** Throws `BUG:` for an id never given. */
  labels(id: SeriesId): Labels {
    const place = id & (keptLabels - 1)
    const ready = this.ready[place]
    if (ready !== undefined && this.readyIds[place] === id) return ready
    const slice = this.sliceOf(id)
    const { words, pairs } = this
    const labels: Record<string, string> = {}
    const end = slice + 1 + words[slice]!
    for (let at = slice + 1; at < end; at++)
      labels[pairs.name(words[at]!)] = pairs.value(words[at]!)
    this.ready[place] = labels
    this.readyIds[place] = id
    return labels
  }

  /** True when the id was given to a label set. */
  has(id: SeriesId): boolean {
    return (this.slices[id] ?? 0) !== 0
  }

  /** Pair numbers of a series, by name; a view. Throws `BUG:` for an id never given. */
  pairsOf(id: SeriesId): Uint32Array {
    const slice = this.sliceOf(id)
    return this.words.subarray(slice + 1, slice + 1 + this.words[slice]!)
  }

  private sliceOf(id: SeriesId): number {
    const slice = this.slices[id] ?? 0
    if (slice === 0) throw new Error(`BUG: series ${id} is not known, ${this.idCount} are`)
    return slice
  }

  get hasRetired(): boolean {
    return this.retiredCount > 0
  }

  isRetired(id: SeriesId): boolean {
    return (this.retired[id] ?? isLive) !== isLive
  }

  /** The id under which a writer's id is kept now; brings a retired series back. */
  current(id: SeriesId): SeriesId {
    if (this.retiredCount === 0 || !this.isRetired(id)) return id
    const slice = this.sliceOf(id)
    const owner = this.table[this.slot(this.words, slice + 1, this.words[slice]!)]! - 1
    if (this.isRetired(owner)) this.revive(owner)
    return owner
  }

  private revive(id: SeriesId): void {
    const wasLeaving = this.retired[id] === isLeaving
    this.retired[id] = isLive
    this.retiredCount--
    this.publish(id, wasLeaving)
    this.listener?.add(id, true)
  }

  /**
   * Retires every live series below `end` for which `hasData` is false, in this turn; then takes them out of the way, with turns for
   * others: meanwhile they may still be found, or come back. Cost linear in the series. Only one may run at a time.
   */
  async retireWithout(
    hasData: (id: SeriesId) => boolean,
    end: SeriesId = this.idCount,
  ): Promise<number> {
    const live = this.liveIds
    const leaving = new Uint32Array(live.length)
    let count = 0
    for (let i = 0; i < live.length && live[i]! < end; i++) {
      const id = live[i]!
      if (hasData(id)) continue
      leaving[count++] = id
      this.retired[id] = isLeaving
    }
    if (count === 0) return 0
    this.retiredCount += count
    this.changes++
    await this.takeOut(leaving.subarray(0, count))
    return count
  }

  private async takeOut(leaving: Uint32Array): Promise<void> {
    const pause = new Pause()
    const touched = new Set<number>()
    for (let i = 0; i < leaving.length; i++) {
      const slice = this.slices[leaving[i]!]!
      const end = slice + 1 + this.words[slice]!
      for (let at = slice + 1; at < end; at++) touched.add(this.words[at]!)
      if (pause.due) await pause.take()
    }
    const leaves = (id: SeriesId) => this.retired[id] === isLeaving
    for (const pair of touched) {
      this.byPair.remove(pair, leaves)
      if (this.byPair.count(pair) === 0) this.countPair(pair, -1)
      this.left.add(pair)
      if (pause.due) await pause.take()
    }
    // Last and in one turn, so that until then no count of live series is below what lists of ids hold.
    this.all.remove(allKey, leaves)
    for (let i = 0; i < leaving.length; i++)
      if (leaves(leaving[i]!)) this.retired[leaving[i]!] = isOut
    this.left.clear()
    this.changes++
  }

  /** Ascending ids of all live series; a view. */
  get liveIds(): Uint32Array {
    return this.all.ids(allKey)
  }

  /** Ascending ids that match all; the cost follows the smallest set of ids that a matcher names. */
  select(matchers: readonly CompiledMatcher[]): Uint32Array {
    const exact: number[] = []
    const others: CompiledMatcher[] = []
    for (const matcher of matchers) {
      if (matcher.literals?.length !== 1 || matcher.matchesEmpty) {
        others.push(matcher)
        continue
      }
      const pair = this.pairs.find(matcher.name, matcher.literals[0]!)
      if (pair < 0 || this.byPair.count(pair) === 0) return new Uint32Array(0)
      exact.push(pair)
    }
    if (exact.length === 1)
      return this.filtered(this.byPair.backing(exact[0]!), this.byPair.count(exact[0]!), others)
    if (exact.length > 1) return this.filtered(this.found, this.carryingAll(exact), others)
    const { ids, by } = this.candidates(others)
    return this.filtered(
      ids,
      ids.length,
      others.filter((matcher) => matcher !== by),
    )
  }

  /** Writes the ids that carry all pairs to `found`; returns how many. */
  private carryingAll(exact: number[]): number {
    const { byPair } = this
    exact.sort((a, b) => byPair.count(a) - byPair.count(b))
    const [shortest, ...longer] = exact as [number, ...number[]]
    let count = byPair.count(shortest)
    if (count > this.found.length) this.found = new Uint32Array(count * 2)
    const { found } = this
    let from = byPair.backing(shortest)
    if (count <= fewCandidates) {
      let kept = 0
      for (let i = 0; i < count; i++) {
        const id = from[i]!
        if (longer.every((pair) => this.carries(id, pair))) found[kept++] = id
      }
      return kept
    }
    for (const pair of longer) {
      count = intersect(from, count, byPair.backing(pair), byPair.count(pair), found)
      from = found
    }
    return count
  }

  private carries(id: SeriesId, pair: number): boolean {
    const { words } = this
    const slice = this.slices[id]!
    const end = slice + 1 + words[slice]!
    for (let at = slice + 1; at < end; at++) if (words[at] === pair) return true
    return false
  }

  /** A copy of the ids that all matchers take. */
  private filtered(
    ids: Uint32Array,
    count: number,
    matchers: readonly CompiledMatcher[],
  ): Uint32Array {
    if (matchers.length === 0) return ids.slice(0, count)
    const names = matchers.map((matcher) => this.pairs.numberOfName(matcher.name))
    const kept = new Uint32Array(count)
    let keptCount = 0
    for (let i = 0; i < count; i++) {
      const id = ids[i]!
      let matches = true
      for (let m = 0; m < names.length && matches; m++)
        matches = matchers[m]!.test(this.valueOf(id, names[m]!))
      if (matches) kept[keptCount++] = id
    }
    return kept.slice(0, keptCount)
  }

  /** Value of a name by its number; the empty string when the series lacks it. */
  private valueOf(id: SeriesId, name: number): string {
    const { words, pairs } = this
    const slice = this.slices[id]!
    const end = slice + 1 + words[slice]!
    for (let at = slice + 1; at < end; at++)
      if (pairs.nameNumber(words[at]!) === name) return pairs.value(words[at]!)
    return ''
  }

  private candidates(matchers: readonly CompiledMatcher[]): {
    ids: Uint32Array
    by: CompiledMatcher | undefined
  } {
    let best: { pairs: number[]; count: number; by: CompiledMatcher } | undefined
    const cheapFirst = matchers
      .filter((m) => !m.matchesEmpty)
      .sort((a, b) => Number(!a.literals) - Number(!b.literals))
    for (const matcher of cheapFirst) {
      if (best && !matcher.literals && best.count < 10_000) break
      const pairs = this.matchingPairs(matcher)
      const count = pairs.reduce((sum, pair) => sum + this.byPair.count(pair), 0)
      if (!best || count < best.count) best = { pairs, count, by: matcher }
    }
    if (!best) return { ids: this.liveIds, by: undefined }
    const ids = new Uint32Array(best.count)
    let at = 0
    for (const pair of best.pairs) {
      ids.set(this.byPair.ids(pair), at)
      at += this.byPair.count(pair)
    }
    if (best.pairs.length > 1) ids.sort()
    return { ids, by: best.by }
  }

  private matchingPairs({ name, literals, test }: CompiledMatcher): number[] {
    if (literals)
      return [...new Set(literals)]
        .map((literal) => this.pairs.find(name, literal))
        .filter((pair) => pair >= 0)
    const { pairs, byPair } = this
    return [...pairs.of(name)].filter((pair) => byPair.count(pair) > 0 && test(pairs.value(pair)))
  }

  /** Every label name in use. */
  labelNames(): string[] {
    const names: string[] = []
    for (let name = 0; name < this.pairs.nameCount; name++)
      if ((this.pairsInUse[name] ?? 0) > 0) names.push(this.pairs.nameText(name))
    return names
  }

  /** Values of a label and the ascending ids that carry each. */
  *valuesOf(name: string): Iterable<{ value: string; ids: Uint32Array }> {
    for (const pair of this.pairs.of(name)) {
      const ids = this.byPair.ids(pair)
      if (ids.length > 0) yield { value: this.pairs.value(pair), ids }
    }
  }
}

function hashOf(pairs: Uint32Array, at: number, count: number): number {
  let hash = count
  for (let i = 0; i < count; i++) {
    hash = Math.imul(hash ^ pairs[at + i]!, 0x9e3779b1)
    hash ^= hash >>> 15
  }
  return hash
}
