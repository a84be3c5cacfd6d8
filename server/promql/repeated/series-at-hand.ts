import type {
  Labels,
  LatestEntry,
  Matcher,
  SampleColumn,
  SeriesSamples,
} from '../../store/reader.ts'
import type { Value } from '../answer.ts'
import type { Expr } from '../syntax/ast.ts'

/**
 * Series with samples or marks in [start, end], at once; undefined when they cannot be given at once. With `newestOnly` the newest
 * sample or mark of each series is enough.
 */
export type ReadNow = (
  matchers: readonly Matcher[],
  start: number,
  end: number,
  newestOnly: boolean,
) => readonly SeriesSamples[] | undefined

/** A series by the number under which its samples are asked for. */
export interface PlacedSeries {
  readonly place: number
  readonly labels: Labels
}

/** What was worked out from the labels of series, and nothing for expressions that are left to the interpreter. */
export type PlansByExpression = Map<Expr, Plan | undefined>

/** Evaluates at a time, of series of the layout it was made for; undefined when the interpreter has to. */
export type Plan = (time: number, series: FixedSeries) => Value | undefined

/** Series that are the same from one evaluation to the next. */
export interface FixedSeries {
  /** Of this layout, by expression: the same map wherever the same series stand at the same places, empty at first. */
  readonly plans: PlansByExpression
  /** Every series a selector gives, with or without samples, in any order. */
  select(matchers: readonly Matcher[]): readonly PlacedSeries[]
  /** Tells of the newest entry in [start, end]; false when it cannot be told at once. */
  latest(place: number, start: number, end: number, found: LatestEntry): boolean
  /** Samples in [start, end], in arrays that the next call may write over; undefined when they cannot be given at once. */
  samples(place: number, start: number, end: number): SampleColumn | undefined
}

/** What an expression that is asked again and again reads, without waiting. */
export interface SeriesAtHand {
  readonly read: ReadNow
  /** The same series by their places; absent where they may come and go between two evaluations. */
  readonly fixed?: FixedSeries | undefined
}
