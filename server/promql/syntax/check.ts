import { matches } from '../matching.ts'
import {
  type Aggregate,
  type Binary,
  type Call,
  type Expr,
  isComparison,
  isSetOperator,
  type Subquery,
  typeOf,
  type Unary,
  type ValueType,
  type VectorSelector,
} from './ast.ts'
import type { Span } from './position.ts'

/** Reports the first fault; it does not return. */
export type Fail = (span: Span, message: string) => never

const documentedTypes: Readonly<Record<ValueType, string>> = {
  scalar: 'scalar',
  vector: 'instant vector',
  matrix: 'range vector',
  string: 'string',
  none: 'none',
}

/** The name of a type in errors and documentation. */
export function documentedType(type: ValueType): string {
  return documentedTypes[type]
}

function expectType(expr: Expr, wanted: ValueType, context: string, fail: Fail): void {
  checkTypes(expr, fail)
  const found = typeOf(expr)
  if (found === wanted) return
  fail(
    expr.span,
    `expected type ${documentedType(wanted)} in ${context}, got ${documentedType(found)}`,
  )
}

function checkAggregate(expr: Aggregate, fail: Fail): void {
  expectType(expr.expr, 'vector', 'aggregation expression', fail)
  if (expr.param === undefined) return
  const wanted = expr.op === 'count_values' ? 'string' : 'scalar'
  expectType(expr.param, wanted, 'aggregation parameter', fail)
}

function checkVectorsOnly(expr: Binary, fail: Fail): void {
  const { matching } = expr
  const filled = matching.fillLeft !== undefined || matching.fillRight !== undefined
  const bothVectors = typeOf(expr.left) === 'vector' && typeOf(expr.right) === 'vector'
  if (!bothVectors) {
    if (matching.labels.length > 0) {
      fail(expr.span, 'vector matching only allowed between instant vectors')
    }
    if (filled) {
      fail(expr.span, 'filling in missing series only allowed between instant vectors')
    }
    if (isSetOperator(expr.op)) {
      fail(expr.span, `set operator "${expr.op}" not allowed in binary scalar expression`)
    }
    return
  }
  if (!isSetOperator(expr.op)) return
  if (matching.cardinality !== 'many-to-many') {
    fail(expr.span, `no grouping allowed for "${expr.op}" operation`)
  }
  if (filled) fail(expr.span, 'filling in missing series not allowed for set operators')
}

function checkBinary(expr: Binary, fail: Fail): void {
  checkTypes(expr.left, fail)
  checkTypes(expr.right, fail)
  const left = typeOf(expr.left)
  const right = typeOf(expr.right)
  if (expr.bool && !isComparison(expr.op)) {
    fail(expr.operator, 'bool modifier can only be used on comparison operators')
  }
  if (isComparison(expr.op) && !expr.bool && left === 'scalar' && right === 'scalar') {
    fail(expr.operator, 'comparisons between scalars must use BOOL modifier')
  }
  const twice = expr.matching.labels.find((label) => expr.matching.include.includes(label))
  if (expr.matching.on && twice !== undefined) {
    fail(expr.operator, `label "${twice}" must not occur in ON and GROUP clause at once`)
  }
  for (const side of [expr.left, expr.right]) {
    const type = typeOf(side)
    if (type === 'scalar' || type === 'vector') continue
    fail(side.span, 'binary expression must contain only scalar and instant vector types')
  }
  checkVectorsOnly(expr, fail)
}

function checkArgumentCount(expr: Call, fail: Fail): void {
  const { name, args, variadic } = expr.signature
  const given = expr.args.length
  const called = `argument(s) in call to "${name}", got ${given}`
  if (variadic === 0) {
    if (given !== args.length) fail(expr.span, `expected ${args.length} ${called}`)
    return
  }
  const least = args.length - 1
  const most = least + variadic
  if (given < least) fail(expr.span, `expected at least ${least} ${called}`)
  if (variadic > 0 && given > most) fail(expr.span, `expected at most ${most} ${called}`)
}

function checkInfo(expr: Call, fail: Fail): void {
  const selector = expr.args[1]
  if (selector === undefined) return
  const type = typeOf(selector)
  if (type !== 'vector') {
    fail(
      expr.span,
      `expected type instant vector in call to function "info", got ${documentedType(type)}`,
    )
  }
  if (selector.kind !== 'selector') fail(selector.span, 'expected label selectors only')
  if (selector.kind === 'selector' && selector.name !== '') {
    fail(selector.span, 'expected label selectors only, got vector selector instead')
  }
}

function checkCall(expr: Call, fail: Fail): void {
  const { name, args } = expr.signature
  checkArgumentCount(expr, fail)
  if (name === 'info') checkInfo(expr, fail)
  expr.args.forEach((arg, index) => {
    const wanted = args[Math.min(index, args.length - 1)]
    if (wanted === undefined || (name === 'info' && index === 1)) return
    expectType(arg, wanted, `call to function "${name}"`, fail)
  })
}

function checkSelector(expr: VectorSelector, fail: Fail): void {
  if (expr.name !== '') {
    const again = expr.matchers.slice(0, -1).find((matcher) => matcher.name === '__name__')
    if (again === undefined) return
    fail(expr.span, `metric name must not be set twice: "${expr.name}" or "${again.value}"`)
  }
  if (!expr.matchers.some((matcher) => !matches(matcher, ''))) {
    fail(expr.span, 'vector selector must contain at least one non-empty matcher')
  }
}

function checkUnary(expr: Unary, fail: Fail): void {
  checkTypes(expr.expr, fail)
  const type = typeOf(expr.expr)
  if (type === 'scalar' || type === 'vector') return
  const got = `got "${documentedType(type)}"`
  fail(
    expr.span,
    `unary expression only allowed on expressions of type scalar or instant vector, ${got}`,
  )
}

function checkSubquery(expr: Subquery, fail: Fail): void {
  checkTypes(expr.expr, fail)
  const type = typeOf(expr.expr)
  if (type === 'vector') return
  fail(expr.span, `subquery is only allowed on instant vector, got ${type} instead`)
}

/** Checks the types of an expression and all inside it; reports the first fault. */
export function checkTypes(expr: Expr, fail: Fail): void {
  if (expr.kind === 'aggregate') checkAggregate(expr, fail)
  else if (expr.kind === 'binary') checkBinary(expr, fail)
  else if (expr.kind === 'call') checkCall(expr, fail)
  else if (expr.kind === 'selector') checkSelector(expr, fail)
  else if (expr.kind === 'matrix') checkSelector(expr.selector, fail)
  else if (expr.kind === 'paren') checkTypes(expr.expr, fail)
  else if (expr.kind === 'unary') checkUnary(expr, fail)
  else if (expr.kind === 'subquery') checkSubquery(expr, fail)
}
