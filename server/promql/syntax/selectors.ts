import type { Matcher } from '../../store/reader.ts'
import { compileAnchored } from '../regex.ts'
import type { AtModifier, Duration, Expr, MatrixSelector, Subquery, VectorSelector } from './ast.ts'
import type { Cursor } from './cursor.ts'
import { isNumeric, parseNumeric, parseOffsetDuration, parsePositiveDuration } from './numbers.ts'
import { unquote } from './quote.ts'
import type { Token } from './tokens.ts'

const matchOperators: ReadonlySet<string> = new Set(['=', '!=', '=~', '!~'])

function parseMatcher(cursor: Cursor): Matcher {
  const first = cursor.peek()
  if (first.kind !== 'identifier' && first.kind !== 'string') {
    return cursor.unexpected('label matching', 'identifier or "}"')
  }
  cursor.take()
  const name = first.kind === 'string' ? unquote(first.text) : first.text
  const operator = cursor.peek()
  if (!matchOperators.has(operator.word)) {
    if (first.kind === 'identifier') {
      return cursor.unexpected('label matching', 'label matching operator')
    }
    return { name: '__name__', op: '=', value: name }
  }
  cursor.take()
  if (cursor.peek().kind !== 'string') return cursor.unexpected('label matching', 'string')
  const value = unquote(cursor.take().text)
  const op = operator.word as Matcher['op']
  if (op === '=~' || op === '!~') {
    try {
      compileAnchored(value)
    } catch (cause) {
      cursor.fail(first, `error parsing regexp: ${(cause as Error).message}`)
    }
  }
  return { name, op, value }
}

function parseBraces(cursor: Cursor): readonly Matcher[] {
  const matchers: Matcher[] = []
  cursor.take()
  while (!cursor.accept('}')) {
    matchers.push(parseMatcher(cursor))
    if (cursor.accept('}')) break
    cursor.expect(',', 'label matching', '"," or "}"')
  }
  return matchers
}

/** A vector selector whose optional name was already taken. */
export function parseSelector(cursor: Cursor, name: Token | undefined): VectorSelector {
  const start = name?.start ?? cursor.peek().start
  const matchers = cursor.is('{') ? [...parseBraces(cursor)] : []
  if (name !== undefined) matchers.push({ name: '__name__', op: '=', value: name.text })
  const span = { start, end: cursor.closed }
  return { kind: 'selector', name: name?.text ?? '', matchers, offset: 0, span }
}

/** Replaces what is shared by selectors, ranges and subqueries. */
function revise(
  cursor: Cursor,
  expr: Expr,
  change: (target: VectorSelector | Subquery) => VectorSelector | Subquery,
  refusal: string,
): Expr {
  const closed = <T extends Expr>(target: T): T => ({
    ...target,
    span: { start: target.span.start, end: cursor.closed },
  })
  if (expr.kind === 'selector' || expr.kind === 'subquery') return closed(change(expr))
  if (expr.kind === 'matrix') {
    return closed({ ...expr, selector: change(expr.selector) as VectorSelector })
  }
  return cursor.fail(expr.span, refusal)
}

const mustPrecede =
  'modifier must be preceded by an instant vector selector or range vector selector or a subquery'

function withOffset(cursor: Cursor, expr: Expr, offset: Duration): Expr {
  return revise(
    cursor,
    expr,
    (target) => {
      if (target.offset !== 0) cursor.fail(expr.span, 'offset may not be set multiple times')
      return { ...target, offset }
    },
    `offset ${mustPrecede}`,
  )
}

function withAt(cursor: Cursor, expr: Expr, at: AtModifier): Expr {
  return revise(
    cursor,
    expr,
    (target) => {
      if (target.at !== undefined) {
        cursor.fail(expr.span, '@ <timestamp> may not be set multiple times')
      }
      return { ...target, at }
    },
    `@ ${mustPrecede}`,
  )
}

function parseAt(cursor: Cursor, expr: Expr): Expr {
  cursor.take()
  const bound = cursor.peek().word
  if (bound === 'start' || bound === 'end') {
    cursor.take()
    cursor.expect('(', '@', 'timestamp')
    cursor.expect(')', '@', 'timestamp')
    return withAt(cursor, expr, bound)
  }
  const sign = cursor.accept('-') ?? cursor.accept('+')
  if (!isNumeric(cursor.peek())) return cursor.unexpected('@', 'timestamp')
  const { value } = parseNumeric(cursor)
  const seconds = sign?.word === '-' ? -value : value
  if (!(Math.abs(seconds) < 2 ** 63)) {
    const shown = Number.isFinite(seconds)
      ? seconds.toFixed(6)
      : `${seconds}`.replace('Infinity', 'Inf').replace(/^Inf/, '+Inf')
    cursor.fail(expr.span, `timestamp out of bounds for @ modifier: ${shown}`)
  }
  return withAt(cursor, expr, Math.round(seconds * 1000))
}

function parseExtension(cursor: Cursor, expr: Expr): Expr {
  const extension = cursor.take().word as 'anchored' | 'smoothed'
  cursor.needExperimental(expr.span, `${extension} modifier is experimental and not enabled`)
  if (expr.kind === 'subquery') {
    return cursor.fail(expr.span, `${extension} modifier is not supported for subqueries`)
  }
  return revise(
    cursor,
    expr,
    (target) => {
      if (target.kind === 'subquery') return target
      if (target.extension !== undefined && target.extension !== extension) {
        cursor.fail(expr.span, 'anchored and smoothed modifiers cannot be used together')
      }
      return { ...target, extension }
    },
    `${extension} modifier not implemented`,
  )
}

function rangeRefusal(expr: Expr): string | undefined {
  if (expr.kind !== 'selector') return 'ranges only allowed for vector selectors'
  if (expr.offset !== 0) return 'no offset modifiers allowed before range'
  if (expr.at !== undefined) return 'no @ modifiers allowed before range'
  return undefined
}

function parseBrackets(cursor: Cursor, expr: Expr): MatrixSelector | Subquery {
  const open = cursor.take()
  const range = parsePositiveDuration(cursor)
  const start = expr.span.start
  if (cursor.accept(':')) {
    const step = cursor.is(']') ? undefined : parsePositiveDuration(cursor)
    cursor.expect(
      ']',
      'subquery selector',
      step === undefined ? 'number, duration, step(), range(), or "]"' : '"]"',
    )
    const span = { start, end: cursor.closed }
    const subquery = { kind: 'subquery', expr, range, offset: 0, span } as const
    return step === undefined ? subquery : { ...subquery, step }
  }
  cursor.expect(']', 'subquery or range', '":" or "]"')
  const refusal = rangeRefusal(expr)
  if (refusal !== undefined) cursor.fail(open, refusal)
  const span = { start, end: cursor.closed }
  return { kind: 'matrix', selector: expr as VectorSelector, range, span }
}

/** Everything that may follow an operand: `[...]`, `offset`, `@`, `anchored`, `smoothed`. */
export function parsePostfix(cursor: Cursor, operand: Expr): Expr {
  let expr = operand
  for (;;) {
    const { word } = cursor.peek()
    if (word === '[') expr = parseBrackets(cursor, expr)
    else if (word === 'offset') {
      cursor.take()
      expr = withOffset(cursor, expr, parseOffsetDuration(cursor))
    } else if (word === '@') expr = parseAt(cursor, expr)
    else if (word === 'anchored' || word === 'smoothed') expr = parseExtension(cursor, expr)
    else return expr
  }
}
