import type { Expr } from '../promql/plugin.ts'

type Kind<K extends Expr['kind']> = Extract<Expr, { kind: K }>

const comparisons: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>='])

/**
 * The values a condition looks at, whether it holds or not: the expression without its comparison with a number, as `load`
 * for `load > 5` and `load and on (instance) up` for `load > 5 and on (instance) up`. Undefined where the first side
 * compares with no number: then the labels of a result would not be those of the value.
 */
export function watchedOf(expr: Expr): Expr | undefined {
  if (expr.kind === 'paren') {
    const inner = watchedOf(expr.expr)
    return inner === undefined ? undefined : { ...expr, expr: inner }
  }
  if (expr.kind !== 'binary') return undefined
  if (expr.op === 'and' || expr.op === 'unless' || expr.op === 'or') return ofSets(expr)
  if (expr.bool || !comparisons.has(expr.op)) return undefined
  if (isScalar(expr.left) === isScalar(expr.right)) return undefined
  const value = isScalar(expr.right) ? expr.left : expr.right
  return watchedOf(value) ?? value
}

/** A result has the left side's labels; of `or` either side's. */
function ofSets(expr: Kind<'binary'>): Expr | undefined {
  const left = watchedOf(expr.left)
  if (left === undefined || expr.op !== 'or') return left && { ...expr, left }
  const right = watchedOf(expr.right)
  return right && { ...expr, left, right }
}

function isScalar(expr: Expr): boolean {
  switch (expr.kind) {
    case 'number':
      return true
    case 'paren':
    case 'unary':
      return isScalar(expr.expr)
    case 'call':
      return expr.signature.returns === 'scalar'
    case 'binary':
      return isScalar(expr.left) && isScalar(expr.right)
    default:
      return false
  }
}
