import { executionFailure } from '../failure.ts'
import type { Aggregate } from '../syntax/ast.ts'
import { formatFixed } from '../syntax/float.ts'
import { isLabelName, quote } from '../syntax/quote.ts'
import { quantile } from './arithmetic.ts'
import { startFold } from './fold.ts'
import { type LabelSet, labelValue, noLabels, only, withLabel, without } from './label-set.ts'
import type { Query } from './query.ts'
import { assembleRows, emptyRow, type Frame, type Row, RowBlock } from './rows.ts'
import { type Evaluation, pause } from './turns.ts'

/** Rows that aggregate into one. */
export interface RowGroup {
  readonly labels: LabelSet
  readonly rows: Row[]
}

function groupLabels(labels: LabelSet, expr: Aggregate): LabelSet {
  if (expr.without) return without(labels, ['__name__', ...expr.grouping])
  return expr.grouping.length === 0 ? noLabels : only(labels, expr.grouping)
}

/** Text that rows share exactly when they belong together. */
function groupKey(labels: LabelSet, expr: Aggregate, excluded: readonly string[]): string {
  if (!expr.without && expr.grouping.length === 1) return labelValue(labels, expr.grouping[0]!)
  let key = ''
  if (!expr.without) {
    for (const name of expr.grouping) {
      const value = labelValue(labels, name)
      key += `${value.length}:${value}`
    }
    return key
  }
  for (let index = 0; index < labels.names.length; index += 1) {
    const name = labels.names[index]!
    if (excluded.includes(name)) continue
    const value = labels.values[index]!
    key += `${name.length}:${name}${value.length}:${value}`
  }
  return key
}

/** Groups rows as `by` or `without` asks, in order of first appearance. */
export function groupRows(rows: readonly Row[], expr: Aggregate): readonly RowGroup[] {
  const excluded = ['__name__', ...expr.grouping]
  const groups = new Map<string, RowGroup>()
  for (const row of rows) {
    const key = groupKey(row.labels, expr, excluded)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { labels: groupLabels(row.labels, expr), rows: [row] })
    else group.rows.push(row)
  }
  return [...groups.values()]
}

function* aggregateGroup(
  query: Query,
  expr: Aggregate,
  group: RowGroup,
  result: Row,
): Evaluation<void> {
  const fold = startFold(expr.op, result)
  for (const row of group.rows) {
    fold.add(row)
    if (query.budget.spend(result.values.length)) yield pause
  }
  fold.finish(group.rows)
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

function* quantileGroup(
  query: Query,
  group: RowGroup,
  param: Float64Array,
  result: Row,
): Evaluation<void> {
  const steps = result.values.length
  const gathered = new Float64Array(group.rows.length)
  for (let step = 0; step < steps; step += 1) {
    if (query.budget.spend(2 * group.rows.length)) yield pause
    let count = 0
    for (const row of group.rows) {
      if (row.present[step] !== 1) continue
      gathered[count] = row.values[step] ?? 0
      count += 1
    }
    if (count === 0) continue
    result.present[step] = 1
    result.values[step] = quantile(param[step] ?? 0, gathered.subarray(0, count))
  }
}

/** Aggregates that make one series of each group: all but the k-ones and `count_values`. */
export function* aggregate(
  query: Query,
  expr: Aggregate,
  frame: Frame,
  rows: readonly Row[],
  param: Float64Array | undefined,
): Evaluation<readonly Row[]> {
  if (expr.op === 'quantile' && param !== undefined) noteQuantiles(query, expr, param)
  const groups = groupRows(rows, expr)
  const block = new RowBlock(groups.length, frame.steps)
  const results: Row[] = []
  for (const group of groups) {
    const dropName = group.rows.some((row) => row.dropName)
    const result = block.row(group.labels, dropName)
    results.push(result)
    if (expr.op === 'quantile' && param !== undefined) {
      yield* quantileGroup(query, group, param, result)
    } else yield* aggregateGroup(query, expr, group, result)
  }
  return results
}

/** `count_values("label", v)`: how many series have each value. */
export function* countValues(
  query: Query,
  expr: Aggregate,
  frame: Frame,
  rows: readonly Row[],
): Evaluation<readonly Row[]> {
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
    if (query.budget.spend(frame.steps)) yield pause
  }
  return assembleRows([...counts.values()], frame, query.delayedNames)
}
