import type { Millis } from '../clock.ts'
import type { Head } from './head/head.ts'
import { SampleRoom } from './head/sample-room.ts'
import type { LatestEntry, Matcher, SampleColumn, SeriesColumns } from './reader.ts'
import { type Entries, isEmpty, merge, noEntries } from './samples.ts'
import { compileMatcher } from './series/labels.ts'
import type { SeriesIndex } from './series/series-index.ts'
import type { SeriesId } from './writer.ts'

/** Reads known series from memory, at once: the way of the rules, which ask for the same series again and again. */
export class RecentColumns implements SeriesColumns {
  readonly #index: SeriesIndex
  readonly #head: Head
  readonly #room = new SampleRoom()

  constructor(index: SeriesIndex, head: Head) {
    this.#index = index
    this.#head = head
  }

  get version(): number {
    return this.#index.version
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

  samples(id: SeriesId, start: Millis, end: Millis): SampleColumn | undefined {
    this.#room.clear()
    if (!this.#head.gather(id, start, end, this.#room)) return undefined
    return this.#room.tangled ? this.column(id, start, end) : this.#room.column
  }

  latest(id: SeriesId, start: Millis, end: Millis, found: LatestEntry): boolean {
    return this.#head.latest(id, start, end, found)
  }
}
