import type { Millis } from '../clock.ts'
import { sortInTurns } from '../sort-in-turns.ts'
import { ColumnRead, type ColumnSources, type FoundEntries } from './parts/column-read.ts'
import { DirectoryCache } from './parts/directories.ts'
import { type Part, slotHas } from './parts/part.ts'
import { dayMillis } from './parts/part-format.ts'
import { Pause } from './pause.ts'
import type { PlanningReader, ReadPlan } from './read-plan.ts'
import {
  type CatalogueLimits,
  type Labels,
  type Matcher,
  OutsideMemory,
  type ReadLimits,
  type SeriesSamples,
  type StoreReader,
  tooLarge,
} from './reader.ts'
import { type Entries, merge } from './samples.ts'
import { compileMatcher, labelValue } from './series/labels.ts'
import type { SeriesIndex } from './series/series-index.ts'
import type { SeriesId } from './writer.ts'

/** What reads need of a generation in memory. */
export interface MemoryEntries {
  /** Entries in [start, end], which stay as they are; undefined when there are none. */
  entries(id: SeriesId, start: Millis, end: Millis): Entries | undefined
  has(id: SeriesId, start: Millis, end: Millis): boolean
}

/** What reads need of the head. */
export interface MemorySource {
  /** Generations that no part holds, oldest first. */
  overlapping(start: Millis, end: Millis): readonly MemoryEntries[]
  /** As `overlapping`, when memory alone holds everything of [start, end]. */
  recent(start: Millis, end: Millis): readonly MemoryEntries[] | undefined
}

/** What reads need of the sealed files. */
export interface PartsSource {
  /** By ascending order. */
  overlapping(start: Millis, end: Millis): readonly Part[]
  readonly all: readonly Part[]
  readonly sources: ColumnSources
  reportDamage(path: string, error: Error): void
}

/** A store without sealed files. */
export const noParts: PartsSource = {
  all: [],
  overlapping: () => [],
  sources: {
    files: {
      read: () => Buffer.alloc(0),
      size: () => 0,
      forget: () => undefined,
      close: async () => undefined,
    },
    directories: new DirectoryCache(0),
    gapBytes: 0,
    damaged: () => undefined,
  },
  reportDamage: () => undefined,
}

export interface ReadSources {
  readonly index: SeriesIndex
  readonly head: MemorySource
  readonly parts: PartsSource
}

/** Gives way now and then, and ends when the asker does. */
export class Breathing extends Pause {
  private readonly signal: AbortSignal | undefined

  constructor(signal?: AbortSignal) {
    super()
    this.signal = signal
  }

  override async take(): Promise<void> {
    await super.take()
    this.signal?.throwIfAborted()
  }
}

/** The reading half of a store: one view over the generations in memory and the sealed files. */
export class StoreReads implements StoreReader, PlanningReader {
  private readonly sources: ReadSources

  constructor(sources: ReadSources) {
    this.sources = sources
  }

  async select(
    matchers: readonly Matcher[],
    start: Millis,
    end: Millis,
    limits: ReadLimits = {},
  ): Promise<readonly SeriesSamples[]> {
    limits.signal?.throwIfAborted()
    const { index, head, parts } = this.sources
    const { fileSeries = Infinity, maxSeries = Infinity, maxSamples = Infinity } = limits
    const ids = this.matching(matchers)
    if (ids.length === 0 || !(start <= end)) return []
    // Fixed here, so that sealing and merging meanwhile neither hide nor double an entry.
    const recent = fileSeries < Infinity ? head.recent(start, end) : undefined
    const files = recent ? [] : parts.overlapping(start, end)
    const isShort =
      ids.length <= fileSeries && (fileSeries === Infinity || fewSlots(files, start, end))
    if (files.length > 0 && !isShort) throw new OutsideMemory()
    const generations = recent ?? head.overlapping(start, end)
    refuseOver(maxSeries, ids, generations, files)
    for (const file of files) file.retain()
    try {
      const breathing = new Breathing(limits.signal)
      const read = new ColumnRead(parts.sources, ids, start, end, breathing, limits.rollup)
      let samples = 0
      for (let i = 0; i < ids.length && generations.length > 0; i++) {
        const found = memoryEntries(generations, ids[i]!, start, end)
        read.addInMemory(i, found)
        for (const { times } of found) samples += times.length
        // As in `readWithin`: generations may overlap.
        if (samples > 2 * maxSamples) tooLarge('samples', maxSamples)
        if (breathing.due) await breathing.take()
      }
      const entries = await readWithin(read, files, limits)
      return await results(entries, (i) => index.labels(ids[i]!), breathing)
    } finally {
      for (const file of files) file.release()
    }
  }

