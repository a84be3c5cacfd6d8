import { TemplateError, typeOf, type Value } from './values.ts'

const basic = new Set(['string', 'number', 'bigint', 'boolean'])

function sameKind(a: Value, b: Value, name: string): void {
  for (const value of [a, b])
    if (value !== undefined && !basic.has(typeof value))
      throw new TemplateError(`error calling ${name}: non-comparable type ${typeOf(value)}`)
  // As in Go: write 5.0 to compare a sample's value with five.
  if (typeof a !== typeof b)
    throw new TemplateError(
      `error calling ${name}: incompatible types for comparison (${typeOf(a)} and ${typeOf(b)})${
        typeof a === 'bigint' || typeof b === 'bigint' ? '; write a whole number with ".0"' : ''
      }`,
    )
}

/** Go's `eq` of two values. Throws TemplateError where their types differ. */
export function equal(a: Value, b: Value, name: string): boolean {
  if (a === undefined || b === undefined) return a === b
  sameKind(a, b, name)
  return a === b
}

/** Below 0, 0 or above 0; NaN where neither holds. Throws TemplateError where the types differ or have no order. */
export function compare(a: Value, b: Value, name: string): number {
  sameKind(a, b, name)
  if (typeof a === 'string' && typeof b === 'string')
    return Buffer.compare(Buffer.from(a), Buffer.from(b))
  if (typeof a === 'number' && typeof b === 'number')
    return Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : a < b ? -1 : Number(a > b)
  if (typeof a === 'bigint' && typeof b === 'bigint') return a < b ? -1 : Number(a > b)
  throw new TemplateError(`error calling ${name}: invalid type for comparison`)
}
