import type { Matcher } from '../../store/reader.ts'
import {
  type AtModifier,
  type Binary,
  type Duration,
  type DurationExpr,
  type Expr,
  typeOf,
  type VectorSelector,
} from '../syntax/ast.ts'
import { formatSample } from '../syntax/float.ts'

/** A node of the tree that `parse_query` answers with, in the shape Prometheus's own page reads. */
type Tree = Readonly<Record<string, unknown>>

function matchersTree(matchers: readonly Matcher[]): readonly Tree[] {
  return matchers.map(({ name, op, value }) => ({ name, value, type: op }))
}

function atTree(at: AtModifier | undefined): Tree {
  const isBound = at === 'start' || at === 'end'
  return { timestamp: isBound || at === undefined ? null : at, startOrEnd: isBound ? at : null }
}

function durationTree(expr: DurationExpr): Tree {
  const type = 'durationExpr'
  switch (expr.kind) {
    case 'literal':
      return { type: 'numberLiteral', val: formatSample(expr.seconds), duration: expr.duration }
    case 'step':
    case 'range':
      return { type, op: expr.kind, lhs: null, rhs: null, wrapped: false }
    case 'negate':
      return { type, op: '-', lhs: null, rhs: durationTree(expr.of), wrapped: false }
    case 'group':
      return { ...durationTree(expr.of), wrapped: true }
    default: {
      const [lhs, rhs] = [durationTree(expr.left), durationTree(expr.right)]
      return { type, op: expr.op, lhs, rhs, wrapped: false }
    }
  }
}

/** A length under `name`, and beside it the arithmetic that gives it, if there is any. */
function lengthTree(name: string, length: Duration | undefined): Tree {
  const isNumber = typeof length === 'number'
  return {
    [name]: isNumber ? length : 0,
    [`${name}Expr`]: isNumber || length === undefined ? null : durationTree(length),
  }
}

function selectorTree(selector: VectorSelector): Tree {
  return {
    name: selector.name,
    ...lengthTree('offset', selector.offset),
    matchers: matchersTree(selector.matchers),
    ...atTree(selector.at),
    anchored: selector.extension === 'anchored',
    smoothed: selector.extension === 'smoothed',
  }
}

function matchingTree({ left, right, matching }: Binary): Tree | null {
  if (typeOf(left) !== 'vector' || typeOf(right) !== 'vector') return null
  const { cardinality, labels, on, include, fillLeft, fillRight } = matching
  return {
    card: cardinality,
    labels,
    on,
    include,
    fillValues: { lhs: fillLeft ?? null, rhs: fillRight ?? null },
  }
}

/** The tree of an expression. */
export function syntaxTree(expr: Expr): Tree {
  switch (expr.kind) {
    case 'number':
      return { type: 'numberLiteral', val: formatSample(expr.value) }
    case 'string':
      return { type: 'stringLiteral', val: expr.value }
    case 'selector':
      return { type: 'vectorSelector', ...selectorTree(expr) }
    case 'matrix':
      return {
        type: 'matrixSelector',
        ...lengthTree('range', expr.range),
        ...selectorTree(expr.selector),
      }
    case 'subquery':
      return {
        type: 'subquery',
        expr: syntaxTree(expr.expr),
        ...lengthTree('range', expr.range),
        ...lengthTree('offset', expr.offset),
        ...lengthTree('step', expr.step),
        ...atTree(expr.at),
      }
    case 'unary':
      return { type: 'unaryExpr', op: expr.op, expr: syntaxTree(expr.expr) }
    case 'paren':
      return { type: 'parenExpr', expr: syntaxTree(expr.expr) }
    case 'binary':
      return {
        type: 'binaryExpr',
        op: expr.op,
        lhs: syntaxTree(expr.left),
        rhs: syntaxTree(expr.right),
        matching: matchingTree(expr),
        bool: expr.bool,
      }
    case 'call': {
      const { name, args, variadic, returns } = expr.signature
      return {
        type: 'call',
        func: { name, argTypes: args, variadic, returnType: returns },
        args: expr.args.map(syntaxTree),
      }
    }
    case 'aggregate':
      return {
        type: 'aggregation',
        op: expr.op,
        expr: syntaxTree(expr.expr),
        param: expr.param === undefined ? null : syntaxTree(expr.param),
        grouping: expr.grouping,
        without: expr.without,
      }
  }
}
