import type { Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Head, HeadWindow } from './head/head.ts'
import type { Directories, SealedBlock } from './parts/part.ts'
import { Pause } from './pause.ts'
import type { Labels, Matcher, ReadLimits, SeriesSamples, StoreReader } from './reader.ts'
import { clip, type Entries, isEmpty, merge } from './samples.ts'
import { type CompiledMatcher, compileMatcher, labelValue } from './series/labels.ts'
import type { SeriesIndex } from './series/series-index.ts'
import type { SeriesId } from './writer.ts'

/** What reads need of the sealed files. */
export interface BlockSource {
  overlapping(start: Millis, end: Millis): readonly SealedBlock[]
  directories(block: SealedBlock): Promise<Directories | undefined>
  reportDamage(block: SealedBlock, error: Error): void
}

/** A store without sealed files. */
export const noBlocks: BlockSource = {
  overlapping: () => [],
  directories: async () => undefined,
  reportDamage: () => undefined,
}

export interface ReadSources {
  readonly index: SeriesIndex
  readonly head: Head
  readonly blocks: BlockSource
}

/** The reading half of a store: one view over the windows in memory and the sealed files. */
export class StoreReads implements StoreReader {
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
    const ids = this.matching([matchers])
    if (ids.length === 0 || !(start <= end)) return []
    return new Selection(this.sources, ids, start, end, limits).run()
  }

  async series(
    selectors: readonly (readonly Matcher[])[],
    start: Millis,
    end: Millis,
    limit = Infinity,
  ): Promise<readonly Labels[]> {
    const presence = await Presence.over(this.sources, start, end)
    const found: Labels[] = []
    const pause = new Pause()
    for (const id of this.matching(selectors)) {
      if (found.length >= limit) break
      if (await presence.has(id)) found.push(this.sources.index.labels(id))
      if (pause.due) await pause.take()
    }
    return found
  }

  async labelNames(
    selectors: readonly (readonly Matcher[])[],
    start: Millis,
    end: Millis,
  ): Promise<readonly string[]> {
    const { index } = this.sources
    const presence = await Presence.over(this.sources, start, end)
    const names = new Set<string>()
    if (selectors.length === 0) {
      for (const name of index.labelNames())
        if (await this.anyValue(name, presence)) names.add(name)
      return [...names].sort()
    }
    for (const id of this.matching(selectors)) {
      const fresh = Object.keys(index.labels(id)).filter((name) => !names.has(name))
      if (fresh.length === 0 || !(await presence.has(id))) continue
      for (const name of fresh) names.add(name)
    }
    return [...names].sort()
  }

  async labelValues(
    name: string,
    selectors: readonly (readonly Matcher[])[],
    start: Millis,
    end: Millis,
  ): Promise<readonly string[]> {
    const presence = await Presence.over(this.sources, start, end)
    const { index } = this.sources
    if (selectors.length === 0) {
      const values = []
      for (const { value, ids } of [...index.valuesOf(name)])
        if (await presence.any(ids)) values.push(value)
      return values.sort()
    }
    const found = new Set<string>()
    for (const id of this.matching(selectors)) {
      const value = labelValue(index.labels(id), name)
      if (value !== '' && !found.has(value) && (await presence.has(id))) found.add(value)
    }
    return [...found].sort()
  }

  private async anyValue(name: string, presence: Presence): Promise<boolean> {
    for (const { ids } of [...this.sources.index.valuesOf(name)])
      if (await presence.any(ids)) return true
    return false
  }

  /** Ascending ids that match any of the selectors; all series when there is none. */
  private matching(selectors: readonly (readonly Matcher[])[]): Uint32Array {
    const { index } = this.sources
    const compiled: CompiledMatcher[][] = selectors.map((matchers) => matchers.map(compileMatcher))
    if (compiled.length === 0) return index.select([])
    if (compiled.length === 1) return index.select(compiled[0]!)
    return Uint32Array.from(
      new Set(compiled.flatMap((matchers) => [...index.select(matchers)])),
    ).sort()
  }
}

/** One `select`: what it reads is fixed when it starts, so that sealing meanwhile neither hides nor doubles a sample. */
class Selection {
  private readonly sources: ReadSources
  private readonly ids: Uint32Array
  private readonly start: Millis
  private readonly end: Millis
  private readonly limits: ReadLimits
  private readonly windows: readonly HeadWindow[]
  private readonly sealed: readonly SealedBlock[]
  private readonly parts = new Map<SeriesId, Entries[]>()
  private readonly pause = new Pause()
  private read = 0

  constructor(
    sources: ReadSources,
    ids: Uint32Array,
    start: Millis,
    end: Millis,
    limits: ReadLimits,
  ) {
    this.sources = sources
    this.ids = ids
    this.start = start
    this.end = end
    this.limits = limits
    this.windows = sources.head.overlapping(start, end)
    this.sealed = sources.blocks.overlapping(start, end)
  }

  async run(): Promise<SeriesSamples[]> {
    for (const block of this.sealed) await this.readBlock(block)
    for (const window of this.windows) await this.readWindow(window)
    return this.results()
  }

