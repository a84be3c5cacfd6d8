import { type BinaryOperator, type Expr, typeOf, withoutParens } from '../syntax/ast.ts'
import { printExpr } from '../syntax/print.ts'
import { type Moment, type Planning, takeSlots, Unplanned, type Vector } from './plan.ts'
import { type PlanSettings, planVector } from './plans.ts'
import { planScalar } from './scalar-plans.ts'
import type { FixedSeries, PlansByExpression } from './series-at-hand.ts'

/**
 * Tells of a group of expressions, by its number, which may give something at the moment looked at: their numbers in the group, ascending.
 * All others give an empty vector for certain. Good until the next look of the same engine.
 */
export type Look = (group: number) => readonly number[]

/** Looks at series at a time; undefined where nothing can be told. */
export type Together = (time: number, fixed: FixedSeries | undefined) => Look | undefined

/** What the looks of one engine share: the number of the newest, at which a result is remembered. */
export interface Looks {
  newest: number
}

/** Slots of all expressions that are asked together, 9 bytes each. What has no room there is asked alone. */
export const slotsTogether = 1 << 18

/** A vector that is worked out once a look, whoever asks for it. */
function remembered({ labels, at, run }: Vector, looks: Looks): Vector {
  let look = 0
  let count = 0
  let handedOver = false
  return {
    labels,
    at,
    run(moment) {
      if (look !== looks.newest) {
        const before = moment.handedOver
        moment.handedOver = false
        count = run(moment)
        handedOver = moment.handedOver
        moment.handedOver = before
        look = looks.newest
      }
      if (handedOver) moment.handedOver = true
      return count
    },
  }
}

/** Between which numbers the samples of a vector are: of all limits they are compared with one is decided first. */
class Extent {
  readonly #looks: Looks
  readonly #planning: Planning
  readonly #vector: Pick<Vector, 'at' | 'run'>
  readonly #length: number
  #look = 0
  largest = Number.NEGATIVE_INFINITY
  smallest = Number.POSITIVE_INFINITY

  constructor(vector: Vector, planning: Planning, looks: Looks) {
    const { at, run } = vector
    this.#vector = { at, run }
    this.#length = vector.labels.length
    this.#planning = planning
    this.#looks = looks
  }

  /** Finds both; how many samples there are. Those that are no number pass no limit. */
  run(moment: Moment): number {
    const { at, run } = this.#vector
    const count = run(moment)
    if (this.#look === this.#looks.newest) return count
    this.#look = this.#looks.newest
    this.largest = Number.NEGATIVE_INFINITY
    this.smallest = Number.POSITIVE_INFINITY
    if (count === 0) return 0
    const { values, present } = this.#planning.slots
    for (let slot = at; slot < at + this.#length; slot += 1) {
      if (present[slot] === 0) continue
      const value = values[slot]!
      if (value > this.largest) this.largest = value
      if (value < this.smallest) this.smallest = value
    }
    return count
  }
}

type Limiting = '>' | '>=' | '<' | '<='

function isLimiting(op: BinaryOperator): op is Limiting {
  return op === '>' || op === '>=' || op === '<' || op === '<='
}

/** The number an expression is, whatever the time. */
function constantOf(expr: Expr): number | undefined {
  const inner = withoutParens(expr)
  if (inner.kind === 'number') return inner.value
  if (inner.kind !== 'unary') return undefined
  const value = constantOf(inner.expr)
  return value === undefined || inner.op === '+' ? value : -value
}

interface Limited {
  readonly of: Expr
  readonly op: Limiting
  readonly limit: number
}

/** A filter by a limit that does not move. */
function limitedBy(expr: Expr): Limited | undefined {
  if (expr.kind !== 'binary' || expr.bool || !isLimiting(expr.op)) return undefined
  if (typeOf(expr.left) !== 'vector') return undefined
  const limit = constantOf(expr.right)
  if (limit === undefined || Number.isNaN(limit)) return undefined
  return { of: withoutParens(expr.left), op: expr.op, limit }
}

/** Puts into `open` what may give something. */
type Sieve = (moment: Moment, open: number[]) => void

/** Limits of one vector in one direction, the one that is passed first in front. */
interface Limits {
  readonly op: Limiting
  readonly extent: Extent
  readonly numbers: number[]
  readonly limits: number[]
}

function passes(op: Limiting, value: number, limit: number): boolean {
  if (op === '>') return value > limit
  if (op === '>=') return value >= limit
  return op === '<' ? value < limit : value <= limit
}

function sieveOfLimits({ op, extent, numbers, limits }: Limits): Sieve {
  const upwards = op === '>' || op === '>='
  const order = [...limits.keys()].sort((a, b) =>
    upwards ? limits[a]! - limits[b]! : limits[b]! - limits[a]!,
  )
  const sorted = Float64Array.from(order, (index) => limits[index]!)
  const ordered = Uint32Array.from(order, (index) => numbers[index]!)
  return (moment, open) => {
    moment.handedOver = false
    if (extent.run(moment) === 0 && !moment.handedOver) return
    const value = upwards ? extent.largest : extent.smallest
    for (let index = 0; index < sorted.length; index += 1) {
      if (!moment.handedOver && !passes(op, value, sorted[index]!)) return
      open.push(ordered[index]!)
    }
  }
}

function sieveOfOne(run: Vector['run'], number: number): Sieve {
  return (moment, open) => {
    moment.handedOver = false
    if (run(moment) > 0 || moment.handedOver) open.push(number)
  }
}

/** One group for series of one layout. */
interface PlannedGroup {
  readonly sieves: readonly Sieve[]
  /** Of which nothing can be told. */
  readonly always: readonly number[]
}

/** Plans expressions of one layout so that what several have in common is worked out once. */
class Planner {
  readonly #looks: Looks
  readonly #keys: Map<Expr, string>
  readonly #planning: Planning
  readonly #vectors = new Map<string, Vector>()
  readonly #extents = new Map<string, Extent>()

