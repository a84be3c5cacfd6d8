import { absentLabels } from '../eval/absent.ts'
import { type LabelSet, noLabels, withoutName } from '../eval/label-set.ts'
import { timeFunctions } from '../eval/time-functions.ts'
import { clamped, numberFunctions, rounded } from '../eval/vector-call.ts'
import { type Call, type Expr, typeOf } from '../syntax/ast.ts'
import {
  type Moment,
  type Planning,
  type Scalar,
  Unplanned,
  type Vector,
  withoutDuplicates,
} from './plan.ts'
import { planRange, planTimestamp } from './read-plans.ts'

/** Computes each sample from its value and up to two scalars; undefined takes it away. The labels lose the metric's name. */
function planMapped(
  planning: Planning,
  inner: Vector,
  compute: (value: number, first: number, second: number) => number | undefined,
  first: Scalar = zero,
  second: Scalar = zero,
): Vector {
  const { slots } = planning
  const { values, present } = slots
  const { at: start, run: runInner } = inner
  const { length } = inner.labels
  const at = planning.take(length)
  const vector: Vector = {
    labels: inner.labels.map(withoutName),
    at,
    run(moment) {
      runInner(moment)
      const a = first(moment)
      const b = second(moment)
      let count = 0
      for (let index = 0; index < length; index += 1) {
        const from = start + index
        const value = present[from] === 1 ? compute(values[from]!, a, b) : undefined
        present[at + index] = value === undefined ? 0 : 1
        if (value === undefined) continue
        values[at + index] = value
        count += 1
      }
      return count
    },
  }
  return withoutDuplicates(vector, slots)
}

const zero: Scalar = () => 0
const one: Scalar = () => 1
const endless: Scalar = () => Number.POSITIVE_INFINITY
const negative: Scalar = () => Number.NEGATIVE_INFINITY
const seconds: Scalar = ({ start }) => start / 1000

/** The vector with the sign of its values turned. */
export function planNegated(planning: Planning, inner: Vector): Vector {
  return planMapped(planning, inner, (value) => -value)
}

/** One series whose sample is computed; undefined means there is none. */
function planSingle(
  planning: Planning,
  labels: LabelSet,
  compute: (moment: Moment) => number | undefined,
): Vector {
  const { values, present } = planning.slots
  const at = planning.take(1)
  return {
    labels: [labels],
    at,
    run(moment) {
      const value = compute(moment)
      present[at] = value === undefined ? 0 : 1
      values[at] = value ?? 0
      return present[at]
    },
  }
}

function argument(call: Call): Expr {
  const [first] = call.args
  if (first === undefined) throw new Error(`BUG: ${call.signature.name} without arguments`)
  return first
}

/** A function that gives a vector. */
export function planCall(planning: Planning, call: Call): Vector {
  const { name } = call.signature
  if (call.args.some((arg) => typeOf(arg) === 'matrix')) return planRange(planning, call)
  const ofTime = timeFunctions[name]
  if (ofTime !== undefined && call.args.length === 0) {
    return planSingle(planning, noLabels, ({ start }) => ofTime(Math.trunc(start / 1000)))
  }
  const ofNumber = numberFunctions[name] ?? ofTime
  if (ofNumber !== undefined) {
    return planMapped(planning, planning.vector(argument(call)), ofNumber)
  }
  const scalars = call.args.filter((arg) => typeOf(arg) === 'scalar').map(planning.scalar)
  switch (name) {
    case 'vector':
      return planSingle(planning, noLabels, scalars[0]!)
    case 'absent': {
      const { run } = planning.vector(argument(call))
      return planSingle(planning, absentLabels(argument(call)), (moment) =>
        run(moment) === 0 ? 1 : undefined,
      )
    }
    case 'timestamp': {
      const arg = argument(call)
      if (arg.kind === 'selector') return planTimestamp(planning, arg)
      return planMapped(planning, planning.vector(arg), (_, now) => now, seconds)
    }
    case 'clamp':
      return planMapped(planning, planning.vector(argument(call)), clamped, ...scalars)
    case 'clamp_min':
      return planMapped(planning, planning.vector(argument(call)), clamped, scalars[0], endless)
    case 'clamp_max':
      return planMapped(planning, planning.vector(argument(call)), clamped, negative, scalars[0])
    case 'round':
      return planMapped(planning, planning.vector(argument(call)), rounded, scalars[0] ?? one)
    default:
      throw new Unplanned(name)
  }
}
