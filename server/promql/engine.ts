import type { Labels, Matcher, StoreReader } from '../store/reader.ts'
import { Budget, defaultLimits, type QueryLimits } from './eval/budget.ts'
import { evaluate, evaluateScalar } from './eval/evaluator.ts'
import { compareLabels, toLabels, withoutName } from './eval/label-set.ts'
import { Notes } from './eval/notes.ts'
import { findInvariants, type QueryTimes, resolve } from './eval/plan.ts'
import type { Query } from './eval/query.ts'
import { evaluateRange } from './eval/range-call.ts'
import { type Frame, mergeRows, type Row } from './eval/rows.ts'
import { QueryFailure } from './failure.ts'
import { keepsInstance, withMatcher } from './rewrite.ts'
import { type Expr, typeOf, withoutParens } from './syntax/ast.ts'
import { documentedType } from './syntax/check.ts'
import { parse } from './syntax/parser.ts'
import { printExpr } from './syntax/print.ts'

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

/** An answer with what is to be said about it, positions included. */
export interface Answer {
  readonly value: Value
  readonly warnings: readonly string[]
  readonly infos: readonly string[]
}

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
  readonly timeoutMilliseconds?: number
  readonly lookbackMilliseconds?: number
}

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
  /** Throws `QueryFailure` of kind `bad_data`. */
  parse(text: string): Expr
  /** See `withMatcher` of rewrite.ts. */
  withMatcher(expr: Expr, matcher: Matcher): Expr
  /** See `keepsInstance` of rewrite.ts. */
  keepsInstance(expr: Expr): boolean
  printExpr(expr: Expr): string
}

interface Prepared {
  readonly text: string
  readonly expr: Expr
  readonly query: Query
}

function startQuery(options: EngineOptions, invariants: ReadonlySet<Expr>, chosen: QueryOptions) {
  const limits = { ...defaultLimits, ...options.limits }
  const timeoutMilliseconds = Math.min(
    limits.timeoutMilliseconds,
    chosen.timeoutMilliseconds ?? limits.timeoutMilliseconds,
  )
  const query: Query = {
    reader: options.reader,
    budget: new Budget({ ...limits, timeoutMilliseconds }, chosen.signal),
    notes: new Notes(),
    lookback: chosen.lookbackMilliseconds ?? options.lookbackMilliseconds ?? 300_000,
    delayedNames: options.delayedNames ?? false,
    subqueryStep: options.subqueryStepMilliseconds ?? 60_000,
    invariants,
    loaded: new Map(),
    evaluate: (expr, frame) => evaluate(query, expr, frame),
    scalar: (expr, frame) => evaluateScalar(query, expr, frame),
  }
  return query
}

function prepare(
  options: EngineOptions,
  source: string | Expr,
  times: QueryTimes,
  chosen: QueryOptions,
): Prepared {
  const parsed =
    typeof source === 'string'
      ? parse(source, { experimental: options.experimental ?? false })
      : source
  const text = typeof source === 'string' ? source : printExpr(source)
  const expr = resolve(parsed, times)
  return { text, expr, query: startQuery(options, findInvariants(expr), chosen) }
}

function finalRows(query: Query, rows: readonly Row[]): readonly Row[] {
  if (!query.delayedNames) return rows
  return mergeRows(
    rows.map((row) => (row.dropName ? { ...row, labels: withoutName(row.labels) } : row)),
  )
}

async function instantValue({ query, expr }: Prepared, frame: Frame): Promise<Value> {
  const time = frame.start
  const inner = withoutParens(expr)
  if (inner.kind === 'string') return { kind: 'string', time, value: inner.value }
  switch (typeOf(expr)) {
    case 'scalar': {
      const [value = Number.NaN] = await query.scalar(expr, frame)
      return { kind: 'scalar', time, value }
    }
    case 'matrix': {
      const found = [...(await evaluateRange(query, inner, frame))].map((series) =>
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
      const rows = finalRows(query, await query.evaluate(expr, frame))
      const samples = rows.map((row) => {
        return { labels: toLabels(row.labels), time, value: row.values[0] ?? 0 }
      })
      return { kind: 'vector', samples }
    }
  }
}

function pointsOf(row: Row, frame: Frame): Series {
  const labels = toLabels(row.labels)
  let count = 0
  for (const one of row.present) count += one
  const times = new Float64Array(count)
  const values = new Float64Array(count)
  let at = 0
  for (let step = 0; step < frame.steps; step += 1) {
    if (row.present[step] !== 1) continue
    times[at] = frame.start + step * frame.interval
    values[at] = row.values[step] ?? 0
    at += 1
  }
  return { labels, times, values }
}

async function rangeValue({ query, expr }: Prepared, frame: Frame): Promise<Value> {
  const rows = [...finalRows(query, await query.evaluate(expr, frame))]
  rows.sort((left, right) => compareLabels(left.labels, right.labels))
  const series: Series[] = []
  for (const row of rows) {
    series.push(pointsOf(row, frame))
    if (query.budget.spend(frame.steps)) await query.budget.pause()
  }
  return { kind: 'matrix', series }
}

function checkRange(maxPoints: number, start: number, end: number, step: number): void {
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

function checkRangeType(expr: Expr): void {
  const type = typeOf(expr)
  if (type === 'vector' || type === 'scalar') return
  throw new QueryFailure(
    'bad_data',
    `invalid expression type "${documentedType(type)}" for range query, must be Scalar or instant Vector`,
  )
}

/** Makes an engine over a store. It keeps nothing between queries. */
export function createEngine(options: EngineOptions): Engine {
  const maxPoints = options.limits?.maxPoints ?? defaultLimits.maxPoints
  return {
    parse: (text) => parse(text, { experimental: options.experimental ?? false }),
    withMatcher,
    keepsInstance,
    printExpr,
    async instant(source, time, chosen = {}) {
      const prepared = prepare(options, source, { start: time, end: time, step: 0 }, chosen)
      const value = await instantValue(prepared, { start: time, interval: 1, steps: 1 })
      return { value, ...prepared.query.notes.render(prepared.text) }
    },
    async range(source, start, end, step, chosen = {}) {
      checkRange(maxPoints, start, end, step)
      const prepared = prepare(options, source, { start, end, step }, chosen)
      checkRangeType(prepared.expr)
      const steps = Math.floor((end - start) / step) + 1
      const value = await rangeValue(prepared, { start, interval: step, steps })
      return { value, ...prepared.query.notes.render(prepared.text) }
    },
  }
}