  constructor(series: FixedSeries, settings: PlanSettings, looks: Looks, keys: Map<Expr, string>) {
    this.#looks = looks
    this.#keys = keys
    this.#planning = {
      ...settings,
      series,
      take: takeSlots(settings.slots.values.length),
      vector: (expr) => this.#vector(withoutParens(expr)),
      scalar: (expr) => planScalar(this.#planning, expr),
    }
  }

  group(exprs: readonly (Expr | undefined)[]): PlannedGroup {
    const always: number[] = []
    const sieves: Sieve[] = []
    const limits = new Map<string, Limits>()
    for (const [number, expr] of exprs.entries()) {
      try {
        if (expr === undefined || typeOf(expr) !== 'vector') throw new Unplanned('no vector')
        const outer = withoutParens(expr)
        const limited = limitedBy(outer)
        if (limited !== undefined) this.#limit(limits, limited, number)
        else sieves.push(sieveOfOne(this.#vector(outer).run, number))
      } catch (error) {
        if (!(error instanceof Unplanned)) throw error
        always.push(number)
      }
    }
    return { sieves: [...sieves, ...[...limits.values()].map(sieveOfLimits)], always }
  }

  #limit(all: Map<string, Limits>, { of, op, limit }: Limited, number: number): void {
    const key = this.#key(of)
    const extent =
      this.#extents.get(key) ?? new Extent(this.#vector(of), this.#planning, this.#looks)
    this.#extents.set(key, extent)
    const found = all.get(`${op} ${key}`) ?? { op, extent, numbers: [], limits: [] }
    all.set(`${op} ${key}`, found)
    found.numbers.push(number)
    found.limits.push(limit)
  }

  #vector(expr: Expr): Vector {
    const key = this.#key(expr)
    const known = this.#vectors.get(key)
    if (known !== undefined) return known
    const vector = remembered(planVector(this.#planning, expr), this.#looks)
    this.#vectors.set(key, vector)
    return vector
  }

  /** Equal texts are equal expressions. */
  #key(expr: Expr): string {
    const key = this.#keys.get(expr) ?? printExpr(expr)
    this.#keys.set(expr, key)
    return key
  }
}

function openOf({ sieves, always }: PlannedGroup, moment: Moment): readonly number[] {
  const open = [...always]
  for (const sieve of sieves) sieve(moment, open)
  return open.length > 1 ? open.sort((a, b) => a - b) : open
}

/**
 * Asks many resolved expressions of the same series at the same moment. What they have in common is worked out once, and expressions that
 * hold one vector against several limits cost one comparison while none is passed. An expression that is undefined may always give something.
 */
export function askTogether(
  groups: readonly (readonly (Expr | undefined)[])[],
  settings: PlanSettings,
  looks: Looks,
): Together {
  const layouts = new WeakMap<PlansByExpression, readonly PlannedGroup[]>()
  const keys = new Map<Expr, string>()
  const planned = (series: FixedSeries) => {
    const known = layouts.get(series.plans)
    if (known !== undefined) return known
    const planner = new Planner(series, settings, looks, keys)
    const made = groups.map((exprs) => planner.group(exprs))
    layouts.set(series.plans, made)
    return made
  }
  return (time, series) => {
    if (series === undefined) return undefined
    const layout = planned(series)
    const moment: Moment = { start: time, interval: 1, steps: 1, series, handedOver: false }
    const look = ++looks.newest
    return (group) => {
      if (looks.newest !== look) throw new Error('BUG: a look that is no longer the newest')
      const of = layout[group]
      if (of === undefined) throw new Error(`BUG: no group ${group}`)
      return openOf(of, moment)
    }
  }
}
