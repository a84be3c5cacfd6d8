import { executionFailure } from '../failure.ts'
import type { Aggregate } from '../syntax/ast.ts'
import { formatFixed } from '../syntax/float.ts'
import { isLabelName, quote } from '../syntax/quote.ts'
import { KahanSum, Mean, quantile } from './arithmetic.ts'
import { type LabelSet, noLabels, only, withLabel, without } from './label-set.ts'
import type { Query } from './query.ts'
import { assembleRows, emptyRow, type Frame, type Row } from './rows.ts'

/** Rows that aggregate into one. */
export interface RowGroup {
  readonly labels: LabelSet
  readonly rows: Row[]
}

function groupLabels(labels: LabelSet, expr: Aggregate): LabelSet {
  if (expr.without) return without(labels, ['__name__', ...expr.grouping])
  return expr.grouping.length === 0 ? noLabels : only(labels, expr.grouping)
}

/** Groups rows as `by` or `without` asks, in order of first appearance. */
export function groupRows(rows: readonly Row[], expr: Aggregate): readonly RowGroup[] {
  const groups = new Map<string, RowGroup>()
  for (const row of rows) {
    const labels = groupLabels(row.labels, expr)
    const group = groups.get(labels.key)
    if (group === undefined) groups.set(labels.key, { labels, rows: [row] })
    else group.rows.push(row)
  }
  return [...groups.values()]
}

/** Takes the samples of one step in order and gives their aggregate. */
interface Accumulator {
  start(value: number): void
  add(value: number): void
  result(): number
}

function simple(
  initial: (value: number) => number,
  fold: (total: number, value: number) => number,
) {
  let total = 0
  const accumulator: Accumulator = {
    start: (value) => {
      total = initial(value)
    },
    add: (value) => {
      total = fold(total, value)
    },
    result: () => total,
  }
  return accumulator
}

function sums(): Accumulator {
  let sum = new KahanSum()
  return {
    start: (value) => {
      sum = new KahanSum(value)
    },
    add: (value) => sum.add(value),
    result: () => sum.total(),
  }
}

function means(): Accumulator {
  let mean = new Mean(0)
  return {
    start: (value) => {
      mean = new Mean(value)
    },
    add: (value) => mean.add(value),
    result: () => mean.value(),
  }
}

/** Welford's running variance of the whole population. */
function variances(finish: (variance: number) => number): Accumulator {
  let count = 0
  let mean = 0
  let squares = 0
  return {
    start: (value) => {
      count = 1
      mean = value
      squares = Number.isFinite(value) ? 0 : Number.NaN
    },
    add: (value) => {
      count += 1
      const delta = value - mean
      mean += delta / count
      squares += delta * (value - mean)
    },
    result: () => finish(squares / count),
  }
}

function accumulator(op: Aggregate['op']): Accumulator {
  switch (op) {
    case 'sum':
      return sums()
    case 'avg':
      return means()
    case 'count':
      return simple(
        () => 1,
        (total) => total + 1,
      )
    case 'group':
      return simple(
        () => 1,
        () => 1,
      )
    case 'min':
      return simple(
        (value) => value,
        (total, value) => (total > value || Number.isNaN(total) ? value : total),
      )
    case 'max':
      return simple(
        (value) => value,
        (total, value) => (total < value || Number.isNaN(total) ? value : total),
      )
    case 'stdvar':
      return variances((variance) => variance)
    case 'stddev':
      return variances(Math.sqrt)
    default:
      throw new Error(`BUG: ${op} has no accumulator`)
  }
}

async function aggregateGroup(
  query: Query,
  expr: Aggregate,
  group: RowGroup,
  steps: number,
): Promise<Row> {
  const dropName = group.rows.some((row) => row.dropName)
  const result = emptyRow(group.labels, steps, dropName)
  const into = accumulator(expr.op)
  for (let step = 0; step < steps; step += 1) {
    if (query.budget.spend(group.rows.length)) await query.budget.pause()
    let seen = false
    for (const row of group.rows) {
      if (row.present[step] !== 1) continue
      const value = row.values[step] ?? 0
      if (seen) into.add(value)
      else into.start(value)
      seen = true
    }
    if (!seen) continue
    result.present[step] = 1
    result.values[step] = into.result()
  }
  return result
}

function noteQuantiles(query: Query, expr: Aggregate, param: Float64Array): void {
  const span = expr.param?.span ?? expr.span
  let low = 0
  let high = 0
  let missing = false
  for (const phi of param) {
    if (Number.isNaN(phi)) missing = true
    else {
      low = Math.min(low, phi)
      high = Math.max(high, phi)
    }
  }
  if (missing) query.notes.quantileOutOfRange(Number.NaN, span)
  if (high > 1) query.notes.quantileOutOfRange(high, span)
  if (low < 0) query.notes.quantileOutOfRange(low, span)
}

async function quantileGroup(
  query: Query,
  group: RowGroup,
  param: Float64Array,
  steps: number,
): Promise<Row> {
  const dropName = group.rows.some((row) => row.dropName)
  const result = emptyRow(group.labels, steps, dropName)
  const gathered = new Float64Array(group.rows.length)
  for (let step = 0; step < steps; step += 1) {
    if (query.budget.spend(2 * group.rows.length)) await query.budget.pause()
    let count = 0
    for (const row of group.rows) {
      if (row.present[step] !== 1) continue
      gathered[count] = row.values[step] ?? 0
      count += 1
    }
    if (count === 0) continue
    result.present[step] = 1
    result.values[step] = quantile(param[step] ?? 0, gathered.slice(0, count))
  }
  return result
}

/** Aggregates that make one series of each group: all but the k-ones and `count_values`. */
export async function aggregate(
  query: Query,
  expr: Aggregate,
  frame: Frame,
  rows: readonly Row[],
  param: Float64Array | undefined,
): Promise<readonly Row[]> {
  if (expr.op === 'quantile' && param !== undefined) noteQuantiles(query, expr, param)
  const result: Row[] = []
  for (const group of groupRows(rows, expr)) {
    result.push(
      expr.op === 'quantile' && param !== undefined
        ? await quantileGroup(query, group, param, frame.steps)
        : await aggregateGroup(query, expr, group, frame.steps),
    )
  }
  return result
}

/** `count_values("label", v)`: how many series have each value. */
export async function countValues(
  query: Query,
  expr: Aggregate,
  frame: Frame,
  rows: readonly Row[],
): Promise<readonly Row[]> {
  const label = expr.param?.kind === 'string' ? expr.param.value : ''
  if (!isLabelName(label)) throw executionFailure(`invalid label name ${quote(label)}`)
  const grouped: Aggregate = expr.without ? expr : { ...expr, grouping: [...expr.grouping, label] }
  const counts = new Map<string, Row>()
  for (const row of rows) {
    const byValue = new Map<number, Row>()
    for (let step = 0; step < frame.steps; step += 1) {
      if (row.present[step] !== 1) continue
      const value = row.values[step] ?? 0
      let target = byValue.get(value)
      if (target === undefined) {
        const labels = groupLabels(withLabel(row.labels, label, formatFixed(value)), grouped)
        target = counts.get(labels.key) ?? emptyRow(labels, frame.steps)
        counts.set(labels.key, target)
        byValue.set(value, target)
      }
      target.present[step] = 1
      target.values[step] = (target.values[step] ?? 0) + 1
    }
    if (query.budget.spend(frame.steps)) await query.budget.pause()
  }
  return assembleRows([...counts.values()], frame, query.delayedNames)
}
