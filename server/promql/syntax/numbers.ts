import type { Duration, DurationExpr, NumberLiteral } from './ast.ts'
import type { Cursor } from './cursor.ts'
import { maxDurationSeconds, parseDuration } from './duration.ts'
import type { Span } from './position.ts'
import { contextWords, type Token } from './tokens.ts'

/** The value of a number token: decimal, hexadecimal, octal with a leading 0, infinity or NaN. */
export function numberValue(text: string): number {
  const plain = text.replaceAll('_', '').toLowerCase()
  if (plain === 'inf') return Number.POSITIVE_INFINITY
  if (plain === 'nan') return Number.NaN
  if (/^0[0-7]+$/.test(plain)) return Number.parseInt(plain, 8)
  return Number(plain)
}

/** Whether a token starts a number or duration literal. */
export function isNumeric(token: Token): boolean {
  return token.kind === 'number' || token.kind === 'duration'
}

/** Takes a number, or a duration whose value is in seconds. */
export function parseNumeric(cursor: Cursor): NumberLiteral {
  const token = cursor.take()
  if (token.kind === 'number') {
    return { kind: 'number', value: numberValue(token.text), duration: false, span: token }
  }
  const milliseconds = parseDuration(token.text)
  if (typeof milliseconds === 'string') cursor.fail(token, milliseconds)
  return { kind: 'number', value: milliseconds / 1000, duration: true, span: token }
}

const durationWords = 'number, duration, step(), or range()'

const precedences: Readonly<Record<string, number>> = {
  '+': 1,
  '-': 1,
  '*': 2,
  '/': 2,
  '%': 2,
  '^': 3,
}

function literalOf(
  cursor: Cursor,
  literal: NumberLiteral,
  negative: boolean,
  span: Span,
): DurationExpr {
  const seconds = negative ? -literal.value : literal.value
  if (seconds > maxDurationSeconds || seconds < -maxDurationSeconds) {
    cursor.fail(span, 'duration out of range')
  }
  return { kind: 'literal', seconds, duration: literal.duration, span }
}

function parseContextWord(cursor: Cursor): DurationExpr {
  const token = cursor.take()
  cursor.expect('(')
  const span = (): Span => ({ start: token.start, end: cursor.closed })
  if (token.word === 'step' || token.word === 'range') {
    cursor.expect(')')
    cursor.needExperimental(span(), 'experimental duration expression is not enabled')
    return { kind: token.word, span: span() }
  }
  const left = parseArithmetic(cursor, 0)
  cursor.expect(',')
  const right = parseArithmetic(cursor, 0)
  cursor.expect(')')
  cursor.needExperimental(span(), 'experimental duration expression is not enabled')
  return { kind: 'operation', op: token.word as 'max_of' | 'min_of', left, right, span: span() }
}

function parseGroup(cursor: Cursor): DurationExpr {
  const open = cursor.take()
  const inner = parseArithmetic(cursor, 0)
  cursor.expect(')')
  cursor.needExperimental(inner.span, 'experimental duration expression is not enabled')
  return { kind: 'group', of: inner, span: { start: open.start, end: cursor.closed } }
}

function negated(cursor: Cursor, operator: Token, of: DurationExpr): DurationExpr {
  const span = { start: operator.start, end: of.span.end }
  if (of.kind === 'literal') {
    const literal = { kind: 'number', value: of.seconds, duration: of.duration, span } as const
    return literalOf(cursor, literal, operator.word === '-', span)
  }
  return operator.word === '-' ? { kind: 'negate', of, span } : of
}

function parseDurationUnit(cursor: Cursor): DurationExpr {
  const token = cursor.peek()
  if (isNumeric(token)) return literalOf(cursor, parseNumeric(cursor), false, token)
  if (token.word === '+' || token.word === '-') {
    cursor.take()
    return negated(cursor, token, parseArithmetic(cursor, 3))
  }
  if (token.word === '(') return parseGroup(cursor)
  if (contextWords.has(token.word)) return parseContextWord(cursor)
  return cursor.unexpected('subquery or range selector', durationWords)
}

function parseArithmetic(cursor: Cursor, least: number): DurationExpr {
  let left = parseDurationUnit(cursor)
  for (;;) {
    const operator = cursor.peek()
    const precedence = precedences[operator.word]
    if (precedence === undefined || precedence < least) return left
    cursor.take()
    const right = parseArithmetic(cursor, operator.word === '^' ? precedence : precedence + 1)
    cursor.needExperimental(left.span, 'experimental duration expression is not enabled')
    if (right.kind === 'literal' && right.seconds === 0) {
      if (operator.word === '/') cursor.fail(operator, 'division by zero')
      if (operator.word === '%') cursor.fail(operator, 'modulo by zero')
    }
    const op = operator.word as '+' | '-' | '*' | '/' | '%' | '^'
    const span = { start: left.span.start, end: right.span.end }
    left = { kind: 'operation', op, left, right, span }
  }
}

/** Milliseconds of a duration in seconds, as Prometheus rounds: to nanoseconds, then down. */
export function secondsToMilliseconds(seconds: number): number {
  return Math.trunc(Math.round(seconds * 1e9) / 1e6)
}

function simplified(expr: DurationExpr): Duration {
  return expr.kind === 'literal' ? secondsToMilliseconds(expr.seconds) : expr
}

/** The duration inside `[...]`: above zero when it is a literal. */
export function parsePositiveDuration(cursor: Cursor): Duration {
  const expr = parseArithmetic(cursor, 0)
  if (expr.kind === 'literal' && expr.seconds <= 0) {
    cursor.fail(expr.span, 'duration must be greater than 0')
  }
  return simplified(expr)
}

/** The duration after `offset`: one literal, call or parenthesis with at most one sign. */
export function parseOffsetDuration(cursor: Cursor): Duration {
  const sign = cursor.accept('-') ?? cursor.accept('+')
  const token = cursor.peek()
  let expr: DurationExpr
  if (isNumeric(token)) expr = literalOf(cursor, parseNumeric(cursor), false, token)
  else if (token.word === '(') expr = parseGroup(cursor)
  else if (contextWords.has(token.word) && token.word !== 'start' && token.word !== 'end') {
    expr = parseContextWord(cursor)
  } else return cursor.unexpected('offset', durationWords)
  return simplified(sign === undefined ? expr : negated(cursor, sign, expr))
}
