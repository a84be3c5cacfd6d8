import { executionFailure } from '../failure.ts'
import type { Aggregate } from '../syntax/ast.ts'
import { groupRows, type RowGroup } from './aggregate.ts'
import type { Query } from './query.ts'
import type { Frame, Row } from './rows.ts'
import { sampleOffset } from './series-hash.ts'
import { type Evaluation, pause } from './turns.ts'

/** Whether a sample is to be kept before another; NaN comes last. */
function before(op: Aggregate['op'], left: number, right: number): boolean {
  if (Number.isNaN(left)) return false
  if (Number.isNaN(right)) return true
  return op === 'topk' ? left > right : left < right
}

/** Indexes of the k best rows at a step, best first; ties keep the order of the rows. */
function best(op: Aggregate['op'], rows: readonly Row[], step: number, k: number): number[] {
  const kept: number[] = []
  rows.forEach((row, index) => {
    if (row.present[step] !== 1) return
    if (op === 'limitk') {
      if (kept.length < k) kept.push(index)
      return
    }
    const value = row.values[step] ?? 0
    let place = kept.length
    while (place > 0 && before(op, value, rows[kept[place - 1] ?? 0]?.values[step] ?? 0)) place -= 1
    if (place >= k) return
    kept.splice(place, 0, index)
    if (kept.length > k) kept.pop()
  })
  return kept
}

function inRatio(offset: number, ratio: number): boolean {
  return ratio >= 0 ? offset < ratio : offset >= 1 + ratio
}

function bounds(param: Float64Array): { low: number; high: number; missing: boolean } {
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  let missing = false
  for (const value of param) {
    if (Number.isNaN(value)) missing = true
    else {
      low = Math.min(low, value)
      high = Math.max(high, value)
    }
  }
  return { low, high, missing }
}

/** Checks the parameter over all steps; false means the result is empty. */
function checkCount(param: Float64Array): boolean {
  const { low, high, missing } = bounds(param)
  if (missing) throw executionFailure('Parameter value is NaN')
  if (high < 1) return false
  if (low <= -(2 ** 63)) throw executionFailure(`Scalar value ${low} underflows int64`)
  if (high >= 2 ** 63) {
    const shown = high === Number.POSITIVE_INFINITY ? '+Inf' : String(high)
    throw executionFailure(`Scalar value ${shown} overflows int64`)
  }
  return true
}

function checkRatio(query: Query, expr: Aggregate, param: Float64Array): boolean {
  const { low, high, missing } = bounds(param)
  if (missing) throw executionFailure('Ratio value is NaN')
  const span = expr.param?.span ?? expr.span
  if (high > 1) query.notes.ratioOutOfRange(high, 1, span)
  if (low < -1) query.notes.ratioOutOfRange(low, -1, span)
  return !(high === 0 && low === 0)
}

function keepInstant(expr: Aggregate, group: RowGroup, k: number): readonly Row[] {
  return best(expr.op, group.rows, 0, k).flatMap((index) => group.rows[index] ?? [])
}

function* keepRange(
  query: Query,
  expr: Aggregate,
  group: RowGroup,
  param: Float64Array,
  steps: number,
): Evaluation<readonly Row[]> {
  const masks = group.rows.map(() => new Uint8Array(steps))
  for (let step = 0; step < steps; step += 1) {
    if (query.budget.spend(2 * group.rows.length)) yield pause
    const k = Math.trunc(param[step] ?? 0)
    if (k < 1) continue
    for (const index of best(expr.op, group.rows, step, k)) {
      const mask = masks[index]
      if (mask !== undefined) mask[step] = 1
    }
  }
  return group.rows.map((row, index) => ({ ...row, present: masks[index] ?? row.present }))
}

function keepRatio(rows: readonly Row[], param: Float64Array): readonly Row[] {
  return rows.map((row) => {
    const offset = sampleOffset(row.labels)
    const present = row.present.map((here, step) => {
      const ratio = Math.max(-1, Math.min(1, param[step] ?? 0))
      return here & Number(ratio !== 0 && inRatio(offset, ratio))
    })
    return { ...row, present }
  })
}

/** `topk`, `bottomk`, `limitk` and `limit_ratio`: series pass unchanged or not at all. */
export function* selectSeries(
  query: Query,
  expr: Aggregate,
  frame: Frame,
  rows: readonly Row[],
  param: Float64Array,
): Evaluation<readonly Row[]> {
  const some = expr.op === 'limit_ratio' ? checkRatio(query, expr, param) : checkCount(param)
  if (!some) return []
  if (expr.op === 'limit_ratio') {
    return keepRatio(rows, param).filter((row) => row.present.includes(1))
  }
  const kept: Row[] = []
  for (const group of groupRows(rows, expr)) {
    kept.push(
      ...(frame.steps === 1
        ? keepInstant(expr, group, Math.trunc(param[0] ?? 0))
        : yield* keepRange(query, expr, group, param, frame.steps)),
    )
  }
  return kept.filter((row) => row.present.includes(1))
}
