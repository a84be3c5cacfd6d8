import { executionFailure } from '../failure.ts'
import { KahanSum, Mean, quantile } from './arithmetic.ts'
import type { RangeFunction, Window } from './window.ts'

function copyValues({ values, from, to }: Window): Float64Array {
  return values.slice(from, to)
}

/** `KahanSum` written out: this is the loop that charts spend their time in. */
function sum({ values, from, to }: Window): number {
  let total = 0
  let compensation = 0
  for (let index = from; index < to; index += 1) {
    const value = values[index]!
    const next = total + value
    if (next === Number.POSITIVE_INFINITY || next === Number.NEGATIVE_INFINITY) compensation = 0
    else if (Math.abs(total) >= Math.abs(value)) compensation += total - next + value
    else compensation += value - next + total
    total = next
  }
  return Math.abs(total) === Number.POSITIVE_INFINITY ? total : total + compensation
}

/** As `Mean`, whose running mean is needed only when the sum is not finite. */
function mean(window: Window): number {
  const { values, from, to } = window
  let total = values[from]!
  let compensation = 0
  for (let index = from + 1; index < to; index += 1) {
    const value = values[index]!
    const next = total + value
    if (next === Number.POSITIVE_INFINITY || next === Number.NEGATIVE_INFINITY) {
      return largeMean(window)
    }
    if (Math.abs(total) >= Math.abs(value)) compensation += total - next + value
    else compensation += value - next + total
    total = next
  }
  const count = to - from
  return total / count + compensation / count
}

/** How many samples a window stands for. */
function count({ weights, from, to }: Window): number {
  if (weights === undefined) return to - from
  let total = 0
  for (let index = from; index < to; index += 1) total += weights[index]!
  return total
}

function average(window: Window): number {
  return window.weights === undefined ? mean(window) : sum(window) / count(window)
}

function largeMean({ values, from, to }: Window): number {
  const running = new Mean(values[from] ?? 0)
  for (let index = from + 1; index < to; index += 1) running.add(values[index] ?? 0)
  return running.value()
}

function variance({ values, from, to }: Window): number {
  let count = 0
  const average = new KahanSum()
  const squares = new KahanSum()
  for (let index = from; index < to; index += 1) {
    const value = values[index] ?? 0
    count += 1
    const delta = value - average.total()
    average.add(delta / count)
    squares.add(delta * (value - average.total()))
  }
  return squares.total() / count
}

function smallest({ values, from, to }: Window): number {
  let best = values[from]!
  for (let index = from + 1; index < to; index += 1) {
    const value = values[index]!
    if (value < best || Number.isNaN(best)) best = value
  }
  return best
}

function largest({ values, from, to }: Window): number {
  let best = values[from]!
  for (let index = from + 1; index < to; index += 1) {
    const value = values[index]!
    if (value > best || Number.isNaN(best)) best = value
  }
  return best
}

/** Index of the extreme sample; NaN yields to anything. */
function extreme(window: Window, better: (value: number, best: number) => boolean): number {
  let at = window.from
  let best = window.values[at] ?? 0
  for (let index = window.from; index < window.to; index += 1) {
    const value = window.values[index] ?? 0
    if (!better(value, best) && !Number.isNaN(best)) continue
    best = value
    at = index
  }
  return at
}

function medianDeviation(window: Window): number {
  const values = copyValues(window)
  if (values.some(Number.isNaN)) return Number.NaN
  const median = quantile(0.5, values)
  return quantile(
    0.5,
    values.map((value) => Math.abs(value - median)),
  )
}

interface Line {
  readonly slope: number
  readonly intercept: number
}

/** Least squares; the intercept is at `origin` (milliseconds), the slope per second. */
function regression({ times, values, from, to }: Window, origin: number): Line {
  const first = values[from] ?? 0
  const x = new KahanSum()
  const y = new KahanSum()
  const xy = new KahanSum()
  const xx = new KahanSum()
  let constant = true
  for (let index = from; index < to; index += 1) {
    const value = values[index] ?? 0
    if (index > from && value !== first) constant = false
    const seconds = ((times[index] ?? 0) - origin) / 1000
    x.add(seconds)
    y.add(value)
    xy.add(seconds * value)
    xx.add(seconds * seconds)
  }
  if (constant) {
    const infinite = Math.abs(first) === Number.POSITIVE_INFINITY
    return infinite ? { slope: Number.NaN, intercept: Number.NaN } : { slope: 0, intercept: first }
  }
  const count = to - from
  const covariance = xy.total() - (x.total() * y.total()) / count
  const spread = xx.total() - (x.total() * x.total()) / count
  const slope = covariance / spread
  return { slope, intercept: y.total() / count - (slope * x.total()) / count }
}

function smooth(window: Window, factor: number, trendFactor: number): number | undefined {
  if (factor <= 0 || factor >= 1) {
    const got = `Expected: 0 < sf < 1, got: ${factor.toFixed(6)}`
    throw executionFailure(`invalid smoothing factor. ${got}`)
  }
  if (trendFactor <= 0 || trendFactor >= 1) {
    const got = `Expected: 0 < tf < 1, got: ${trendFactor.toFixed(6)}`
    throw executionFailure(`invalid trend factor. ${got}`)
  }
  const { values, from, to } = window
  if (to - from < 2) return undefined
  let before = 0
  let smoothed = values[from] ?? 0
  let trend = (values[from + 1] ?? 0) - smoothed
  for (let index = from + 1; index < to; index += 1) {
    if (index > from + 1) trend = trendFactor * (smoothed - before) + (1 - trendFactor) * trend
    const next = factor * (values[index] ?? 0) + (1 - factor) * (smoothed + trend)
    before = smoothed
    smoothed = next
  }
  return smoothed
}

/** Functions that sum up a range. */
export const overTimeFunctions: Readonly<Record<string, RangeFunction>> = {
  sum_over_time: sum,
  avg_over_time: average,
  count_over_time: count,
  min_over_time: smallest,
  max_over_time: largest,
  first_over_time: ({ values, from }) => values[from],
  last_over_time: ({ values, to }) => values[to - 1],
  present_over_time: () => 1,
  absent_over_time: () => 1,
  stdvar_over_time: variance,
  stddev_over_time: (window) => Math.sqrt(variance(window)),
  mad_over_time: medianDeviation,
  quantile_over_time: (window, phi) => quantile(phi, copyValues(window)),
  ts_of_first_over_time: ({ times, from }) => (times[from] ?? 0) / 1000,
  ts_of_last_over_time: ({ times, to }) => (times[to - 1] ?? 0) / 1000,
  ts_of_min_over_time: (window) =>
    (window.times[extreme(window, (value, best) => value <= best)] ?? 0) / 1000,
  ts_of_max_over_time: (window) =>
    (window.times[extreme(window, (value, best) => value >= best)] ?? 0) / 1000,
  deriv: (window) => {
    if (window.to - window.from < 2) return undefined
    return regression(window, window.times[window.from] ?? 0).slope
  },
  predict_linear: (window, seconds) => {
    if (window.to - window.from < 2) return undefined
    const { slope, intercept } = regression(window, window.evaluationTime)
    return slope * seconds + intercept
  },
  double_exponential_smoothing: smooth,
}
