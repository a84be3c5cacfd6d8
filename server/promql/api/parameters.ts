import type { Matcher } from '../../store/reader.ts'
import { QueryFailure } from '../failure.ts'
import { matches } from '../matching.ts'
import { parseDuration } from '../syntax/duration.ts'
import { parseFloatStrict } from '../syntax/float.ts'
import { parseMatchers } from '../syntax/parser.ts'

/** Parameters of a request: its query string and its form together, each name with all its values. */
export type Parameters = ReadonlyMap<string, readonly string[]>

function addAll(into: Map<string, string[]>, source: unknown): void {
  if (typeof source !== 'object' || source === null) return
  for (const [name, value] of Object.entries(source)) {
    const values = (Array.isArray(value) ? value : [value]).filter(
      (one): one is string => typeof one === 'string',
    )
    into.set(name, [...(into.get(name) ?? []), ...values])
  }
}

/** Joins a form's fields and a query string's; the form's come first. */
export function readParameters(body: unknown, query: unknown): Parameters {
  const parameters = new Map<string, string[]>()
  addAll(parameters, body)
  addAll(parameters, query)
  return parameters
}

/** The first value of a parameter, or an empty string. */
export function first(parameters: Parameters, name: string): string {
  return parameters.get(name)?.[0] ?? ''
}

/** A fault of one parameter, in Prometheus's words. */
export function invalid(name: string, message: string): QueryFailure {
  return new QueryFailure('bad_data', `invalid parameter ${JSON.stringify(name)}: ${message}`)
}

/** The ends of time that JavaScript's dates can hold; Prometheus's own lie beyond them. */
export const earliest = -8.64e15
export const latest = 8.64e15

/** Prometheus writes its bounds so; clients send them back. */
const bounds: ReadonlyMap<string, number> = new Map([
  ['-292273086-05-16T16:47:06Z', earliest],
  ['292277025-08-18T07:12:54.999999999Z', latest],
])

const rfc3339 = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/

function timeOf(text: string): number | undefined {
  const seconds = parseFloatStrict(text)
  if (seconds !== undefined && Number.isFinite(seconds)) {
    return Math.min(latest, Math.max(earliest, Math.round(seconds * 1000)))
  }
  const match = rfc3339.exec(text)
  if (match === null) return bounds.get(text)
  const [, day = '', clock = '', fraction = '', zone = ''] = match
  const whole = Date.parse(`${day}T${clock}${zone.toUpperCase()}`)
  return Number.isNaN(whole) ? undefined : whole + Math.floor(Number(`0${fraction}`) * 1000 + 1e-6)
}

/** A time in milliseconds: RFC 3339, or seconds since the epoch; `fallback` when it is absent. */
export function timeParameter(parameters: Parameters, name: string, fallback?: number): number {
  const text = first(parameters, name)
  if (text === '' && fallback !== undefined) return fallback
  const time = timeOf(text)
  if (time === undefined) {
    throw invalid(name, `cannot parse ${JSON.stringify(text)} to a valid timestamp`)
  }
  return time
}

/** A duration in milliseconds: seconds with a fraction, or `1h30m`; undefined when it is absent. */
export function durationParameter(parameters: Parameters, name: string): number | undefined {
  const text = first(parameters, name)
  if (text === '') return undefined
  const seconds = parseFloatStrict(text)
  const milliseconds = seconds === undefined ? parseDuration(text) : seconds * 1000
  if (typeof milliseconds === 'string' || !Number.isFinite(milliseconds)) {
    throw invalid(name, `cannot parse ${JSON.stringify(text)} to a valid duration`)
  }
  return milliseconds
}

/** The most entries wanted; 0 means all. */
export function limitParameter(parameters: Parameters, name = 'limit'): number {
  const text = first(parameters, name)
  if (text === '') return 0
  if (!/^[+-]?\d+$/.test(text)) {
    throw invalid(name, `strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`)
  }
  const limit = Number(text)
  if (limit < 0) throw invalid(name, `${name} must be non-negative`)
  return limit
}

/** Selectors that one request may name: each is looked for in all series. */
const mostSelectors = 100

/** The different selectors of `match[]`, 100 at most; each must have a matcher that an absent label fails. */
export function matcherParameters(
  parameters: Parameters,
  name = 'match[]',
): readonly (readonly Matcher[])[] {
  const texts = [...new Set(parameters.get(name))]
  if (texts.length > mostSelectors) {
    throw invalid(name, `more than ${mostSelectors} selectors; ask in several requests`)
  }
  return texts.map((text) => {
    let matchers: readonly Matcher[]
    try {
      matchers = parseMatchers(text)
    } catch (cause) {
      throw invalid(name, (cause as Error).message)
    }
    if (matchers.some((matcher) => !matches(matcher, ''))) return matchers
    throw invalid(name, `${name} must contain at least one non-empty matcher`)
  })
}

/** A label name as the path has it: plain, or `U__` with `_` doubled and others as `_hex_`. */
export function labelNameOf(escaped: string): string {
  if (!escaped.startsWith('U__')) return escaped
  return escaped.slice(3).replace(/__|_([0-9a-fA-F]{1,6})_/g, (_whole, hex: string | undefined) => {
    if (hex === undefined) return '_'
    const code = Number.parseInt(hex, 16)
    return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd'
  })
}
