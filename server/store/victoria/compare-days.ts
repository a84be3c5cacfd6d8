import type { Millis } from '../../clock.ts'
import type { EmbeddedStore } from '../engine-options.ts'
import type { Labels } from '../reader.ts'
import { countsInPieces } from './counts-in-pieces.ts'
import { seriesKey, type VictoriaClient } from './victoria-client.ts'

const dayMillis = 86_400_000
/** The store is read in pieces of this length, so that a day of a large fleet is never in memory at once. */
const pieceMillis = 2 * 3_600_000
/** VictoriaMetrics keeps some 15 significant digits of a value. */
const sumTolerance = 1e-9

/** Samples of one side on one day: how many, and their sum (finite values alone). */
export interface DayFigures {
  readonly samples: number
  readonly sum: number
}

/** One UTC day of the store's series on both sides. */
export interface ComparedDay {
  /** `2026-03-02`. */
  readonly day: string
  readonly here: DayFigures
  /** Of the series that are here; what else VictoriaMetrics has is left out. */
  readonly there: DayFigures
  /** Series whose samples are not the same in number or in sum. */
  readonly different: number
}

export interface ComparisonParts {
  readonly store: EmbeddedStore
  readonly client: Pick<VictoriaClient, 'counts'>
  readonly signal: AbortSignal
  /** Tells days done and of all. */
  readonly onDay: (done: number, of: number) => void
}

interface Tally {
  samples: number
  sum: number
  /** Of what is summed, as positive numbers: rounding is measured by it. */
  size: number
}

/** Compares every series day by day; [from, to), milliseconds. Throws EngineAway. */
export async function compareDays(
  parts: ComparisonParts,
  from: Millis,
  to: Millis,
): Promise<readonly ComparedDay[]> {
  const days: ComparedDay[] = []
  const first = Math.floor(from / dayMillis) * dayMillis
  const count = Math.max(0, Math.ceil((to - first) / dayMillis))
  for (let i = 0; i < count; i++) {
    parts.onDay(i, count)
    const start = Math.max(from, first + i * dayMillis)
    const end = Math.min(to, first + (i + 1) * dayMillis) - 1
    const day = await compareDay(parts, start, end)
    if (day.here.samples > 0) days.push(day)
  }
  return days
}

async function compareDay(
  parts: ComparisonParts,
  start: Millis,
  end: Millis,
): Promise<ComparedDay> {
  const { store, signal } = parts
  const here = { samples: 0, sum: 0 }
  const there = { samples: 0, sum: 0 }
  let different = 0
  for (const metric of await store.labelValues('__name__', [], start, end, { signal })) {
    const tallies = await tallied(parts, metric, start, end)
    const members = [...tallies.keys()].map((key) => Object.fromEntries(JSON.parse(key)) as Labels)
    const counted = (what: 'count_over_time' | 'sum_over_time') =>
      countsInPieces(members, (only) => parts.client.counts(what, metric, start, end, signal, only))
    const [counts, sums] = await Promise.all([counted('count_over_time'), counted('sum_over_time')])
    for (const [key, { samples, sum, size }] of tallies) {
      const counted = counts.get(key) ?? 0
      const summed = sums.get(key) ?? 0
      here.samples += samples
      there.samples += counted
      if (Number.isFinite(sum)) here.sum += sum
      if (Number.isFinite(summed)) there.sum += summed
      const isSame = !Number.isFinite(sum) || Math.abs(sum - summed) <= sumTolerance * size
      if (counted !== samples || !isSame) different++
    }
  }
  return { day: new Date(start).toISOString().slice(0, 10), here, there, different }
}

/** What the store has of a metric, by `seriesKey` of the labels without the name. NaN goes nowhere, so it is not counted. */
async function tallied(
  { store, signal }: ComparisonParts,
  metric: string,
  start: Millis,
  end: Millis,
): Promise<ReadonlyMap<string, Tally>> {
  const found = new Map<string, Tally>()
  const named = [{ name: '__name__', op: '=', value: metric }] as const
  for (let at = start; at <= end; at += pieceMillis) {
    const until = Math.min(end, at + pieceMillis - 1)
    for (const { labels, values } of await store.select(named, at, until, { signal })) {
      const { __name__: _, ...others } = labels
      const key = seriesKey(others)
      const tally = found.get(key) ?? { samples: 0, sum: 0, size: 0 }
      found.set(key, tally)
      for (const value of values) {
        if (Number.isNaN(value)) continue
        tally.samples++
        tally.sum += value
        tally.size += Math.abs(value)
      }
    }
  }
  for (const [key, { samples }] of found) if (samples === 0) found.delete(key)
  return found
}
