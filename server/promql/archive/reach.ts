import { childrenOf, type Duration, type Expr } from '../syntax/ast.ts'

/** How far an expression looks back: from each time of the query, and to fixed times. Milliseconds. */
export interface Reach {
  /** Before the time it is evaluated at; -Infinity when it reads nothing relative to that. */
  readonly back: number
  /** The oldest time it reads whatever the time, by `@`; Infinity when there is none. */
  readonly fixed: number
}

const nothing: Reach = { back: Number.NEGATIVE_INFINITY, fixed: Number.POSITIVE_INFINITY }

/** What is not resolved may be anything. */
function millisOf(duration: Duration): number {
  return typeof duration === 'number' ? duration : Number.POSITIVE_INFINITY
}

/** A reach seen from the time of `@`, if there is one. */
function anchored(reach: Reach, at: number | 'start' | 'end' | undefined): Reach {
  if (at === undefined || reach.back === Number.NEGATIVE_INFINITY) return reach
  const oldest = typeof at === 'number' ? at - reach.back : Number.NEGATIVE_INFINITY
  return { back: Number.NEGATIVE_INFINITY, fixed: Math.min(reach.fixed, oldest) }
}

/** How far back an expression looks, its durations and `@` resolved; `lookback` is that of an instant lookup. */
export function reachOf(expr: Expr, lookback: number): Reach {
  switch (expr.kind) {
    case 'selector':
      return anchored({ ...nothing, back: lookback + millisOf(expr.offset) }, expr.at)
    case 'matrix': {
      const { selector, range } = expr
      const back = millisOf(range) + millisOf(selector.offset)
      return anchored({ ...nothing, back }, selector.at)
    }
    case 'subquery': {
      const by = millisOf(expr.range) + millisOf(expr.offset)
      const { back, fixed } = reachOf(expr.expr, lookback)
      return anchored({ back: back + by, fixed }, expr.at)
    }
    default:
      return childrenOf(expr).reduce((most, part) => {
        const { back, fixed } = reachOf(part, lookback)
        return { back: Math.max(most.back, back), fixed: Math.min(most.fixed, fixed) }
      }, nothing)
  }
}

/** The times of a query; `step` 0: `start` alone. Milliseconds. */
export interface Grid {
  readonly start: number
  readonly end: number
  readonly step: number
}

/** The first time of a grid from which on nothing older than `heldFrom` is read; Infinity when there is none. */
export function firstHeld(
  { back, fixed }: Reach,
  { start, end, step }: Grid,
  heldFrom: number,
): number {
  if (fixed < heldFrom) return Number.POSITIVE_INFINITY
  const behind = heldFrom + back - start
  if (behind <= 0) return start
  const first = step === 0 ? Number.POSITIVE_INFINITY : start + Math.ceil(behind / step) * step
  return first > end ? Number.POSITIVE_INFINITY : first
}

/** The newest time that an expression evaluated at `time` reads, its durations and `@` resolved; -Infinity when it reads nothing. */
export function newestRead(expr: Expr, time: number): number {
  switch (expr.kind) {
    case 'selector':
    case 'subquery': {
      const at = (typeof expr.at === 'number' ? expr.at : time) - millisOf(expr.offset)
      return expr.kind === 'selector' ? at : newestRead(expr.expr, at)
    }
    default:
      return childrenOf(expr).reduce(
        (newest, part) => Math.max(newest, newestRead(part, time)),
        Number.NEGATIVE_INFINITY,
      )
  }
}
