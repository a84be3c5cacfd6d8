import { executionFailure } from '../failure.ts'
import type { Call } from '../syntax/ast.ts'
import { formatFixed, parseFloatStrict } from '../syntax/float.ts'
import type { Span } from '../syntax/position.ts'
import {
  type LabelSet,
  labelValue,
  metricName,
  withLabel,
  without,
  withoutName,
} from './label-set.ts'
import type { Query } from './query.ts'
import { assembleRows, emptyRow, type Frame, type Row } from './rows.ts'

interface Bucket {
  readonly bound: number
  count: number
}

/** The bucket series of one classic histogram. */
interface Histogram {
  /** Without `le`. */
  readonly labels: LabelSet
  readonly buckets: { readonly bound: number; readonly row: Row }[]
}

function gather(query: Query, rows: readonly Row[], span: Span): readonly Histogram[] {
  const histograms = new Map<string, Histogram>()
  for (const row of rows) {
    const label = labelValue(row.labels, 'le')
    const bound = parseFloatStrict(label)
    if (bound === undefined) {
      query.notes.badBucketLabel(query.delayedNames ? metricName(row.labels) : '', label, span)
      continue
    }
    const labels = without(row.labels, ['le'])
    let histogram = histograms.get(labels.key)
    if (histogram === undefined) {
      histogram = { labels, buckets: [] }
      histograms.set(labels.key, histogram)
    }
    histogram.buckets.push({ bound, row })
  }
  for (const { buckets } of histograms.values()) {
    buckets.sort((left, right) => left.bound - right.bound || 0)
  }
  return [...histograms.values()]
}

/** The buckets with a sample at a step, equal bounds summed; they ascend. */
function bucketsAt(histogram: Histogram, step: number): Bucket[] {
  const found: Bucket[] = []
  for (const { bound, row } of histogram.buckets) {
    if (row.present[step] !== 1) continue
    const count = row.values[step] ?? 0
    const last = found[found.length - 1]
    if (last !== undefined && last.bound === bound) last.count += count
    else found.push({ bound, count })
  }
  return found
}

const smallestNormal = 2.2250738585072014e-308

function almostEqual(left: number, right: number, tolerance: number): boolean {
  if (left === right || (Number.isNaN(left) && Number.isNaN(right))) return true
  const sum = Math.abs(left) + Math.abs(right)
  const difference = Math.abs(left - right)
  if (left === 0 || right === 0 || sum < smallestNormal) {
    return difference < tolerance * smallestNormal
  }
  return difference / Math.min(sum, Number.MAX_VALUE) < tolerance
}

interface Correction {
  minBucket: number
  maxBucket: number
  maxDifference: number
}

/** Makes counts ascend: tiny differences are rounding, the others are reported. */
function ensureMonotonic(buckets: readonly Bucket[]): Correction | undefined {
  let forced: Correction | undefined
  let previous = buckets[0]?.count ?? 0
  for (const bucket of buckets.slice(1)) {
    const { count, bound } = bucket
    if (count === previous) continue
    if (almostEqual(previous, count, 1e-12)) {
      bucket.count = previous
      continue
    }
    if (count < previous) {
      bucket.count = previous
      forced = {
        minBucket: Math.min(forced?.minBucket ?? bound, bound),
        maxBucket: Math.max(forced?.maxBucket ?? bound, bound),
        maxDifference: Math.max(forced?.maxDifference ?? 0, previous - count),
      }
      continue
    }
    previous = count
  }
  return forced
}

/** The φ-quantile of cumulative buckets, interpolated linearly. */
function bucketQuantile(
  phi: number,
  buckets: readonly Bucket[],
): { value: number; forced?: Correction } {
  if (Number.isNaN(phi)) return { value: Number.NaN }
  if (phi < 0) return { value: Number.NEGATIVE_INFINITY }
  if (phi > 1) return { value: Number.POSITIVE_INFINITY }
  const last = buckets[buckets.length - 1]
  if (last?.bound !== Number.POSITIVE_INFINITY) return { value: Number.NaN }
  const correction = ensureMonotonic(buckets)
  const forced = correction === undefined ? {} : { forced: correction }
  if (buckets.length < 2 || last.count === 0) return { value: Number.NaN, ...forced }
  return { value: interpolateQuantile(phi, buckets, last.count), ...forced }
}

function interpolateQuantile(phi: number, buckets: readonly Bucket[], total: number): number {
  const final = buckets.length - 1
  let rank = phi * total
  let at = 0
  while (at < final && !((buckets[at]?.count ?? 0) >= rank)) at += 1
  const bucket = buckets[at]
  const below = buckets[at - 1]
  if (at === final) return below?.bound ?? Number.NaN
  if (bucket === undefined) return Number.NaN
  if (at === 0 && bucket.bound <= 0) return bucket.bound
  const start = below?.bound ?? 0
  const count = bucket.count - (below?.count ?? 0)
  rank -= below?.count ?? 0
  return start + (bucket.bound - start) * (rank / count)
}

