import { CallwardError } from '../../errors.ts'
import { posixClasses } from '../../posix-classes.ts'

/** Tree of a regular expression. */
export type Pattern =
  | { readonly kind: 'character'; readonly matches: (codePoint: number) => boolean }
  | { readonly kind: 'sequence'; readonly parts: readonly Pattern[] }
  | { readonly kind: 'choice'; readonly options: readonly Pattern[] }
  | {
      readonly kind: 'repeat'
      readonly of: Pattern
      readonly least: number
      readonly most: number
    }
  | { readonly kind: 'begin' }
  | { readonly kind: 'end' }

/** Sets of RE2's letter escapes, as the inside of an ECMAScript class; RE2's \s is ASCII without the vertical tab. */
const letterClasses: Readonly<Record<string, string>> = {
  d: '0-9',
  D: '\\x00-\\/:-\\u{10ffff}',
  w: '0-9A-Za-z_',
  W: '\\x00-\\/:-@\\[-\\^`\\{-\\u{10ffff}',
  s: '\\t\\n\\f\\r ',
  S: '\\x00-\\x08\\v\\x0e-\\x1f!-\\u{10ffff}',
  t: '\\t',
  n: '\\n',
  r: '\\r',
  f: '\\f',
  v: '\\v',
  a: '\\x07',
}

const deepest = 200
const mostRepeats = 1000

interface Flags {
  readonly ignoreCase: boolean
  readonly dotAll: boolean
}

/**
 * Parses RE2 syntax (https://github.com/google/re2/wiki/Syntax) with dot matching newline unless `(?-s)` says otherwise. Not known:
 * `\b`, `\B`, `\C` and the flag m. Throws CallwardError `bad_request` that quotes the expression.
 */
export function parsePattern(source: string): Pattern {
  return new Parser(source).parse()
}

class Parser {
  private readonly source: string
  private readonly characters: readonly string[]
  private at = 0
  private depth = 0
  /** Within \Q and \E. */
  private quoting = false

  constructor(source: string) {
    this.source = source
    this.characters = [...source]
  }

  private fail(reason: string): never {
    throw new CallwardError(
      'bad_request',
      `The regular expression "${this.source}" cannot be used: ${reason}.`,
    )
  }

  private get next(): string | undefined {
    return this.characters[this.at]
  }

  /** Takes what `expression` (sticky by `^`) finds here within the next 80 characters. */
  private take(expression: RegExp): RegExpExecArray | undefined {
    const found = expression.exec(this.characters.slice(this.at, this.at + 80).join(''))
    if (!found) return undefined
    this.at += [...found[0]].length
    return found
  }

  parse(): Pattern {
    const pattern = this.choice({ ignoreCase: false, dotAll: true })
    if (this.next !== undefined) this.fail('a bracket is closed that was not opened')
    return pattern
  }

  private choice(outer: Flags): Pattern {
    if (++this.depth > deepest) this.fail(`brackets are nested more than ${deepest} deep`)
    let flags = outer
    const options: Pattern[] = []
    let parts: Pattern[] = []
    for (;;) {
      if (this.quoting && this.next !== undefined) {
        this.item(parts, flags)
        continue
      }
      const change = this.take(/^\(\?([isU]*)(?:-([isU]+))?\)/)
      if (change) flags = changed(flags, change)
      else if (this.take(/^\|/)) {
        options.push({ kind: 'sequence', parts })
        parts = []
      } else if (this.next === undefined || this.next === ')') break
      else this.item(parts, flags)
    }
    this.depth--
    options.push({ kind: 'sequence', parts })
    return options.length === 1 ? options[0]! : { kind: 'choice', options }
  }

