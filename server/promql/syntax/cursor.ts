import { QueryFailure } from '../failure.ts'
import { tokenize } from './lexer.ts'
import { lineAndColumn, type Span } from './position.ts'
import { describe, type Token } from './tokens.ts'

/** What the parser accepts beyond stable PromQL. */
export interface ParseOptions {
  /** Experimental functions, duration arithmetic, `anchored`/`smoothed` and `fill` (all off by default). */
  readonly experimental?: boolean
}

/** The parser's place in the tokens, and its way to fail with Prometheus's wording. */
export class Cursor {
  readonly text: string
  readonly experimental: boolean
  /** Above 0 inside the arguments of an aggregation, which names itself in errors. */
  aggregationDepth = 0
  private readonly tokens: readonly Token[]
  private at = 0

  constructor(text: string, options: ParseOptions) {
    this.text = text
    this.experimental = options.experimental ?? false
    this.tokens = tokenize(text)
  }

  /** The token `ahead` places on; a lexing error fails as soon as it is looked at directly. */
  peek(ahead = 0): Token {
    const token = this.tokens[Math.min(this.at + ahead, this.tokens.length - 1)]
    if (token === undefined) throw new Error('BUG: no tokens')
    if (ahead === 0 && token.kind === 'error') this.fail(token, token.text)
    return token
  }

  take(): Token {
    const token = this.peek()
    this.at += 1
    return token
  }

  /** Whether the next token is this keyword or punctuation. */
  is(word: string): boolean {
    return this.peek().word === word
  }

  /** Takes the next token when it is this keyword or punctuation. */
  accept(word: string): Token | undefined {
    return this.is(word) ? this.take() : undefined
  }

  /** Takes this punctuation, or fails naming what was found instead. */
  expect(word: string, context = '', expected = ''): Token {
    return this.accept(word) ?? this.unexpected(context, expected)
  }

  /** End of the token taken last. */
  get closed(): number {
    return this.tokens[this.at - 1]?.end ?? 0
  }

  fail(span: Span, message: string): never {
    const where = lineAndColumn(this.text, span)
    throw new QueryFailure('bad_data', `${where}: parse error: ${message}`)
  }

  unexpected(context = '', expected = ''): never {
    const token = this.peek()
    const place = context === '' && this.aggregationDepth > 0 ? 'aggregation' : context
    let message = `unexpected ${describe(token)}`
    if (place !== '') message += ` in ${place}`
    if (expected !== '') message += `, expected ${expected}`
    this.fail(token, message)
  }

  /** Fails unless experimental syntax is on. */
  needExperimental(span: Span, message: string): void {
    if (!this.experimental) this.fail(span, message)
  }
}