  plan(
    matchers: readonly Matcher[],
    start: Millis,
    end: Millis,
    { maxSeries = Infinity }: ReadLimits = {},
  ): ReadPlan {
    const { index, head, parts } = this.sources
    const ids = start <= end ? this.matching(matchers) : new Uint32Array(0)
    // Fixed here together, as in `select`.
    const generations = head.overlapping(start, end)
    const files = ids.length === 0 ? [] : parts.overlapping(start, end)
    refuseOver(maxSeries, ids, generations, files)
    return {
      ids,
      labels: (id) => index.labels(id),
      inMemory: (id) => {
        const found = memoryEntries(generations, id, start, end)
        return found.length === 0 ? undefined : merge(found)
      },
      files: files.map(({ path }) => path),
      allFiles: () => parts.all.map(({ path }) => path),
    }
  }

  reportDamage(path: string, error: Error): void {
    this.sources.parts.reportDamage(path, error)
  }

  async series(
    selectors: readonly (readonly Matcher[])[],
    start: Millis,
    end: Millis,
    { limit = Infinity, signal }: CatalogueLimits = {},
  ): Promise<readonly Labels[]> {
    const found: Labels[] = []
    await this.withPresence(start, end, signal, async (presence, breathing) => {
      for await (const id of presence.of(await this.matchingAny(selectors, breathing))) {
        if (found.length >= limit) break
        found.push(this.sources.index.labels(id))
      }
    })
    return found
  }

  async labelNames(
    selectors: readonly (readonly Matcher[])[],
    start: Millis,
    end: Millis,
    { signal }: CatalogueLimits = {},
  ): Promise<readonly string[]> {
    const { index } = this.sources
    const names = new Set<string>()
    await this.withPresence(start, end, signal, async (presence, breathing) => {
      if (selectors.length === 0) {
        for (const name of index.labelNames())
          if (await this.anyValue(name, presence)) names.add(name)
        return
      }
      for await (const id of presence.of(await this.matchingAny(selectors, breathing)))
        for (const name of Object.keys(index.labels(id))) names.add(name)
    })
    return sortInTurns([...names], new Breathing(signal))
  }

  async labelValues(
    name: string,
    selectors: readonly (readonly Matcher[])[],
    start: Millis,
    end: Millis,
    { signal }: CatalogueLimits = {},
  ): Promise<readonly string[]> {
    const { index } = this.sources
    const values = new Set<string>()
    await this.withPresence(start, end, signal, async (presence, breathing) => {
      if (selectors.length === 0) {
        for (const { value, ids } of index.valuesOf(name))
          if (await presence.any(ids)) values.add(value)
        return
      }
      for await (const id of presence.of(await this.matchingAny(selectors, breathing))) {
        const value = labelValue(index.labels(id), name)
        if (value !== '') values.add(value)
      }
    })
    return sortInTurns([...values], new Breathing(signal))
  }

  private async anyValue(name: string, presence: Presence): Promise<boolean> {
    for (const { ids } of this.sources.index.valuesOf(name))
      if (await presence.any(ids)) return true
    return false
  }