  private item(parts: Pattern[], flags: Flags): void {
    if (!this.quoting && this.take(/^\\Q/)) this.quoting = true
    if (this.quoting && this.take(/^\\E/)) {
      this.quoting = false
      return
    }
    if (this.next === undefined) return
    const atom = this.quoting ? this.literal(flags) : this.atom(flags)
    if (this.quoting && this.take(/^\\E/)) this.quoting = false
    else if (this.quoting) {
      parts.push(atom)
      return
    }
    const repeat = this.take(/^(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})\??/)
    parts.push(repeat ? this.repeat(atom, repeat) : atom)
    if (
      repeat &&
      /^(?:[*+?]|\{\d+(?:,\d*)?\})/.test(this.characters.slice(this.at, this.at + 20).join(''))
    ) {
      this.fail('a repeat is repeated; put brackets around it')
    }
  }

  private repeat(of: Pattern, [, sign, low, comma, high]: RegExpExecArray): Pattern {
    if (sign === '*') return { kind: 'repeat', of, least: 0, most: Infinity }
    if (sign === '+') return { kind: 'repeat', of, least: 1, most: Infinity }
    if (sign === '?') return { kind: 'repeat', of, least: 0, most: 1 }
    const least = Number(low)
    const most = comma === undefined ? least : high === '' ? Infinity : Number(high)
    if (least > mostRepeats || (most > mostRepeats && most !== Infinity) || most < least) {
      this.fail(`repeats go from 0 to ${mostRepeats}`)
    }
    return { kind: 'repeat', of, least, most }
  }

  private literal(flags: Flags): Pattern {
    const character = this.characters[this.at++]!
    if (flags.ignoreCase && character.toLowerCase() !== character.toUpperCase()) {
      return this.fromClass(`${escaped(character)}`, flags)
    }
    const codePoint = character.codePointAt(0)!
    return { kind: 'character', matches: (other) => other === codePoint }
  }

  private atom(flags: Flags): Pattern {
    const character = this.next!
    if (character === '(') return this.group(flags)
    if (character === '[') return this.characterClass(flags)
    if (character === '\\') return this.escape(flags)
    if ('*+?'.includes(character)) this.fail(`nothing stands before ${character}`)
    if ('.^$'.includes(character)) {
      this.at++
      if (character === '^') return { kind: 'begin' }
      if (character === '$') return { kind: 'end' }
      return { kind: 'character', matches: flags.dotAll ? () => true : (other) => other !== 10 }
    }
    return this.literal(flags)
  }

  private group(flags: Flags): Pattern {
    const opening = this.take(/^\((?:\?P?<[A-Za-z_]\w*>|\?([isU]*)(?:-([isU]+))?:)/)
    if (!opening) {
      if (this.take(/^\(\?/))
        this.fail('lookarounds and flags other than i, s and U are not supported')
      this.at++
    }
    const inner = this.choice(opening ? changed(flags, opening) : flags)
    if (!this.take(/^\)/)) this.fail('a bracket is not closed')
    return inner
  }

  private escape(flags: Flags): Pattern {
    if (this.take(/^\\A/)) return { kind: 'begin' }
    if (this.take(/^\\z/)) return { kind: 'end' }
    return this.fromClass(this.escapedSet(), flags)
  }

  /** The set that an escape stands for, as the inside of an ECMAScript class. */
  private escapedSet(): string {
    const hex = this.take(/^\\x(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/)
    if (hex) return `\\u{${hex[1] ?? hex[2]}}`
    const property = this.take(/^\\([pP])(?:([A-Z])|\{(\^?)(\w+)\})/)
    if (property) {
      const name = property[2] ?? property[4]!
      const negated = (property[1] === 'P') !== (property[3] === '^')
      return `\\${negated ? 'P' : 'p'}{${name.length <= 2 ? name : `Script=${name}`}}`
    }
    this.at++
    const character = this.characters[this.at++]
    if (character === undefined) this.fail('it ends in a backslash')
    const set = Object.hasOwn(letterClasses, character) ? letterClasses[character] : undefined
    if (set !== undefined) return set
    if (/[\p{L}\p{N}]/u.test(character)) this.fail(`\\${character} is not supported`)
    return escaped(character)
  }

  private characterClass(flags: Flags): Pattern {
    let set = this.take(/^\[\^/) ? '^' : ''
    if (set === '') this.at++
    if (this.take(/^\]/)) set += '\\]'
    for (;;) {
      if (this.next === undefined) this.fail('a [ is not closed')
      if (this.take(/^\]/)) return this.fromClass(set, flags)
      const posix = this.take(/^\[:(\^?)(\w+):\]/)
      if (posix) {
        const known = posixClasses.get(posix[2]!)
        if (known === undefined || posix[1] === '^') this.fail(`${posix[0]} is not supported`)
        set += known
      } else if (this.next === '\\') set += this.escapedSet()
      else if (this.take(/^-/)) set += this.dash(set)
      else set += escaped(this.characters[this.at++]!)
    }
  }

  /** A dash is a range unless it stands first or last. */
  private dash(before: string): string {
    return before === '' || before === '^' || this.next === ']' ? '\\-' : '-'
  }

  private fromClass(set: string, { ignoreCase }: Flags): Pattern {
    let expression: RegExp
    try {
      expression = new RegExp(`^[${set}]$`, ignoreCase ? 'ui' : 'u')
    } catch {
      this.fail('a set of characters in it is not valid')
    }
    return {
      kind: 'character',
      matches: (codePoint) => expression.test(String.fromCodePoint(codePoint)),
    }
  }
}

function changed(flags: Flags, [, on = '', off = '']: RegExpExecArray): Flags {
  return {
    ignoreCase: (flags.ignoreCase || on.includes('i')) && !off.includes('i'),
    dotAll: (flags.dotAll || on.includes('s')) && !off.includes('s'),
  }
}

function escaped(character: string): string {
  return `\\u{${character.codePointAt(0)!.toString(16)}}`
}
