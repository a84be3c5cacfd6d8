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
import { callVectorFunction } from './vector-call.ts'

function isRangeCall(call: Call): boolean {
  return call.args.some((arg) => typeOf(arg) === 'matrix')
}

async function evaluateBinary(query: Query, expr: Binary, frame: Frame): Promise<readonly Row[]> {
  if (typeOf(expr.left) === 'scalar') {
    const scalar = await query.scalar(expr.left, frame)
    const rows = await query.evaluate(expr.right, frame)
    return combineWithScalar(query, expr, frame, rows, scalar, true)
  }
  const left = await query.evaluate(expr.left, frame)
  if (typeOf(expr.right) === 'scalar') {
    const scalar = await query.scalar(expr.right, frame)
    return combineWithScalar(query, expr, frame, left, scalar, false)
  }
  const right = await query.evaluate(expr.right, frame)
  return isSetOperator(expr.op)
    ? combineSets(query, expr, frame, left, right)
    : combineVectors(query, expr, frame, left, right)
}

async function evaluateAggregate(
  query: Query,
  expr: Aggregate,
  frame: Frame,
): Promise<readonly Row[]> {
  if (expr.op === 'count_values') {
    return countValues(query, expr, frame, await query.evaluate(expr.expr, frame))
  }
  const param = expr.param === undefined ? undefined : await query.scalar(expr.param, frame)
  const rows = await query.evaluate(expr.expr, frame)
  if (param === undefined || expr.op === 'quantile') {
    return aggregate(query, expr, frame, rows, param)
  }
  return selectSeries(query, expr, frame, rows, param)
}

async function evaluateTimestamp(query: Query, call: Call, frame: Frame): Promise<readonly Row[]> {
  const selector = call.args[0]
  if (selector?.kind !== 'selector') throw new Error('BUG: timestamp of no selector')
  const rows = await selectInstant(query, selector, frame, 'time')
  const named = rows.map((row) => ({
    ...row,
    labels: query.delayedNames ? row.labels : withoutName(row.labels),
    values: row.values.map((time) => time / 1000),
    dropName: true,
  }))
  return assembleRows(named, frame, query.delayedNames)
}

async function evaluateCall(query: Query, call: Call, frame: Frame): Promise<readonly Row[]> {
  const { name } = call.signature
  if (name === 'info') return callInfo(query, call, frame)
  if (name === 'timestamp' && call.args[0]?.kind === 'selector') {
    return evaluateTimestamp(query, call, frame)
  }
  if (isRangeCall(call)) return callRangeFunction(query, call, frame)
  let rows: readonly Row[] = []
  const scalars: Float64Array[] = []
  for (const arg of call.args) {
    const type = typeOf(arg)
    if (type === 'scalar') scalars.push(await query.scalar(arg, frame))
    else if (type === 'vector') rows = await query.evaluate(arg, frame)
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

async function evaluateVector(query: Query, expr: Expr, frame: Frame): Promise<readonly Row[]> {
  switch (expr.kind) {
    case 'selector':
      return selectInstant(query, expr, frame)
    case 'paren':
      return query.evaluate(expr.expr, frame)
    case 'unary': {
      const rows = await query.evaluate(expr.expr, frame)
      return expr.op === '-' ? negate(query, rows) : rows
    }
    case 'binary':
      return evaluateBinary(query, expr, frame)
    case 'aggregate':
      return evaluateAggregate(query, expr, frame)
    case 'call':
      return evaluateCall(query, expr, frame)
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
export async function evaluate(query: Query, expr: Expr, frame: Frame): Promise<readonly Row[]> {
  query.budget.check()
  if (typeOf(expr) === 'scalar') {
    const row = emptyRow(noLabels, frame.steps)
    row.values.set(await query.scalar(expr, frame))
    row.present.fill(1)
    return [row]
  }
  const mark = query.budget.mark
  const once = frame.steps > 1 && query.invariants.has(expr)
  const inner = once ? { ...frame, steps: 1 } : frame
  const found = await evaluateVector(query, expr, inner)
  const rows = once ? repeat(found, frame) : found
  query.budget.settle(mark, rows.length * frame.steps)
  if (query.budget.spend(rows.length * frame.steps)) await query.budget.pause()
  return rows
}

async function scalarOf(query: Query, vector: Expr, frame: Frame): Promise<Float64Array> {
  const values = new Float64Array(frame.steps).fill(Number.NaN)
  const seen = new Uint8Array(frame.steps)
  for (const row of await query.evaluate(vector, frame)) {
    for (let step = 0; step < frame.steps; step += 1) {
      if (row.present[step] !== 1) continue
      values[step] = seen[step] === 1 ? Number.NaN : (row.values[step] ?? 0)
      seen[step] = 1
    }
  }
  return values
}

async function callScalar(query: Query, call: Call, frame: Frame): Promise<Float64Array> {
  const { name } = call.signature
  const values = new Float64Array(frame.steps)
  if (name === 'pi') return values.fill(Math.PI)
  if (name === 'time') return values.map((_, step) => (frame.start + step * frame.interval) / 1000)
  const [first, second] = call.args
  if (name === 'scalar' && first !== undefined) return scalarOf(query, first, frame)
  if (first === undefined || second === undefined) throw new Error(`BUG: no scalar ${name}`)
  const left = await query.scalar(first, frame)
  const right = await query.scalar(second, frame)
  const choose = name === 'max_of' ? larger : smaller
  return values.map((_, step) => choose(left[step] ?? 0, right[step] ?? 0))
}

/** Evaluates a scalar on every step of a frame. */
export async function evaluateScalar(
  query: Query,
  expr: Expr,
  frame: Frame,
): Promise<Float64Array> {
  switch (expr.kind) {
    case 'number':
      return new Float64Array(frame.steps).fill(expr.value)
    case 'paren':
      return query.scalar(expr.expr, frame)
    case 'unary': {
      const values = await query.scalar(expr.expr, frame)
      return expr.op === '-' ? values.map((value) => -value) : values
    }
    case 'binary': {
      const left = await query.scalar(expr.left, frame)
      const right = await query.scalar(expr.right, frame)
      const compute = operation(expr.op)
      return left.map((value, step) => compute(value, right[step] ?? 0))
    }
    case 'call':
      return callScalar(query, expr, frame)
    default:
      throw new Error(`BUG: ${expr.kind} is no scalar`)
  }
}
