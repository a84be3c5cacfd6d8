import type { Matcher } from '../../store/reader.ts'
import type { Span } from './position.ts'
import type { FunctionSignature } from './signatures.ts'

export type ValueType = 'scalar' | 'vector' | 'matrix' | 'string' | 'none'

/** Milliseconds, or arithmetic whose value depends on the query's step and range. */
export type Duration = number | DurationExpr

/** Experimental arithmetic inside `[...]` and after `offset`; literals are in seconds. */
export type DurationExpr =
  | {
      readonly kind: 'literal'
      readonly seconds: number
      readonly duration: boolean
      readonly span: Span
    }
  | { readonly kind: 'step' | 'range'; readonly span: Span }
  | {
      readonly kind: 'negate' | 'group'
      readonly of: DurationExpr
      readonly span: Span
    }
  | {
      readonly kind: 'operation'
      readonly op: '+' | '-' | '*' | '/' | '%' | '^' | 'max_of' | 'min_of'
      readonly left: DurationExpr
      readonly right: DurationExpr
      readonly span: Span
    }

/** The `@` modifier: milliseconds since the epoch, or a bound of the query. */
export type AtModifier = number | 'start' | 'end'

export interface NumberLiteral {
  readonly kind: 'number'
  readonly value: number
  /** Written as a duration such as `5m`; the value is in seconds. */
  readonly duration: boolean
  readonly span: Span
}

export interface StringLiteral {
  readonly kind: 'string'
  readonly value: string
  readonly span: Span
}

export interface VectorSelector {
  readonly kind: 'selector'
  /** Metric name written before the braces; it also stands among the matchers. */
  readonly name: string
  readonly matchers: readonly Matcher[]
  readonly offset: Duration
  readonly at?: AtModifier
  /** Experimental: how samples at the range's edges are made up. */
  readonly extension?: 'anchored' | 'smoothed'
  readonly span: Span
}

export interface MatrixSelector {
  readonly kind: 'matrix'
  readonly selector: VectorSelector
  readonly range: Duration
  readonly span: Span
}

export interface Subquery {
  readonly kind: 'subquery'
  readonly expr: Expr
  readonly range: Duration
  /** Absent: the engine's default step. */
  readonly step?: Duration
  readonly offset: Duration
  readonly at?: AtModifier
  readonly span: Span
}

export interface Unary {
  readonly kind: 'unary'
  readonly op: '+' | '-'
  readonly expr: Expr
  readonly span: Span
}

export type BinaryOperator =
  | '+'
  | '-'
  | '*'
  | '/'
  | '%'
  | '^'
  | 'atan2'
  | '=='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | '</'
  | '>/'
  | 'and'
  | 'or'
  | 'unless'

/** How samples of two vectors find each other. */
export interface VectorMatching {
  readonly cardinality: 'one-to-one' | 'many-to-one' | 'one-to-many' | 'many-to-many'
  readonly labels: readonly string[]
  readonly on: boolean
  /** Labels taken from the "one" side. */
  readonly include: readonly string[]
  /** Values used where a side has no sample. */
  readonly fillLeft?: number
  readonly fillRight?: number
}

export interface Binary {
  readonly kind: 'binary'
  readonly op: BinaryOperator
  readonly left: Expr
  readonly right: Expr
  readonly bool: boolean
  /** Counts only between two vectors. */
  readonly matching: VectorMatching
  readonly operator: Span
  readonly span: Span
}

export interface Call {
  readonly kind: 'call'
  readonly signature: FunctionSignature
  readonly args: readonly Expr[]
  readonly span: Span
}

export type Aggregator =
  | 'sum'
  | 'avg'
  | 'count'
  | 'min'
  | 'max'
  | 'group'
  | 'stddev'
  | 'stdvar'
  | 'topk'
  | 'bottomk'
  | 'count_values'
  | 'quantile'
  | 'limitk'
  | 'limit_ratio'

export interface Aggregate {
  readonly kind: 'aggregate'
  readonly op: Aggregator
  readonly expr: Expr
  readonly param?: Expr
  readonly grouping: readonly string[]
  readonly without: boolean
  readonly span: Span
}

export interface Paren {
  readonly kind: 'paren'
  readonly expr: Expr
  readonly span: Span
}

export type Expr =
  | NumberLiteral
  | StringLiteral
  | VectorSelector
  | MatrixSelector
  | Subquery
  | Unary
  | Binary
  | Call
  | Aggregate
  | Paren

const comparisons: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>='])
const setOperators: ReadonlySet<string> = new Set(['and', 'or', 'unless'])

/** Whether an operator compares. */
export function isComparison(op: BinaryOperator): boolean {
  return comparisons.has(op)
}

/** Whether an operator works on sets of series. */
export function isSetOperator(op: BinaryOperator): boolean {
  return setOperators.has(op)
}

/** The type of an expression's value. */
export function typeOf(expr: Expr): ValueType {
  switch (expr.kind) {
    case 'number':
      return 'scalar'
    case 'string':
      return 'string'
    case 'selector':
    case 'aggregate':
      return 'vector'
    case 'matrix':
    case 'subquery':
      return 'matrix'
    case 'call':
      return expr.signature.returns
    case 'unary':
    case 'paren':
      return typeOf(expr.expr)
    case 'binary':
      return typeOf(expr.left) === 'scalar' && typeOf(expr.right) === 'scalar' ? 'scalar' : 'vector'
  }
}

/** The expressions directly inside one, in source order. */
export function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'matrix':
      return [expr.selector]
    case 'subquery':
    case 'unary':
    case 'paren':
      return [expr.expr]
    case 'binary':
      return [expr.left, expr.right]
    case 'call':
      return expr.args
    case 'aggregate':
      return expr.param === undefined ? [expr.expr] : [expr.param, expr.expr]
    default:
      return []
  }
}

/** The expression without the parentheses around it. */
export function withoutParens(expr: Expr): Expr {
  return expr.kind === 'paren' ? withoutParens(expr.expr) : expr
}
