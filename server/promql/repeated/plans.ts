import type { Sample, Value } from '../answer.ts'
import { toLabels } from '../eval/label-set.ts'
import { type Expr, typeOf, withoutParens } from '../syntax/ast.ts'
import { planAggregate } from './aggregate-plans.ts'
import { planBinary } from './binary-plans.ts'
import { planCall, planNegated } from './call-plans.ts'
import {
  type Moment,
  type Planning,
  type Scalar,
  takeSlots,
  Unplanned,
  type Vector,
} from './plan.ts'
import { planSelector } from './read-plans.ts'
import { planScalar } from './scalar-plans.ts'
import type { FixedSeries, Plan } from './series-at-hand.ts'
import type { Slots } from './slots.ts'

/** What plans take from their engine. */
export interface PlanSettings {
  readonly slots: Slots
  /** How far back an instant lookup reaches, milliseconds. */
  readonly lookback: number
  /** Most series a selector may give. */
  readonly maxSeries: number
}

/** The plan of a vector; its parts are asked of `planning`. Throws `Unplanned`. */
export function planVector(planning: Planning, expr: Expr): Vector {
  switch (expr.kind) {
    case 'selector':
      return planSelector(planning, expr)
    case 'paren':
      return planning.vector(expr.expr)
    case 'unary': {
      const inner = planning.vector(expr.expr)
      return expr.op === '-' ? planNegated(planning, inner) : inner
    }
    case 'binary':
      return planBinary(planning, expr)
    case 'aggregate':
      return planAggregate(planning, expr)
    case 'call':
      return planCall(planning, expr)
    default:
      throw new Unplanned(expr.kind)
  }
}

const empty: Value = { kind: 'vector', samples: [] }

function vectorOf({ labels, at }: Vector, time: number, { values, present }: Slots): Value {
  const samples: Sample[] = []
  for (const [index, set] of labels.entries()) {
    if (present[at + index] === 0) continue
    samples.push({ labels: toLabels(set), time, value: values[at + index]! })
  }
  return { kind: 'vector', samples }
}

function planningOf(series: FixedSeries, settings: PlanSettings): Planning {
  const planning: Planning = {
    ...settings,
    series,
    take: takeSlots(),
    vector: (inner) => planVector(planning, inner),
    scalar: (inner) => planScalar(planning, inner),
  }
  return planning
}

function momentOf(start: number, series: FixedSeries): Moment {
  return { start, interval: 1, steps: 1, series, handedOver: false }
}

function scalarPlan(scalar: Scalar): Plan {
  return (time, series) => {
    const moment = momentOf(time, series)
    const value = scalar(moment)
    return moment.handedOver ? undefined : { kind: 'scalar', time, value }
  }
}

function vectorPlan(vector: Vector, slots: Slots): Plan {
  return (time, series) => {
    const moment = momentOf(time, series)
    const count = vector.run(moment)
    if (moment.handedOver) return undefined
    return count === 0 ? empty : vectorOf(vector, time, slots)
  }
}

/**
 * Plans a resolved expression for the layout of some series: what follows from their labels is worked out here, once. Throws
 * `Unplanned` for what only the interpreter does.
 */
export function makePlan(expr: Expr, series: FixedSeries, settings: PlanSettings): Plan {
  const planning = planningOf(series, settings)
  const outer = withoutParens(expr)
  const type = typeOf(outer)
  if (type === 'scalar') return scalarPlan(planning.scalar(outer))
  if (type !== 'vector') throw new Unplanned(`a ${type}`)
  return vectorPlan(planning.vector(outer), settings.slots)
}

/** Evaluates a resolved expression by the plan for these series, made when it is first asked for; undefined when the interpreter has to. */
export function answerByPlan(
  expr: Expr,
  time: number,
  series: FixedSeries,
  settings: PlanSettings,
): Value | undefined {
  const { plans } = series
  let plan = plans.get(expr)
  if (plan === undefined && !plans.has(expr)) {
    plan = planOrNothing(expr, series, settings)
    plans.set(expr, plan)
  }
  return plan?.(time, series)
}

function planOrNothing(expr: Expr, series: FixedSeries, settings: PlanSettings): Plan | undefined {
  try {
    return makePlan(expr, series, settings)
  } catch (error) {
    if (error instanceof Unplanned) return undefined
    throw error
  }
}
