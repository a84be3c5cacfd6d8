import { signature } from '../eval/set-operators.ts'
import type { Binary } from '../syntax/ast.ts'
import type { Planning, Vector } from './plan.ts'

/** Numbers of the signatures of both sides. */
function numbered(expr: Binary, left: Vector, right: Vector) {
  const numbers = new Map<string, number>()
  const numbersOf = ({ labels }: Vector): Uint32Array =>
    Uint32Array.from(labels, (set) => {
      const { key } = signature(set, expr.matching)
      const number = numbers.get(key) ?? numbers.size
      numbers.set(key, number)
      return number
    })
  const ofLeft = numbersOf(left)
  const ofRight = numbersOf(right)
  return { ofLeft, ofRight, seen: new Uint8Array(numbers.size) }
}

/** `and`, `or` and `unless`; see `combineSets`. Equal labels have equal signatures, so the sides of `or` never meet. */
export function planSets(planning: Planning, expr: Binary, left: Vector, right: Vector): Vector {
  const { values, present } = planning.slots
  const { ofLeft, ofRight, seen } = numbered(expr, left, right)
  const { at: leftAt, run: runLeft } = left
  const { at: rightAt, run: runRight } = right
  const isOr = expr.op === 'or'
  const labels = isOr ? [...left.labels, ...right.labels] : left.labels
  const at = planning.take(labels.length)

  /** Notes the signatures that a side has samples of. */
  const note = (side: number, numbers: Uint32Array) => {
    seen.fill(0)
    for (let index = 0; index < numbers.length; index += 1) {
      if (present[side + index] === 1) seen[numbers[index]!] = 1
    }
  }
  /** Takes the samples of a side whose signatures were noted (1), were not (0), or all. */
  const take = (side: number, numbers: Uint32Array, to: number, wanted: 0 | 1 | 'all') => {
    let count = 0
    for (let index = 0; index < numbers.length; index += 1) {
      const from = side + index
      const kept =
        present[from] === 1 && (wanted === 'all' || seen[numbers[index]!] === wanted) ? 1 : 0
      present[to + index] = kept
      if (kept === 0) continue
      values[to + index] = values[from]!
      count += 1
    }
    return count
  }

  if (isOr) {
    return {
      labels,
      at,
      run(moment) {
        runLeft(moment)
        runRight(moment)
        note(leftAt, ofLeft)
        return take(leftAt, ofLeft, at, 'all') + take(rightAt, ofRight, at + ofLeft.length, 0)
      },
    }
  }
  const wanted = expr.op === 'and' ? 1 : 0
  return {
    labels,
    at,
    run(moment) {
      if (runLeft(moment) === 0) {
        present.fill(0, at, at + ofLeft.length)
        return 0
      }
      runRight(moment)
      note(rightAt, ofRight)
      return take(leftAt, ofLeft, at, wanted)
    },
  }
}
