/**
 * Bytes that are no UTF-8 are kept in strings as lone surrogates U+DC80..U+DCFF, so that a faulty
 * label name can be refused and shown.
 */
function decodeBytes(bytes: readonly number[]): string {
  const buffer = Uint8Array.from(bytes)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(buffer)
  } catch {
    let text = ''
    for (const byte of bytes) text += String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte)
    return text
  }
}

const simpleEscapes: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '\\': 92,
  "'": 39,
  '"': 34,
}

/** One escape after its backslash: how many characters it takes and the bytes it stands for. */
function readEscape(text: string, at: number): { length: number; bytes: readonly number[] } {
  const letter = text[at] ?? ''
  const simple = simpleEscapes[letter]
  if (simple !== undefined) return { length: 1, bytes: [simple] }
  const octal = /^[0-7]{3}/.exec(text.slice(at, at + 3))
  if (octal) return { length: 3, bytes: [Number.parseInt(octal[0], 8) & 0xff] }
  const digits = { x: 2, u: 4, U: 8 }[letter] ?? 0
  const code = Number.parseInt(text.slice(at + 1, at + 1 + digits), 16)
  if (letter === 'x') return { length: 3, bytes: [code] }
  return { length: 1 + digits, bytes: [...new TextEncoder().encode(String.fromCodePoint(code))] }
}

/** The value of a string literal that the lexer accepted, quotes included. */
export function unquote(literal: string): string {
  const body = literal.slice(1, -1)
  if (literal.startsWith('`') || !body.includes('\\')) return body
  const bytes: number[] = []
  const encoder = new TextEncoder()
  for (let at = 0; at < body.length; ) {
    if (body[at] === '\\') {
      const escaped = readEscape(body, at + 1)
      bytes.push(...escaped.bytes)
      at += 1 + escaped.length
      continue
    }
    const character = String.fromCodePoint(body.codePointAt(at) ?? 0)
    bytes.push(...encoder.encode(character))
    at += character.length
  }
  return decodeBytes(bytes)
}

const namedEscapes: Readonly<Record<number, string>> = {
  7: '\\a',
  8: '\\b',
  9: '\\t',
  10: '\\n',
  11: '\\v',
  12: '\\f',
  13: '\\r',
  34: '\\"',
  92: '\\\\',
}

/** Writes a string as a double-quoted PromQL literal that reads back to the same value. */
export function quote(value: string): string {
  let out = '"'
  for (const character of value) {
    const code = character.codePointAt(0) ?? 0
    const named = namedEscapes[code]
    if (named !== undefined) out += named
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, '0')}`
    else if (code >= 0xdc80 && code <= 0xdcff) out += `\\x${(code - 0xdc00).toString(16)}`
    else out += character
  }
  return `${out}"`
}

/** Whether a name may be written without quotes as a label name. */
export function isPlainLabelName(name: string): boolean {
  return /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)
}

/** Whether a name may be a label name at all: not empty and well-formed Unicode. */
export function isLabelName(name: string): boolean {
  return name !== '' && !/[\ud800-\udfff]/u.test(name)
}
