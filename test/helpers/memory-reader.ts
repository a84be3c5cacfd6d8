import { matches } from '../../server/promql/matching.ts'
import type { Labels, Matcher, SeriesSamples, StoreReader } from '../../server/store/reader.ts'

interface Held {
  readonly labels: Labels
  readonly points: Map<number, number>
  readonly marks: Set<number>
}

/** A store of series in memory for tests of queries; every read copies. */
export class MemoryReader implements StoreReader {
  private readonly held = new Map<string, Held>()
  selects = 0

  private of(labels: Labels): Held {
    const kept = Object.entries(labels).filter(([, value]) => value !== '')
    const sorted = kept.sort(([left], [right]) => (left < right ? -1 : 1))
    const key = JSON.stringify(sorted)
    let series = this.held.get(key)
    if (series === undefined) {
      series = { labels: Object.fromEntries(sorted), points: new Map(), marks: new Set() }
      this.held.set(key, series)
    }
    return series
  }

  add(labels: Labels, time: number, value: number): void {
    this.of(labels).points.set(time, value)
  }

  addStale(labels: Labels, time: number): void {
    this.of(labels).marks.add(time)
  }

  private *found(
    matchers: readonly Matcher[],
    start: number,
    end: number,
  ): Generator<SeriesSamples> {
    const inside = (time: number): boolean => time >= start && time <= end
    for (const { labels, points, marks } of this.held.values()) {
      if (!matchers.every((matcher) => matches(matcher, labels[matcher.name] ?? ''))) continue
      const times = [...points.keys()].filter(inside).sort((left, right) => left - right)
      const stale = [...marks].filter(inside).sort((left, right) => left - right)
      if (times.length + stale.length === 0) continue
      yield {
        labels,
        times: Float64Array.from(times),
        values: Float64Array.from(times, (time) => points.get(time) ?? 0),
        staleTimes: Float64Array.from(stale),
      }
    }
  }

  async select(matchers: readonly Matcher[], start: number, end: number) {
    this.selects += 1
    return [...this.found(matchers, start, end)]
  }

  async series(selectors: readonly (readonly Matcher[])[], start: number, end: number) {
    const all = selectors.length === 0 ? [[]] : selectors
    const seen = new Map<string, Labels>()
    for (const matchers of all) {
      for (const { labels } of this.found(matchers, start, end)) {
        seen.set(JSON.stringify(labels), labels)
      }
    }
    return [...seen.values()]
  }

  async labelNames(selectors: readonly (readonly Matcher[])[], start: number, end: number) {
    const found = await this.series(selectors, start, end)
    return [...new Set(found.flatMap((labels) => Object.keys(labels)))].sort()
  }

  async labelValues(
    name: string,
    selectors: readonly (readonly Matcher[])[],
    start: number,
    end: number,
  ) {
    const found = await this.series(selectors, start, end)
    return [...new Set(found.flatMap((labels) => labels[name] ?? []))].sort()
  }
}
