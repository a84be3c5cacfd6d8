import type { Matcher, StoreReader } from '../store/reader.ts'
import type { Answer, Series, Value } from './answer.ts'
import { type Allowance, Budget, defaultLimits, type QueryLimits } from './eval/budget.ts'
import { evaluate, evaluateScalar } from './eval/evaluator.ts'
import { compareLabels, toLabels, withoutName } from './eval/label-set.ts'
import { Notes } from './eval/notes.ts'
import { findInvariants, type QueryTimes, resolve } from './eval/plan.ts'
import type { Query } from './eval/query.ts'
import { evaluateRange } from './eval/range-call.ts'
import { type Frame, mergeRows, type Row } from './eval/rows.ts'
import { type Evaluation, pause, runNow, runWaiting } from './eval/turns.ts'
import { Usage } from './eval/usage.ts'
import { QueryFailure } from './failure.ts'
import { matches } from './matching.ts'
import { type ExprReads, matchersAtInstant, readsOf, variesWithTimes } from './reads.ts'
import { answerByPlan, type PlanSettings } from './repeated/plans.ts'
import type { SeriesAtHand } from './repeated/series-at-hand.ts'
import { makeSlots, type Slots } from './repeated/slots.ts'
import { askTogether, slotsTogether, type Together } from './repeated/together.ts'
import { keepsInstance, withMatcher } from './rewrite.ts'
import { type Expr, typeOf, withoutParens } from './syntax/ast.ts'
import { documentedType } from './syntax/check.ts'
import { parse } from './syntax/parser.ts'
import { printExpr } from './syntax/print.ts'

export type { Answer, Sample, Series, Statistics, Value } from './answer.ts'
export type { FixedSeries, PlacedSeries, SeriesAtHand } from './repeated/series-at-hand.ts'
export type { Look, Together } from './repeated/together.ts'

export interface EngineOptions {
  readonly reader: StoreReader
  readonly limits?: Partial<QueryLimits>
  /** How far back an instant lookup reaches; 5 minutes. */
  readonly lookbackMilliseconds?: number
  /** Step of subqueries that name none; 1 minute. */
  readonly subqueryStepMilliseconds?: number
  /** Accept experimental functions and syntax; off. */
  readonly experimental?: boolean
  /** Keep metric names until the query ends; off. */
  readonly delayedNames?: boolean
}

/** Choices for one query. */
export interface QueryOptions {
  readonly signal?: AbortSignal
  /** Asked now and then; true stops the query as a signal does. */
  readonly isCancelled?: () => boolean
  readonly timeoutMilliseconds?: number
  readonly lookbackMilliseconds?: number
  /** Longest buckets of roll-ups that may stand for samples; 0: none may. */
  readonly coarsestMilliseconds?: number
  /** Throws `Outgrown` when the query costs more. */
  readonly allowance?: Allowance
  /** Count the samples of each step. */
  readonly countSamples?: boolean
}

/**
 * The value at one instant without remarks, at once; undefined when the series do not give what it takes. The matchers they are asked for
 * are the same objects at every call. Where one side of `and` or an operator between vectors decides alone that there is no result, the
 * other side is not evaluated. Throws `QueryFailure`.
 */
export type RepeatedQuery = (time: number, series: SeriesAtHand) => Value | undefined

/** Evaluates PromQL; a query is its text or an expression parsed before. */
export interface Engine {
  /** Throws `QueryFailure`. */
  instant(query: string | Expr, time: number, options?: QueryOptions): Promise<Answer>
  /** Both ends are included; `step` is above 0. Throws `QueryFailure`. */
  range(
    query: string | Expr,
    start: number,
    end: number,
    step: number,
    options?: QueryOptions,
  ): Promise<Answer>
  /** An expression that is asked for at many instants, prepared once. Throws `QueryFailure`. */
  repeated(expr: Expr): RepeatedQuery
  /**
   * Groups of expressions that are asked of the same series at the same moment: which of them may give something. An expression that is
   * undefined counts as one that may. Throws `QueryFailure`.
   */
  together(groups: readonly (readonly (Expr | undefined)[])[]): Together
  /** Whether a label's value satisfies a matcher; a label that is missing has an empty value. */
  matches(matcher: Matcher, value: string): boolean
  /** What an expression asks of the store. */
  reads(expr: Expr): ExprReads
  /** Throws `QueryFailure` of kind `bad_data`. */
  parse(text: string): Expr
  /** See `withMatcher` of rewrite.ts. */
  withMatcher(expr: Expr, matcher: Matcher): Expr
  /** See `keepsInstance` of rewrite.ts. */
  keepsInstance(expr: Expr): boolean
  printExpr(expr: Expr): string
}

/** A query about to be evaluated on the steps of a frame. */
interface Prepared {
  readonly text: string
  readonly expr: Expr
  readonly query: Query
  readonly frame: Frame
  /** Moments of `performance.now()`, milliseconds. */
  readonly began: number
  sortMilliseconds: number
}

