import { isPlainlyCanonical } from './canonical-scan.ts'

const maxDepth = 64

/** The one canonical form of parsed JSON (RFC 8785 §3.2). Throws RangeError where it is too deep. */
export function canonical(value: unknown, depth = 0): string {
  if (depth > maxDepth) throw new RangeError(`deeper than ${maxDepth} levels`)
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, depth + 1)).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  const texts = fields.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item, depth + 1)}`)
  return `{${texts.join(',')}}`
}

/** What a text says when it is in its canonical form; undefined when it is not, a key that is there twice included. */
export function readCanonical(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return isPlainlyCanonical(text) || canonical(value) === text ? value : undefined
  } catch {
    return undefined
  }
}
