import type { StoreReader } from '../../store/reader.ts'
import type { Expr } from '../syntax/ast.ts'
import type { Budget } from './budget.ts'
import type { Notes } from './notes.ts'
import type { Frame, Row } from './rows.ts'
import type { LoadedSeries } from './source.ts'

/** What the evaluation of one query shares. */
export interface Query {
  readonly reader: StoreReader
  readonly budget: Budget
  readonly notes: Notes
  /** How far back an instant lookup reaches, milliseconds. */
  readonly lookback: number
  /** Keep metric names until the query ends. */
  readonly delayedNames: boolean
  /** Step of subqueries that name none, milliseconds. */
  readonly subqueryStep: number
  /** Expressions whose value is the same at every step. */
  readonly invariants: ReadonlySet<Expr>
  /** What was read from the store, by selector and interval. */
  readonly loaded: Map<string, Promise<readonly LoadedSeries[]>>
  /** Evaluates a vector (or a scalar, as one row without labels) on the steps of a frame. */
  evaluate(expr: Expr, frame: Frame): Promise<readonly Row[]>
  /** Evaluates a scalar: one number a step. */
  scalar(expr: Expr, frame: Frame): Promise<Float64Array>
}
