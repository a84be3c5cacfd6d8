const quote = 0x22
const backslash = 0x5c

/**
 * Whether JSON stays within so many levels and so many values, looked at before it is parsed: a few megabytes of brackets
 * would take gigabytes as objects. Says nothing of whether it is JSON.
 */
export function jsonWithin(bytes: Buffer, levels: number, values: number): boolean {
  let depth = 0
  let count = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === quote) {
      at = textEnd(bytes, at + 1)
    } else if (byte === 0x7b || byte === 0x5b) {
      count++
      if (++depth > levels) return false
    } else if (byte === 0x7d || byte === 0x5d) depth--
    else if (byte === 0x2c) count++
    if (count > values) return false
  }
  return true
}

/** Position of the quote that ends a text, or the end. */
function textEnd(bytes: Buffer, from: number): number {
  let at = from
  while (at < bytes.length && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1
  return at
}
