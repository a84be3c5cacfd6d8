import type { Labels } from '../../alerts/alert.ts'
import type { VectorElement } from '../../alerts/state.ts'
import type { Millis } from '../clock.ts'
import type { Matcher, SeriesSamples } from '../store/reader.ts'
import type { HostReading } from './host-views.ts'

/** What the store says of itself. */
export interface StoreRoom {
  readonly refusal?: string | undefined
  readonly freeBytes?: number | undefined
  readonly reserveBytes?: number
}

/** The store's state as figures; free space that nobody knows is NaN. */
export function storeFigures(room: StoreRoom): [name: string, value: number, labels: Labels][] {
  const { refusal, freeBytes, reserveBytes } = room
  const isFull = freeBytes !== undefined && reserveBytes !== undefined && freeBytes < reserveBytes
  const refusing = refusal !== undefined
  const figures: [string, number, Labels][] = [
    ['callward_hub_store_refusing', Number(refusing && isFull), { reason: 'disk full' }],
    ['callward_hub_store_refusing', Number(refusing && !isFull), { reason: 'disk failing' }],
    ['callward_hub_store_free_bytes', freeBytes ?? Number.NaN, {}],
  ]
  if (reserveBytes !== undefined)
    figures.push(['callward_hub_store_reserve_bytes', reserveBytes, {}])
  return figures
}

interface Held {
  readonly labels: Labels
  times: number[]
  values: number[]
}

/** Longest window of the hub's own rules, in milliseconds. */
const keptMillis = 15 * 60_000

const noMarks = new Float64Array(0)

/** The hub's own figures of the last minutes in memory: its own rules read them here, so that they work although nothing can be stored. */
export class HubSeries {
  readonly #matches: (matcher: Matcher, value: string) => boolean
  readonly #held = new Map<string, Held>()

  constructor(matches: (matcher: Matcher, value: string) => boolean) {
    this.#matches = matches
  }

  /** Takes the figures at one instant; what is known of later instants is forgotten, for then the clock went back. */
  add(samples: readonly VectorElement[], at: Millis): void {
    for (const { labels, value } of samples) {
      const key = JSON.stringify(labels)
      const held = this.#held.get(key) ?? { labels, times: [], values: [] }
      this.#held.set(key, held)
      const kept = held.times.findIndex((time) => time > at - keptMillis)
      const from = kept < 0 ? held.times.length : kept
      const end = held.times.findIndex((time) => time >= at)
      const to = end < 0 ? held.times.length : Math.max(end, from)
      held.times = [...held.times.slice(from, to), at]
      held.values = [...held.values.slice(from, to), value]
    }
  }

  /** What is stored of the hub's instance, with these figures in the place of their stored copies. */
  reading(stored: HostReading): HostReading {
    return {
      read: (matchers, start, end, newestOnly) => {
        const own = this.#select(matchers, start, end)
        // A selector that names one of these figures needs nothing of the store.
        if (own !== undefined) return own
        return stored.read(matchers, start, end, newestOnly)
      },
      labels: (result) => stored.labels(result),
    }
  }

  /** Undefined when none of the figures match at whatever time. */
  #select(
    matchers: readonly Matcher[],
    start: Millis,
    end: Millis,
  ): readonly SeriesSamples[] | undefined {
    const matching = [...this.#held.values()].filter(({ labels }) =>
      matchers.every((matcher) => this.#matches(matcher, labels[matcher.name] ?? '')),
    )
    if (matching.length === 0) return undefined
    return matching.flatMap(({ labels, times, values }) => {
      const from = times.findIndex((time) => time >= start)
      const after = times.findIndex((time) => time > end)
      const to = after < 0 ? times.length : after
      if (from < 0 || from >= to) return []
      return {
        labels,
        times: Float64Array.from(times.slice(from, to)),
        values: Float64Array.from(values.slice(from, to)),
        staleTimes: noMarks,
      }
    })
  }
}
