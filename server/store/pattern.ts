import { CallwardError } from '../errors.ts'

/** Longest regular expression of a matcher, in characters. */
export const maxPatternLength = 4096

const plainLiteral = /^(?:[^\\.+*?()|[\]{}^$]|\\[^\p{L}\p{N}])*$/u

/** Values of an expression that is only literals joined by `|`, perhaps in one pair of brackets; undefined for any other. */
export function literalAlternatives(pattern: string): readonly string[] | undefined {
  const inner = /^\((?:\?:)?([^()]*)\)$/.exec(pattern)?.[1] ?? pattern
  const literals = []
  for (const part of inner.split('|')) {
    if (!plainLiteral.test(part)) return undefined
    literals.push(part.replace(/\\(.)/gsu, '$1'))
  }
  return literals
}

/**
 * Compiles an RE2 expression, anchored at both ends, dot matching newline (Prometheus 3). Leading flags `(?i)`, `(?s)` and
 * `(?-s)` are honoured. Throws CallwardError `bad_request` for what is wrong, unsupported, or could take exponential time
 * (an unbounded repeat of a group that repeats without bound itself).
 */
export function compilePattern(pattern: string): RegExp {
  if (pattern.length > maxPatternLength) {
    throw new CallwardError('bad_request', `A regular expression of ${pattern.length} characters is over the limit of ${maxPatternLength}.`)
  }
  const { body, flags } = leadingFlags(pattern)
  const translated = new Translator(body).translate()
  try {
    return new RegExp(`^(?:${translated})$`, flags)
  } catch (error) {
    throw new CallwardError('bad_request', `The regular expression "${pattern}" is not valid.`, { cause: error })
  }
}

function leadingFlags(pattern: string): { body: string; flags: string } {
  let body = pattern
  let dotAll = true
  let ignoreCase = false
  for (;;) {
    const match = /^\(\?([is]*)(?:-([is]+))?\)/.exec(body)
    if (!match || match[0] === '(?)') break
    if (match[1]!.includes('i')) ignoreCase = true
    if (match[1]!.includes('s')) dotAll = true
    if (match[2]?.includes('i')) ignoreCase = false
    if (match[2]?.includes('s')) dotAll = false
    body = body.slice(match[0].length)
  }
  return { body, flags: `u${dotAll ? 's' : ''}${ignoreCase ? 'i' : ''}` }
}

