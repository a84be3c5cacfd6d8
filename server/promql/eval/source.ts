import { CallwardError } from '../../errors.ts'
import type { Matcher } from '../../store/reader.ts'
import { QueryFailure } from '../failure.ts'
import type { VectorSelector } from '../syntax/ast.ts'
import { compareLabels, fromLabels, type LabelSet } from './label-set.ts'
import type { Query } from './query.ts'
import { emptyRow, type Frame, frameEnd, type Row } from './rows.ts'

/** A series as the store gave it; times ascend. */
export interface LoadedSeries {
  readonly labels: LabelSet
  readonly times: Float64Array
  readonly values: Float64Array
  readonly staleTimes: Float64Array
}

async function read(
  query: Query,
  matchers: readonly Matcher[],
  start: number,
  end: number,
): Promise<readonly LoadedSeries[]> {
  query.budget.check()
  const { signal } = query.budget
  const maxSamples = Math.max(0, query.budget.left)
  const limits = signal === undefined ? { maxSamples } : { maxSamples, signal }
  try {
    const found = await query.reader.select(matchers, start, end, limits)
    let samples = 0
    for (const series of found) samples += series.times.length
    query.budget.load(samples)
    const loaded: LoadedSeries[] = []
    for (const { labels, times, values, staleTimes } of found) {
      loaded.push({ labels: fromLabels(labels), times, values, staleTimes })
      if (query.budget.spend(50)) await query.budget.pause()
    }
    return loaded.sort((left, right) => compareLabels(left.labels, right.labels))
  } catch (cause) {
    // A store that was told to stop may say so in any way.
    query.budget.check()
    if (!(cause instanceof CallwardError)) throw cause
    if (cause.code === 'query_too_large') {
      throw new QueryFailure(
        'execution',
        'query processing would load too many samples into memory in query execution',
        { cause },
      )
    }
    throw new QueryFailure('unavailable', cause.message, { cause })
  }
}

/** Series with samples or marks in [start, end], by labels; each interval is read once a query. */
export function load(
  query: Query,
  matchers: readonly Matcher[],
  start: number,
  end: number,
): Promise<readonly LoadedSeries[]> {
  const key = JSON.stringify([start, end, matchers.map(({ name, op, value }) => [name, op, value])])
  let found = query.loaded.get(key)
  if (found === undefined) {
    found = read(query, matchers, start, end)
    query.loaded.set(key, found)
  }
  return found
}

function fixedOffset(selector: VectorSelector): number {
  if (typeof selector.offset !== 'number') throw new Error('BUG: offset is not resolved')
  return selector.offset
}

/** The time a selector looks at when the query stands at `time`. */
export function lookupTime(selector: VectorSelector, time: number): number {
  const base = typeof selector.at === 'number' ? selector.at : time
  return base - fixedOffset(selector)
}

/** First index whose time is above `time`. */
export function upperBound(times: Float64Array, time: number, from = 0): number {
  let low = from
  let high = times.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((times[middle] ?? 0) <= time) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Fills a row with the newest sample in (t - lookback, t] of each step; a stale mark after it hides
 * it. `what` chooses the sample's value or its time in milliseconds.
 */
function fillInstant(
  series: LoadedSeries,
  selector: VectorSelector,
  frame: Frame,
  lookback: number,
  what: 'value' | 'time',
): Row {
  const row = emptyRow(series.labels, frame.steps)
  const { times, values, staleTimes } = series
  const source = what === 'value' ? values : times
  const first = lookupTime(selector, frame.start)
  let next = upperBound(times, first)
  let nextMark = upperBound(staleTimes, first)
  for (let step = 0; step < frame.steps; step += 1) {
    const time = lookupTime(selector, frame.start + step * frame.interval)
    while (next < times.length && (times[next] ?? 0) <= time) next += 1
    while (nextMark < staleTimes.length && (staleTimes[nextMark] ?? 0) <= time) nextMark += 1
    if (next === 0) continue
    const at = times[next - 1] ?? 0
    if (at <= time - lookback && at !== time) continue
    if (nextMark > 0 && (staleTimes[nextMark - 1] ?? 0) > at) continue
    row.present[step] = 1
    row.values[step] = source[next - 1] ?? 0
  }
  return row
}

/** Evaluates a vector selector; rows without samples are left out. */
export async function selectInstant(
  query: Query,
  selector: VectorSelector,
  frame: Frame,
  what: 'value' | 'time' = 'value',
): Promise<readonly Row[]> {
  const start = lookupTime(selector, frame.start) - query.lookback + 1
  const end = lookupTime(selector, frameEnd(frame))
  const smoothed = selector.extension === 'smoothed' && what === 'value'
  const series = await load(query, selector.matchers, start, smoothed ? end + query.lookback : end)
  const rows: Row[] = []
  for (const one of series) {
    query.budget.hold(frame.steps)
    const row = smoothed
      ? fillSmoothed(one, selector, frame, query.lookback)
      : fillInstant(one, selector, frame, query.lookback, what)
    if (row.present.includes(1)) rows.push(row)
    if (query.budget.spend(frame.steps + one.times.length)) await query.budget.pause()
  }
  return rows
}

/** The value at `time` on the line between two samples. */
export function interpolate(
  series: { readonly times: Float64Array; readonly values: Float64Array },
  index: number,
  time: number,
  isCounter: boolean,
): number {
  const t1 = series.times[index] ?? 0
  const t2 = series.times[index + 1] ?? 0
  const y2 = series.values[index + 1] ?? 0
  const first = series.values[index] ?? 0
  const y1 = isCounter && y2 < first ? 0 : first
  return y1 + ((y2 - y1) * (time - t1)) / (t2 - t1)
}

function fillSmoothed(
  series: LoadedSeries,
  selector: VectorSelector,
  frame: Frame,
  lookback: number,
): Row {
  const row = emptyRow(series.labels, frame.steps)
  const { times, values } = series
  for (let step = 0; step < frame.steps; step += 1) {
    const time = lookupTime(selector, frame.start + step * frame.interval)
    const after = upperBound(times, time)
    const before = after - 1
    if (before < 0 || (times[before] ?? 0) <= time - lookback) continue
    const exact = times[before] === time
    const reachable = after < times.length && (times[after] ?? 0) <= time + lookback
    row.present[step] = 1
    row.values[step] =
      !exact && reachable ? interpolate(series, before, time, false) : (values[before] ?? 0)
  }
  return row
}