  private async withPresence(
    start: Millis,
    end: Millis,
    signal: AbortSignal | undefined,
    use: (presence: Presence, breathing: Breathing) => Promise<void>,
  ): Promise<void> {
    signal?.throwIfAborted()
    const { head, parts } = this.sources
    const files = parts.overlapping(start, end)
    const generations = head.overlapping(start, end)
    const breathing = new Breathing(signal)
    for (const file of files) file.retain()
    try {
      await use(new Presence(generations, files, parts.sources, start, end, breathing), breathing)
    } finally {
      for (const file of files) file.release()
    }
  }

  /** Ascending ids that match. */
  private matching(matchers: readonly Matcher[]): Uint32Array {
    return this.sources.index.select(matchers.map(compileMatcher))
  }

  /** Ascending ids that match any of the selectors; all series when there is none. */
  private async matchingAny(
    selectors: readonly (readonly Matcher[])[],
    breathing: Breathing,
  ): Promise<Uint32Array> {
    const { index } = this.sources
    if (selectors.length <= 1) return this.matching(selectors[0] ?? [])
    const compiled = selectors.map((matchers) => matchers.map(compileMatcher))
    const found = new IdSet(index.size)
    for (const matchers of compiled) {
      found.add(index.select(matchers))
      if (breathing.due) await breathing.take()
    }
    return found.ids()
  }
}

/** A set of ids below `size`, a bit each. */
class IdSet {
  private readonly size: number
  private readonly words: Uint32Array
  private count = 0

  constructor(size: number) {
    this.size = size
    this.words = new Uint32Array(Math.ceil(size / 32))
  }

  /** Ids that are not below `size`, younger than the set, stay out. */
  add(ids: Uint32Array): void {
    const { words, size } = this
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!
      const bit = 1 << (id & 31)
      if (id >= size || (words[id >>> 5]! & bit) !== 0) continue
      words[id >>> 5]! |= bit
      this.count++
    }
  }

  /** Ascending. */
  ids(): Uint32Array {
    const { words } = this
    const ids = new Uint32Array(this.count)
    let at = 0
    for (let word = 0; word < words.length; word++)
      for (let bits = words[word]!; bits !== 0; bits &= bits - 1)
        ids[at++] = word * 32 + 31 - Math.clz32(bits & -bits)
    return ids
  }
}

/**
 * Slots of files that a read with few series may touch. Each is two or three short reads, which cost the hub's own thread ten
 * times what they cost one that may wait for the disk; a slot of a whole day, which has more to unpack, counts as four.
 */
const mostSlots = 100
const slotsOfDay = 4

function fewSlots(files: readonly Part[], start: Millis, end: Millis): boolean {
  let found = 0
  for (const { slots } of files)
    for (const slot of slots)
      if (slot.minTime <= end && slot.maxTime >= start)
        found += slot.span < dayMillis ? 1 : slotsOfDay
  return found <= mostSlots
}

/** Which of the series have samples shows only when they are read; more than the limit are not looked at. */
function refuseOver(
  maxSeries: number,
  ids: Uint32Array,
  generations: readonly MemoryEntries[],
  files: readonly Part[],
): void {
  const isEmpty = generations.length === 0 && files.length === 0
  if (ids.length > maxSeries && !isEmpty) tooLarge('series', maxSeries)
}

/** Entries of a series over generations given oldest first. */
function memoryEntries(
  generations: readonly MemoryEntries[],
  id: SeriesId,
  start: Millis,
  end: Millis,
): Entries[] {
  const found = []
  for (const generation of generations) {
    const entries = generation.entries(id, start, end)
    if (entries) found.push(entries)
  }
  return found
}

