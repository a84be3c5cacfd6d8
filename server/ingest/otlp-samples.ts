import { type Bucket, exponentialBuckets, histogramBuckets } from './otlp-buckets.ts'
import type {
  ExponentialPoint,
  HistogramPoint,
  NumberPoint,
  OtlpData,
  OtlpPoint,
  SummaryPoint,
} from './otlp-message.ts'
import { labelNumber } from './otlp-names.ts'

/** One sample of a data point: what it adds to the name and the labels of the point. */
export interface PointSample {
  readonly suffix: string
  /** `le` or `quantile`. */
  readonly label?: readonly [name: string, text: string]
  readonly value: number
}

/** Why a data point gives no sample. */
export interface PointFault {
  readonly reason: 'no_value' | 'bad_buckets'
  readonly why: string
}

/** Hands each point of the data to `take` with its samples, or with why there are none. */
export function eachPoint(
  data: OtlpData,
  take: (point: OtlpPoint, samples: () => readonly PointSample[] | PointFault) => void,
): void {
  switch (data.kind) {
    case 'gauge':
    case 'sum':
      for (const point of data.points) take(point, () => numberSamples(point))
      return
    case 'histogram':
      for (const point of data.points)
        take(point, () => bucketSamples(point, histogramBuckets(point)))
      return
    case 'exponential':
      for (const point of data.points)
        take(point, () => bucketSamples(point, exponentialBuckets(point)))
      return
    case 'summary':
      for (const point of data.points) take(point, () => summarySamples(point))
      return
    default:
      throw new Error(`BUG: data of kind ${JSON.stringify(data satisfies never)}`)
  }
}

function numberSamples({ value, ended }: NumberPoint): readonly PointSample[] | PointFault {
  if (value === undefined && !ended) return { reason: 'no_value', why: 'a point has no value' }
  return [{ suffix: '', value: value ?? 0 }]
}

function bucketSamples(
  point: HistogramPoint | ExponentialPoint,
  buckets: readonly Bucket[] | string,
): readonly PointSample[] | PointFault {
  if (typeof buckets === 'string') return { reason: 'bad_buckets', why: buckets }
  const samples: PointSample[] = countAndSum(point)
  for (const { bound, count } of buckets)
    samples.push({ suffix: '_bucket', label: ['le', labelNumber(bound)], value: count })
  return samples
}

function summarySamples(point: SummaryPoint): readonly PointSample[] | PointFault {
  const { quantiles } = point
  if (quantiles.some(({ quantile }) => !(quantile >= 0 && quantile <= 1)))
    return { reason: 'bad_buckets', why: 'a quantile is not between 0 and 1' }
  const samples = countAndSum(point)
  for (const { quantile, value } of quantiles)
    samples.push({ suffix: '', label: ['quantile', labelNumber(quantile)], value })
  return samples
}

function countAndSum({ count, sum, ended }: HistogramPoint | ExponentialPoint | SummaryPoint) {
  const samples: PointSample[] = [{ suffix: '_count', value: count }]
  if (sum !== undefined || ended) samples.push({ suffix: '_sum', value: sum ?? 0 })
  return samples
}
