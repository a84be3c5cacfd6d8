import type { Millis } from '../clock.ts'
import type { Generation } from './head/generation.ts'
import type { Head } from './head/head.ts'
import type { Matcher, SeriesColumns } from './reader.ts'
import { type Entries, isEmpty, merge, noEntries } from './samples.ts'
import { compileMatcher } from './series/labels.ts'
import type { SeriesIndex } from './series/series-index.ts'
import type { SeriesId } from './writer.ts'

/** Reads known series from memory, at once: the way of the rules, which ask for the same series again and again. */
export class RecentColumns implements SeriesColumns {
  readonly #index: SeriesIndex
  readonly #head: Head

  constructor(index: SeriesIndex, head: Head) {
    this.#index = index
    this.#head = head
  }

  select(matchers: readonly Matcher[]): Uint32Array {
    return this.#index.select(matchers.map(compileMatcher))
  }

  values(name: string): { readonly values: readonly string[]; readonly everywhere: boolean } {
    const values: string[] = []
    let carrying = 0
    for (const { value, ids } of this.#index.valuesOf(name)) {
      if (ids.length === 0) continue
      values.push(value)
      carrying += ids.length
    }
    return { values, everywhere: carrying === this.#index.live }
  }

  column(id: SeriesId, start: Millis, end: Millis): Entries | undefined {
    const generations = this.#head.recent(start, end)
    if (generations === undefined) return undefined
    let found: Entries = noEntries
    for (const generation of generations) {
      const entries = generation.entries(id, start, end)
      if (entries === undefined) continue
      found = isEmpty(found) ? entries : merge([found, entries])
    }
    return found
  }

  newest(id: SeriesId, start: Millis, end: Millis): Entries | undefined {
    const newest = this.#head.open.entries(id, start, end)
    // Only what is newer than everything in the older ones decides alone.
    const t = newest === undefined ? Number.NEGATIVE_INFINITY : lastTime(newest)
    const older = this.#head.recent(Math.max(start, t), end)
    if (older === undefined) return undefined
    if (older.every((generation) => generation === this.#head.open || !mayHold(generation, id, t)))
      return newest ?? noEntries
    return this.column(id, Math.max(start, t), end)
  }
}

function mayHold(generation: Generation, id: SeriesId, from: Millis): boolean {
  return generation.maxTime >= from && generation.has(id, from)
}

function lastTime({ times, staleTimes }: Entries): Millis {
  const sample = times[times.length - 1] ?? Number.NEGATIVE_INFINITY
  const mark = staleTimes[staleTimes.length - 1] ?? Number.NEGATIVE_INFINITY
  return Math.max(sample, mark)
}
