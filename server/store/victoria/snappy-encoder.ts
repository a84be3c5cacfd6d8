const blockBytes = 65_536
const tableBits = 14
const table = new Uint16Array(1 << tableBits)

/** Bytes that `compressSnappy` may need at most for an input. */
function mostBytes(length: number): number {
  return 32 + length + Math.ceil(length / 6)
}

/**
 * Snappy's block format as senders of remote write make it: greedy, matches of four bytes or more found by a hash
 * table within blocks of 64 KiB. Format: google/snappy, format_description.txt.
 */
export function compressSnappy(input: Buffer): Buffer {
  const output = Buffer.allocUnsafe(mostBytes(input.length))
  let at = 0
  let rest = input.length
  for (; rest > 127; rest >>>= 7) output[at++] = (rest & 127) | 128
  output[at++] = rest
  for (let from = 0; from < input.length; from += blockBytes)
    at = compressBlock(input, from, Math.min(from + blockBytes, input.length), output, at)
  return output.subarray(0, at)
}

function compressBlock(
  input: Buffer,
  begin: number,
  end: number,
  output: Buffer,
  from: number,
): number {
  table.fill(0)
  let at = from
  let literal = begin
  let position = begin + 1
  const last = end - 4
  let misses = 32
  while (position <= last) {
    const word =
      input[position]! |
      (input[position + 1]! << 8) |
      (input[position + 2]! << 16) |
      (input[position + 3]! << 24)
    const slot = Math.imul(word, 0x1e35a7bd) >>> (32 - tableBits)
    const match = begin + table[slot]!
    table[slot] = position - begin
    if (
      input[match] !== input[position] ||
      input[match + 1] !== input[position + 1] ||
      input[match + 2] !== input[position + 2] ||
      input[match + 3] !== input[position + 3]
    ) {
      // Steps grow while nothing is found, as in the reference implementation.
      position += misses++ >> 5
      continue
    }
    misses = 32
    let length = 4
    while (position + length < end && input[match + length] === input[position + length]) length++
    at = putLiteral(input, literal, position, output, at)
    at = putCopies(position - match, length, output, at)
    position += length
    literal = position
  }
  return putLiteral(input, literal, end, output, at)
}

function putLiteral(input: Buffer, from: number, to: number, output: Buffer, start: number) {
  let at = start
  const length = to - from
  if (length === 0) return at
  if (length <= 60) output[at++] = (length - 1) << 2
  else if (length <= 256) {
    output[at++] = 60 << 2
    output[at++] = length - 1
  } else {
    output[at++] = 61 << 2
    output[at++] = (length - 1) & 0xff
    output[at++] = (length - 1) >> 8
  }
  return at + input.copy(output, at, from, to)
}

function putCopies(offset: number, total: number, output: Buffer, start: number): number {
  let at = start
  for (let left = total; left > 0; ) {
    // Never leaves less than four bytes, which no copy of the short kind can name.
    const length = left > 64 ? Math.min(64, left - 4) : left
    if (length >= 4 && length < 12 && offset < 2048) {
      output[at++] = 1 | ((length - 4) << 2) | ((offset >> 8) << 5)
      output[at++] = offset & 0xff
    } else {
      output[at++] = 2 | ((length - 1) << 2)
      output[at++] = offset & 0xff
      output[at++] = offset >> 8
    }
    left -= length
  }
  return at
}
