import type { Labels } from './alert.ts'
import { compileAnchored, RegexFault } from './linear-regex.ts'

/** One condition on a label, in the shape of Alertmanager's API v2. An absent label counts as empty. */
export interface Matcher {
  readonly name: string
  readonly value: string
  readonly isRegex: boolean
  readonly isEqual: boolean
}

/** A matcher text that cannot be read; the message shows a right example. */
export class MatcherFault extends Error {}

/** Matchers one text may hold. */
export const matchersMax = 100
const compiledMax = 2_000
const example = 'example: severity="critical"'

const single = /^(?:([a-zA-Z_:][a-zA-Z0-9_:]*)|"((?:[^"\\]|\\.)+)")\s*(=~|!=|!~|=)\s*([\s\S]*)$/

const operators: Readonly<Record<string, Pick<Matcher, 'isRegex' | 'isEqual'>>> = {
  '=': { isRegex: false, isEqual: true },
  '!=': { isRegex: false, isEqual: false },
  '=~': { isRegex: true, isEqual: true },
  '!~': { isRegex: true, isEqual: false },
}

/**
 * Reads one matcher as Alertmanager does (pkg/labels, ParseMatcher): `a=b`, `a = "b"`, `a=~"x|y"`; a name in
 * quotes may be any text. Throws MatcherFault.
 */
export function parseMatcher(text: string): Matcher {
  const match = single.exec(text.trim())
  if (match === null) throw new MatcherFault(`"${text.trim()}" is not a matcher; ${example}`)
  const name = match[1] ?? unescaped(match[2]!, text)
  return matcher(name, match[3]!, unquoted(match[4]!, text))
}

/** Makes a matcher and checks its expression. Throws MatcherFault. */
export function matcher(name: string, operator: string, value: string): Matcher {
  const kind = operators[operator]
  if (kind === undefined)
    throw new MatcherFault(`"${operator}" is no operator; there are = != =~ !~`)
  if (name === '') throw new MatcherFault(`a matcher needs a label name; ${example}`)
  const made: Matcher = { name, value, ...kind }
  const fault = matcherFault(made)
  if (fault !== undefined) throw new MatcherFault(fault)
  return made
}

/** What is wrong with a matcher that came as data, or undefined. */
export function matcherFault(made: Matcher): string | undefined {
  if (!made.isRegex) return undefined
  try {
    compiled(made.value)
    return undefined
  } catch (error) {
    if (!(error instanceof RegexFault)) throw error
    return `${made.name}${operatorOf(made)}"${made.value}": not a regular expression of RE2: ${error.message}`
  }
}

/**
 * Reads several matchers: `{a="b",c=~"d"}`, braces and a last comma optional, as Alertmanager's ParseMatchers.
 * Throws MatcherFault.
 */
export function parseMatchers(text: string): readonly Matcher[] {
  const trimmed = text.trim()
  const from = trimmed.startsWith('{') ? 1 : 0
  const to = trimmed.endsWith('}') && from === 1 ? trimmed.length - 1 : trimmed.length
  const parts: string[] = []
  let [part, quoted, escaped] = ['', false, false]
  for (const char of trimmed.slice(from, to)) {
    if (char === ',' && !quoted) {
      parts.push(part)
      part = ''
      continue
    }
    if (escaped) escaped = false
    else if (char === '"') quoted = !quoted
    else if (char === '\\') escaped = true
    part += char
  }
  if (part.trim() !== '') parts.push(part)
  if (parts.length > matchersMax)
    throw new MatcherFault(`more than ${matchersMax} matchers; use a regular expression`)
  return parts.map(parseMatcher)
}

function unquoted(text: string, whole: string): string {
  if (!text.startsWith('"')) return unescaped(text, whole)
  const tail = /(\\*)"$/.exec(text.slice(1))
  if (tail === null || tail[1]!.length % 2 === 1)
    throw new MatcherFault(`"${whole.trim()}": a quote is missing; ${example}`)
  return unescaped(text.slice(1, -1), whole)
}

function unescaped(text: string, whole: string): string {
  let result = ''
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!
    if (char === '"')
      throw new MatcherFault(`"${whole.trim()}": a quote inside the value needs a \\ before it`)
    const next = text[i + 1]
    if (char !== '\\' || (next !== '"' && next !== 'n' && next !== '\\')) result += char
    else {
      result += next === 'n' ? '\n' : next
      i++
    }
  }
  return result
}

const cache = new Map<string, (text: string) => boolean>()

/** Compiled expressions are kept; the cache begins anew when full. */
function compiled(source: string): (text: string) => boolean {
  const known = cache.get(source)
  if (known !== undefined) return known
  const made = compileAnchored(source)
  if (cache.size >= compiledMax) cache.clear()
  cache.set(source, made)
  return made
}

/** True when the label set meets the condition. */
export function matches(made: Matcher, labels: Labels): boolean {
  const value = Object.hasOwn(labels, made.name) ? labels[made.name]! : ''
  return (made.isRegex ? compiled(made.value)(value) : value === made.value) === made.isEqual
}

/** True when the label set meets all conditions; so it is for none. */
export function matchesAll(matchers: readonly Matcher[], labels: Labels): boolean {
  for (const made of matchers) if (!matches(made, labels)) return false
  return true
}

function operatorOf(made: Matcher): string {
  if (made.isRegex) return made.isEqual ? '=~' : '!~'
  return made.isEqual ? '=' : '!='
}

/** Writes matchers as Alertmanager does: `{a="b",c=~"d"}`. */
export function formatMatchers(matchers: readonly Matcher[]): string {
  const one = (made: Matcher) => `${formatName(made.name)}${operatorOf(made)}${quote(made.value)}`
  return `{${matchers.map(one).join(',')}}`
}

function formatName(name: string): string {
  return /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name) ? name : quote(name)
}

function quote(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
}
