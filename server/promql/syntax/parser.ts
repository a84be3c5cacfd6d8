import type { Matcher } from '../../store/reader.ts'
import {
  type Aggregate,
  type Aggregator,
  type BinaryOperator,
  type Call,
  type Expr,
  isSetOperator,
  type VectorMatching,
  type VectorSelector,
} from './ast.ts'
import { checkTypes } from './check.ts'
import { Cursor, type ParseOptions } from './cursor.ts'
import { isNumeric, parseNumeric } from './numbers.ts'
import { isLabelName, unquote } from './quote.ts'
import { parsePostfix, parseSelector } from './selectors.ts'
import { functionSignatures } from './signatures.ts'
import { aggregators, contextWords, neverMetrics, type Token } from './tokens.ts'

const precedences: Readonly<Record<string, number>> = {
  or: 1,
  and: 2,
  unless: 2,
  '==': 3,
  '!=': 3,
  '<': 3,
  '<=': 3,
  '>': 3,
  '>=': 3,
  '</': 3,
  '>/': 3,
  '+': 4,
  '-': 4,
  '*': 5,
  '/': 5,
  '%': 5,
  atan2: 5,
  '^': 6,
}

function parseLabelList(cursor: Cursor): readonly string[] {
  cursor.expect('(', 'grouping opts', '"("')
  const labels: string[] = []
  while (!cursor.accept(')')) {
    const token = cursor.peek()
    if (!['identifier', 'metric', 'string', 'keyword'].includes(token.kind)) {
      return cursor.unexpected('grouping opts', 'label')
    }
    cursor.take()
    const name = token.kind === 'string' ? unquote(token.text) : token.text
    if (!isLabelName(name)) {
      cursor.fail(token, `invalid label name for grouping: ${JSON.stringify(name)}`)
    }
    labels.push(name)
    if (cursor.accept(')')) break
    cursor.expect(',', 'grouping opts', '"," or ")"')
  }
  return labels
}

function parseArguments(cursor: Cursor): readonly Expr[] {
  cursor.expect('(')
  const args: Expr[] = []
  if (cursor.accept(')')) return args
  for (;;) {
    args.push(parseBinary(cursor, 0))
    const comma = cursor.accept(',')
    if (comma === undefined) break
    if (cursor.is(')')) cursor.fail(comma, 'trailing commas not allowed in function call args')
  }
  cursor.expect(')')
  return args
}

function parseGrouping(cursor: Cursor): Pick<Aggregate, 'grouping' | 'without'> | undefined {
  const keyword = cursor.accept('by') ?? cursor.accept('without')
  if (keyword === undefined) return undefined
  return { grouping: parseLabelList(cursor), without: keyword.word === 'without' }
}

const withParameter: ReadonlySet<string> = new Set([
  ...['topk', 'bottomk', 'count_values', 'quantile', 'limitk', 'limit_ratio'],
])

function parseAggregate(cursor: Cursor, operator: Token): Aggregate {
  cursor.aggregationDepth += 1
  const before = parseGrouping(cursor)
  const args = parseArguments(cursor)
  cursor.aggregationDepth -= 1
  const grouping = before ?? parseGrouping(cursor) ?? { grouping: [], without: false }
  const op = operator.word as Aggregator
  const span = { start: operator.start, end: cursor.closed }
  if (args.length === 0) cursor.fail(span, 'no arguments for aggregate expression provided')
  if (op === 'limitk' || op === 'limit_ratio') {
    cursor.needExperimental(
      span,
      `${op}() is experimental and must be enabled with --enable-feature=promql-experimental-functions`,
    )
  }
  const wanted = withParameter.has(op) ? 2 : 1
  const expr = args[wanted - 1]
  if (args.length !== wanted || expr === undefined) {
    return cursor.fail(
      span,
      `wrong number of arguments for aggregate expression provided, expected ${wanted}, got ${args.length}`,
    )
  }
  const aggregate = { kind: 'aggregate', op, expr, ...grouping, span } as const
  const param = args[0]
  return wanted === 2 && param !== undefined ? { ...aggregate, param } : aggregate
}

function parseCall(cursor: Cursor, name: Token): Call {
  const args = parseArguments(cursor)
  const signature = functionSignatures.get(name.text)
  if (signature === undefined) {
    return cursor.fail(name, `unknown function with name ${JSON.stringify(name.text)}`)
  }
  if (signature.experimental) {
    cursor.needExperimental(name, `function ${JSON.stringify(name.text)} is not enabled`)
  }
  return { kind: 'call', signature, args, span: { start: name.start, end: cursor.closed } }
}

function parseWord(cursor: Cursor, token: Token): Expr {
  const followedByParen = cursor.peek(1).word === '('
  if (aggregators.has(token.word)) {
    const next = cursor.peek(1).word
    if (followedByParen || next === 'by' || next === 'without') {
      return parseAggregate(cursor, cursor.take())
    }
  } else if (followedByParen && (contextWords.has(token.word) || token.kind === 'identifier')) {
    return parseCall(cursor, cursor.take())
  } else if (neverMetrics.has(token.word)) return cursor.unexpected()
  return parseSelector(cursor, cursor.take())
}

