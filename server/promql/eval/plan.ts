import { QueryFailure } from '../failure.ts'
import {
  type AtModifier,
  type Duration,
  type DurationExpr,
  type Expr,
  type NumberLiteral,
  type VectorSelector,
  withoutParens,
} from '../syntax/ast.ts'
import { maxDurationSeconds } from '../syntax/duration.ts'
import { larger, power, smaller } from './arithmetic.ts'

/** The times a query was asked for, milliseconds; `step` is 0 for an instant. */
export interface QueryTimes {
  readonly start: number
  readonly end: number
  readonly step: number
}

function operate(op: string, left: number, right: number): number {
  switch (op) {
    case '+':
      return left + right
    case '-':
      return left - right
    case '*':
      return left * right
    case '/':
      return left / right
    case '%':
      return left % right
    case '^':
      return power(left, right)
    case 'max_of':
      return larger(left, right)
    default:
      return smaller(left, right)
  }
}

function at(expr: DurationExpr, message: string): never {
  throw new QueryFailure('bad_data', `${expr.span.start}:${expr.span.end}: ${message}`)
}

function seconds(expr: DurationExpr, times: QueryTimes): number {
  switch (expr.kind) {
    case 'literal':
      return expr.seconds
    case 'step':
      return times.step / 1000
    case 'range':
      return (times.end - times.start) / 1000
    case 'negate':
      return -seconds(expr.of, times)
    case 'group':
      return seconds(expr.of, times)
    case 'operation': {
      const left = seconds(expr.left, times)
      const right = seconds(expr.right, times)
      if (right === 0 && expr.op === '/') return at(expr, 'division by zero')
      if (right === 0 && expr.op === '%') return at(expr, 'modulo by zero')
      return operate(expr.op, left, right)
    }
  }
}

function resolveDuration(duration: Duration, times: QueryTimes, negative: boolean): number {
  if (typeof duration === 'number') return duration
  const value = seconds(duration, times)
  if (!Number.isFinite(value)) return at(duration, 'duration is NaN or infinite')
  if (value <= 0 && !negative) return at(duration, 'duration must be greater than 0')
  if (Math.abs(value) > maxDurationSeconds) return at(duration, 'duration is out of range')
  return Math.trunc(value * 1000)
}

function resolveAt(modifier: AtModifier | undefined, times: QueryTimes): { at?: number } {
  if (modifier === undefined) return {}
  if (modifier === 'start') return { at: times.start }
  return { at: modifier === 'end' ? times.end : modifier }
}

function resolveSelector(expr: VectorSelector, times: QueryTimes): VectorSelector {
  return {
    ...expr,
    ...resolveAt(expr.at, times),
    offset: resolveDuration(expr.offset, times, true),
  }
}

function contextFunction(name: string, times: QueryTimes): number | undefined {
  if (name === 'start') return times.start / 1000
  if (name === 'end') return times.end / 1000
  if (name === 'range') return (times.end - times.start) / 1000
  if (name === 'step') return times.start === times.end ? 0 : times.step / 1000
  return undefined
}

/** The expression with everything that depends on the query's times replaced by its value. */
export function resolve(expr: Expr, times: QueryTimes): Expr {
  switch (expr.kind) {
    case 'selector':
      return resolveSelector(expr, times)
    case 'matrix':
      return {
        ...expr,
        selector: resolveSelector(expr.selector, times),
        range: resolveDuration(expr.range, times, false),
      }
    case 'subquery': {
      const step = expr.step === undefined ? {} : { step: resolveDuration(expr.step, times, false) }
      return {
        ...expr,
        ...step,
        ...resolveAt(expr.at, times),
        expr: resolve(expr.expr, times),
        range: resolveDuration(expr.range, times, false),
        offset: resolveDuration(expr.offset, times, true),
      }
    }
    case 'unary':
    case 'paren':
      return { ...expr, expr: resolve(expr.expr, times) }
    case 'binary':
      return { ...expr, left: resolve(expr.left, times), right: resolve(expr.right, times) }
    case 'call': {
      const value = contextFunction(expr.signature.name, times)
      if (value === undefined) {
        return { ...expr, args: expr.args.map((arg) => withoutParens(resolve(arg, times))) }
      }
      const literal: NumberLiteral = { kind: 'number', value, duration: false, span: expr.span }
      return literal
    }
    case 'aggregate': {
      const inner = { ...expr, expr: withoutParens(resolve(expr.expr, times)) }
      if (expr.param === undefined) return inner
      return { ...inner, param: withoutParens(resolve(expr.param, times)) }
    }
    default:
      return expr
  }
}

/** Functions whose result varies with the time of evaluation although their arguments do not. */
const timeDependent: ReadonlySet<string> = new Set([
  ...['days_in_month', 'day_of_month', 'day_of_week', 'day_of_year', 'hour', 'minute', 'month'],
  ...['year', 'predict_linear', 'time', 'timestamp', 'start', 'end', 'range', 'step'],
])

function collect(expr: Expr, invariants: Set<Expr>): boolean {
  const invariant = ((): boolean => {
    switch (expr.kind) {
      case 'number':
      case 'string':
        return true
      case 'selector':
        return expr.at !== undefined
      case 'matrix':
        return expr.selector.at !== undefined
      case 'subquery':
        collect(expr.expr, invariants)
        return expr.at !== undefined
      case 'unary':
      case 'paren':
      case 'aggregate':
        if (expr.kind === 'aggregate' && expr.param !== undefined) {
          const param = collect(expr.param, invariants)
          return collect(expr.expr, invariants) && param
        }
        return collect(expr.expr, invariants)
      case 'binary': {
        const left = collect(expr.left, invariants)
        return collect(expr.right, invariants) && left
      }
      case 'call': {
        const args = expr.args.map((arg) => collect(arg, invariants))
        const selector = expr.args[0]?.kind === 'selector'
        if (expr.signature.name === 'timestamp') return selector && args[0] === true
        return args.every(Boolean) && !timeDependent.has(expr.signature.name)
      }
    }
  })()
  if (invariant) invariants.add(expr)
  return invariant
}

/** The parts of a resolved expression whose value is the same at every step. */
export function findInvariants(expr: Expr): ReadonlySet<Expr> {
  const invariants = new Set<Expr>()
  collect(expr, invariants)
  return invariants
}
