import type { Labels } from '../store/reader.ts'

/** One sample of an instant vector; `time` is the evaluation's, milliseconds. */
export interface Sample {
  readonly labels: Labels
  readonly time: number
  readonly value: number
}

/** One series of a matrix; times ascend, milliseconds. */
export interface Series {
  readonly labels: Labels
  readonly times: Float64Array
  readonly values: Float64Array
}

/** What a query gives. A vector keeps the order `sort` and `topk` made; a matrix is sorted by labels. */
export type Value =
  | { readonly kind: 'scalar'; readonly time: number; readonly value: number }
  | { readonly kind: 'string'; readonly time: number; readonly value: string }
  | { readonly kind: 'vector'; readonly samples: readonly Sample[] }
  | { readonly kind: 'matrix'; readonly series: readonly Series[] }

/** What a query cost. Samples count once for each step that uses them, as Prometheus counts. */
export interface Statistics {
  readonly totalQueryableSamples: number
  /** By step, when asked for. */
  readonly samplesPerStep:
    | { readonly times: Float64Array; readonly counts: Float64Array }
    | undefined
  /** Most samples in memory at once. */
  readonly peakSamples: number
  /** Parsing, and waiting for the store. */
  readonly preparationSeconds: number
  readonly evaluationSeconds: number
  readonly sortSeconds: number
}

/** An answer with what is to be said about it, positions included. */
export interface Answer {
  readonly value: Value
  readonly warnings: readonly string[]
  readonly infos: readonly string[]
  readonly statistics: Statistics
}
