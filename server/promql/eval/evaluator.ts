import {
  type Aggregate,
  type Binary,
  type Call,
  type Expr,
  isSetOperator,
  typeOf,
} from '../syntax/ast.ts'
import { aggregate, countValues } from './aggregate.ts'
import { larger, operation, smaller } from './arithmetic.ts'
import { combineVectors, combineWithScalar } from './binary.ts'
import { callHistogramFunction } from './histogram.ts'
import { callInfo } from './info.ts'
import { labelJoin, labelReplace } from './label-functions.ts'
import { noLabels, withoutName } from './label-set.ts'
import type { Query } from './query.ts'
import { callRangeFunction } from './range-call.ts'
import { assembleRows, emptyRow, type Frame, mergeRows, type Row } from './rows.ts'
import { selectSeries } from './select-k.ts'
import { combineSets } from './set-operators.ts'
import { selectInstant } from './source.ts'
import { type Evaluation, pause } from './turns.ts'
import { callVectorFunction } from './vector-call.ts'

function isRangeCall(call: Call): boolean {
  return call.args.some((arg) => typeOf(arg) === 'matrix')
}

function isEmptyWithoutLeft({ op, matching }: Binary): boolean {
  return op !== 'or' && matching.fillLeft === undefined
}

function* evaluateBinary(query: Query, expr: Binary, frame: Frame): Evaluation<readonly Row[]> {
  if (typeOf(expr.left) === 'scalar') {
    const scalar = yield* query.scalar(expr.left, frame)
    const rows = yield* query.evaluate(expr.right, frame)
    return combineWithScalar(query, expr, frame, rows, scalar, true)
  }
  const left = yield* query.evaluate(expr.left, frame)
  if (typeOf(expr.right) === 'scalar') {
    const scalar = yield* query.scalar(expr.right, frame)
    return combineWithScalar(query, expr, frame, left, scalar, false)
  }
  if (query.lazy && left.length === 0 && isEmptyWithoutLeft(expr)) return []
  const right = yield* query.evaluate(expr.right, frame)
  return isSetOperator(expr.op)
    ? combineSets(query, expr, frame, left, right)
    : yield* combineVectors(query, expr, frame, left, right)
}

function* evaluateAggregate(
  query: Query,
  expr: Aggregate,
  frame: Frame,
): Evaluation<readonly Row[]> {
  if (expr.op === 'count_values') {
    return yield* countValues(query, expr, frame, yield* query.evaluate(expr.expr, frame))
  }
  const param = expr.param === undefined ? undefined : yield* query.scalar(expr.param, frame)
  const rows = yield* query.evaluate(expr.expr, frame)
  if (param === undefined || expr.op === 'quantile') {
    return yield* aggregate(query, expr, frame, rows, param)
  }
  return yield* selectSeries(query, expr, frame, rows, param)
}

function* evaluateTimestamp(query: Query, call: Call, frame: Frame): Evaluation<readonly Row[]> {
  const selector = call.args[0]
  if (selector?.kind !== 'selector') throw new Error('BUG: timestamp of no selector')
  const rows = yield* selectInstant(query, selector, frame, 'time')
  const named = rows.map((row) => ({
    ...row,
    labels: query.delayedNames ? row.labels : withoutName(row.labels),
    values: row.values.map((time) => time / 1000),
    dropName: true,
  }))
  return assembleRows(named, frame, query.delayedNames)
}

function* evaluateCall(query: Query, call: Call, frame: Frame): Evaluation<readonly Row[]> {
  const { name } = call.signature
  if (name === 'info') return yield* callInfo(query, call, frame)
  if (name === 'timestamp' && call.args[0]?.kind === 'selector') {
    return yield* evaluateTimestamp(query, call, frame)
  }
  if (isRangeCall(call)) return yield* callRangeFunction(query, call, frame)
  let rows: readonly Row[] = []
  const scalars: Float64Array[] = []
  for (const arg of call.args) {
    const type = typeOf(arg)
    if (type === 'scalar') scalars.push(yield* query.scalar(arg, frame))
    else if (type === 'vector') rows = yield* query.evaluate(arg, frame)
  }
  const context = { query, call, frame, rows, scalars }
  if (name === 'label_replace') return labelReplace(call, rows)
  if (name === 'label_join') return labelJoin(call, rows)
  if (name === 'histogram_quantile' || name === 'histogram_quantiles') {
    return callHistogramFunction(context)
  }
  if (name === 'histogram_fraction') return callHistogramFunction(context)
  return callVectorFunction(context)
}