const posixClasses: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7f',
  blank: '\\t ',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`\\{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
}

/** Rewrites RE2 syntax as ECMAScript syntax of the `u` flag. */
class Translator {
  private readonly source: string
  private at = 0
  private out = ''
  /** For each open group: whether it repeats without bound inside. */
  private readonly groups: boolean[] = [false]
  private lastGroupRepeats = false

  constructor(source: string) {
    this.source = source
  }

  private fail(reason: string): never {
    throw new CallwardError('bad_request', `The regular expression "${this.source}" cannot be used: ${reason}.`)
  }

  translate(): string {
    while (this.at < this.source.length) this.element()
    if (this.groups.length !== 1) this.fail('a bracket is not closed')
    return this.out
  }

  private element(): void {
    const rest = this.source.slice(this.at, this.at + 64)
    const character = rest[0]!
    const closedGroup = this.lastGroupRepeats
    this.lastGroupRepeats = false
    if (character === '\\') this.escape(false)
    else if (character === '[') this.characterClass()
    else if (character === '(') this.openGroup(rest)
    else if (character === ')') this.closeGroup()
    else if ('*+{'.includes(character)) this.repeat(rest, closedGroup)
    else if (character === '}' || character === ']') this.emit(`\\${character}`, 1)
    else this.emit(character, 1)
  }

  private emit(text: string, consumed: number): void {
    this.out += text
    this.at += consumed
  }

  private repeat(rest: string, ofRepeatingGroup: boolean): void {
    const counted = /^\{(\d+)(,(\d*))?\}/.exec(rest)
    if (rest[0] === '{' && !counted) return this.emit('\\{', 1)
    const highest = counted ? (counted[2] === undefined ? counted[1] : counted[3]) : ''
    if (highest !== '' && Number(highest) > 1000) this.fail('it repeats more than 1000 times')
    if (highest === '' || Number(highest) > 1) {
      if (ofRepeatingGroup) this.fail('a repeated group repeats inside; write it without the inner repeat')
      this.groups[this.groups.length - 1] = true
    }
    const text = counted?.[0] ?? rest[0]!
    this.emit(text, text.length)
  }

  private openGroup(rest: string): void {
    this.groups.push(false)
    const named = /^\(\?P?<([A-Za-z_]\w*)>/.exec(rest)
    if (named) this.emit('(?:', named[0].length)
    else if (rest.startsWith('(?:')) this.emit('(?:', 3)
    else if (rest.startsWith('(?')) this.fail('flags other than (?i) and (?s) at its start, and lookarounds, are not supported')
    else this.emit('(?:', 1)
  }

  private closeGroup(): void {
    if (this.groups.length === 1) this.fail('a bracket is closed that was not opened')
    this.lastGroupRepeats = this.groups.pop()!
    if (this.lastGroupRepeats) this.groups[this.groups.length - 1] = true
    this.emit(')', 1)
  }

  private escape(inClass: boolean): void {
    const rest = this.source.slice(this.at)
    const next = rest[1]
    if (next === undefined) this.fail('it ends in a backslash')
    const quoted = /^\\Q([\s\S]*?)(?:\\E|$)/.exec(rest)
    const property = /^\\([pP])(?:(\w)|\{(\^?)(\w+)\})/.exec(rest)
    const hex = /^\\x(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/.exec(rest)
    if (quoted && !inClass) this.emit(quoted[1]!.replace(/[\\^$.*+?()[\]{}|/-]/g, escapeCharacter), quoted[0].length)
    else if (property) this.emit(unicodeClass(property), property[0].length)
    else if (hex) this.emit(`\\u{${hex[1] ?? hex[2]}}`, hex[0].length)
    else if (next === 'a') this.emit('\\x07', 2)
    else if (next === 's' || next === 'S') this.emit(whitespace(next, inClass), 2)
    else if (next === 'A' && !inClass) this.emit('^', 2)
    else if (next === 'z' && !inClass) this.emit('$', 2)
    else if (/[dDwWtnrfv]/.test(next) || (/[bB]/.test(next) && !inClass)) this.emit(`\\${next}`, 2)
    else if (/[A-Za-z0-9]/.test(next)) this.fail(`\\${next} is not known`)
    else if (/[\^$\\.*+?()[\]{}|/]/.test(next) || (next === '-' && inClass)) this.emit(`\\${next}`, 2)
    else this.emit(next, 2)
  }

  private characterClass(): void {
    this.emit('[', 1)
    if (this.source[this.at] === '^') this.emit('^', 1)
    if (this.source[this.at] === ']') this.emit('\\]', 1)
    for (;;) {
      const rest = this.source.slice(this.at, this.at + 16)
      const character = rest[0]
      if (character === undefined) this.fail('a [ is not closed')
      if (character === ']') return this.emit(']', 1)
      const posix = /^\[:(\w+):\]/.exec(rest)
      if (posix) {
        const set = posixClasses[posix[1]!]
        if (set === undefined) this.fail(`[:${posix[1]}:] is not known`)
        this.emit(set, posix[0].length)
      } else if (character === '\\') this.escape(true)
      else if (character === '[') this.emit('\\[', 1)
      else this.emit(character, 1)
    }
  }
}

function escapeCharacter(character: string): string {
  return character === '-' ? '-' : `\\${character}`
}

/** RE2's \s is ASCII and lacks the vertical tab. */
function whitespace(letter: 's' | 'S', inClass: boolean): string {
  if (letter === 's') return inClass ? '\\t\\n\\f\\r ' : '[\\t\\n\\f\\r ]'
  return inClass ? '\\S' : '[^\\t\\n\\f\\r ]'
}

function unicodeClass(match: RegExpExecArray): string {
  const negated = (match[1] === 'P') !== (match[3] === '^')
  const name = match[2] ?? match[4]!
  const property = name.length <= 2 ? name : `Script=${name}`
  return `\\${negated ? 'P' : 'p'}{${property}}`
}
