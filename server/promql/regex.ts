import { setFlagsFromString } from 'node:v8'
import { posixClasses } from '../posix-classes.ts'

// A hostile pattern in label_replace must not hold up the hub: after many steps back V8 changes to its linear
// engine. Our subset (RE2's) has nothing that engine lacks.
setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')

/** A regular expression in RE2's syntax that JavaScript cannot run, or that is wrong. */
export class RegexFailure extends Error {}

interface Piece {
  readonly text: string
  readonly length: number
}

function translateEscape(pattern: string, at: number, inClass: boolean): Piece {
  const letter = pattern[at + 1]
  if (letter === undefined) throw new RegexFailure('trailing backslash at end of expression: ``')
  if (letter === 'Q' && !inClass) {
    const end = pattern.indexOf('\\E', at + 2)
    const literal = pattern.slice(at + 2, end < 0 ? pattern.length : end)
    const length = end < 0 ? pattern.length - at : end + 2 - at
    return { text: literal.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), length }
  }
  if (letter === 'A' && !inClass) return { text: '(?<![\\s\\S])', length: 2 }
  if (letter === 'z' && !inClass) return { text: '(?![\\s\\S])', length: 2 }
  if (letter === 'a') return { text: '\\x07', length: 2 }
  const braced = /^\\x\{([0-9a-fA-F]+)\}/.exec(pattern.slice(at))
  if (braced) return { text: `\\u{${braced[1]}}`, length: braced[0].length }
  const shortProperty = /^\\([pP])([A-Z])/.exec(pattern.slice(at))
  if (shortProperty) {
    return { text: `\\${shortProperty[1]}{${shortProperty[2]}}`, length: 3 }
  }
  if (/[dDsSwWbBpPtnrfvx]/.test(letter)) return { text: `\\${letter}`, length: 2 }
  if (/[0-9A-Za-z]/.test(letter)) {
    throw new RegexFailure(`invalid escape sequence: \`\\${letter}\``)
  }
  const syntax = inClass ? /[\\\]^-]/ : /[\\^$.*+?()[\]{}|/]/
  return { text: syntax.test(letter) ? `\\${letter}` : letter, length: 2 }
}

function translateClass(pattern: string, at: number): Piece {
  let out = '['
  let position = at + 1
  if (pattern[position] === '^') {
    out += '^'
    position += 1
  }
  for (let first = true; ; first = false) {
    const character = pattern[position]
    if (character === undefined) {
      throw new RegexFailure(`missing closing ]: \`${pattern.slice(at)}\``)
    }
    if (character === ']' && !first) break
    const posix = /^\[:(\^?)([a-z]+):\]/.exec(pattern.slice(position))
    if (posix) {
      const ranges = posixClasses.get(posix[2] ?? '')
      if (ranges === undefined || posix[1] === '^') {
        throw new RegexFailure(`invalid character class range: \`${posix[0]}\``)
      }
      out += ranges
      position += posix[0].length
    } else if (character === '\\') {
      const piece = translateEscape(pattern, position, true)
      out += piece.text
      position += piece.length
    } else {
      out += character === '[' || character === ']' ? `\\${character}` : character
      position += 1
    }
  }
  return { text: `${out}]`, length: position + 1 - at }
}

function translateGroup(pattern: string, at: number): Piece {
  const named = /^\(\?P?<([A-Za-z_][A-Za-z0-9_]*)>/.exec(pattern.slice(at))
  if (named) return { text: `(?<${named[1]}>`, length: named[0].length }
  if (pattern.startsWith('(?:', at)) return { text: '(?:', length: 3 }
  const singleLine = /^\(\?s:/.exec(pattern.slice(at))
  if (singleLine) return { text: '(?:', length: 4 }
  if (pattern.startsWith('(?', at)) {
    throw new RegexFailure(`invalid or unsupported Perl syntax: \`${pattern.slice(at, at + 3)}\``)
  }
  return { text: '(', length: 1 }
}

function translate(pattern: string): string {
  let out = ''
  for (let at = 0; at < pattern.length; ) {
    const character = pattern[at] ?? ''
    let piece: Piece
    if (character === '\\') piece = translateEscape(pattern, at, false)
    else if (character === '[') piece = translateClass(pattern, at)
    else if (character === '(') piece = translateGroup(pattern, at)
    else if (character === ']' || character === '}') piece = { text: `\\${character}`, length: 1 }
    else if (character === '{') {
      const repeat = /^\{\d+(?:,\d*)?\}/.exec(pattern.slice(at))
      piece = repeat ? { text: repeat[0], length: repeat[0].length } : { text: '\\{', length: 1 }
    } else piece = { text: character, length: 1 }
    out += piece.text
    at += piece.length
  }
  return out
}

/**
 * Compiles an RE2 expression, anchored at both ends, `.` matching line ends as in Prometheus.
 * Lookaround, backreferences and flags inside the pattern (save a leading `(?i)` and `(?s)`) are
 * refused. JavaScript's engine backtracks: cost is not bounded as RE2's is.
 */
export function compileAnchored(pattern: string): RegExp {
  const flags = /^\(\?([is]+)\)/.exec(pattern)
  const body = flags ? pattern.slice(flags[0].length) : pattern
  const ignoreCase = flags?.[1]?.includes('i') ? 'i' : ''
  const source = translate(body)
  try {
    return new RegExp(`^(?:${source})$`, `su${ignoreCase}`)
  } catch (cause) {
    const reason = String((cause as Error).message).replace(/^.*\/[a-z]*: /, '')
    throw new RegexFailure(`${reason.toLowerCase()}: \`${pattern}\``, { cause })
  }
}

/** Replaces `$1`, `${1}`, `$name` and `$$` in a template as Go's regexp.Expand does. */
export function expandTemplate(template: string, match: RegExpExecArray): string {
  return template.replace(
    /\$(?:\$|\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))?/g,
    (whole, braced: string | undefined, bare: string | undefined) => {
      if (whole === '$$') return '$'
      const name = braced ?? bare
      if (name === undefined) return '$'
      if (/^\d+$/.test(name)) return match[Number(name)] ?? ''
      return match.groups?.[name] ?? ''
    },
  )
}
