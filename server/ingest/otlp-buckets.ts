import type { ExponentialBuckets, ExponentialPoint, HistogramPoint } from './otlp-message.ts'

/** A cumulative bucket: how many are at most `bound`. */
export interface Bucket {
  readonly bound: number
  readonly count: number
}

/** Why a distribution cannot be kept, in words. */
export type BucketFault = string

/** The buckets of a histogram, ascending, the one without a bound last. */
export function histogramBuckets(point: HistogramPoint): readonly Bucket[] | BucketFault {
  const { bounds, counts, count } = point
  if (bounds.some((bound, i) => !Number.isFinite(bound) || !(bound > (bounds[i - 1] ?? -Infinity))))
    return 'its bounds do not ascend'
  if (point.ended) return [...bounds, Infinity].map((bound) => ({ bound, count: 0 }))
  if (counts.length === 0 && bounds.length === 0) return [{ bound: Infinity, count }]
  if (counts.length !== bounds.length + 1)
    return `it has ${counts.length} buckets for ${bounds.length} bounds`
  return cumulated(
    bounds.map((bound, i) => ({ bound, count: counts[i]! })),
    counts.at(-1)!,
    count,
  )
}

/** Finer buckets than four for each doubling are joined: the bounds stay the same ones while a sender changes its scale. */
const finestScale = 2
const mostBuckets = 160

/**
 * The buckets of an exponential histogram with its bounds written out, those of finer scales joined (OpenTelemetry specification,
 * metrics/data-model.md, "ExponentialHistogram": bucket i holds what is above base^i and at most base^(i+1), base = 2^(2^-scale)).
 */
export function exponentialBuckets(point: ExponentialPoint): readonly Bucket[] | BucketFault {
  const { scale, zeroCount, zeroThreshold } = point
  if (point.ended) return [{ bound: Infinity, count: 0 }]
  if (!Number.isInteger(scale) || scale < -10 || scale > 20) return `its scale is ${scale}`
  if (!(zeroThreshold >= 0)) return `its zero threshold is ${zeroThreshold}`
  const sides = [point.negative, point.positive]
  if (sides.some(({ offset }) => !Number.isInteger(offset) || Math.abs(offset) > 2 ** 31))
    return 'the offset of its buckets is not a whole number of 32 bits'
  let kept = Math.min(scale, finestScale)
  let [negative, positive] = sides.map((side) => joined(trimmed(side), scale - kept))
  while (Math.max(negative!.counts.length, positive!.counts.length) > mostBuckets) {
    negative = joined(negative!, 1)
    positive = joined(positive!, 1)
    kept--
  }
  const bound = (index: number) => power(index * 2 ** -kept)
  const each: Bucket[] = []
  if (negative!.counts.length > 0)
    each.push({ bound: -bound(negative!.offset + negative!.counts.length), count: 0 })
  for (let i = negative!.counts.length - 1; i >= 0; i--)
    each.push({ bound: -bound(negative!.offset + i), count: negative!.counts[i]! })
  if (zeroCount > 0 || negative!.counts.length > 0)
    each.push({ bound: zeroThreshold, count: zeroCount })
  else if (positive!.counts.length > 0) each.push({ bound: bound(positive!.offset), count: 0 })
  positive!.counts.forEach((count, i) => {
    each.push({ bound: bound(positive!.offset + i + 1), count })
  })
  return cumulated(mended(each), 0, point.count)
}

/** 2^0, 2^0.25, 2^0.5, 2^0.75: written out, as a bound is a label and must be the same to the last digit on every machine. */
const quarters = [1, 1.189207115002721, Math.SQRT2, 1.681792830507429]

/** 2 to the power of a multiple of a quarter. */
function power(exponent: number): number {
  const whole = Math.floor(exponent)
  return quarters[(exponent - whole) * 4]! * 2 ** whole
}

/** Buckets without the empty ones at both ends. */
function trimmed({ offset, counts }: ExponentialBuckets): ExponentialBuckets {
  const first = counts.findIndex((count) => count > 0)
  if (first < 0) return { offset: 0, counts: [] }
  const last = counts.findLastIndex((count) => count > 0)
  return { offset: offset + first, counts: counts.slice(first, last + 1) }
}

/** Buckets of a scale lower by `levels`. */
function joined({ offset, counts }: ExponentialBuckets, levels: number): ExponentialBuckets {
  if (levels === 0) return { offset, counts }
  const width = 2 ** levels
  const first = Math.floor(offset / width)
  const sums: number[] = []
  counts.forEach((count, i) => {
    const at = Math.floor((offset + i) / width) - first
    sums[at] = (sums[at] ?? 0) + count
  })
  return { offset: first, counts: sums }
}

/** Buckets with ascending finite bounds: what has a bound like the one before, or none a number can hold, goes into its neighbour. */
function mended(each: readonly Bucket[]): Bucket[] {
  const kept: { bound: number; count: number }[] = []
  let below = 0
  for (const { bound, count } of each) {
    const last = kept.at(-1)
    if (bound === -Infinity) below += count
    else if (bound === Infinity) break
    else if (last !== undefined && bound <= last.bound) last.count += count
    else {
      kept.push({ bound: bound === 0 ? 0 : bound, count: count + below })
      below = 0
    }
  }
  return kept
}

function cumulated(
  each: readonly Bucket[],
  beyond: number,
  count: number,
): readonly Bucket[] | BucketFault {
  let sum = 0
  const buckets = each.map((bucket) => {
    sum += bucket.count
    return { bound: bucket.bound, count: sum }
  })
  if (sum + beyond > count) return `its buckets hold ${sum + beyond}, its count says ${count}`
  return [...buckets, { bound: Infinity, count }]
}