  private async breathe(): Promise<void> {
    await this.pause.take()
    this.limits.signal?.throwIfAborted()
  }

  private async readBlock(block: SealedBlock): Promise<void> {
    const { blocks } = this.sources
    const directories = await blocks.directories(block)
    this.limits.signal?.throwIfAborted()
    if (!directories) return
    try {
      await block.read(
        directories,
        this.ids,
        this.start,
        this.end,
        (id, entries) => {
          this.limits.signal?.throwIfAborted()
          this.add(id, clip(entries, this.start, this.end))
        },
        (_, error) => blocks.reportDamage(block, error),
      )
    } catch (error) {
      // Retention unlinked the file between the look at the list and the read.
      if (!block.removed) throw error
    }
  }

  private async readWindow(window: HeadWindow): Promise<void> {
    for (const id of this.ids) {
      const entries = window.entries(id, this.start, this.end)
      if (entries) this.add(id, entries)
      if (this.pause.due) await this.breathe()
    }
  }

  private add(id: SeriesId, entries: Entries): void {
    if (isEmpty(entries)) return
    const parts = this.parts.get(id)
    if (parts) parts.push(entries)
    else {
      this.parts.set(id, [entries])
      const { maxSeries } = this.limits
      if (maxSeries !== undefined && this.parts.size > maxSeries) tooLarge('series', maxSeries)
    }
    this.read += entries.times.length
    // Parts may overlap; twice the limit before merging bounds the memory, the exact count follows.
    if (this.read > 2 * (this.limits.maxSamples ?? Infinity))
      tooLarge('samples', this.limits.maxSamples!)
  }

  private async results(): Promise<SeriesSamples[]> {
    const results: SeriesSamples[] = []
    let samples = 0
    for (const [id, parts] of this.parts) {
      const merged = merge(parts)
      samples += merged.times.length
      if (samples > (this.limits.maxSamples ?? Infinity))
        tooLarge('samples', this.limits.maxSamples!)
      results.push({ labels: this.sources.index.labels(id), ...merged })
      if (this.pause.due) await this.breathe()
    }
    return results
  }
}

function tooLarge(what: 'series' | 'samples', limit: number): never {
  throw new CallwardError(
    'query_too_large',
    `The query reads more than ${limit} ${what}; narrow the time range or the selector.`,
  )
}

/** Answers whether a series has an entry in an interval, from directories alone wherever they are enough. */
class Presence {
  private readonly start: Millis
  private readonly end: Millis
  private readonly windows: readonly HeadWindow[]
  /** Files that lie within the interval: their tables are enough. */
  private readonly within: readonly SealedBlock[]
  private readonly edges: readonly (readonly [SealedBlock, Directories])[]
  private readonly blocks: BlockSource

  private constructor(
    sources: ReadSources,
    start: Millis,
    end: Millis,
    edges: readonly (readonly [SealedBlock, Directories])[],
  ) {
    this.start = start
    this.end = end
    this.blocks = sources.blocks
    this.windows = sources.head.overlapping(start, end)
    this.within = sources.blocks
      .overlapping(start, end)
      .filter((block) => isWithin(block, start, end))
    this.edges = edges
  }

  static async over(sources: ReadSources, start: Millis, end: Millis): Promise<Presence> {
    const edges: [SealedBlock, Directories][] = []
    const known = new Set<SealedBlock>()
    for (;;) {
      const next = sources.blocks
        .overlapping(start, end)
        .find((block) => !isWithin(block, start, end) && !known.has(block))
      // No wait between the last look at the list and the constructor: no window can be sealed in between.
      if (!next) return new Presence(sources, start, end, edges)
      known.add(next)
      const directories = await sources.blocks.directories(next)
      if (directories) edges.push([next, directories])
    }
  }

  async any(ids: Iterable<SeriesId>): Promise<boolean> {
    for (const id of ids) if (await this.has(id)) return true
    return false
  }

  async has(id: SeriesId): Promise<boolean> {
    if (this.windows.some((window) => window.has(id, this.start, this.end))) return true
    if (this.within.some((block) => block.table.of(id) >= 0)) return true
    for (const [block, directories] of this.edges)
      if (await this.edgeHas(block, directories, id)) return true
    return false
  }

  private async edgeHas(
    block: SealedBlock,
    directories: Directories,
    id: SeriesId,
  ): Promise<boolean> {
    const entry = block.entry(directories, id)
    if (!entry || entry.minTime > this.end || entry.maxTime < this.start) return false
    if (entry.minTime >= this.start || entry.maxTime <= this.end) return true
    let found = false
    const look = (_: SeriesId, entries: Entries) => {
      found = !isEmpty(clip(entries, this.start, this.end))
    }
    try {
      await block.read(directories, [id], this.start, this.end, look, (_, error) =>
        this.blocks.reportDamage(block, error),
      )
    } catch (error) {
      if (!block.removed) throw error
    }
    return found
  }
}

function isWithin(block: SealedBlock, start: Millis, end: Millis): boolean {
  return block.trailer.minTime >= start && block.trailer.maxTime <= end
}
