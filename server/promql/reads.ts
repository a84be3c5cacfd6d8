import type { Matcher } from '../store/reader.ts'
import { childrenOf, type Duration, type Expr, type VectorSelector } from './syntax/ast.ts'

/** What an expression asks of a store, whatever the time. */
export interface ExprReads {
  /** Metric names of its selectors; undefined when one names none. */
  readonly metrics: ReadonlySet<string> | undefined
  /** Labels that matchers look at. */
  readonly labels: ReadonlySet<string>
  /**
   * Labels do not turn into other labels, values or an order of series: with a label's value exchanged in every series read, and not
   * looked at by a matcher, the result is the same with that value exchanged.
   */
  readonly keepsLabels: boolean
  /** How far back of its time it looks, milliseconds; Infinity with `@` or arithmetic in durations. */
  readonly reach: number
}

/** Functions and aggregations that make labels, or values of labels, or look at their text. */
const relabelling: ReadonlySet<string> = new Set([
  ...['label_replace', 'label_join', 'sort_by_label', 'sort_by_label_desc', 'info'],
  ...['count_values', 'limit_ratio', 'limitk'],
])

const contextual: ReadonlySet<string> = new Set(['start', 'end', 'range', 'step'])

function fixed(duration: Duration): number {
  return typeof duration === 'number' ? duration : Number.POSITIVE_INFINITY
}

function selectorsOf(expr: Expr): readonly VectorSelector[] {
  return expr.kind === 'selector' ? [expr] : childrenOf(expr).flatMap(selectorsOf)
}

function keepsLabels(expr: Expr): boolean {
  if (expr.kind === 'call' && relabelling.has(expr.signature.name)) return false
  if (expr.kind === 'aggregate' && relabelling.has(expr.op)) return false
  return childrenOf(expr).every(keepsLabels)
}

function reachOf(expr: Expr, lookback: number): number {
  switch (expr.kind) {
    case 'selector':
      if (expr.at !== undefined || expr.extension !== undefined) return Number.POSITIVE_INFINITY
      return lookback + Math.max(0, fixed(expr.offset))
    case 'matrix':
      return fixed(expr.range) + reachOf(expr.selector, 0)
    case 'subquery': {
      if (expr.at !== undefined) return Number.POSITIVE_INFINITY
      const outer = fixed(expr.range) + Math.max(0, fixed(expr.offset))
      return outer + reachOf(expr.expr, lookback)
    }
    default:
      return childrenOf(expr).reduce((most, part) => Math.max(most, reachOf(part, lookback)), 0)
  }
}

/** What an expression asks of a store; `lookback` as the engine's, milliseconds. */
export function readsOf(expr: Expr, lookback: number): ExprReads {
  const selectors = selectorsOf(expr)
  const named = selectors.flatMap(({ matchers }) =>
    matchers.filter(({ name, op, value }) => name === '__name__' && op === '=' && value !== ''),
  )
  return {
    metrics: named.length < selectors.length ? undefined : new Set(named.map(({ value }) => value)),
    labels: new Set(selectors.flatMap(({ matchers }) => matchers.map(({ name }) => name))),
    keepsLabels: keepsLabels(expr),
    reach: reachOf(expr, lookback),
  }
}

function atInstant(expr: Expr): readonly VectorSelector[] {
  if (expr.kind === 'selector') return expr.extension === undefined ? [expr] : []
  if (expr.kind === 'matrix' || expr.kind === 'subquery') return []
  return childrenOf(expr).flatMap(atInstant)
}

/** Matchers of the selectors that look at one instant only, save those that stand with a range elsewhere in the expression. */
export function matchersAtInstant(expr: Expr): readonly (readonly Matcher[])[] {
  const instants = atInstant(expr)
  const others = selectorsOf(expr).filter((selector) => !instants.includes(selector))
  const ranged = new Set(others.map(({ matchers }) => JSON.stringify(matchers)))
  return instants.flatMap(({ matchers }) =>
    ranged.has(JSON.stringify(matchers)) ? [] : [matchers],
  )
}

/** Whether an expression's parts depend on the times of the query, so that it must be resolved for each anew. */
export function variesWithTimes(expr: Expr): boolean {
  switch (expr.kind) {
    case 'selector':
      return typeof expr.offset !== 'number' || typeof expr.at === 'string'
    case 'matrix':
      return typeof expr.range !== 'number' || variesWithTimes(expr.selector)
    case 'subquery': {
      const { range, offset, step = 0 } = expr
      const durations = [range, offset, step]
      if (durations.some((one) => typeof one !== 'number') || typeof expr.at === 'string')
        return true
      return variesWithTimes(expr.expr)
    }
    case 'call':
      return contextual.has(expr.signature.name) || expr.args.some(variesWithTimes)
    default:
      return childrenOf(expr).some(variesWithTimes)
  }
}