/** Runs a read within its limits. Throws `query_too_large`. */
export async function readWithin(
  read: ColumnRead,
  parts: readonly Part[],
  { maxSeries = Infinity, maxSamples = Infinity, signal }: ReadLimits,
): Promise<(FoundEntries | undefined)[]> {
  const located = await read.locate(parts)
  signal?.throwIfAborted()
  if (located.series > maxSeries) tooLarge('series', maxSeries)
  // Parts may overlap; twice the limit before merging bounds the memory, the exact count follows.
  if (located.samples > 2 * maxSamples) tooLarge('samples', maxSamples)
  const entries = await read.read()
  signal?.throwIfAborted()
  let series = 0
  let samples = 0
  for (const one of entries) {
    if (!one) continue
    series++
    samples += one.times.length
  }
  if (series > maxSeries) tooLarge('series', maxSeries)
  if (samples > maxSamples) tooLarge('samples', maxSamples)
  return entries
}

/** Results of the series that have entries; `labels` by index of the entries. */
export async function results(
  entries: readonly (FoundEntries | undefined)[],
  labels: (i: number) => Labels,
  breathing: Breathing,
): Promise<SeriesSamples[]> {
  const found: SeriesSamples[] = []
  for (let i = 0; i < entries.length; i++) {
    const one = entries[i]
    if (!one) continue
    found.push({ labels: labels(i), ...one })
    if (breathing.due) await breathing.take()
  }
  return found
}

/** Series whose presence is looked up in files at once. */
const batchSeries = 512

/** Answers which series have an entry in an interval, from memory and indexes alone wherever they are enough. */
class Presence {
  private readonly generations: readonly MemoryEntries[]
  private readonly files: readonly Part[]
  private readonly sources: ColumnSources
  private readonly start: Millis
  private readonly end: Millis
  private readonly breathing: Breathing

  constructor(
    generations: readonly MemoryEntries[],
    files: readonly Part[],
    sources: ColumnSources,
    start: Millis,
    end: Millis,
    breathing: Breathing,
  ) {
    this.generations = generations
    this.files = files
    this.sources = sources
    this.start = start
    this.end = end
    this.breathing = breathing
  }

  /** True: there is an entry; false: there is none; undefined: only the columns can tell. */
  private known(id: SeriesId): boolean | undefined {
    const { start, end } = this
    let found: boolean | undefined = false
    for (const generation of this.generations) if (generation.has(id, start, end)) return true
    for (const { slots } of this.files) {
      for (const slot of slots) {
        if (slot.minTime > end || slot.maxTime < start || !slotHas(slot, id)) continue
        if (slot.minTime >= start && slot.maxTime <= end) return true
        found = undefined
      }
    }
    return found
  }

  async any(ids: Uint32Array): Promise<boolean> {
    const unsure: SeriesId[] = []
    for (const id of ids) {
      if (this.breathing.due) await this.breathing.take()
      const known = this.known(id)
      if (known) return true
      if (known === undefined) unsure.push(id)
    }
    for (let at = 0; at < unsure.length; at += batchSeries)
      if ((await this.read(unsure.slice(at, at + batchSeries))).some((found) => found)) return true
    return false
  }

  /** Those of ascending ids that have an entry, ascending. */
  async *of(ids: Uint32Array): AsyncGenerator<SeriesId> {
    for (let at = 0; at < ids.length; at += batchSeries) {
      const batch = ids.slice(at, at + batchSeries)
      const known: (boolean | undefined)[] = []
      for (const id of batch) {
        if (this.breathing.due) await this.breathing.take()
        known.push(this.known(id))
      }
      const unsure = [...batch].filter((_, i) => known[i] === undefined)
      const found = unsure.length === 0 ? [] : await this.read(unsure)
      let next = 0
      for (const [i, id] of batch.entries()) if (known[i] ?? found[next++]) yield id
    }
  }

  private async read(ids: readonly SeriesId[]): Promise<boolean[]> {
    const { sources, start, end, breathing } = this
    const read = new ColumnRead(sources, Uint32Array.from(ids), start, end, breathing)
    await read.locate(this.files)
    return (await read.read()).map((entries) => entries !== undefined)
  }
}
