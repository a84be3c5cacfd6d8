import { WriteRefused } from './write-refused.ts'

/**
 * Reads protobuf fields between two positions of a buffer; never outside them. What it throws is a WriteRefused that names what the
 * body should be (https://protobuf.dev/programming-guides/encoding/).
 */
export class FieldReader {
  readonly bytes: Buffer
  readonly view: DataView
  at: number
  end: number
  /** Wire type of the field that `next` found. */
  #type = 0
  readonly #body: string

  /** `body` says what the bytes should be, in words. */
  constructor(bytes: Buffer, body: string, at = 0, end = bytes.length) {
    this.bytes = bytes
    this.#body = body
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.at = at
    this.end = end
  }

  /** Number of the next field before `end`; 0 when there is none. */
  next(): number {
    if (this.at >= this.end) return 0
    const tag = this.varint()
    this.#type = tag % 8
    const field = Math.floor(tag / 8)
    if (field < 1 || field > 0x1fff_ffff) throw this.#malformed('a field number is not valid')
    return field
  }

  /** A varint as a signed 64-bit whole number; beyond 2^53 it is rounded. */
  varint(): number {
    // Nearly every tag and length is one byte.
    if (this.at < this.end) {
      const byte = this.bytes[this.at]!
      if (byte < 0x80) {
        this.at++
        return byte
      }
    }
    return this.#longVarint()
  }

  #longVarint(): number {
    const { bytes, end } = this
    let at = this.at
    // Four bytes of seven bits, four more, and what is left of 64 bits.
    let first = 0
    let second = 0
    let third = 0
    for (let i = 0; i < 10; i++) {
      if (at >= end) throw this.#malformed('it ends within a number')
      const byte = bytes[at++]!
      const bits = byte & 0x7f
      if (i < 4) first |= bits << (7 * i)
      else if (i < 8) second |= bits << (7 * (i - 4))
      else third |= bits << (7 * (i - 8))
      if (byte < 0x80) {
        this.at = at
        return ((second >>> 4) | (third << 24)) * 2 ** 32 + ((first | (second << 28)) >>> 0)
      }
    }
    throw this.#malformed('a number is longer than 10 bytes')
  }

  /** End of the length-delimited field that starts here. */
  fieldEnd(what: string): number {
    this.#expect(2, what)
    const length = this.varint()
    if (length < 0 || length > this.end - this.at)
      throw this.#malformed(`${what} is longer than what holds it`)
    return this.at + length
  }

  /** Position of a 64-bit field's 8 bytes. */
  fixed64(what: string): number {
    this.#expect(1, what)
    return this.eightBytes(what)
  }

  /** Position of the 8 bytes that start here, as in a packed list. */
  eightBytes(what: string): number {
    if (this.end - this.at < 8) throw this.#malformed(`it ends within ${what}`)
    this.at += 8
    return this.at - 8
  }

  whole(what: string): number {
    this.#expect(0, what)
    return this.varint()
  }

  skip(): void {
    if (this.#type === 0) this.varint()
    else if (this.#type === 2) this.at = this.fieldEnd('a field')
    else if (this.#type === 1 || this.#type === 5) {
      const length = this.#type === 1 ? 8 : 4
      if (this.end - this.at < length) throw this.#malformed('it ends within a field')
      this.at += length
    } else throw this.#malformed(`wire type ${this.#type} is not used in it`)
  }

  /** Whether the field that `next` found has its length before it. */
  get lengthDelimited(): boolean {
    return this.#type === 2
  }

  /** Reads the message that starts here, field by field; `read` takes or skips each. */
  message(what: string, read: (field: number) => void): void {
    const outer = this.end
    this.end = this.fieldEnd(what)
    for (let field = this.next(); field !== 0; field = this.next()) read(field)
    this.end = outer
  }

  #malformed(detail: string): WriteRefused {
    return new WriteRefused('malformed', `The body is not ${this.#body}: ${detail}.`)
  }

  #expect(type: number, what: string): void {
    if (this.#type !== type)
      throw this.#malformed(`${what} has wire type ${this.#type}, not ${type}`)
  }
}
