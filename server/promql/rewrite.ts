import type { Matcher } from '../store/reader.ts'
import { type Aggregate, type Binary, type Call, type Expr, typeOf } from './syntax/ast.ts'

/** The expression with a matcher added to every selector; the rest, spans included, stays. */
export function withMatcher(expr: Expr, matcher: Matcher): Expr {
  switch (expr.kind) {
    case 'selector': {
      // The name's matcher stays last, where the printer and the checks expect it.
      const last = expr.matchers.slice(-1)
      const matchers =
        expr.name === ''
          ? [...expr.matchers, matcher]
          : [...expr.matchers.slice(0, -1), matcher, ...last]
      return { ...expr, matchers }
    }
    case 'matrix': {
      const selector = withMatcher(expr.selector, matcher)
      return selector.kind === 'selector' ? { ...expr, selector } : expr
    }
    case 'subquery':
    case 'unary':
    case 'paren':
      return { ...expr, expr: withMatcher(expr.expr, matcher) }
    case 'binary':
      return {
        ...expr,
        left: withMatcher(expr.left, matcher),
        right: withMatcher(expr.right, matcher),
      }
    case 'call':
      return { ...expr, args: expr.args.map((arg) => withMatcher(arg, matcher)) }
    case 'aggregate': {
      const inner = { ...expr, expr: withMatcher(expr.expr, matcher) }
      return expr.param === undefined
        ? inner
        : { ...inner, param: withMatcher(expr.param, matcher) }
    }
    default:
      return expr
  }
}

/** Whether a scalar depends on no series. */
function isConstant(expr: Expr): boolean {
  switch (expr.kind) {
    case 'number':
    case 'string':
      return true
    case 'paren':
    case 'unary':
      return isConstant(expr.expr)
    case 'binary':
      return isConstant(expr.left) && isConstant(expr.right)
    case 'call':
      return expr.signature.returns === 'scalar' && expr.args.every(isConstant)
    default:
      return false
  }
}

/** Functions that join series of several hosts, or make series of none. */
const crossing: ReadonlySet<string> = new Set(['absent', 'absent_over_time', 'vector', 'info'])
const relabelling: ReadonlySet<string> = new Set(['label_replace', 'label_join'])

function callKeeps(call: Call): boolean {
  const { name } = call.signature
  if (crossing.has(name)) return false
  if (relabelling.has(name)) {
    const destination = call.args[1]
    if (destination?.kind === 'string' && destination.value === 'instance') return false
  }
  const vectors = call.args.filter((arg) => ['vector', 'matrix'].includes(typeOf(arg)))
  const others = call.args.filter((arg) => !vectors.includes(arg))
  return vectors.length > 0 && vectors.every(keepsInstance) && others.every(isConstant)
}

function aggregateKeeps(expr: Aggregate): boolean {
  const grouped = expr.grouping.includes('instance')
  if (grouped === expr.without) return false
  if (expr.param !== undefined && !isConstant(expr.param)) return false
  if (expr.op === 'count_values') {
    if (expr.param?.kind === 'string' && expr.param.value === 'instance') return false
  }
  return keepsInstance(expr.expr)
}

function binaryKeeps(expr: Binary): boolean {
  if (typeOf(expr.left) === 'scalar') return isConstant(expr.left) && keepsInstance(expr.right)
  if (typeOf(expr.right) === 'scalar') return isConstant(expr.right) && keepsInstance(expr.left)
  const { matching } = expr
  const matched = matching.labels.includes('instance')
  // Fill values stand for series that other hosts may have: leave those to the whole.
  if (matched !== matching.on) return false
  if (matching.fillLeft !== undefined || matching.fillRight !== undefined) return false
  return keepsInstance(expr.left) && keepsInstance(expr.right)
}

/**
 * True when the value of an expression for one host may be computed from that host's series alone:
 * every series of the result keeps the `instance` label of the series it comes from, so that
 * `withMatcher(expr, { name: 'instance', op: '=', value })` gives exactly that host's part.
 * It is false when in doubt.
 */
export function keepsInstance(expr: Expr): boolean {
  switch (expr.kind) {
    case 'selector':
      return !expr.matchers.some(
        ({ name, op, value }) => name === 'instance' && op === '=' && value === '',
      )
    case 'matrix':
      return keepsInstance(expr.selector)
    case 'subquery':
    case 'unary':
    case 'paren':
      return keepsInstance(expr.expr)
    case 'binary':
      return binaryKeeps(expr)
    case 'call':
      return callKeeps(expr)
    case 'aggregate':
      return aggregateKeeps(expr)
    default:
      return false
  }
}
