import { isKeyword, type Token, type TokenKind } from './tokens.ts'

const spaces = /[ \t\r\n]+/y
const comment = /#[^\r\n]*/y
const word = /[a-zA-Z_:][a-zA-Z0-9_:]*/y
const labelWord = /[a-zA-Z_][a-zA-Z0-9_]*/y
const hexadecimal = /0[xX]_?[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*/y
const decimal = /(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:[eE][+-]?\d+(?:_\d+)*)?/y
const duration = /\d+(?:ms|[smhdwy])(?:\d+(?:ms|[smhdw]))*/y
const wordAhead = /[a-zA-Z0-9_]/
const openParen = /[ \t\r\n]*\(/y
const numberRest = /[0-9a-zA-Z_.]*/y

const outsideMarks = [
  ...['==', '!=', '<=', '</', '>=', '>/', '<', '>', '=', '+', '-', '*', '/', '%', '^', '@', ','],
]
const insideMarks = ['=~', '!~', '!=', '=', ',']
const bracketMarks = ['+', '-', '*', '/', '%', '^', ',', ':']
const bracketWords: ReadonlySet<string> = new Set(['step', 'range', 'max_of', 'min_of'])

class LexFailure extends Error {
  readonly at: number

  constructor(message: string, at: number) {
    super(message)
    this.at = at
  }
}

function runeQuoted(character: string): string {
  return `'${character === "'" || character === '\\' ? `\\${character}` : character}'`
}

/** Cuts a query into tokens; the list ends with one of kind `end` or `error`. */
class Lexer {
  private readonly text: string
  private at = 0
  private parens = 0
  private braceOpen = false
  private bracketOpen = false
  private gotDuration = false
  private gotColon = false
  readonly tokens: Token[] = []

  constructor(text: string) {
    this.text = text
  }

  run(): readonly Token[] {
    try {
      while (this.next());
    } catch (cause) {
      if (!(cause instanceof LexFailure)) throw cause
      const { at, message } = cause
      this.tokens.push({ kind: 'error', text: message, word: '', start: at, end: this.text.length })
    }
    return this.tokens
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at
    return pattern.exec(this.text)?.[0]
  }

  private emit(kind: TokenKind, text: string, keyword = ''): true {
    const start = this.at
    this.at += text.length
    this.tokens.push({ kind, text, word: keyword, start, end: this.at })
    return true
  }

  private character(): string {
    return String.fromCodePoint(this.text.codePointAt(this.at) ?? 0)
  }

  private next(): boolean {
    const skipped = this.match(spaces) ?? this.match(comment)
    if (skipped !== undefined) {
      this.at += skipped.length
      return true
    }
    if (this.at >= this.text.length) return this.finish()
    if (this.braceOpen) return this.insideBraces()
    if (this.bracketOpen) return this.insideBrackets()
    return this.outside()
  }

  private finish(): false {
    if (this.braceOpen) throw new LexFailure('unexpected end of input inside braces', this.at)
    if (this.parens !== 0) throw new LexFailure('unclosed left parenthesis', this.at)
    if (this.bracketOpen) throw new LexFailure('unclosed left bracket', this.at)
    this.emit('end', '')
    return false
  }

  private mark(marks: readonly string[]): boolean {
    const found = marks.find((mark) => this.text.startsWith(mark, this.at))
    return found !== undefined && this.emit('punctuation', found, found)
  }

  private paren(): boolean {
    const character = this.text[this.at] ?? ''
    if (character === '(') {
      this.parens += 1
      return this.emit('punctuation', '(', '(')
    }
    if (character !== ')') return false
    this.parens -= 1
    if (this.parens < 0) throw new LexFailure("unexpected right parenthesis ')'", this.at + 1)
    return this.emit('punctuation', ')', ')')
  }

  private outside(): boolean {
    const character = this.character()
    if (/[0-9]/.test(character) || /^\.[0-9]/.test(this.text.slice(this.at, this.at + 2))) {
      return this.numberOrDuration()
    }
    if (/["'`]/.test(character)) return this.string(character)
    const found = this.match(word)
    if (found !== undefined) return this.wordToken(found)
    if (this.paren()) return true
    if (character === '{') {
      this.braceOpen = true
      return this.emit('punctuation', '{', '{')
    }
    if (character === '[') {
      this.bracketOpen = true
      this.gotColon = false
      this.gotDuration = false
      return this.emit('punctuation', '[', '[')
    }
    if (character === ']') throw new LexFailure("unexpected right bracket ']'", this.at)
    const following = this.text[this.at + 1] ?? ''
    if (character === '=' && following === '~') {
      throw new LexFailure("unexpected character after '=': '~'", this.at)
    }
    if (character === '!' && following !== '=') {
      throw new LexFailure(`unexpected character after '!': ${runeQuoted(following)}`, this.at)
    }
    if (this.mark(outsideMarks)) return true
    throw new LexFailure(`unexpected character: ${runeQuoted(character)}`, this.at)
  }

  private wordToken(found: string): true {
    const lower = found.toLowerCase()
    if (lower === 'inf' || lower === 'nan') return this.emit('number', found)
    if (lower.startsWith('fill') && isKeyword(lower)) {
      openParen.lastIndex = this.at + found.length
      if (!openParen.test(this.text)) return this.emit('identifier', found)
    }
    if (isKeyword(lower)) return this.emit('keyword', found, lower)
    return this.emit(found.includes(':') ? 'metric' : 'identifier', found)
  }

  private insideBraces(): boolean {
    const character = this.character()
    if (/["'`]/.test(character)) return this.string(character)
    const found = this.match(labelWord)
    if (found !== undefined) return this.emit('identifier', found)
    if (character === '}') {
      this.braceOpen = false
      return this.emit('punctuation', '}', '}')
    }
    if (character === '{') throw new LexFailure("unexpected left brace '{'", this.at)
    if (this.mark(insideMarks)) return true
    if (character === '!') {
      const after = this.text[this.at + 1] ?? ''
      throw new LexFailure(
        `unexpected character after '!' inside braces: ${runeQuoted(after)}`,
        this.at,
      )
    }
    throw new LexFailure(`unexpected character inside braces: ${runeQuoted(character)}`, this.at)
  }

  private insideBrackets(): boolean {
    const character = this.character()
    if (/[0-9]/.test(character) || /^\.[0-9]/.test(this.text.slice(this.at, this.at + 2))) {
      this.gotDuration = true
      return this.numberOrDuration()
    }
    if (character === ']') {
      this.bracketOpen = false
      return this.emit('punctuation', ']', ']')
    }
    if (character === '[') throw new LexFailure("unexpected left bracket '['", this.at)
    if (this.paren()) return true
    const found = this.match(labelWord)
    if (found !== undefined && bracketWords.has(found.toLowerCase())) {
      this.gotDuration = true
      return this.emit('keyword', found, found.toLowerCase())
    }
    if (character === ':') this.checkColon()
    if (this.mark(bracketMarks)) return true
    throw new LexFailure(
      `unexpected character in duration expression: ${runeQuoted(character)}`,
      this.at,
    )
  }

  private checkColon(): void {
    if (!this.gotDuration) {
      throw new LexFailure('unexpected colon before duration in duration expression', this.at)
    }
    if (this.gotColon) {
      throw new LexFailure('unexpected repeated colon in duration expression', this.at)
    }
    this.gotColon = true
  }

  private numberOrDuration(): true {
    const candidates: readonly (readonly [TokenKind, RegExp])[] = [
      ['number', hexadecimal],
      ['number', decimal],
      ['duration', duration],
    ]
    for (const [kind, pattern] of candidates) {
      const found = this.match(pattern)
      if (found === undefined) continue
      const after = this.text[this.at + found.length] ?? ''
      if (!wordAhead.test(after) && after !== '.') return this.emit(kind, found)
    }
    const shown = this.match(numberRest) ?? ''
    throw new LexFailure(`bad number or duration syntax: ${JSON.stringify(shown)}`, this.at)
  }

  private string(delimiter: string): true {
    let at = this.at + 1
    const raw = delimiter === '`'
    for (; ; at += 1) {
      const character = this.text[at]
      if (character === undefined || (!raw && character === '\n')) {
        const message = raw ? 'unterminated raw string' : 'unterminated quoted string'
        throw new LexFailure(message, this.at)
      }
      if (character === delimiter) break
      if (!raw && character === '\\') at += this.checkEscape(at + 1, delimiter)
    }
    return this.emit('string', this.text.slice(this.at, at + 1))
  }

  /** Length of the escape whose letter stands at `at`. */
  private checkEscape(at: number, delimiter: string): number {
    const letter = this.text[at]
    if (letter === undefined) throw new LexFailure('escape sequence not terminated', this.at)
    if ('abfnrtv\\'.includes(letter) || letter === delimiter) return 1
    const digitCount = /[0-7]/.test(letter) ? 3 : { x: 2, u: 4, U: 8 }[letter]
    if (digitCount === undefined) {
      throw new LexFailure(`unknown escape sequence ${unicodeName(letter)}`, this.at)
    }
    const octal = digitCount === 3
    const first = octal ? at : at + 1
    const digits = this.text.slice(first, first + digitCount)
    const legal = octal ? /[0-7]/ : /[0-9a-fA-F]/
    const illegal = [...digits].find((digit) => !legal.test(digit))
    if (illegal !== undefined) {
      throw new LexFailure(`illegal character ${unicodeName(illegal)} in escape sequence`, this.at)
    }
    if (digits.length < digitCount) {
      throw new LexFailure('escape sequence not terminated', this.at)
    }
    const code = Number.parseInt(digits, octal ? 8 : 16)
    const limit = octal || letter === 'x' ? 255 : 0x10ffff
    if (code > limit || (code >= 0xd800 && code < 0xe000)) {
      throw new LexFailure('escape sequence is an invalid Unicode code point', this.at)
    }
    return first - at + digitCount
  }
}

function unicodeName(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
  return `U+${code} '${character}'`
}

/** Cuts a query into tokens; the last is of kind `end`, or `error` with the reason as its text. */
export function tokenize(text: string): readonly Token[] {
  return new Lexer(text).run()
}