function startQuery(
  options: EngineOptions,
  invariants: ReadonlySet<Expr>,
  frame: Frame,
  chosen: QueryOptions,
  lazy = false,
): Query {
  const limits = { ...defaultLimits, ...options.limits }
  const timeoutMilliseconds = Math.min(
    limits.timeoutMilliseconds,
    chosen.timeoutMilliseconds ?? limits.timeoutMilliseconds,
  )
  const query: Query = {
    budget: new Budget({ ...limits, timeoutMilliseconds }, chosen),
    notes: new Notes(),
    lookback: chosen.lookbackMilliseconds ?? options.lookbackMilliseconds ?? defaultLookback,
    delayedNames: options.delayedNames ?? false,
    subqueryStep: options.subqueryStepMilliseconds ?? defaultSubqueryStep,
    coarsest: chosen.coarsestMilliseconds ?? Number.POSITIVE_INFINITY,
    maxSeries: limits.maxSeries,
    invariants,
    lazy,
    loaded: new Map(),
    usage: chosen.countSamples === true ? new Usage(frame) : undefined,
    evaluate: (expr, inner) => evaluate(query, expr, inner),
    scalar: (expr, inner) => evaluateScalar(query, expr, inner),
  }
  return query
}

function prepare(
  options: EngineOptions,
  source: string | Expr,
  times: QueryTimes,
  chosen: QueryOptions,
): Prepared {
  const began = performance.now()
  const parsed =
    typeof source === 'string'
      ? parse(source, { experimental: options.experimental ?? false })
      : source
  const text = typeof source === 'string' ? source : printExpr(source)
  const expr = resolve(parsed, times)
  const { start, end, step } = times
  const frame =
    step === 0
      ? { start, interval: 1, steps: 1 }
      : { start, interval: step, steps: Math.floor((end - start) / step) + 1 }
  const query = startQuery(options, findInvariants(expr), frame, chosen)
  return { text, expr, query, frame, began, sortMilliseconds: 0 }
}

function finalRows(query: Query, rows: readonly Row[]): readonly Row[] {
  if (!query.delayedNames) return rows
  return mergeRows(
    rows.map((row) => (row.dropName ? { ...row, labels: withoutName(row.labels) } : row)),
  )
}

function* instantValue({ query, expr, frame }: Prepared): Evaluation<Value> {
  const time = frame.start
  const inner = withoutParens(expr)
  if (inner.kind === 'string') return { kind: 'string', time, value: inner.value }
  switch (typeOf(expr)) {
    case 'scalar': {
      const [value = Number.NaN] = yield* query.scalar(expr, frame)
      return { kind: 'scalar', time, value }
    }
    case 'matrix': {
      const found = [...(yield* evaluateRange(query, inner, frame))].map((series) =>
        query.delayedNames && series.dropName
          ? { ...series, labels: withoutName(series.labels) }
          : series,
      )
      found.sort((left, right) => compareLabels(left.labels, right.labels))
      const series = found.map(({ labels, times, values }) => {
        return { labels: toLabels(labels), times, values }
      })
      return { kind: 'matrix', series }
    }
    default: {
      const rows = finalRows(query, yield* query.evaluate(expr, frame))
      const samples = rows.map((row) => {
        return { labels: toLabels(row.labels), time, value: row.values[0] ?? 0 }
      })
      return { kind: 'vector', samples }
    }
  }
}

/** The points of a row; a row without gaps gives `times` and its values as they are. */
function pointsOf({ labels, present, values: all }: Row, times: Float64Array): Series {
  let count = 0
  for (let step = 0; step < present.length; step += 1) count += present[step]!
  if (count === present.length) return { labels: toLabels(labels), times, values: all }
  const at = new Float64Array(count)
  const values = new Float64Array(count)
  let next = 0
  for (let step = 0; step < present.length; step += 1) {
    if (present[step] === 0) continue
    at[next] = times[step]!
    values[next] = all[step]!
    next += 1
  }
  return { labels: toLabels(labels), times: at, values }
}

function* rangeValue(prepared: Prepared): Evaluation<Value> {
  const { query, expr, frame } = prepared
  const rows = [...finalRows(query, yield* query.evaluate(expr, frame))]
  const sorted = performance.now()
  rows.sort((left, right) => compareLabels(left.labels, right.labels))
  prepared.sortMilliseconds = performance.now() - sorted
  const times = new Float64Array(frame.steps)
  for (let step = 0; step < frame.steps; step += 1)
    times[step] = frame.start + step * frame.interval
  const series: Series[] = []
  for (const row of rows) {
    series.push(pointsOf(row, times))
    if (query.budget.spend(frame.steps)) yield pause
  }
  return { kind: 'matrix', series }
}

