import { crc32 } from 'node:zlib'

/**
 * A segment file is a run of records `u8 0xc5 | u8 kind | u32 length | u32 crc32 | payload`, little-endian; the checksum is of kind,
 * length and payload. What stands in the payloads is in `segment.ts`.
 */
const mark = 0xc5
const headBytes = 10
/** No payload is longer: a dictionary of 20 000 series is about 300 kB deflated. */
const longestPayloadBytes = 32 * 1024 * 1024

/** Kinds of records by their number in the file. */
export const recordKinds = {
  /** JSON: whose spool this is, and everything it knew when the segment was begun. Always the first. */
  head: 1,
  /** Deflated JSON: series appended to the segment's dictionary. */
  series: 2,
  report: 3,
  /** Reports of this or earlier segments that got lane and sequence after they were written. */
  given: 4,
  /** How far the lanes are. */
  positions: 5,
  /** Everything before it is on the medium: the collector stopped in order. */
  closed: 6,
} as const

export interface SpoolRecord {
  readonly kind: number
  readonly payload: Uint8Array
  /** Where the next record begins. */
  readonly end: number
}

export interface Scan {
  readonly records: readonly SpoolRecord[]
  /** Places where bytes are no record although a record follows, or that cannot come from a write cut short. */
  readonly damaged: number
  /** The last write was cut short: the bytes end within a record. */
  readonly cut: boolean
  /** Behind the last record. */
  readonly end: number
}

/** One record as it stands in the file. */
export function recordOf(kind: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(headBytes + payload.length)
  const view = new DataView(bytes.buffer)
  bytes[0] = mark
  bytes[1] = kind
  view.setUint32(2, payload.length, true)
  bytes.set(payload, headBytes)
  view.setUint32(6, checksum(bytes.subarray(1, 6), payload), true)
  return bytes
}

/** The records from `from` on. Bytes that are no record are stepped over; nothing is thrown, whatever the bytes. */
export function scanRecords(bytes: Uint8Array, from = 0): Scan {
  const records: SpoolRecord[] = []
  let damaged = 0
  let end = from
  for (let at = from; at < bytes.length; ) {
    const record = recordAt(bytes, at)
    if (record !== undefined) {
      records.push(record)
      end = record.end
      at = end
      continue
    }
    const next = nextRecord(bytes, at + 1)
    if (next === undefined) {
      const cut = isCut(bytes, at)
      return { records, damaged: damaged + (cut ? 0 : 1), cut, end }
    }
    damaged++
    at = next
  }
  return { records, damaged, cut: false, end }
}

function recordAt(bytes: Uint8Array, at: number): SpoolRecord | undefined {
  const kind = bytes[at + 1]
  if (bytes[at] !== mark || kind === undefined || kind < 1 || kind > recordKinds.closed) {
    return undefined
  }
  if (at + headBytes > bytes.length) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, headBytes)
  const length = view.getUint32(2, true)
  const end = at + headBytes + length
  if (length > longestPayloadBytes || end > bytes.length) return undefined
  const payload = bytes.subarray(at + headBytes, end)
  if (view.getUint32(6, true) !== checksum(bytes.subarray(at + 1, at + 6), payload))
    return undefined
  return { kind, payload, end }
}

function nextRecord(bytes: Uint8Array, from: number): number | undefined {
  for (let at = bytes.indexOf(mark, from); at >= 0; at = bytes.indexOf(mark, at + 1))
    if (recordAt(bytes, at) !== undefined) return at
  return undefined
}

/** Whether the rest from `at` on is the beginning of a record whose end is missing. */
function isCut(bytes: Uint8Array, at: number): boolean {
  if (bytes[at] !== mark) return false
  const kind = bytes[at + 1]
  if (kind !== undefined && (kind < 1 || kind > recordKinds.closed)) return false
  if (at + headBytes > bytes.length) return true
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, headBytes)
  const length = view.getUint32(2, true)
  if (length > longestPayloadBytes || at + headBytes + length <= bytes.length) return false
  // Whole but for its length, it was not cut but damaged.
  const rest = recordOf(bytes[at + 1]!, bytes.subarray(at + headBytes))
  return new DataView(rest.buffer).getUint32(6, true) !== view.getUint32(6, true)
}

function checksum(head: Uint8Array, payload: Uint8Array): number {
  return crc32(payload, crc32(head))
}

/** Whole numbers and doubles one after the other. */
export class PayloadWriter {
  #bytes = new Uint8Array(64)
  #at = 0

  u8(value: number): this {
    this.#room(1)
    this.#bytes[this.#at++] = value
    return this
  }

  /** A whole number from 0 to 2^53 - 1, seven bits a byte, the lowest first. */
  whole(value: number): this {
    this.#room(8)
    let rest = value
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#bytes[this.#at++] = (rest % 128) | 128
    this.#bytes[this.#at++] = rest
    return this
  }

  double(value: number): this {
    this.#room(8)
    new DataView(this.#bytes.buffer).setFloat64(this.#at, value, true)
    this.#at += 8
    return this
  }

  bytes(value: Uint8Array): this {
    this.#room(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
    return this
  }

  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  #room(length: number): void {
    if (this.#at + length <= this.#bytes.length) return
    const larger = new Uint8Array((this.#at + length) * 2)
    larger.set(this.#bytes)
    this.#bytes = larger
  }
}

/** A payload that is not what its kind promises. */
export class PayloadError extends Error {}

export class PayloadReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Throws PayloadError at the end, as all here. */
  u8(): number {
    const value = this.#bytes[this.#at++]
    if (value === undefined) throw new PayloadError('a payload ends too early')
    return value
  }

  whole(): number {
    let value = 0
    for (let power = 1; power < 2 ** 56; power *= 128) {
      const byte = this.u8()
      value += (byte & 127) * power
      if (byte < 128) {
        if (Number.isSafeInteger(value)) return value
        break
      }
    }
    throw new PayloadError('a number over 2^53')
  }

  double(): number {
    if (this.#at + 8 > this.#bytes.length) throw new PayloadError('a payload ends too early')
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#at, 8)
    this.#at += 8
    return view.getFloat64(0, true)
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at)
  }
}
