import { CallwardError } from '../../errors.ts'
import type { Labels, Matcher } from '../reader.ts'
import { compilePattern, literalAlternatives } from './pattern.ts'

/** Names and values of a label set together, in UTF-16 units. */
export const maxCharacters = 65_536

const loneSurrogate = /\p{Cs}/gu

/** Names of the labels that count (a label with an empty value does not exist), sorted by UTF-16 unit. */
function presentNames(labels: Labels): string[] {
  const names = Object.keys(labels)
  let kept = 0
  for (const name of names) if (labels[name] !== '') names[kept++] = name
  names.length = kept
  return names.sort()
}

/**
 * A label set as the store keeps it: sorted names, no empty values, well-formed text.
 * Throws CallwardError `unprocessable` for a set without labels, an empty or forbidden name, or one that is too long.
 */
export function normalLabels(labels: Labels): Labels {
  const normal: Record<string, string> = {}
  let length = 0
  for (const name of presentNames(labels)) {
    const value: unknown = labels[name]
    if (typeof value !== 'string')
      throw new CallwardError('unprocessable', `The value of label "${name}" is not text.`)
    if (name === '' || name === '__proto__')
      throw new CallwardError('unprocessable', `"${name}" cannot be a label name.`)
    normal[name.replace(loneSurrogate, '\ufffd')] = value.replace(loneSurrogate, '\ufffd')
    length += name.length + value.length
  }
  if (length === 0)
    throw new CallwardError('unprocessable', 'A series needs at least one label with a value.')
  if (length > maxCharacters)
    throw new CallwardError(
      'unprocessable',
      `A label set of ${length} characters is over the limit of ${maxCharacters}.`,
    )
  return normal
}

/** Value of a label, or the empty string when the set lacks it. */
export function labelValue(labels: Labels, name: string): string {
  return Object.hasOwn(labels, name) ? labels[name]! : ''
}

/** A matcher made ready to test values. */
export interface CompiledMatcher {
  readonly name: string
  /** True when a series without the label matches. */
  readonly matchesEmpty: boolean
  /** When set, the only values that match. */
  readonly literals: readonly string[] | undefined
  readonly test: (value: string) => boolean
}

/** Prometheus semantics: a missing label equals the empty string. Throws CallwardError `bad_request` for a bad pattern. */
export function compileMatcher(matcher: Matcher): CompiledMatcher {
  const { name, op, value } = matcher
  if (op === '=')
    return { name, matchesEmpty: value === '', literals: [value], test: (v) => v === value }
  if (op === '!=')
    return { name, matchesEmpty: value !== '', literals: undefined, test: (v) => v !== value }
  const literals = literalAlternatives(value)
  const matches = literals ? setTest(literals) : patternTest(value)
  if (op === '=~') return { name, matchesEmpty: matches(''), literals, test: matches }
  return { name, matchesEmpty: !matches(''), literals: undefined, test: (v) => !matches(v) }
}

function setTest(literals: readonly string[]): (value: string) => boolean {
  const set = new Set(literals)
  return (value) => set.has(value)
}

/** Compiled expressions by their text: rules and boards ask with the same few, again and again. */
const compiled = new Map<string, ReturnType<typeof compilePattern>>()
const compiledLimit = 64

function compiledPattern(pattern: string): ReturnType<typeof compilePattern> {
  const known = compiled.get(pattern)
  if (known !== undefined) return known
  const expression = compilePattern(pattern)
  if (compiled.size >= compiledLimit) compiled.clear()
  compiled.set(pattern, expression)
  return expression
}

function patternTest(pattern: string): (value: string) => boolean {
  const expression = compiledPattern(pattern)
  const seen = new Map<string, boolean>()
  return (value) => {
    let matches = seen.get(value)
    if (matches === undefined) {
      matches = expression.test(value)
      if (seen.size < 10_000) seen.set(value, matches)
    }
    return matches
  }
}
