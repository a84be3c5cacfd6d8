import type { Frame, Row } from './rows.ts'
import { interpolate, upperBound } from './source.ts'
import type { RangeBounds, RangeFunction, RangeSamples, Window } from './window.ts'

const noFalls = new Int32Array(0)

/** Indexes at which a value is below the one before; found once, so that windows need not look again. */
function findFalls(values: Float64Array): Int32Array {
  let count = 0
  for (let index = 1; index < values.length; index += 1) {
    if (values[index]! < values[index - 1]!) count += 1
  }
  if (count === 0) return noFalls
  const falls = new Int32Array(count)
  let at = 0
  for (let index = 1; index < values.length; index += 1) {
    if (values[index]! < values[index - 1]!) falls[at++] = index
  }
  return falls
}

function runningSum(weights: Float64Array): Float64Array {
  const sums = new Float64Array(weights.length)
  let sum = 0
  for (let index = 0; index < weights.length; index += 1) {
    sum += weights[index]!
    sums[index] = sum
  }
  return sums
}

/** A function that extrapolates what the samples of a range show to the whole range. */
interface Extrapolation {
  readonly isCounter: boolean
  readonly isRate: boolean
}

/** `rate` and its kin on plain ranges. */
export const extrapolations: Readonly<Record<string, Extrapolation>> = {
  rate: { isCounter: true, isRate: true },
  increase: { isCounter: true, isRate: false },
  delta: { isCounter: false, isRate: false },
}

/**
 * Prometheus's extrapolation, on all steps of a frame: to the range's edges when the samples come within 1.1
 * average intervals of them, or as close as a roll-up leaves samples out, else by half an interval; counters not below zero. True
 * when a roll-up did leave some out.
 */
export function extrapolate(
  { times, values, weights }: RangeSamples,
  { range, slack, at, offset }: RangeBounds,
  { start, interval, steps }: Frame,
  { isCounter, isRate }: Extrapolation,
  row: Row,
): boolean {
  let isReckoned = false
  const rangeSeconds = range / 1000
  const { length } = times
  const counted = weights && runningSum(weights)
  const falls = isCounter ? findFalls(values) : noFalls
  let fall = 0
  let from = 0
  let to = 0
  for (let step = 0; step < steps; step += 1) {
    const end = (at ?? start + step * interval) - offset
    const begin = end - range
    while (to < length && times[to]! <= end) to += 1
    while (from < to && times[from]! <= begin) from += 1
    if (to - from < 2) continue
    const gaps = counted ? counted[to - 1]! - counted[from]! : to - from - 1
    const oldest = times[from]!
    const newest = times[to - 1]!
    const first = values[from]!
    let result = values[to - 1]! - first
    if (isCounter) {
      // What had been counted before each reset.
      let lost = 0
      while (fall < falls.length && falls[fall]! <= from) fall += 1
      for (let one = fall; one < falls.length && falls[one]! < to; one += 1) {
        lost += values[falls[one]! - 1]!
      }
      result += lost
    }
    const sampled = (newest - oldest) / 1000
    const average = sampled / gaps
    let toStart = (oldest - begin) / 1000
    if (toStart >= average * 1.1) {
      const isLeftOut = counted !== undefined && toStart * 1000 <= slack
      if (isLeftOut) isReckoned = true
      else toStart = average / 2
    }
    if (isCounter && result > 0 && first >= 0) {
      // A counter is not below zero: do not extrapolate past the point where it would be.
      toStart = Math.min(toStart, sampled * (first / result))
    }
    let toEnd = (end - newest) / 1000
    if (toEnd >= average * 1.1) toEnd = average / 2
    let factor = (sampled + toStart + toEnd) / sampled
    if (isRate) factor /= rangeSeconds
    row.present[step] = 1
    row.values[step] = result * factor
  }
  return isReckoned
}

