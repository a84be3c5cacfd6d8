import { executionFailure } from '../failure.ts'
import { type Binary, isComparison, type VectorMatching } from '../syntax/ast.ts'
import { operation } from './arithmetic.ts'
import {
  type LabelSet,
  labelValue,
  only,
  printLabels,
  withLabel,
  without,
  withoutName,
} from './label-set.ts'
import type { Query } from './query.ts'
import { assembleRows, computedRow, emptyRow, type Frame, type Row } from './rows.ts'
import { signature } from './set-operators.ts'
import { type Evaluation, pause } from './turns.ts'

function refuseTrimming(query: Query, expr: Binary): readonly Row[] {
  const text = `incompatible sample types encountered for binary operator "${expr.op}": float ${expr.op} float`
  query.notes.inform(text, expr.span)
  return []
}

/** An operator between a vector and a scalar; a filtering comparison keeps the vector's values. */
export function combineWithScalar(
  query: Query,
  expr: Binary,
  frame: Frame,
  rows: readonly Row[],
  scalar: Float64Array,
  scalarFirst: boolean,
): readonly Row[] {
  if (expr.op === '</' || expr.op === '>/') {
    return rows.length === 0 ? [] : refuseTrimming(query, expr)
  }
  const compute = operation(expr.op)
  const filters = isComparison(expr.op) && !expr.bool
  const result = rows.map((row) => {
    const values = new Float64Array(frame.steps)
    const present = filters ? new Uint8Array(frame.steps) : row.present
    for (let step = 0; step < frame.steps; step += 1) {
      if (row.present[step] !== 1) continue
      const value = row.values[step] ?? 0
      const other = scalar[step] ?? 0
      const computed = scalarFirst ? compute(other, value) : compute(value, other)
      if (filters) present[step] = computed
      values[step] = filters ? value : computed
    }
    if (filters) return { ...row, values, present }
    return computedRow(row, values, query.delayedNames)
  })
  return assembleRows(result, frame, query.delayedNames)
}

/** The labels of a result: those of the "many" side, cut to the matching ones when it is one to one. */
export function resultLabels(
  expr: Binary,
  many: LabelSet,
  one: LabelSet,
  dropName: boolean,
): LabelSet {
  const { matching, op } = expr
  let labels = dropName || !isComparison(op) ? withoutName(many) : many
  if (matching.cardinality === 'one-to-one') {
    labels = matching.on ? only(labels, matching.labels) : without(labels, matching.labels)
  }
  for (const name of matching.include) labels = withLabel(labels, name, labelValue(one, name))
  return labels
}

/** Rows of both sides with one signature. */
interface Group {
  readonly many: Row[]
  readonly one: Row[]
  /** Result rows by index in `many` (-1: filled) and in `one` (-1: filled). */
  readonly results: Map<number, { readonly row: Row; readonly slot: { step: number } }>
  /** By result labels: the last step one was made at. */
  readonly slots: Map<string, { step: number }>
}

/** The sides of an operator turned so that the second is the "one" side. */
interface Sides {
  readonly expr: Binary
  readonly frame: Frame
  readonly swapped: boolean
  readonly delayed: boolean
  readonly compute: (left: number, right: number) => number
  readonly fillMany: number | undefined
  readonly fillOne: number | undefined
}

function groupRows(
  many: readonly Row[],
  one: readonly Row[],
  matching: VectorMatching,
): readonly Group[] {
  const groups = new Map<string, Group>()
  const groupOf = (row: Row): Group => {
    const { key } = signature(row.labels, matching)
    let group = groups.get(key)
    if (group === undefined) {
      group = { many: [], one: [], results: new Map(), slots: new Map() }
      groups.set(key, group)
    }
    return group
  }
  for (const row of one) groupOf(row).one.push(row)
  for (const row of many) groupOf(row).many.push(row)
  return [...groups.values()]
}

function stepsWithSamples(rows: readonly Row[], steps: number): Uint8Array {
  const any = new Uint8Array(steps)
  for (const { present } of rows) {
    for (let step = 0; step < steps; step += 1) if (present[step] === 1) any[step] = 1
  }
  return any
}

function refuseSecond(sides: Sides, first: Row, second: Row): never {
  const { matching } = sides.expr
  const group = matching.on
    ? only(second.labels, matching.labels)
    : without(second.labels, ['__name__', ...matching.labels])
  const side = sides.swapped ? 'left' : 'right'
  const shown = [printLabels(first.labels), printLabels(second.labels)].sort()
  throw executionFailure(
    `found duplicate series for the match group ${printLabels(group)} on the ${side} hand-side of the operation: ` +
      `[${shown.join(', ')}];many-to-many matching not allowed: matching labels must be unique on one side`,
  )
}

function present(row: Row | undefined, step: number): boolean {
  return row?.present[step] === 1
}

