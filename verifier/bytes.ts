const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
/** Of a letter's code; -1 for every other. */
const values = new Int8Array(128).fill(-1)
for (const [value, letter] of [...alphabet].entries()) values[letter.charCodeAt(0)] = value
/** Both letters of 12 bits. */
const pairs = [...alphabet].flatMap((a) => [...alphabet].map((b) => a + b))

export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Text of bytes; undefined where they are not UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

export function base64(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const word = (bytes[at]! << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    text += pairs[word >> 12]! + pairs[word & 4095]!
  }
  const over = (3 - (bytes.length % 3)) % 3
  return over === 0 ? text : `${text.slice(0, -over)}${'='.repeat(over)}`
}

/** Bytes of base64 with its padding (RFC 4648 §4); undefined for anything but the one form of them. */
export function fromBase64(text: unknown): Uint8Array | undefined {
  if (typeof text !== 'string' || text.length % 4 !== 0 || text === '') return undefined
  const over = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const bytes = new Uint8Array((text.length / 4) * 3 - over)
  let [word, bits, at] = [0, 0, 0]
  for (let i = 0; i < text.length - over; i++) {
    const value = values[text.charCodeAt(i)] ?? -1
    if (value < 0) return undefined
    word = ((word << 6) | value) & 0xffff
    bits += 6
    if (bits < 8) continue
    bits -= 8
    bytes[at++] = (word >> bits) & 0xff
  }
  return (word & ((1 << bits) - 1)) === 0 ? bytes : undefined
}

export function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