/** Where the samples that count begin and end, and the values at the range's edges. */
function edges(window: Window, isCounter: boolean) {
  const { times, values, from, to, rangeStart, rangeEnd } = window
  const smoothed = window.extension === 'smoothed'
  const last = to - 1
  const search = (time: number): number =>
    Math.min(last, Math.max(from, upperBound(times, time, from)))
  const first = Math.max(from, search(rangeStart) - 1)
  const final = smoothed ? search(rangeEnd - 1) : last
  if ((times[final] ?? 0) <= rangeStart) return undefined
  if (smoothed && (times[first] ?? 0) > rangeEnd) return undefined
  const left =
    smoothed && (times[first] ?? 0) < rangeStart
      ? interpolate(window, first, rangeStart, isCounter)
      : (values[first] ?? 0)
  const right =
    smoothed && final > from && (times[final] ?? 0) > rangeEnd
      ? interpolate(window, final - 1, rangeEnd, isCounter)
      : (values[final] ?? 0)
  const inner = {
    from: (times[first] ?? 0) <= rangeStart ? first + 1 : first,
    to: (times[final] ?? 0) >= rangeEnd ? final : final + 1,
  }
  return { left, right, inner }
}

/** `rate` and its kin on `anchored` and `smoothed` ranges: no extrapolation, the edges are real or interpolated samples. */
function extended(window: Window, isCounter: boolean, isRate: boolean): number | undefined {
  const found = edges(window, isCounter)
  if (found === undefined) return undefined
  const { left, right, inner } = found
  let result = right - left
  if (isCounter) {
    let previous = left
    for (let index = inner.from; index < inner.to; index += 1) {
      const value = window.values[index] ?? 0
      if (value < previous) result += previous
      previous = value
    }
    if (right < previous) result += previous
  }
  return isRate ? result / window.rangeSeconds : result
}

/** The samples of an extended range selector that is itself the query, edges made up. */
export function extendedSamples(window: Window): { times: Float64Array; values: Float64Array } {
  const found = edges(window, false)
  if (found === undefined) return { times: new Float64Array(), values: new Float64Array() }
  const { left, right, inner } = found
  const to = Math.max(inner.from, inner.to)
  return {
    times: Float64Array.of(
      window.rangeStart,
      ...window.times.subarray(inner.from, to),
      window.rangeEnd,
    ),
    values: Float64Array.of(left, ...window.values.subarray(inner.from, to), right),
  }
}

function lastTwo(window: Window, isRate: boolean): number | undefined {
  const { times, values, from, to } = window
  if (to - from < 2) return undefined
  const interval = (times[to - 1] ?? 0) - (times[to - 2] ?? 0)
  if (interval === 0) return undefined
  const last = values[to - 1] ?? 0
  const before = values[to - 2] ?? 0
  // After a counter reset the last value is all that was counted.
  const difference = isRate && last < before ? last : last - before
  return isRate ? difference / (interval / 1000) : difference
}

/** First sample that counts for `changes` and `resets`: with `anchored` the one at the range's start. */
function firstCounted(window: Window): number | undefined {
  const { times, from, to, rangeStart, extension } = window
  if (extension !== 'anchored') return from
  const after = Math.max(from, upperBound(times, rangeStart, from))
  if (after >= to) return undefined
  return Math.max(from, after - 1)
}

function countSteps(
  window: Window,
  counts: (value: number, previous: number) => boolean,
): number | undefined {
  const first = firstCounted(window)
  if (first === undefined) return undefined
  let count = 0
  for (let index = first + 1; index < window.to; index += 1) {
    if (counts(window.values[index] ?? 0, window.values[index - 1] ?? 0)) count += 1
  }
  return count
}

/** Functions about how a series moves; those of `extrapolations` for extended ranges. */
export const counterFunctions: Readonly<Record<string, RangeFunction>> = {
  rate: (window) => extended(window, true, true),
  increase: (window) => extended(window, true, false),
  delta: (window) => extended(window, false, false),
  irate: (window) => lastTwo(window, true),
  idelta: (window) => lastTwo(window, false),
  resets: (window) => countSteps(window, (value, previous) => value < previous),
  changes: (window) =>
    countSteps(
      window,
      (value, previous) => value !== previous && !(Number.isNaN(value) && Number.isNaN(previous)),
    ),
}

/** Functions that work on extended ranges. */
export const extendable: Readonly<Record<'anchored' | 'smoothed', readonly string[]>> = {
  anchored: ['changes', 'delta', 'increase', 'rate', 'resets'],
  smoothed: ['delta', 'increase', 'rate'],
}