/** Index of the one row with a sample at a step; -1 when there is none. */
function onlyOne(sides: Sides, group: Group, step: number): number {
  let found = -1
  group.one.forEach((row, index) => {
    if (!present(row, step)) return
    const before = group.one[found]
    if (before !== undefined) refuseSecond(sides, before, row)
    found = index
  })
  return found
}

function matchLabels(labels: LabelSet, matching: VectorMatching): LabelSet {
  return signature(labels, matching)
}

function resultOf(sides: Sides, group: Group, manyIndex: number, oneIndex: number) {
  const pair = (manyIndex + 1) * (group.one.length + 1) + oneIndex + 1
  const found = group.results.get(pair)
  if (found !== undefined) return found
  const { expr, delayed, frame } = sides
  const manyLabels = group.many[manyIndex]?.labels
  const oneLabels = group.one[oneIndex]?.labels
  const known = manyLabels ?? oneLabels
  if (known === undefined) throw new Error('BUG: a result of two filled sides')
  const filled = matchLabels(known, expr.matching)
  const labels = resultLabels(
    expr,
    manyLabels ?? filled,
    oneLabels ?? filled,
    !delayed && expr.bool,
  )
  let slot = group.slots.get(labels.key)
  if (slot === undefined) {
    slot = { step: -1 }
    group.slots.set(labels.key, slot)
  }
  const made = { row: emptyRow(labels, frame.steps, expr.bool), slot }
  group.results.set(pair, made)
  return made
}

/** Computes one pair of samples at one step; -1 stands for a side that is filled. */
function computePair(
  sides: Sides,
  group: Group,
  step: number,
  manyIndex: number,
  oneIndex: number,
): void {
  const { row, slot } = resultOf(sides, group, manyIndex, oneIndex)
  if (slot.step === step && sides.expr.matching.cardinality !== 'one-to-one') {
    throw executionFailure(
      'multiple matches for labels: grouping labels must ensure unique matches',
    )
  }
  slot.step = step
  const many = group.many[manyIndex]?.values[step] ?? sides.fillMany ?? 0
  const one = group.one[oneIndex]?.values[step] ?? sides.fillOne ?? 0
  const [left, right] = sides.swapped ? [one, many] : [many, one]
  const computed = sides.compute(left, right)
  const filters = isComparison(sides.expr.op) && !sides.expr.bool
  if (filters && computed === 0) return
  row.present[step] = 1
  row.values[step] = filters ? left : computed
}

function computeStep(sides: Sides, group: Group, step: number): void {
  const oneIndex = onlyOne(sides, group, step)
  let matched = false
  for (let index = 0; index < group.many.length; index += 1) {
    if (!present(group.many[index], step)) continue
    if (oneIndex < 0 && sides.fillOne === undefined) return
    if (matched && sides.expr.matching.cardinality === 'one-to-one') {
      throw executionFailure(
        'multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)',
      )
    }
    computePair(sides, group, step, index, oneIndex)
    matched = true
  }
  if (!matched && oneIndex >= 0 && sides.fillMany !== undefined) {
    computePair(sides, group, step, -1, oneIndex)
  }
}

/** An arithmetic or comparison operator between two vectors. */
export function* combineVectors(
  query: Query,
  expr: Binary,
  frame: Frame,
  left: readonly Row[],
  right: readonly Row[],
): Evaluation<readonly Row[]> {
  if (expr.op === '</' || expr.op === '>/') {
    return left.length === 0 || right.length === 0 ? [] : refuseTrimming(query, expr)
  }
  const { matching } = expr
  const swapped = matching.cardinality === 'one-to-many'
  const sides: Sides = {
    expr,
    frame,
    swapped,
    delayed: query.delayedNames,
    compute: operation(expr.op),
    // As in Prometheus, the left fill stands for the "many" side with group_right too.
    fillMany: matching.fillLeft,
    fillOne: matching.fillRight,
  }
  const [many, one] = swapped ? [right, left] : [left, right]
  const filled = matching.fillLeft !== undefined || matching.fillRight !== undefined
  const manyAny = stepsWithSamples(many, frame.steps)
  const oneAny = stepsWithSamples(one, frame.steps)
  const rows: Row[] = []
  for (const group of groupRows(many, one, matching)) {
    for (let step = 0; step < frame.steps; step += 1) {
      // As in Prometheus, an empty side makes the step empty before duplicates are looked for.
      if (!filled && (manyAny[step] === 0 || oneAny[step] === 0)) continue
      computeStep(sides, group, step)
      const work = 2 * (group.many.length + group.one.length)
      if (query.budget.spend(work)) yield pause
    }
    for (const { row } of group.results.values()) rows.push(row)
    query.budget.hold(group.results.size * frame.steps)
  }
  return assembleRows(rows, frame, query.delayedNames)
}