/** Observations at or below `value`, by linear interpolation inside its bucket. */
function rankOf(value: number, buckets: readonly Bucket[]): number {
  const total = buckets[buckets.length - 1]?.count ?? 0
  let lower = (buckets[0]?.bound ?? 0) <= 0 ? Number.NEGATIVE_INFINITY : 0
  let rank = 0
  for (const { bound, count } of buckets) {
    if (lower >= value) return Math.min(rank, total)
    if (bound > value) {
      const inside =
        lower === Number.NEGATIVE_INFINITY
          ? count
          : rank + ((count - rank) * (value - lower)) / (bound - lower)
      return Math.min(inside, total)
    }
    lower = bound
    rank = count
  }
  return total
}

function bucketFraction(from: number, to: number, buckets: readonly Bucket[]): number {
  const last = buckets[buckets.length - 1]
  if (last?.bound !== Number.POSITIVE_INFINITY) return Number.NaN
  if (last.count === 0 || Number.isNaN(from) || Number.isNaN(to)) return Number.NaN
  if (from >= to) return 0
  return (rankOf(to, buckets) - rankOf(from, buckets)) / last.count
}

interface HistogramCall {
  readonly query: Query
  readonly call: Call
  readonly frame: Frame
  readonly rows: readonly Row[]
  readonly scalars: readonly Float64Array[]
}

function quantileRow(
  { query, frame }: HistogramCall,
  histogram: Histogram,
  phis: Float64Array,
  labels: LabelSet,
  span: Span,
): Row {
  const row = emptyRow(query.delayedNames ? labels : withoutName(labels), frame.steps, true)
  for (let step = 0; step < frame.steps; step += 1) {
    const buckets = bucketsAt(histogram, step)
    if (buckets.length === 0) continue
    const { value, forced } = bucketQuantile(phis[step] ?? 0, buckets)
    row.present[step] = 1
    row.values[step] = value
    if (forced === undefined) continue
    const time = frame.start + step * frame.interval
    const name = query.delayedNames ? metricName(histogram.labels) : ''
    query.notes.forcedMonotonicity(name, span, { ...forced, minTime: time, maxTime: time })
  }
  return row
}

function notePhis(query: Query, phis: Float64Array, span: Span): void {
  for (const phi of phis) {
    if (!(phi >= 0 && phi <= 1)) query.notes.quantileOutOfRange(phi, span)
  }
}

function quantileOf(context: HistogramCall): readonly Row[] {
  const { query, call, rows, scalars } = context
  const [phi, vector] = call.args
  const span = vector?.span ?? call.span
  const phis = scalars[0] ?? new Float64Array()
  notePhis(query, phis, phi?.span ?? call.span)
  return gather(query, rows, span).map((histogram) =>
    quantileRow(context, histogram, phis, histogram.labels, span),
  )
}

/** A quantile as a label value: `0.5`, `1.0`. */
function quantileLabel(phi: number): string {
  const text = formatFixed(phi)
  return /^-?\d+$/.test(text) ? `${text}.0` : text
}

function quantilesOf(context: HistogramCall): readonly Row[] {
  const { query, call, rows, scalars } = context
  const name = call.args[1]?.kind === 'string' ? call.args[1].value : ''
  const span = call.args[0]?.span ?? call.span
  scalars.forEach((phis, index) => {
    notePhis(query, phis, call.args[index + 2]?.span ?? call.span)
  })
  const histograms = gather(query, rows, span)
  const result: Row[] = []
  for (const phis of scalars) {
    for (const value of new Set(phis)) {
      const only = phis.map((phi) => (Object.is(phi, value) ? phi : Number.NaN))
      for (const histogram of histograms) {
        const labels = withLabel(histogram.labels, name, quantileLabel(value))
        const row = quantileRow(context, histogram, only, labels, span)
        phis.forEach((phi, step) => {
          if (!Object.is(phi, value)) row.present[step] = 0
        })
        result.push(row)
      }
    }
  }
  return result
}

function fractionOf({ query, call, frame, rows, scalars }: HistogramCall): readonly Row[] {
  const [from, to] = scalars
  return gather(query, rows, call.args[2]?.span ?? call.span).map((histogram) => {
    const labels = query.delayedNames ? histogram.labels : withoutName(histogram.labels)
    const row = emptyRow(labels, frame.steps, true)
    for (let step = 0; step < frame.steps; step += 1) {
      const buckets = bucketsAt(histogram, step)
      if (buckets.length === 0) continue
      row.present[step] = 1
      row.values[step] = bucketFraction(from?.[step] ?? 0, to?.[step] ?? 0, buckets)
    }
    return row
  })
}

/** Functions of classic histograms: buckets are series with an `le` label. */
export function callHistogramFunction(context: HistogramCall): readonly Row[] {
  const { call, frame, query } = context
  switch (call.signature.name) {
    case 'histogram_quantile':
      return assembleRows(quantileOf(context), frame, query.delayedNames)
    case 'histogram_quantiles':
      return assembleRows(quantilesOf(context), frame, query.delayedNames)
    case 'histogram_fraction':
      return assembleRows(fractionOf(context), frame, query.delayedNames)
    default:
      throw executionFailure(`BUG: no histogram function ${call.signature.name}`)
  }
}
