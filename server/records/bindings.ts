/** What a statement may be given. */
export type Bindable = null | number | bigint | string | Uint8Array

const loneSurrogate = /\p{Surrogate}/u
const smallestInteger = -(2n ** 63n)
const largestInteger = 2n ** 63n - 1n

/**
 * Checked copy of a statement's parameters: flags become 0 or 1, everything a database would drop, round, cut
 * short or die of is refused. Throws TypeError naming the position (from 1).
 */
export function bindable(parameters: readonly unknown[]): Bindable[] {
  if (!Array.isArray(parameters)) {
    throw new TypeError(`Parameters must be an array, not ${nameOf(parameters)}.`)
  }
  const values: Bindable[] = []
  for (let index = 0; index < parameters.length; index++)
    values.push(one(parameters[index], index + 1))
  return values
}

function one(value: unknown, position: number): Bindable {
  switch (typeof value) {
    case 'boolean':
      return value ? 1 : 0
    case 'number':
      if (Number.isFinite(value)) return value
      break
    case 'bigint':
      if (value >= smallestInteger && value <= largestInteger) return value
      throw new TypeError(`Parameter ${position} is an integer outside 64 bits.`)
    case 'string':
      checkText(value, `Parameter ${position}`)
      return value
    default:
      if (value === null) return null
      if (ArrayBuffer.isView(value) && value instanceof Uint8Array) return value
  }
  throw new TypeError(
    `Parameter ${position} is ${nameOf(value)}; give null, a finite number, bigint, string, boolean or Uint8Array.`,
  )
}

/** Refuses text no database can give back unchanged: NUL characters and lone surrogates. */
export function checkText(text: string, what: string): void {
  if (text.includes('\0')) {
    throw new TypeError(`${what} has a NUL character, which text columns cannot hold.`)
  }
  if (loneSurrogate.test(text)) {
    throw new TypeError(`${what} has a lone surrogate, which is not valid Unicode.`)
  }
}

/** `text` with what `checkText` refuses replaced by U+FFFD; for words from outside that must be kept anyway. */
export function storableText(text: string): string {
  return text.replaceAll('\0', '\ufffd').replace(/\p{Surrogate}/gu, '\ufffd')
}

function nameOf(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'number') return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  return `an object (${Object.prototype.toString.call(value).slice(8, -1)})`
}