function answerOf(prepared: Prepared, value: Value): Answer {
  const { query, text, began, sortMilliseconds } = prepared
  const { budget, usage } = query
  const samplesPerStep =
    usage === undefined ? undefined : { times: usage.times, counts: usage.perStep }
  const elapsed = performance.now() - began
  return {
    value,
    ...query.notes.render(text),
    statistics: {
      totalQueryableSamples: usage?.total ?? 0,
      samplesPerStep,
      peakSamples: budget.peakSamples,
      preparationSeconds: budget.readMilliseconds / 1000,
      evaluationSeconds: (elapsed - budget.readMilliseconds - sortMilliseconds) / 1000,
      sortSeconds: sortMilliseconds / 1000,
    },
  }
}

/** Throws `QueryFailure` where the times of a range make no grid, or one of too many points. */
export function checkRange(maxPoints: number, start: number, end: number, step: number): void {
  if (!(step > 0)) {
    throw new QueryFailure(
      'bad_data',
      'zero or negative query resolution step widths are not accepted. Try a positive integer',
    )
  }
  if (end < start) {
    throw new QueryFailure('bad_data', 'end timestamp must not be before start time')
  }
  if ((end - start) / step > maxPoints) {
    const shown = maxPoints.toLocaleString('en-US')
    throw new QueryFailure(
      'bad_data',
      `exceeded maximum resolution of ${shown} points per timeseries. Try decreasing the query resolution (?step=XX)`,
    )
  }
}

/** Throws `QueryFailure` where a range query cannot give the expression's type. */
export function checkRangeType(expr: Expr): void {
  const type = typeOf(expr)
  if (type === 'vector' || type === 'scalar') return
  throw new QueryFailure(
    'bad_data',
    `invalid expression type "${documentedType(type)}" for range query, must be Scalar or instant Vector`,
  )
}

/** How far an instant lookup looks back, milliseconds. */
export const defaultLookback = 300_000
/** Step of subqueries that name none, milliseconds. */
export const defaultSubqueryStep = 60_000

/** One step has nothing to repeat. */
const noInvariants: ReadonlySet<Expr> = new Set()

/** An expression that is the same whatever the time; undefined for others. */
function timeless(expr: Expr): Expr | undefined {
  return variesWithTimes(expr) ? undefined : resolve(expr, { start: 0, end: 0, step: 0 })
}

function planSettings(options: EngineOptions, slots: Slots): PlanSettings {
  const lookback = options.lookbackMilliseconds ?? defaultLookback
  const { maxSeries } = { ...defaultLimits, ...options.limits }
  return { slots, lookback, maxSeries }
}

/** A plan where the series are known and the expression allows one, else the interpreter. */
function repeatedQuery(options: EngineOptions, expr: Expr, slots: Slots): RepeatedQuery {
  const fixed = timeless(expr)
  const newestOnly = new Set(fixed === undefined ? [] : matchersAtInstant(fixed))
  const settings = planSettings(options, slots)
  const plannable = options.delayedNames === true ? undefined : fixed
  return (time, series) => {
    const planned =
      plannable && series.fixed && answerByPlan(plannable, time, series.fixed, settings)
    if (planned !== undefined) return planned
    const times = { start: time, end: time, step: 0 }
    const frame = { start: time, interval: 1, steps: 1 }
    const query = startQuery(options, noInvariants, frame, {}, true)
    const resolved = fixed ?? resolve(expr, times)
    const prepared = { text: '', expr: resolved, query, frame, began: 0, sortMilliseconds: 0 }
    return runNow(instantValue(prepared), ({ matchers, start, end }) =>
      series.read(matchers, start, end, newestOnly.has(matchers)),
    )
  }
}

/** Makes an engine over a store. It keeps nothing between queries. */
export function createEngine(options: EngineOptions): Engine {
  const { reader } = options
  const maxPoints = options.limits?.maxPoints ?? defaultLimits.maxPoints
  const slots = makeSlots()
  const looks = { newest: 0 }
  let roomTogether: Slots | undefined
  return {
    parse: (text) => parse(text, { experimental: options.experimental ?? false }),
    withMatcher,
    keepsInstance,
    printExpr,
    async instant(source, time, chosen = {}) {
      const prepared = prepare(options, source, { start: time, end: time, step: 0 }, chosen)
      const value = await runWaiting(instantValue(prepared), reader, prepared.query.budget)
      return answerOf(prepared, value)
    },
    matches,
    reads: (expr) => readsOf(expr, options.lookbackMilliseconds ?? defaultLookback),
    repeated: (expr) => repeatedQuery(options, expr, slots),
    together(groups) {
      roomTogether ??= makeSlots(slotsTogether)
      const plannable = (expr: Expr | undefined) =>
        expr === undefined || options.delayedNames === true ? undefined : timeless(expr)
      const resolved = groups.map((exprs) => exprs.map(plannable))
      return askTogether(resolved, planSettings(options, roomTogether), looks)
    },
    async range(source, start, end, step, chosen = {}) {
      checkRange(maxPoints, start, end, step)
      const prepared = prepare(options, source, { start, end, step }, chosen)
      checkRangeType(prepared.expr)
      const value = await runWaiting(rangeValue(prepared), reader, prepared.query.budget)
      return answerOf(prepared, value)
    },
  }
}
