/** Thrown for data that is no whole LZ4 frame. */
export class Lz4Error extends Error {}

const frameMagic = 0x184d2204
const skippableMagic = 0x184d2a50
const historyBytes = 64 * 1024

/**
 * The content of LZ4 frames, block by block, in memory of one block. apt keeps its package lists so where told to
 * (LZ4 frame format 1.6.4, block format; checksums are passed over: apt has checked what it stored). Throws Lz4Error.
 */
export function* decompressLz4(input: Buffer): Generator<Buffer> {
  let at = 0
  while (at < input.length) {
    const magic = unsignedAt(input, at)
    if ((magic & 0xfffffff0) >>> 0 === skippableMagic) {
      at += 8 + unsignedAt(input, at + 4)
    } else {
      if (magic !== frameMagic) throw new Lz4Error('no LZ4 frame')
      at = yield* frame(input, at + 4)
    }
  }
}

/** Yields the blocks of one frame whose descriptor begins at `from`; returns where the next begins. */
function* frame(input: Buffer, from: number): Generator<Buffer, number> {
  const flags = input[from] ?? 0
  const sizeCode = ((input[from + 1] ?? 0) >> 4) & 7
  if (flags >> 6 !== 1 || sizeCode < 4) throw new Lz4Error('an LZ4 frame of another version')
  if ((flags & 1) !== 0) throw new Lz4Error('an LZ4 frame with a dictionary')
  const [linked, blockSum, contentSum] = [!(flags & 0x20), !!(flags & 0x10), !!(flags & 0x04)]
  const blockBytes = 2 ** (8 + 2 * sizeCode)
  const output = Buffer.alloc(historyBytes + blockBytes)
  let history = 0
  let at = from + ((flags & 0x08) !== 0 ? 11 : 3)
  for (;;) {
    const size = unsignedAt(input, at)
    at += 4
    if (size === 0) return at + (contentSum ? 4 : 0)
    const length = size & 0x7fffffff
    if (length > blockBytes || at + length > input.length) throw new Lz4Error('a cut LZ4 block')
    if (!linked) history = 0
    const stored = size >>> 31 === 1
    const end = stored
      ? history + input.copy(output, history, at, at + length)
      : decodeBlock(input, at, at + length, output, history)
    yield Buffer.from(output.subarray(history, end))
    at += length + (blockSum ? 4 : 0)
    const kept = Math.min(end, historyBytes)
    output.copyWithin(0, end - kept, end)
    history = kept
  }
}

function unsignedAt(input: Buffer, at: number): number {
  if (at + 4 > input.length) throw new Lz4Error('the LZ4 data is cut')
  return input.readUInt32LE(at)
}

/** Decodes `input[from, to)` into `output` from `start`; returns the end. */
function decodeBlock(
  input: Buffer,
  from: number,
  to: number,
  output: Buffer,
  start: number,
): number {
  let read = from
  let write = start
  const extended = (length: number): number => {
    let total = length
    for (let more = 255; more === 255; total += more) {
      if (read >= to) throw new Lz4Error('a cut LZ4 sequence')
      more = input[read++]!
    }
    return total
  }
  while (read < to) {
    const token = input[read++]!
    const literals = token >> 4 === 15 ? extended(15) : token >> 4
    if (read + literals > to || write + literals > output.length) throw new Lz4Error('bad literals')
    for (let i = 0; i < literals; i++) output[write++] = input[read++]!
    if (read === to) return write
    const offset = (input[read] ?? 0) | ((input[read + 1] ?? 0) << 8)
    read += 2
    const length = ((token & 15) === 15 ? extended(15) : token & 15) + 4
    if (offset === 0 || offset > write || write + length > output.length)
      throw new Lz4Error('a bad LZ4 match')
    for (let i = 0; i < length; i++, write++) output[write] = output[write - offset]!
  }
  throw new Lz4Error('an LZ4 block without its last literals')
}
