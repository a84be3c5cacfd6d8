import type { Expr } from '../syntax/ast.ts'
import type { Budget } from './budget.ts'
import type { Notes } from './notes.ts'
import type { Frame, Row } from './rows.ts'
import type { LoadedSeries } from './source.ts'
import type { Evaluation } from './turns.ts'
import type { Usage } from './usage.ts'

/** What the evaluation of one query shares. */
export interface Query {
  readonly budget: Budget
  readonly notes: Notes
  /** How far back an instant lookup reaches, milliseconds. */
  readonly lookback: number
  /** Keep metric names until the query ends. */
  readonly delayedNames: boolean
  /** Step of subqueries that name none, milliseconds. */
  readonly subqueryStep: number
  /** Longest buckets, milliseconds, of roll-ups that may stand for samples; 0: none may. */
  readonly coarsest: number
  /** Most series one selector may give. */
  readonly maxSeries: number
  /** Expressions whose value is the same at every step. */
  readonly invariants: ReadonlySet<Expr>
  /** Do not evaluate what cannot change the result; its faults and remarks stay unseen. */
  readonly lazy: boolean
  /** What was read from the store, by selector and interval. */
  readonly loaded: Map<string, readonly LoadedSeries[]>
  /** Absent when nobody asked for statistics. */
  readonly usage: Usage | undefined
  /** Evaluates a vector (or a scalar, as one row without labels) on the steps of a frame. */
  evaluate(expr: Expr, frame: Frame): Evaluation<readonly Row[]>
  /** Evaluates a scalar: one number a step. */
  scalar(expr: Expr, frame: Frame): Evaluation<Float64Array>
}
