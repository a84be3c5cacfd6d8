import { CallwardError } from '../../errors.ts'
import { type Matcher, OutsideMemory, type WantedRollup } from '../../store/reader.ts'
import { executionFailure, QueryFailure } from '../failure.ts'
import type { VectorSelector } from '../syntax/ast.ts'
import { Outgrown } from './budget.ts'
import { compareLabels, fromLabels, type LabelSet } from './label-set.ts'
import type { Query } from './query.ts'
import { rollupOfInstant } from './rollups.ts'
import { type Frame, frameEnd, type Row, RowBlock } from './rows.ts'
import { type Evaluation, pause } from './turns.ts'

/** A series as the store gave it; times ascend. */
export interface LoadedSeries {
  readonly labels: LabelSet
  readonly times: Float64Array
  readonly values: Float64Array
  readonly staleTimes: Float64Array
  readonly isRolledUp: boolean
  readonly weights: Float64Array | undefined
}

function* read(
  query: Query,
  matchers: readonly Matcher[],
  start: number,
  end: number,
  rollup: WantedRollup | undefined,
): Evaluation<readonly LoadedSeries[]> {
  const { budget } = query
  budget.check()
  const { signal } = budget
  const { fileSeries, left: maxSamples } = budget
  const limits = {
    ...{ maxSamples, maxSeries: query.maxSeries, fileSeries },
    ...(signal && { signal }),
    ...(rollup && { rollup }),
  }
  try {
    const began = performance.now()
    const found = yield { matchers, start, end, limits }
    budget.readMilliseconds += performance.now() - began
    if (found.length > query.maxSeries) refuseSeries(query)
    let samples = 0
    for (const series of found) samples += series.times.length
    budget.load(samples)
    const loaded: LoadedSeries[] = []
    for (const { labels, times, values, staleTimes, isRolledUp = false, weights } of found) {
      const own = fromLabels(labels)
      loaded.push({ labels: own, times, values, staleTimes, isRolledUp, weights })
      if (budget.spend(50)) yield pause
    }
    return loaded.sort((left, right) => compareLabels(left.labels, right.labels))
  } catch (cause) {
    // A store that was told to stop may say so in any way.
    budget.check()
    if (cause instanceof OutsideMemory) throw new Outgrown('files')
    // What is wrong inside is for the log alone.
    if (!(cause instanceof CallwardError) || cause.code === 'internal') throw cause
    if (cause.code !== 'query_too_large') {
      throw new QueryFailure('unavailable', cause.message, { cause })
    }
    if (cause.message.includes(`${query.maxSeries} series`)) return refuseSeries(query)
    return budget.refuseLoad()
  }
}

function refuseSeries({ maxSeries }: Query): never {
  throw executionFailure(
    `a selector matches more than ${maxSeries.toLocaleString('en-US')} series; narrow it`,
  )
}

/** Rules ask with the same matchers again and again. */
const texts = new WeakMap<readonly Matcher[], string>()

function textOf(matchers: readonly Matcher[]): string {
  let text = texts.get(matchers)
  if (text === undefined) {
    text = JSON.stringify(matchers.map(({ name, op, value }) => [name, op, value]))
    texts.set(matchers, text)
  }
  return text
}

/** Series with samples or marks in [start, end], by labels; each interval is read once a query. `rollup` may stand for samples. */
export function* load(
  query: Query,
  matchers: readonly Matcher[],
  start: number,
  end: number,
  rollup?: WantedRollup,
): Evaluation<readonly LoadedSeries[]> {
  const form = rollup === undefined ? '' : `${rollup.column} ${rollup.resolution}`
  const key = `${start} ${end} ${form} ${textOf(matchers)}`
  let found = query.loaded.get(key)
  if (found === undefined) {
    found = yield* read(query, matchers, start, end, rollup)
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
 * it. `what` chooses the sample's value or its time in milliseconds. Gives how many steps have one.
 */
function fillInstant(
  { values, present }: Row,
  series: LoadedSeries,
  selector: VectorSelector,
  { start, interval, steps }: Frame,
  lookback: number,
  what: 'value' | 'time',
): number {
  const { times, staleTimes } = series
  const source = what === 'value' ? series.values : times
  const fixed = typeof selector.at === 'number' ? selector.at : undefined
  const offset = fixedOffset(selector)
  const first = (fixed ?? start) - offset
  let next = upperBound(times, first)
  let nextMark = upperBound(staleTimes, first)
  let count = 0
  for (let step = 0; step < steps; step += 1) {
    const time = (fixed ?? start + step * interval) - offset
    while (next < times.length && times[next]! <= time) next += 1
    while (nextMark < staleTimes.length && staleTimes[nextMark]! <= time) nextMark += 1
    if (next === 0) continue
    const at = times[next - 1]!
    if (at <= time - lookback && at !== time) continue
    if (nextMark > 0 && staleTimes[nextMark - 1]! > at) continue
    present[step] = 1
    values[step] = source[next - 1]!
    count += 1
  }
  return count
}

/** Evaluates a vector selector; rows without samples are left out. */
export function* selectInstant(
  query: Query,
  selector: VectorSelector,
  frame: Frame,
  what: 'value' | 'time' = 'value',
): Evaluation<readonly Row[]> {
  const start = lookupTime(selector, frame.start) - query.lookback + 1
  const end = lookupTime(selector, frameEnd(frame))
  const smoothed = selector.extension === 'smoothed' && what === 'value'
  const rollup = rollupOfInstant(selector, frame, query.coarsest)
  const to = smoothed ? end + query.lookback : end
  const series = yield* load(query, selector.matchers, start, to, rollup)
  const rows: Row[] = []
  const block = new RowBlock(series.length, frame.steps)
  for (const one of series) {
    query.budget.hold(frame.steps)
    const row = block.row(one.labels)
    const count = smoothed
      ? fillSmoothed(row, one, selector, frame, query.lookback)
      : fillInstant(row, one, selector, frame, query.lookback, what)
    if (count > 0) rows.push(row)
    else block.drop()
    query.usage?.countRow(row, frame)
    if (query.budget.spend(frame.steps + one.times.length)) yield pause
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
  row: Row,
  series: LoadedSeries,
  selector: VectorSelector,
  frame: Frame,
  lookback: number,
): number {
  const { times, values } = series
  let count = 0
  for (let step = 0; step < frame.steps; step += 1) {
    const time = lookupTime(selector, frame.start + step * frame.interval)
    const after = upperBound(times, time)
    const before = after - 1
    if (before < 0 || (times[before] ?? 0) <= time - lookback) continue
    const exact = times[before] === time
    const reachable = after < times.length && (times[after] ?? 0) <= time + lookback
    count += 1
    row.present[step] = 1
    row.values[step] =
      !exact && reachable ? interpolate(series, before, time, false) : (values[before] ?? 0)
  }
  return count
}
