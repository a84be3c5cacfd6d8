import type { Millis } from '../clock.ts'
import { WriteRefused } from './write-refused.ts'

/** Limits of one OTLP request. */
export const otlpLimits = {
  /** Bytes as sent, and decoded. */
  compressed: 32 * 1024 * 1024,
  decoded: 32 * 1024 * 1024,
  points: 20_000,
  /** Resources, scopes and metrics together. */
  groups: 60_000,
  /** Samples that the points become; a histogram becomes many. */
  samples: 200_000,
  /** Points, attributes, buckets and nested values together. */
  elements: 2_000_000,
  /** Levels of lists and maps within one attribute. */
  attributeDepth: 16,
} as const

/** An attribute with its value as a label shows it; no text: it is nested too deep. */
export interface OtlpAttribute {
  readonly key: string
  readonly text: string | undefined
}

/** What every data point has. Text that is not UTF-8 holds a lone surrogate, as no good text does. */
export interface OtlpPoint {
  readonly attributes: readonly OtlpAttribute[]
  /** 0: the sender left it out. */
  readonly t: Millis
  /** The flag "no recorded value": the series ends here. */
  readonly ended: boolean
}

export interface NumberPoint extends OtlpPoint {
  readonly value: number | undefined
}

/** What the distributions share. */
interface CountedPoint extends OtlpPoint {
  readonly count: number
  readonly sum: number | undefined
}

export interface HistogramPoint extends CountedPoint {
  readonly counts: readonly number[]
  readonly bounds: readonly number[]
}

/** Buckets of growing width: the one at i has the index offset + i. */
export interface ExponentialBuckets {
  readonly offset: number
  readonly counts: readonly number[]
}

export interface ExponentialPoint extends CountedPoint {
  readonly scale: number
  readonly zeroCount: number
  readonly zeroThreshold: number
  readonly positive: ExponentialBuckets
  readonly negative: ExponentialBuckets
}

export interface SummaryPoint extends CountedPoint {
  readonly quantiles: readonly { readonly quantile: number; readonly value: number }[]
}

/** AggregationTemporality of the protocol: 0 not said, 1 delta, 2 cumulative. */
export type Temporality = number

export const cumulative: Temporality = 2
export const delta: Temporality = 1

export type OtlpData =
  | { readonly kind: 'gauge'; readonly points: readonly NumberPoint[] }
  | {
      readonly kind: 'sum'
      readonly points: readonly NumberPoint[]
      readonly temporality: Temporality
      readonly monotonic: boolean
    }
  | {
      readonly kind: 'histogram'
      readonly points: readonly HistogramPoint[]
      readonly temporality: Temporality
    }
  | {
      readonly kind: 'exponential'
      readonly points: readonly ExponentialPoint[]
      readonly temporality: Temporality
    }
  | { readonly kind: 'summary'; readonly points: readonly SummaryPoint[] }

export interface OtlpMetric {
  readonly name: string
  readonly unit: string
  /** Absent: it has none, or of a kind the hub does not know. */
  readonly data: OtlpData | undefined
}

export interface OtlpScope {
  readonly name: string
  readonly version: string
  readonly schemaUrl: string
  readonly attributes: readonly OtlpAttribute[]
  readonly metrics: readonly OtlpMetric[]
}

export interface OtlpResource {
  readonly attributes: readonly OtlpAttribute[]
  readonly scopes: readonly OtlpScope[]
}

/** An ExportMetricsServiceRequest (opentelemetry-proto 1.x, collector/metrics/v1), without what the hub does not keep. */
export interface OtlpRequest {
  readonly resources: readonly OtlpResource[]
  /** How many exemplars were left out. */
  readonly exemplars: number
}

/** Counts what a request holds, so that a small body cannot fill the memory. */
export class OtlpCounts {
  exemplars = 0
  #points = 0
  #groups = 0
  #elements = 0

  /** Throws WriteRefused when there are too many. */
  element(): void {
    if (++this.#elements > otlpLimits.elements) throw tooMany(`${otlpLimits.elements} elements`)
  }

  /** A resource, scope or metric. Throws WriteRefused when there are too many. */
  group(): void {
    if (++this.#groups > otlpLimits.groups)
      throw tooMany(`${otlpLimits.groups} resources, scopes and metrics`)
  }

  /** Throws WriteRefused when there are too many. */
  point(): void {
    if (++this.#points > otlpLimits.points) throw tooMany(`${otlpLimits.points} data points`)
    this.element()
  }
}

/** The refusal of a request that holds more than the hub takes in one. */
export function tooMany(what: string): WriteRefused {
  return new WriteRefused(
    'too_large',
    `The request holds more than ${what}; send fewer in one request (collector: sending_queue.batch.max_size, or send_batch_max_size of the batch processor).`,
  )
}
