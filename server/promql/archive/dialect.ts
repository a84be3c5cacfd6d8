import {
  type Binary,
  type Call,
  childrenOf,
  type Expr,
  isComparison,
  isSetOperator,
  typeOf,
} from '../syntax/ast.ts'

/** The expression with `step` in every subquery that names none: there is more than one default. Milliseconds. */
export function withSubquerySteps(expr: Expr, step: number): Expr {
  const inner = (one: Expr): Expr => withSubquerySteps(one, step)
  switch (expr.kind) {
    case 'subquery':
      return { ...expr, expr: inner(expr.expr), step: expr.step ?? step }
    case 'unary':
    case 'paren':
      return { ...expr, expr: inner(expr.expr) }
    case 'binary':
      return { ...expr, left: inner(expr.left), right: inner(expr.right) }
    case 'call':
      return { ...expr, args: expr.args.map(inner) }
    case 'aggregate': {
      const whole = { ...expr, expr: inner(expr.expr) }
      return expr.param === undefined ? whole : { ...whole, param: inner(expr.param) }
    }
    default:
      return expr
  }
}

/** Functions whose result keeps the metric's name, as Prometheus has it. */
const naming: ReadonlySet<string> = new Set([
  ...['sort', 'sort_desc', 'sort_by_label', 'sort_by_label_desc'],
  ...['last_over_time', 'first_over_time', 'label_replace', 'label_join', 'info'],
])

function callKeepsName({ signature, args }: Call): boolean {
  return naming.has(signature.name) && args.some(keepsName)
}

function binaryKeepsName({ op, bool, left, right }: Binary): boolean {
  if (op === 'or') return keepsName(left) || keepsName(right)
  if (isSetOperator(op)) return keepsName(left)
  if (!isComparison(op) || bool) return false
  return keepsName(typeOf(left) === 'scalar' ? right : left)
}

/** Whether the series of a result may carry `__name__` in PromQL; MetricsQL keeps it with more functions. */
export function keepsName(expr: Expr): boolean {
  switch (expr.kind) {
    case 'selector':
      return true
    case 'matrix':
    case 'subquery':
    case 'paren':
      return childrenOf(expr).some(keepsName)
    case 'unary':
      return expr.op === '+' && keepsName(expr.expr)
    case 'binary':
      return binaryKeepsName(expr)
    case 'call':
      return makesName(expr) || callKeepsName(expr)
    case 'aggregate': {
      const chosen = ['topk', 'bottomk', 'limitk', 'limit_ratio'].includes(expr.op)
      if (chosen) return keepsName(expr.expr)
      return expr.grouping.includes('__name__') !== expr.without && keepsName(expr.expr)
    }
    default:
      return false
  }
}

/** `label_replace` and `label_join` may write the name anew. */
function makesName({ signature, args }: Call): boolean {
  const destination = args[1]
  if (signature.name !== 'label_replace' && signature.name !== 'label_join') return false
  return destination?.kind === 'string' && destination.value === '__name__'
}
