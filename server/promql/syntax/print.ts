import type { Matcher } from '../../store/reader.ts'
import type {
  Aggregate,
  AtModifier,
  Binary,
  Duration,
  DurationExpr,
  Expr,
  NumberLiteral,
  Subquery,
  VectorSelector,
} from './ast.ts'
import { formatDuration } from './duration.ts'
import { formatFixed } from './float.ts'
import { isPlainLabelName, quote } from './quote.ts'

function labelName(name: string): string {
  return isPlainLabelName(name) ? name : quote(name)
}

function labelList(labels: readonly string[]): string {
  return labels.map(labelName).join(', ')
}

/** Prints a matcher as `name="value"`. */
export function printMatcher(matcher: Matcher): string {
  return `${labelName(matcher.name)}${matcher.op}${quote(matcher.value)}`
}

function signedDuration(seconds: number): string {
  const milliseconds = Math.round(Math.abs(seconds) * 1000)
  return `${seconds < 0 ? '-' : ''}${formatDuration(milliseconds)}`
}

function durationExpr(expr: DurationExpr): string {
  switch (expr.kind) {
    case 'literal':
      return expr.duration ? signedDuration(expr.seconds) : formatFixed(expr.seconds)
    case 'step':
    case 'range':
      return `${expr.kind}()`
    case 'negate':
      return `-${durationExpr(expr.of)}`
    case 'group':
      return `(${durationExpr(expr.of)})`
    case 'operation': {
      const left = durationExpr(expr.left)
      const right = durationExpr(expr.right)
      if (expr.op === 'max_of' || expr.op === 'min_of') return `${expr.op}(${left}, ${right})`
      return `${left} ${expr.op} ${right}`
    }
  }
}

function duration(value: Duration): string {
  return typeof value === 'number' ? formatDuration(value) : durationExpr(value)
}

function atText(at: AtModifier | undefined): string {
  if (at === undefined) return ''
  return typeof at === 'number' ? ` @ ${(at / 1000).toFixed(3)}` : ` @ ${at}()`
}

function offsetText(offset: Duration): string {
  if (offset === 0) return ''
  if (typeof offset === 'number' && offset < 0) return ` offset -${formatDuration(-offset)}`
  return ` offset ${duration(offset)}`
}

function selectorHead(selector: VectorSelector): string {
  const shown = selector.matchers.filter(
    (matcher) =>
      !(
        matcher.name === '__name__' &&
        matcher.op === '=' &&
        matcher.value === selector.name &&
        matcher.value !== ''
      ),
  )
  const inside = shown.map(printMatcher).sort().join(',')
  if (inside === '' && selector.name !== '') return selector.name
  return `${selector.name}{${inside}}`
}

function selectorTail(selector: VectorSelector): string {
  const extension = selector.extension === undefined ? '' : ` ${selector.extension}`
  return `${extension}${atText(selector.at)}${offsetText(selector.offset)}`
}

function subquery(expr: Subquery): string {
  const step = expr.step === undefined ? '' : duration(expr.step)
  const brackets = `[${duration(expr.range)}:${step}]`
  return `${printExpr(expr.expr)}${brackets}${atText(expr.at)}${offsetText(expr.offset)}`
}

function numberText(expr: NumberLiteral): string {
  return expr.duration ? signedDuration(expr.value) : formatFixed(expr.value)
}

function aggregate(expr: Aggregate): string {
  let clause = ''
  if (expr.without) clause = ` without (${labelList(expr.grouping)}) `
  else if (expr.grouping.length > 0) clause = ` by (${labelList(expr.grouping)}) `
  const param = expr.param === undefined ? '' : `${printExpr(expr.param)}, `
  return `${expr.op}${clause}(${param}${printExpr(expr.expr)})`
}

function matchingText({ matching }: Binary): string {
  let out = ''
  const grouped = matching.cardinality === 'many-to-one' || matching.cardinality === 'one-to-many'
  if (matching.labels.length > 0 || matching.on || grouped) {
    out += ` ${matching.on ? 'on' : 'ignoring'} (${labelList(matching.labels)})`
  }
  if (grouped) {
    const side = matching.cardinality === 'many-to-one' ? 'left' : 'right'
    out += ` group_${side} (${labelList(matching.include)})`
  }
  const { fillLeft, fillRight } = matching
  if (fillLeft !== undefined && Object.is(fillLeft, fillRight)) {
    return `${out} fill (${formatFixed(fillLeft)})`
  }
  if (fillLeft !== undefined) out += ` fill_left (${formatFixed(fillLeft)})`
  if (fillRight !== undefined) out += ` fill_right (${formatFixed(fillRight)})`
  return out
}

/** Prints an expression on one line, as Prometheus does; parsing it gives the same expression. */
export function printExpr(expr: Expr): string {
  switch (expr.kind) {
    case 'number':
      return numberText(expr)
    case 'string':
      return quote(expr.value)
    case 'selector':
      return `${selectorHead(expr)}${selectorTail(expr)}`
    case 'matrix':
      return `${selectorHead(expr.selector)}[${duration(expr.range)}]${selectorTail(expr.selector)}`
    case 'subquery':
      return subquery(expr)
    case 'unary':
      return `${expr.op}${printExpr(expr.expr)}`
    case 'paren':
      return `(${printExpr(expr.expr)})`
    case 'call':
      return `${expr.signature.name}(${expr.args.map(printExpr).join(', ')})`
    case 'aggregate':
      return aggregate(expr)
    case 'binary': {
      const bool = expr.bool ? ' bool' : ''
      return `${printExpr(expr.left)} ${expr.op}${bool}${matchingText(expr)} ${printExpr(expr.right)}`
    }
  }
}