function parseOperand(cursor: Cursor): Expr {
  const token = cursor.peek()
  if (isNumeric(token)) return parseNumeric(cursor)
  if (token.kind === 'string') {
    cursor.take()
    return { kind: 'string', value: unquote(token.text), span: token }
  }
  if (token.kind === 'identifier' || token.kind === 'metric' || token.kind === 'keyword') {
    return parseWord(cursor, token)
  }
  if (token.word === '{') return parseSelector(cursor, undefined)
  if (token.word === '(') {
    cursor.take()
    const expr = parseBinary(cursor, 0)
    cursor.expect(')')
    return { kind: 'paren', expr, span: { start: token.start, end: cursor.closed } }
  }
  return cursor.unexpected()
}

function parseUnary(cursor: Cursor): Expr {
  const sign = cursor.accept('-') ?? cursor.accept('+')
  if (sign === undefined) return parsePostfix(cursor, parseOperand(cursor))
  const expr = parseBinary(cursor, precedences['^'] ?? 0)
  const span = { start: sign.start, end: expr.span.end }
  if (expr.kind === 'number') {
    return { ...expr, value: sign.word === '-' ? -expr.value : expr.value, span }
  }
  return { kind: 'unary', op: sign.word === '-' ? '-' : '+', expr, span }
}

function parseFillValue(cursor: Cursor): number {
  cursor.expect('(')
  const sign = cursor.accept('-') ?? cursor.accept('+')
  if (!isNumeric(cursor.peek())) return cursor.unexpected()
  const { value } = parseNumeric(cursor)
  cursor.expect(')')
  return sign?.word === '-' ? -value : value
}

function parseFills(cursor: Cursor): Pick<VectorMatching, 'fillLeft' | 'fillRight'> {
  if (cursor.accept('fill')) {
    const value = parseFillValue(cursor)
    return { fillLeft: value, fillRight: value }
  }
  let fills: Pick<VectorMatching, 'fillLeft' | 'fillRight'> = {}
  for (let count = 0; count < 2; count += 1) {
    if (fills.fillLeft === undefined && cursor.accept('fill_left')) {
      fills = { ...fills, fillLeft: parseFillValue(cursor) }
    } else if (fills.fillRight === undefined && cursor.accept('fill_right')) {
      fills = { ...fills, fillRight: parseFillValue(cursor) }
    }
  }
  return fills
}

function parseMatching(cursor: Cursor, operator: string): VectorMatching {
  const isSet = isSetOperator(operator as BinaryOperator)
  const cardinality = isSet ? 'many-to-many' : 'one-to-one'
  let matching: VectorMatching = { cardinality, labels: [], on: false, include: [] }
  const clause = cursor.accept('on') ?? cursor.accept('ignoring')
  if (clause !== undefined) {
    matching = { ...matching, labels: parseLabelList(cursor), on: clause.word === 'on' }
    const group = cursor.accept('group_left') ?? cursor.accept('group_right')
    if (group !== undefined) {
      const include = cursor.is('(') ? parseLabelList(cursor) : []
      const grouped = group.word === 'group_left' ? 'many-to-one' : 'one-to-many'
      matching = { ...matching, cardinality: grouped, include }
    }
  }
  return { ...matching, ...parseFills(cursor) }
}

function parseBinary(cursor: Cursor, least: number): Expr {
  let left = parseUnary(cursor)
  for (;;) {
    const operator = cursor.peek()
    const precedence = operator.kind === 'string' ? undefined : precedences[operator.word]
    if (precedence === undefined || precedence < least) return left
    cursor.take()
    const bool = cursor.accept('bool') !== undefined
    const matching = parseMatching(cursor, operator.word)
    const right = parseBinary(cursor, operator.word === '^' ? precedence : precedence + 1)
    const span = { start: left.span.start, end: right.span.end }
    if (matching.fillLeft !== undefined || matching.fillRight !== undefined) {
      cursor.needExperimental(span, 'binop fill modifiers are experimental and not enabled')
    }
    const op = operator.word as BinaryOperator
    left = { kind: 'binary', op, left, right, bool, matching, operator, span }
  }
}

/**
 * Parses and type-checks one PromQL expression.
 * Throws `QueryFailure` of kind `bad_data` with `line:column: parse error: ...`.
 */
export function parse(text: string, options: ParseOptions = {}): Expr {
  const cursor = new Cursor(text, options)
  if (cursor.peek().kind === 'end') {
    cursor.fail({ start: 0, end: 0 }, 'no expression found in input')
  }
  const expr = parseBinary(cursor, 0)
  if (cursor.peek().kind !== 'end') cursor.unexpected()
  checkTypes(expr, (span, message) => cursor.fail(span, message))
  return expr
}

/** Parses a bare selector such as `up{job="x"}` into its matchers, as `match[]` needs. */
export function parseMatchers(text: string, options: ParseOptions = {}): readonly Matcher[] {
  const cursor = new Cursor(text, options)
  const token = cursor.peek()
  let selector: VectorSelector
  if (token.word === '{') selector = parseSelector(cursor, undefined)
  else if (
    ['identifier', 'metric', 'keyword'].includes(token.kind) &&
    !neverMetrics.has(token.word)
  ) {
    selector = parseSelector(cursor, cursor.take())
  } else return cursor.unexpected()
  if (cursor.peek().kind !== 'end') cursor.unexpected()
  return selector.matchers
}
