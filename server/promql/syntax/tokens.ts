/** What the lexer makes of a query's text; words are in lower case. */
export type TokenKind =
  | 'end'
  | 'error'
  | 'identifier'
  | 'metric'
  | 'string'
  | 'number'
  | 'duration'
  | 'keyword'
  | 'punctuation'

export interface Token {
  readonly kind: TokenKind
  /** As written; for an error its message. */
  readonly text: string
  /** The keyword in lower case, or the punctuation; empty for the others. */
  readonly word: string
  readonly start: number
  readonly end: number
}

/** Words that aggregate. */
export const aggregators: ReadonlySet<string> = new Set([
  'sum',
  'avg',
  'count',
  'min',
  'max',
  'group',
  'stddev',
  'stdvar',
  'topk',
  'bottomk',
  'count_values',
  'quantile',
  'limitk',
  'limit_ratio',
])

/** Operators written as words. */
export const wordOperators: ReadonlySet<string> = new Set(['and', 'or', 'unless', 'atan2'])

/** Words that ask for the query's own times; outside brackets they are functions. */
export const contextWords: ReadonlySet<string> = new Set([
  'start',
  'end',
  'step',
  'range',
  'max_of',
  'min_of',
])

/** Words that modify selectors, aggregations and operators. */
export const modifiers: ReadonlySet<string> = new Set([
  'offset',
  'smoothed',
  'anchored',
  'by',
  'without',
  'on',
  'ignoring',
  'group_left',
  'group_right',
  'fill',
  'fill_left',
  'fill_right',
  'bool',
])

/** Words that may not name a metric where one is expected. */
export const neverMetrics: ReadonlySet<string> = new Set([
  'on',
  'ignoring',
  'group_left',
  'group_right',
  'bool',
  'atan2',
])

/** Whether a word, in any case, has a meaning of its own outside braces. */
export function isKeyword(word: string): boolean {
  return (
    aggregators.has(word) ||
    wordOperators.has(word) ||
    contextWords.has(word) ||
    modifiers.has(word)
  )
}

function shortQuoted(text: string): string {
  return text.length > 10 ? `${JSON.stringify(text.slice(0, 10))}...` : JSON.stringify(text)
}

const operatorMarks: ReadonlySet<string> = new Set([
  ...['+', '-', '*', '/', '%', '^', '==', '!=', '<', '<=', '>', '>=', '</', '>/', '=~', '!~', '@'],
])

/** Names a token in an error, as Prometheus does: `<op:*>`, `identifier "foo"`, `end of input`. */
export function describe(token: Token): string {
  switch (token.kind) {
    case 'end':
      return 'end of input'
    case 'identifier':
      return `identifier ${JSON.stringify(token.text)}`
    case 'metric':
      return `metric identifier ${JSON.stringify(token.text)}`
    case 'string':
    case 'number':
    case 'duration':
      return `${token.kind} ${shortQuoted(token.text)}`
    case 'keyword':
      if (modifiers.has(token.word)) return `<${token.text}>`
      if (aggregators.has(token.word)) return `<aggr:${token.text}>`
      if (wordOperators.has(token.word)) return `<op:${token.text}>`
      return shortQuoted(token.text)
    default:
      return operatorMarks.has(token.word) ? `<op:${token.text}>` : shortQuoted(token.text)
  }
}
