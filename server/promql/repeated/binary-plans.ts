import { operation } from '../eval/arithmetic.ts'
import { resultLabels } from '../eval/binary.ts'
import { type LabelSet, withoutName } from '../eval/label-set.ts'
import { signature } from '../eval/set-operators.ts'
import { type Binary, isComparison, isSetOperator, typeOf } from '../syntax/ast.ts'
import {
  equalLabels,
  type Planning,
  type Scalar,
  Unplanned,
  type Vector,
  withoutDuplicates,
} from './plan.ts'
import { planSets } from './set-plans.ts'
import { maxSlots } from './slots.ts'

/** An operator with a vector on one side at least. */
export function planBinary(planning: Planning, expr: Binary): Vector {
  const { op, matching } = expr
  if (op === '</' || op === '>/') throw new Unplanned(op)
  if (typeOf(expr.left) === 'scalar') {
    const scalar = planning.scalar(expr.left)
    return planWithScalar(planning, expr, planning.vector(expr.right), scalar, true)
  }
  const left = planning.vector(expr.left)
  if (typeOf(expr.right) === 'scalar') {
    return planWithScalar(planning, expr, left, planning.scalar(expr.right), false)
  }
  if (matching.fillLeft !== undefined || matching.fillRight !== undefined) {
    throw new Unplanned('fill')
  }
  if (left.labels.length === 0 && op !== 'or') return left
  const right = planning.vector(expr.right)
  return isSetOperator(op)
    ? planSets(planning, expr, left, right)
    : planBetweenVectors(planning, expr, left, right)
}

/** See `combineWithScalar`. */
function planWithScalar(
  planning: Planning,
  expr: Binary,
  inner: Vector,
  scalar: Scalar,
  scalarFirst: boolean,
): Vector {
  const { slots } = planning
  const { values, present } = slots
  const compute = operation(expr.op)
  const filters = isComparison(expr.op) && !expr.bool
  const { at: start, run: runInner } = inner
  const { length } = inner.labels
  const at = planning.take(length)
  const vector: Vector = {
    labels: filters ? inner.labels : inner.labels.map(withoutName),
    at,
    run(moment) {
      const found = runInner(moment)
      const other = scalar(moment)
      if (found === 0) {
        present.fill(0, at, at + length)
        return 0
      }
      let count = 0
      for (let index = 0; index < length; index += 1) {
        const slot = at + index
        present[slot] = 0
        if (present[start + index] === 0) continue
        const value = values[start + index]!
        const computed = scalarFirst ? compute(other, value) : compute(value, other)
        if (filters && computed === 0) continue
        present[slot] = 1
        values[slot] = filters ? value : computed
        count += 1
      }
      return count
    },
  }
  return filters ? vector : withoutDuplicates(vector, slots)
}

/** Which series of two vectors meet: pairs by their series of the "one" side, then of the "many" side. */
interface Pairs {
  /** By series of the "one" side: where its pairs begin; the last number is their end. */
  readonly begin: Uint32Array
  /** The other series of each pair. */
  readonly many: Uint32Array
  /** By series of the "one" side: the number of its group, in which only one of that side may be present. */
  readonly group: Uint32Array
  readonly groups: number
  /** By series of the "one" side: at most one of its pairs may be present. */
  readonly single: Uint8Array
}

function pairUp(
  expr: Binary,
  many: Vector,
  one: Vector,
): { readonly labels: readonly LabelSet[]; readonly pairs: Pairs } {
  const { matching } = expr
  const numbers = new Map<string, number>()
  const manyOf: number[][] = []
  const group = one.labels.map((labels) => {
    const { key } = signature(labels, matching)
    const number = numbers.get(key) ?? numbers.size
    numbers.set(key, number)
    manyOf[number] ??= []
    return number
  })
  for (const [index, labels] of many.labels.entries()) {
    const number = numbers.get(signature(labels, matching).key)
    if (number !== undefined) manyOf[number]!.push(index)
  }
  const found: { readonly labels: LabelSet; readonly many: number }[] = []
  const begin: number[] = []
  const single: number[] = []
  for (const [index, number] of group.entries()) {
    begin.push(found.length)
    const own = manyOf[number]!.map((from) => ({
      labels: resultLabels(expr, many.labels[from]!, one.labels[index]!, expr.bool),
      many: from,
    }))
    const meet = equalLabels(own.map(({ labels }) => labels)) !== undefined
    single.push(Number(meet || matching.cardinality === 'one-to-one'))
    found.push(...own)
    if (found.length > maxSlots) throw new Unplanned('too many series')
  }
  begin.push(found.length)
  const pairs = {
    begin: Uint32Array.from(begin),
    many: Uint32Array.from(found, (pair) => pair.many),
    group: Uint32Array.from(group),
    groups: numbers.size,
    single: Uint8Array.from(single),
  }
  return { labels: found.map((pair) => pair.labels), pairs }
}

/** See `combineVectors`: where it would refuse a match, it is asked. */
function planBetweenVectors(planning: Planning, expr: Binary, left: Vector, right: Vector): Vector {
  const { slots } = planning
  const { values, present } = slots
  const swapped = expr.matching.cardinality === 'one-to-many'
  const { run: runLeft } = left
  const { run: runRight } = right
  const { labels, pairs } = swapped ? pairUp(expr, right, left) : pairUp(expr, left, right)
  const manyAt = swapped ? right.at : left.at
  const oneAt = swapped ? left.at : right.at
  const { length } = labels
  const compute = operation(expr.op)
  const filters = isComparison(expr.op) && !expr.bool
  const at = planning.take(length)
  const met = new Uint8Array(pairs.groups)
  const vector: Vector = {
    labels,
    at,
    run(moment) {
      present.fill(0, at, at + length)
      if (runLeft(moment) === 0 || runRight(moment) === 0) return 0
      met.fill(0)
      let count = 0
      for (let index = 0; index < pairs.group.length; index += 1) {
        if (present[oneAt + index] === 0) continue
        const group = pairs.group[index]!
        if (met[group] === 1) moment.handedOver = true
        met[group] = 1
        let matched = 0
        for (let pair = pairs.begin[index]!; pair < pairs.begin[index + 1]!; pair += 1) {
          const from = manyAt + pairs.many[pair]!
          if (present[from] === 0) continue
          matched += 1
          const ofMany = values[from]!
          const ofOne = values[oneAt + index]!
          const leftValue = swapped ? ofOne : ofMany
          const computed = compute(leftValue, swapped ? ofMany : ofOne)
          if (filters && computed === 0) continue
          present[at + pair] = 1
          values[at + pair] = filters ? leftValue : computed
          count += 1
        }
        if (matched > 1 && pairs.single[index] === 1) moment.handedOver = true
      }
      return count
    },
  }
  return withoutDuplicates(vector, slots)
}