function negate(query: Query, rows: readonly Row[]): readonly Row[] {
  const negated = rows.map((row) => ({
    ...row,
    labels: query.delayedNames ? row.labels : withoutName(row.labels),
    values: row.values.map((value) => -value),
    dropName: true,
  }))
  return query.delayedNames ? negated : mergeRows(negated)
}

function* evaluateVector(query: Query, expr: Expr, frame: Frame): Evaluation<readonly Row[]> {
  switch (expr.kind) {
    case 'selector':
      return yield* selectInstant(query, expr, frame)
    case 'paren':
      return yield* query.evaluate(expr.expr, frame)
    case 'unary': {
      const rows = yield* query.evaluate(expr.expr, frame)
      return expr.op === '-' ? negate(query, rows) : rows
    }
    case 'binary':
      return yield* evaluateBinary(query, expr, frame)
    case 'aggregate':
      return yield* evaluateAggregate(query, expr, frame)
    case 'call':
      return yield* evaluateCall(query, expr, frame)
    default:
      throw new Error(`BUG: ${expr.kind} is no vector`)
  }
}

/** Repeats the only step of each row on all steps of a frame. */
function repeat(rows: readonly Row[], frame: Frame): readonly Row[] {
  return rows.map((row) => ({
    ...row,
    values: new Float64Array(frame.steps).fill(row.values[0] ?? 0),
    present: new Uint8Array(frame.steps).fill(row.present[0] ?? 0),
  }))
}

/** Evaluates a vector, or a scalar as one row without labels. */
export function* evaluate(query: Query, expr: Expr, frame: Frame): Evaluation<readonly Row[]> {
  query.budget.check()
  if (typeOf(expr) === 'scalar') {
    const row = emptyRow(noLabels, frame.steps)
    row.values.set(yield* query.scalar(expr, frame))
    row.present.fill(1)
    return [row]
  }
  const mark = query.budget.mark
  const once = frame.steps > 1 && query.invariants.has(expr)
  const inner = once ? { ...frame, steps: 1 } : frame
  const found = yield* evaluateVector(query, expr, inner)
  const rows = once ? repeat(found, frame) : found
  query.budget.settle(mark, rows.length * frame.steps)
  if (query.budget.spend(rows.length * frame.steps)) yield pause
  return rows
}

function* scalarOf(query: Query, vector: Expr, frame: Frame): Evaluation<Float64Array> {
  const values = new Float64Array(frame.steps).fill(Number.NaN)
  const seen = new Uint8Array(frame.steps)
  for (const row of yield* query.evaluate(vector, frame)) {
    for (let step = 0; step < frame.steps; step += 1) {
      if (row.present[step] !== 1) continue
      values[step] = seen[step] === 1 ? Number.NaN : (row.values[step] ?? 0)
      seen[step] = 1
    }
  }
  return values
}

function* callScalar(query: Query, call: Call, frame: Frame): Evaluation<Float64Array> {
  const { name } = call.signature
  const values = new Float64Array(frame.steps)
  if (name === 'pi') return values.fill(Math.PI)
  if (name === 'time') return values.map((_, step) => (frame.start + step * frame.interval) / 1000)
  const [first, second] = call.args
  if (name === 'scalar' && first !== undefined) return yield* scalarOf(query, first, frame)
  if (first === undefined || second === undefined) throw new Error(`BUG: no scalar ${name}`)
  const left = yield* query.scalar(first, frame)
  const right = yield* query.scalar(second, frame)
  const choose = name === 'max_of' ? larger : smaller
  return values.map((_, step) => choose(left[step] ?? 0, right[step] ?? 0))
}

/** Evaluates a scalar on every step of a frame. */
export function* evaluateScalar(query: Query, expr: Expr, frame: Frame): Evaluation<Float64Array> {
  switch (expr.kind) {
    case 'number':
      return new Float64Array(frame.steps).fill(expr.value)
    case 'paren':
      return yield* query.scalar(expr.expr, frame)
    case 'unary': {
      const values = yield* query.scalar(expr.expr, frame)
      return expr.op === '-' ? values.map((value) => -value) : values
    }
    case 'binary': {
      const left = yield* query.scalar(expr.left, frame)
      const right = yield* query.scalar(expr.right, frame)
      const compute = operation(expr.op)
      return left.map((value, step) => compute(value, right[step] ?? 0))
    }
    case 'call':
      return yield* callScalar(query, expr, frame)
    default:
      throw new Error(`BUG: ${expr.kind} is no scalar`)
  }
}
