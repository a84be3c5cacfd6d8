import { crc32 } from 'node:zlib'

const encoder = new TextEncoder()

/** Thrown when stored bytes end early or hold an impossible number. */
export class BytesError extends Error {}

/** Grows as it is written; little-endian. `bytes()` is a view, valid until the next write. */
export class ByteWriter {
  buffer: Buffer
  length = 0

  constructor(capacityBytes = 1024) {
    this.buffer = Buffer.allocUnsafeSlow(capacityBytes)
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.length + count
    if (needed <= this.buffer.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2))
    this.buffer.copy(grown, 0, 0, this.length)
    this.buffer = grown
  }

  u8(value: number): void {
    this.reserve(1)
    this.buffer[this.length++] = value
  }

  u32(value: number): void {
    this.reserve(4)
    this.length = this.buffer.writeUInt32LE(value, this.length)
  }

  f64(value: number): void {
    this.reserve(8)
    this.length = this.buffer.writeDoubleLE(value, this.length)
  }

  /** Whole number from 0 to 2^53 - 1, seven bits a byte. */
  varint(value: number): void {
    this.reserve(8)
    let rest = value
    while (rest >= 0x80000000) {
      this.buffer[this.length++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    while (rest >= 128) {
      this.buffer[this.length++] = (rest & 127) | 128
      rest >>>= 7
    }
    this.buffer[this.length++] = rest
  }

  text(value: string): void {
    const utf8 = encoder.encode(value)
    this.varint(utf8.length)
    this.raw(utf8)
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.buffer.set(bytes, this.length)
    this.length += bytes.length
  }

  /** The memory of a typed array as it stands (little-endian machines only, checked at open). */
  array(values: Float64Array | Uint32Array): void {
    this.raw(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  }

  bytes(): Buffer {
    return this.buffer.subarray(0, this.length)
  }
}

/** Reads what ByteWriter wrote; every read is bounds-checked. Throws BytesError. */
export class ByteReader {
  readonly buffer: Buffer
  offset: number
  readonly end: number

  constructor(buffer: Buffer, offset = 0, end = buffer.length) {
    this.buffer = buffer
    this.offset = offset
    this.end = end
  }

  private take(count: number): number {
    const at = this.offset
    if (count < 0 || at + count > this.end)
      throw new BytesError(`${count} bytes wanted at ${at}, data ends at ${this.end}`)
    this.offset = at + count
    return at
  }

  get atEnd(): boolean {
    return this.offset >= this.end
  }

  u8(): number {
    return this.buffer[this.take(1)]!
  }

  u32(): number {
    return this.buffer.readUInt32LE(this.take(4))
  }

  f64(): number {
    return this.buffer.readDoubleLE(this.take(8))
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 8; i++) {
      const byte = this.buffer[this.take(1)]!
      value += (byte & 127) * scale
      if (byte < 128) return value
      scale *= 128
    }
    throw new BytesError(`a number at ${this.offset} is too long`)
  }

  text(): string {
    const length = this.varint()
    const at = this.take(length)
    return this.buffer.toString('utf8', at, at + length)
  }

  /** A view of the next `count` bytes. */
  bytes(count: number): Buffer {
    const at = this.take(count)
    return this.buffer.subarray(at, at + count)
  }

  floats(count: number): Float64Array {
    const at = this.take(count * 8)
    const copy = new Uint8Array(count * 8)
    copy.set(this.buffer.subarray(at, at + count * 8))
    return new Float64Array(copy.buffer)
  }

  words(count: number): Uint32Array {
    const at = this.take(count * 4)
    const copy = new Uint8Array(count * 4)
    copy.set(this.buffer.subarray(at, at + count * 4))
    return new Uint32Array(copy.buffer)
  }
}

/** CRC-32 (ISO-HDLC) of `bytes`, continued from that of what stood before them. */
export function checksum(bytes: Uint8Array, before = 0): number {
  return crc32(bytes, before)
}
