import { interpolate, upperBound } from './source.ts'
import type { RangeFunction, Window } from './window.ts'

function lost(window: Window): number {
  const { values, from, to } = window
  let sum = 0
  let previous = values[from] ?? 0
  for (let index = from + 1; index < to; index += 1) {
    const value = values[index] ?? 0
    if (value < previous) sum += previous
    previous = value
  }
  return sum
}

/** How far before the first sample the series is taken to begin, seconds. */
function leadIn(window: Window, average: number, sampled: number, counted: number | undefined) {
  const { times, values, from, rangeStart } = window
  let toStart = ((times[from] ?? 0) - rangeStart) / 1000
  if (toStart >= average * 1.1) toStart = average / 2
  const first = values[from] ?? 0
  if (counted !== undefined && counted > 0 && first >= 0) {
    // A counter is not below zero: do not extrapolate past the point where it would be.
    toStart = Math.min(toStart, sampled * (first / counted))
  }
  return toStart
}

/**
 * Prometheus's extrapolation: to the range's edges when the samples come within 1.1 average
 * intervals of them, else by half an interval; counters not below zero.
 */
function extrapolated(window: Window, isCounter: boolean, isRate: boolean): number | undefined {
  if (window.extension !== undefined) return extended(window, isCounter, isRate)
  const { times, values, from, to, rangeEnd, rangeSeconds } = window
  const gaps = to - from - 1
  if (gaps < 1) return undefined
  let result = (values[to - 1] ?? 0) - (values[from] ?? 0)
  if (isCounter) result += lost(window)
  const sampled = ((times[to - 1] ?? 0) - (times[from] ?? 0)) / 1000
  const average = sampled / gaps
  const toStart = leadIn(window, average, sampled, isCounter ? result : undefined)
  let toEnd = (rangeEnd - (times[to - 1] ?? 0)) / 1000
  if (toEnd >= average * 1.1) toEnd = average / 2
  let factor = (sampled + toStart + toEnd) / sampled
  if (isRate) factor /= rangeSeconds
  return result * factor
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

/** `anchored` and `smoothed`: no extrapolation, the edges are real or interpolated samples. */
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

/** Functions about how a series moves. */
export const counterFunctions: Readonly<Record<string, RangeFunction>> = {
  rate: (window) => extrapolated(window, true, true),
  increase: (window) => extrapolated(window, true, false),
  delta: (window) => extrapolated(window, false, false),
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
