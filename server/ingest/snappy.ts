import { WriteRefused } from './write-refused.ts'

/** No element of the format gives more than 64 bytes for 3: a larger claim is a lie. */
const largestExpansion = 22

function malformed(detail: string): WriteRefused {
  return new WriteRefused('malformed', `The body is not a snappy block: ${detail}.`)
}

/** Length the block says it has, and where its elements start. */
function preamble(input: Buffer): { length: number; at: number } {
  let length = 0
  for (let at = 0; at < 5; at++) {
    const byte = input[at]
    if (byte === undefined) throw malformed('it ends within its length')
    length += (byte & 0x7f) * 2 ** (7 * at)
    if (byte < 0x80) {
      if (length > 0xffff_ffff) throw malformed('its length is over 4 GiB')
      return { length, at: at + 1 }
    }
  }
  throw malformed('its length is over 4 GiB')
}

/**
 * Decodes one block of the snappy format (not the framing format of files). Memory is taken for at most `maxBytes`, and only
 * when the input can fill it. Throws WriteRefused: `too_large`, or `malformed` for anything that is not a whole block.
 */
export function decodeSnappy(input: Buffer, maxBytes: number): Buffer {
  const { length, at } = preamble(input)
  if (length > maxBytes)
    throw new WriteRefused(
      'too_large',
      `The body is ${length} bytes when decoded, over the limit of ${maxBytes}; send fewer samples in one request.`,
    )
  if (length > input.length * largestExpansion)
    throw malformed(`${input.length} bytes cannot hold ${length}`)
  const output = Buffer.allocUnsafe(length)
  const made = decodeElements(input, at, output)
  if (made !== length) throw malformed(`it holds ${made} bytes and says ${length}`)
  return output
}

/** From this length on a call of `copy` costs less than a loop. */
const longLiteral = 48

/** Fills `output`; returns the bytes made. */
function decodeElements(input: Buffer, start: number, output: Buffer): number {
  const view = new DataView(output.buffer, output.byteOffset, output.length)
  let at = start
  let made = 0
  while (at < input.length) {
    const tag = input[at++]!
    const kind = tag & 3
    if (kind === 0) {
      const extra = Math.max(0, (tag >> 2) - 59)
      if (at + extra > input.length) throw malformed('it ends within an element')
      const length = (extra === 0 ? tag >> 2 : input.readUIntLE(at, extra)) + 1
      at += extra
      if (at + length > input.length) throw malformed('it ends within a literal')
      if (made + length > output.length) throw malformed('it holds more bytes than it says')
      if (length < longLiteral) for (let i = 0; i < length; i++) output[made + i] = input[at + i]!
      else input.copy(output, made, at, at + length)
      at += length
      made += length
      continue
    }
    const extra = kind === 3 ? 4 : kind
    if (at + extra > input.length) throw malformed('it ends within an element')
    const length = kind === 1 ? 4 + ((tag >> 2) & 7) : (tag >> 2) + 1
    const offset =
      kind === 1
        ? ((tag >> 5) << 8) | input[at]!
        : kind === 2
          ? input[at]! | (input[at + 1]! << 8)
          : input.readUInt32LE(at)
    at += extra
    if (offset === 0 || offset > made) throw malformed('it copies from before its start')
    const end = made + length
    if (end > output.length) throw malformed('it holds more bytes than it says')
    // A copy may overlap what it makes: four bytes at once only where they stand already.
    if (offset >= 4)
      for (; made + 4 <= end; made += 4)
        view.setUint32(made, view.getUint32(made - offset, true), true)
    for (; made < end; made++) output[made] = output[made - offset]!
  }
  return made
}
