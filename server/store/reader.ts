import type { Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'

/** A series' labels, `__name__` included. */
export type Labels = Readonly<Record<string, string>>

export interface Matcher {
  readonly name: string
  readonly op: '=' | '!=' | '=~' | '!~'
  /** A regular expression is anchored at both ends, as in Prometheus. */
  readonly value: string
}

/** One series' samples in ascending time; the arrays are the caller's to read, not to change. */
export interface SeriesSamples {
  readonly labels: Labels
  readonly times: Float64Array
  readonly values: Float64Array
  /**
   * Ascending times at which the series ended. A mark is no sample: an instant lookup whose newest entry
   * (sample or mark) is a mark finds nothing; range functions ignore marks.
   */
  readonly staleTimes: Float64Array
  /** Some of them come of a roll-up. */
  readonly isRolledUp?: boolean
  /** How many samples each of them stands for, where they come of the roll-ups `edges` and `sum`; absent: one each. */
  readonly weights?: Float64Array
}

/** Lengths of the buckets that a store may have rolled up days in, milliseconds, ascending. A bucket is open on the left: (start, end]. */
export const resolutions: readonly number[] = [300_000, 3_600_000]

/** A roll-up that answers a question as well as the samples do; what the columns hold: parts/rollup.ts. */
export interface WantedRollup {
  readonly resolution: Millis
  readonly column: 'last' | 'edges' | 'min' | 'max' | 'sum'
}

/** Bounds of one read; going over throws `query_too_large`. */
export interface ReadLimits {
  /** Of the series that match, with samples in the interval or without, where the store holds any samples in it. */
  readonly maxSeries?: number
  readonly maxSamples?: number
  readonly signal?: AbortSignal
  /** Throws OutsideMemory instead of reading files for more series than this, or more than 25 days of merged files. */
  readonly fileSeries?: number
  /** Days that are rolled up may come so; the rest comes as samples. */
  readonly rollup?: WantedRollup
}

/** Throws `query_too_large`. */
export function tooLarge(what: 'series' | 'samples', limit: number): never {
  throw new CallwardError(
    'query_too_large',
    `The query reads more than ${limit} ${what}; narrow the time range or the selector.`,
  )
}

/** Bounds of a question about labels. */
export interface CatalogueLimits {
  /** The most series of the answer; the rest are left out. */
  readonly limit?: number
  readonly signal?: AbortSignal
}

/** What was asked lies in files, at least in part. */
export class OutsideMemory extends Error {}

/** Entries of one series; times ascend, no time stands in both lists. */
export interface SeriesColumn {
  readonly times: Float64Array
  readonly values: Float64Array
  readonly staleTimes: Float64Array
}

/** Samples of one series; times ascend. */
export type SampleColumn = Pick<SeriesColumn, 'times' | 'values'>

/** The newest entry of a series; who asks for it gives the object, which is filled anew. */
export interface LatestEntry {
  /** -Infinity: there is none. */
  time: Millis
  /** Of a sample. */
  value: number
  isMark: boolean
}

/**
 * Memory series by series, for those who ask for the same ones again and again. Arrays may be views of memory that is still written to:
 * read them before the next turn of the event loop.
 */
export interface SeriesColumns {
  /** Changes when what `select` gives may change. */
  readonly version: number
  /** Ascending ids of the series that match all; an id stays the series' for good. */
  select(matchers: readonly Matcher[]): Uint32Array
  /** Values of a label, and whether every series carries it. */
  values(name: string): { readonly values: readonly string[]; readonly everywhere: boolean }
  /** Entries in [start, end]; undefined when a part of it may lie outside memory. */
  column(id: number, start: Millis, end: Millis): SeriesColumn | undefined
  /** Samples in [start, end], as `column` has them, in arrays that the next call writes over. */
  samples(id: number, start: Millis, end: Millis): SampleColumn | undefined
  /** Tells of the newest entry in [start, end]; false when it may lie outside memory. */
  latest(id: number, start: Millis, end: Millis, found: LatestEntry): boolean
}

/** What a query engine may ask of a time-series store. Both ends of every interval are included. */
export interface StoreReader {
  /** Series that match all matchers and have a sample or mark in [start, end]; any order. */
  select(
    matchers: readonly Matcher[],
    start: Millis,
    end: Millis,
    limits?: ReadLimits,
  ): Promise<readonly SeriesSamples[]>
  /** Label sets with data in [start, end] that match any of the selectors. */
  series(
    selectors: readonly (readonly Matcher[])[],
    start: Millis,
    end: Millis,
    limits?: CatalogueLimits,
  ): Promise<readonly Labels[]>
  /** Sorted label names; no selector means all series. */
  labelNames(
    selectors: readonly (readonly Matcher[])[],
    start: Millis,
    end: Millis,
    limits?: Pick<CatalogueLimits, 'signal'>,
  ): Promise<readonly string[]>
  /** Sorted values of one label. */
  labelValues(
    name: string,
    selectors: readonly (readonly Matcher[])[],
    start: Millis,
    end: Millis,
    limits?: Pick<CatalogueLimits, 'signal'>,
  ): Promise<readonly string[]>
}
