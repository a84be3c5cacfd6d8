import { formatPlain } from '../go-format.ts'

/** What stops a template; the message goes into the text that is shown instead of it. */
export class TemplateError extends Error {}

/** Something with named fields, such as one sample of a query: `.Labels`, `.Value`. */
export class Struct {
  readonly fields: Readonly<Record<string, Value>>

  constructor(fields: Readonly<Record<string, Value>>) {
    this.fields = fields
  }
}

/** Values by key; a key that is not there gives `none`. */
export class Dictionary {
  readonly entries: Readonly<Record<string, Value>>
  readonly none: Value

  constructor(entries: Readonly<Record<string, Value>>, none: Value = '') {
    this.entries = entries
    this.none = none
  }

  get(key: string): Value {
    return Object.hasOwn(this.entries, key) ? this.entries[key] : this.none
  }
}

/** A value of Go's templates: `number` is its float64, `bigint` its int, `undefined` its nil. */
export type Value =
  | string
  | number
  | bigint
  | boolean
  | undefined
  | Struct
  | Dictionary
  | readonly Value[]

/** One result of `query`: its labels with `__name__`, its value. */
export function sampleValue(labels: Readonly<Record<string, string>>, value: number): Struct {
  return new Struct({ Labels: new Dictionary(labels), Value: value })
}

/** Whether `if` and `with` take it: not empty, not zero, not nil. */
export function isTrue(value: Value): boolean {
  if (value instanceof Dictionary) return Object.keys(value.entries).length > 0
  if (Array.isArray(value)) return value.length > 0
  if (typeof value === 'number') return value !== 0
  return Boolean(value)
}

/** As Go's `%v` writes it. */
export function printed(value: Value): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return formatPlain(value)
  if (value === undefined) return '<no value>'
  if (value instanceof Struct) return `&{${Object.values(value.fields).map(inside).join(' ')}}`
  if (value instanceof Dictionary) {
    const keys = Object.keys(value.entries).sort()
    return `map[${keys.map((key) => `${key}:${inside(value.entries[key])}`).join(' ')}]`
  }
  if (Array.isArray(value)) return `[${value.map(inside).join(' ')}]`
  return String(value)
}

const inside = (value: Value): string => (value === undefined ? '<nil>' : printed(value))

/** Go's name of its type, for messages. */
export function typeOf(value: Value): string {
  if (typeof value === 'number') return 'float64'
  if (typeof value === 'bigint') return 'int'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'string') return 'string'
  if (value === undefined) return 'nil'
  if (value instanceof Struct) return 'sample'
  return value instanceof Dictionary ? 'map' : 'list'
}

/** As text, or an error that names what wanted it. */
export function textOf(value: Value, what: string): string {
  if (typeof value === 'string') return value
  throw new TemplateError(`wrong type for value of ${what}; expected string; got ${typeOf(value)}`)
}

/** As a number: what Prometheus's functions take for one, texts included. */
export function numberOf(value: Value, what: string): number {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  const number = typeof value === 'string' ? floatOf(value) : undefined
  if (number !== undefined) return number
  throw new TemplateError(`error calling ${what}: can't convert ${printed(value)} to float`)
}

function floatOf(text: string): number | undefined {
  const named = /^([+-]?)(?:inf(?:inity)?|(nan))$/i.exec(text)
  if (named !== null) return named[2] ? Number.NaN : named[1] === '-' ? -Infinity : Infinity
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined
}
