const maxDepth = 64
const code = (letter: string) => letter.charCodeAt(0)
const [quote, backslash, comma, colon] = [code('"'), code('\\'), code(','), code(':')]
const [openObject, closeObject, openList, closeList] = [code('{'), code('}'), code('['), code(']')]
const [minus, zero, nine] = [code('-'), code('0'), code('9')]
/** A number of so many digits is written as it is by every engine (below 2^53). */
const plainDigits = 15

/**
 * Whether a JSON text is in its canonical form (RFC 8785) by its letters alone: no space, keys in order, strings without
 * escapes, whole numbers. False says nothing: whoever asks writes the value again and compares. Reads no JSON: what is none
 * may pass, so parse it as well.
 */
export function isPlainlyCanonical(text: string): boolean {
  return valueEnd(text, 0, 0) === text.length
}

/** Where the value that begins at `at` ends; -1 where it is not plain. */
function valueEnd(text: string, at: number, depth: number): number {
  const first = text.charCodeAt(at)
  if (first === quote) return stringEnd(text, at)
  if (first === openObject) return depth < maxDepth ? objectEnd(text, at + 1, depth + 1) : -1
  if (first === openList) return depth < maxDepth ? listEnd(text, at + 1, depth + 1) : -1
  if (first === minus || (first >= zero && first <= nine)) return numberEnd(text, at)
  for (const word of ['true', 'false', 'null'])
    if (text.startsWith(word, at)) return at + word.length
  return -1
}

function objectEnd(text: string, begin: number, depth: number): number {
  if (text.charCodeAt(begin) === closeObject) return begin + 1
  let at = begin
  let before = ''
  while (true) {
    if (text.charCodeAt(at) !== quote) return -1
    const keyEnd = stringEnd(text, at)
    if (keyEnd < 0 || text.charCodeAt(keyEnd) !== colon) return -1
    const key = text.slice(at + 1, keyEnd - 1)
    if (at > begin && before >= key) return -1
    before = key
    at = valueEnd(text, keyEnd + 1, depth)
    if (at < 0) return -1
    const next = text.charCodeAt(at++)
    if (next === closeObject) return at
    if (next !== comma) return -1
  }
}

function listEnd(text: string, begin: number, depth: number): number {
  if (text.charCodeAt(begin) === closeList) return begin + 1
  let at = begin
  while (true) {
    at = valueEnd(text, at, depth)
    if (at < 0) return -1
    const next = text.charCodeAt(at++)
    if (next === closeList) return at
    if (next !== comma) return -1
  }
}

/** Escapes, controls and halves of characters are for the slow way. */
function stringEnd(text: string, begin: number): number {
  for (let at = begin + 1; at < text.length; at++) {
    const letter = text.charCodeAt(at)
    if (letter === quote) return at + 1
    if (letter === backslash || letter < 0x20 || (letter >= 0xd800 && letter <= 0xdfff)) return -1
  }
  return -1
}

function numberEnd(text: string, begin: number): number {
  const first = text.charCodeAt(begin) === minus ? begin + 1 : begin
  let at = first
  while (text.charCodeAt(at) >= zero && text.charCodeAt(at) <= nine) at++
  const digits = at - first
  if (digits === 0 || digits > plainDigits) return -1
  // Neither 012 nor -0; what goes on as 1.5 or 1e9 ends at a letter that no list or object has there.
  const leadingZero = text.charCodeAt(first) === zero
  return leadingZero && (digits > 1 || first > begin) ? -1 : at
}
