import { FrameError } from './frames.ts'

/**
 * The rows of one lane, each written against the one before it (docs/protocol.md, "A row"):
 * `u8 flags | changed bitmap | [absent bitmap] | [stale bitmap] | one operation a changed column`.
 * A column is kept either as a whole number of 10^-scale (forms 0 to 9), whose changes go as varints, or as the
 * 64 bits of a double (form 15), whose changes go as the bytes that differ.
 */
const flagAbsent = 1
const flagStale = 2
const largestScale = 9
const rawForm = 15
/** Scaled numbers stay below it, so that a difference and its zigzag are exact in a double. */
const largestScaled = 2 ** 51
const varintBytes = 8
/** An operation at its longest: a change of form with a varint or eight bytes. */
const operationBytes = 10
const snapshotVersion = 1
const canonicalNanHigh = 0x7ff80000
const powers = Float64Array.from({ length: largestScale + 1 }, (_, scale) => 10 ** scale)
/** Where a double's words lie in a Uint32Array over it, by the machine's byte order. */
const lowWord = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 0 : 1
const highWord = 1 - lowWord

/** A row as read; views that hold until the decoder reads the next one. */
export interface DecodedRow {
  /** One a column; where `absent` or `stale` has its bit set, the column's last value and no sample. */
  readonly values: Float64Array
  /** Bit c is bit `c & 7` of byte `c >> 3`; undefined when every column has a sample or a mark. */
  readonly absent: Uint8Array | undefined
  /** Columns whose series end with this row; never also absent. */
  readonly stale: Uint8Array | undefined
}

/** Encodes the rows of one lane; `createRowEncoder` makes one. */
export interface RowEncoder {
  /**
   * The next row; `values` may have more columns than the last, never fewer. What stands in a column that is absent or
   * stale does not matter. The result is the caller's, its first `room` bytes are left zero for a header.
   */
  encode(values: Float64Array, absent?: Uint8Array, stale?: Uint8Array, room?: number): Uint8Array
}

/** Decodes the rows of one lane, each against the one before; `createRowDecoder` or `restoreDecoder` makes one. */
export interface RowDecoder {
  /** Columns of the last row. */
  readonly columns: number
  /** The last value of every column; a view that holds until the next row. */
  readonly values: Float64Array
  /** Reads the next row, of that many columns. Throws FrameError, after which the decoder reads nothing more. */
  decode(bytes: Uint8Array, columns: number): DecodedRow
  /** The state after the last row, values included (5 B a column or so): `restoreDecoder` goes on with the next row. */
  snapshot(): Uint8Array
}

/** An encoder whose columns all stand at 0. */
export function createRowEncoder(): RowEncoder {
  return new Encoder()
}

/** A decoder whose columns all stand at 0. */
export function createRowDecoder(): RowDecoder {
  return new Decoder()
}

/** A decoder as it was when `snapshot` was taken. Throws FrameError when the bytes are no snapshot. */
export function restoreDecoder(snapshot: Uint8Array): RowDecoder {
  const decoder = new Decoder()
  decoder.restore(snapshot)
  return decoder
}

/** What both sides know of each column. */
class Columns {
  count = 0
  forms = new Uint8Array(0)
  /** The scaled number of a column in a form below `rawForm`. */
  scaled = new Float64Array(0)
  values = new Float64Array(0)
  words = new Uint32Array(0)
  /** The columns in use of `values`. */
  view = this.values

  grow(count: number): void {
    if (count === this.count) return
    if (count > this.forms.length) {
      const capacity = Math.max(count, Math.min(this.forms.length * 2, this.forms.length + 4096))
      this.forms = moved(this.forms, new Uint8Array(capacity))
      this.scaled = moved(this.scaled, new Float64Array(capacity))
      this.values = moved(this.values, new Float64Array(capacity))
      this.words = new Uint32Array(this.values.buffer)
    }
    this.count = count
    this.view = this.values.subarray(0, count)
  }
}

function moved<T extends Uint8Array | Float64Array>(from: T, to: T): T {
  to.set(from)
  return to
}

/** Shared by all encoders: a row is copied out of it before the next is written. */
let scratch = new Uint8Array(8192)
const one = new Float64Array(1)
const oneWords = new Uint32Array(one.buffer)
const oneBytes = new Uint8Array(one.buffer)

class Encoder implements RowEncoder {
  readonly #columns = new Columns()
  readonly #former = new Uint8Array(8)

  encode(values: Float64Array, absent?: Uint8Array, stale?: Uint8Array, room = 0): Uint8Array {
    const columns = this.#columns
    const count = values.length
    if (count < columns.count) throw new Error(`BUG: ${count} columns after ${columns.count}`)
    columns.grow(count)
    const bitmapBytes = (count + 7) >> 3
    const longest = room + 1 + 3 * bitmapBytes + count * operationBytes
    if (scratch.length < longest) scratch = new Uint8Array(longest * 2)
    scratch.fill(0, 0, room + 1 + bitmapBytes)
    let at = room + 1 + bitmapBytes
    for (const [flag, bitmap] of [
      [flagAbsent, absent],
      [flagStale, stale],
    ] as const) {
      if (bitmap === undefined) continue
      scratch[room] = scratch[room]! | flag
      scratch.set(bitmap.subarray(0, bitmapBytes), at)
      at += bitmapBytes
    }
    return scratch.slice(0, this.#changes(values, absent, stale, room + 1, at))
  }

  /** Writes the changed bitmap at `bitmapAt` and the operations from `at` on; returns their end. */
  #changes(
    values: Float64Array,
    absent: Uint8Array | undefined,
    stale: Uint8Array | undefined,
    bitmapAt: number,
    at: number,
  ): number {
    const { forms, scaled, values: former } = this.#columns
    const bytes = scratch
    for (let c = 0; c < values.length; c++) {
      const value = values[c]!
      const last = former[c]!
      if (value === last ? value !== 0 || Object.is(value, last) : bothNaN(value, last)) continue
      if (absent !== undefined && (absent[c >> 3]! & (1 << (c & 7))) !== 0) continue
      if (stale !== undefined && (stale[c >> 3]! & (1 << (c & 7))) !== 0) continue
      bytes[bitmapAt + (c >> 3)]! |= 1 << (c & 7)
      const form = forms[c]!
      const number = form === rawForm ? Number.NaN : scaledTo(value, form)
      if (Number.isNaN(number)) {
        at = this.#otherForm(c, value, at)
        continue
      }
      const delta = number - scaled[c]!
      former[c] = value
      scaled[c] = number
      at = writeVarint(bytes, at, delta < 0 ? -2 * delta - 1 : 2 * delta)
    }
    return at
  }

  /** A value that does not fit its column's scale, or a column kept raw. */
  #otherForm(c: number, value: number, at: number): number {
    const columns = this.#columns
    const former = columns.forms[c]!
    const form = formOf(value, former)
    if (form === rawForm && former === rawForm) return this.#differing(c, value, at)
    columns.forms[c] = form
    if (former === rawForm) scratch[at++] = form << 4
    else {
      scratch[at++] = 0
      scratch[at++] = form
    }
    columns.values[c] = value
    if (form === rawForm) {
      setBits(value)
      for (let i = 0; i < 8; i++) scratch[at++] = byteOfOne(i)
      return at
    }
    const number = scaledTo(value, form)
    columns.scaled[c] = number
    return writeVarint(scratch, at, number < 0 ? -2 * number - 1 : 2 * number)
  }

  /** The bytes of a raw column that differ, the lowest first. */
  #differing(c: number, value: number, at: number): number {
    const { values } = this.#columns
    const xor = this.#former
    setBits(values[c]!)
    for (let i = 0; i < 8; i++) xor[i] = byteOfOne(i)
    setBits(value)
    for (let i = 0; i < 8; i++) xor[i] = xor[i]! ^ byteOfOne(i)
    let skip = 0
    while (xor[skip] === 0) skip++
    let end = 8
    while (xor[end - 1] === 0) end--
    scratch[at++] = (skip << 4) | (end - skip)
    for (let i = skip; i < end; i++) scratch[at++] = xor[i]!
    values[c] = value
    return at
  }
}

function bothNaN(a: number, b: number): boolean {
  return Number.isNaN(a) && Number.isNaN(b)
}

/** Puts the bits of a value into `one`, every NaN as the canonical one. */
function setBits(value: number): void {
  one[0] = value
  if (!Number.isNaN(value)) return
  oneWords[lowWord] = 0
  oneWords[highWord] = canonicalNanHigh
}

/** Byte `i` of the value in `one`, the least significant first on every machine. */
function byteOfOne(i: number): number {
  return oneBytes[lowWord === 0 ? i : 7 - i]!
}

/** The whole number n for which n / 10^scale is exactly `value`, or NaN. */
function scaledTo(value: number, scale: number): number {
  const power = powers[scale]!
  const number = Math.round(value * power)
  const exact = number / power === value && number <= largestScaled && number >= -largestScaled
  if (!exact || (number === 0 && Object.is(value, -0))) return Number.NaN
  return number
}

/** The coarsest form that holds a value exactly. */
function formOf(value: number, former: number): number {
  // Most values of a raw column stay raw: three tries tell so.
  const holds = (scale: number) => !Number.isNaN(scaledTo(value, scale))
  if (former === rawForm && !holds(0) && !holds(3) && !holds(largestScale)) return rawForm
  for (let scale = 0; scale <= largestScale; scale++) if (holds(scale)) return scale
  return rawForm
}

function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  while (value >= 0x1000_0000) {
    bytes[at++] = (value % 128) | 0x80
    value = Math.floor(value / 128)
  }
  let rest = value | 0
  while (rest >= 0x80) {
    bytes[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  bytes[at++] = rest
  return at
}

class Decoder implements RowDecoder {
  readonly #columns = new Columns()
  /** True while a row is half read, and so for ever after a bad one. */
  #broken = false
  #at = 0

  get columns(): number {
    return this.#columns.count
  }

  get values(): Float64Array {
    return this.#columns.view
  }

  decode(bytes: Uint8Array, count: number): DecodedRow {
    if (this.#broken) throw new FrameError('the lane ended with a row that cannot be read')
    this.#broken = true
    const columns = this.#columns
    if (count < columns.count) {
      throw new FrameError(`a row of ${count} columns after one of ${columns.count}`)
    }
    const bitmapBytes = (count + 7) >> 3
    const flags = bytes.length > 0 ? bytes[0]! : 0x100
    if (flags > (flagAbsent | flagStale)) {
      throw new FrameError(flags > 0xff ? 'an empty row' : `unknown flags ${flags} of a row`)
    }
    let at = 1 + bitmapBytes
    const absentAt = flags & flagAbsent ? at : 0
    if (absentAt > 0) at += bitmapBytes
    const staleAt = flags & flagStale ? at : 0
    if (staleAt > 0) at += bitmapBytes
    if (at > bytes.length) {
      throw new FrameError(`a row of ${bytes.length} bytes is shorter than its bitmaps`)
    }
    checkBitmaps(bytes, count, bitmapBytes, absentAt, staleAt)
    columns.grow(count)
    const end = this.#changes(bytes, count, at)
    if (end !== bytes.length) {
      throw new FrameError(`${bytes.length - end} bytes after the last changed column`)
    }
    this.#broken = false
    return {
      values: columns.view,
      absent: absentAt > 0 ? bytes.subarray(absentAt, absentAt + bitmapBytes) : undefined,
      stale: staleAt > 0 ? bytes.subarray(staleAt, staleAt + bitmapBytes) : undefined,
    }
  }

  /** Applies the operations from `at` on; returns their end. */
  #changes(bytes: Uint8Array, count: number, at: number): number {
    const { forms, scaled, values } = this.#columns
    const { length } = bytes
    for (let base = 0, bitmapAt = 1; base < count; base += 8, bitmapAt++) {
      for (let bits = bytes[bitmapAt]!; bits !== 0; bits &= bits - 1) {
        const c = base + 31 - Math.clz32(bits & -bits)
        if (at >= length) throw truncated()
        const first = bytes[at]!
        const form = forms[c]!
        if (first === 0 || form === rawForm) {
          at = this.#otherOperation(bytes, at, c)
          continue
        }
        const from = at++
        let zigzag = first & 0x7f
        let byte = first
        for (let shift = 7; byte >= 0x80 && shift <= 21; shift += 7) {
          if (at >= length) throw truncated()
          byte = bytes[at++]!
          zigzag |= (byte & 0x7f) << shift
        }
        let delta = (zigzag >>> 1) ^ -(zigzag & 1)
        if (byte >= 0x80) {
          this.#at = from
          delta = this.#zigzag(bytes)
          at = this.#at
        }
        const number = scaled[c]! + delta
        if (number > largestScaled || number < -largestScaled) throw tooLarge(c)
        scaled[c] = number
        values[c] = form === 0 ? number : number / powers[form]!
      }
    }
    return at
  }

  /** A change of form, or the bytes of a raw column that differ. */
  #otherOperation(bytes: Uint8Array, from: number, c: number): number {
    const columns = this.#columns
    let at = from
    let form: number
    if (columns.forms[c] === rawForm) {
      const tag = bytes[at++]!
      if ((tag & 15) !== 0) return this.#differing(bytes, at, c, tag >> 4, tag & 15)
      form = tag >> 4
    } else {
      if (at + 1 >= bytes.length) throw truncated()
      form = bytes[at + 1]!
      at += 2
    }
    if (form === rawForm && columns.forms[c] !== rawForm) {
      columns.forms[c] = rawForm
      columns.words[2 * c] = 0
      columns.words[2 * c + 1] = 0
      return this.#differing(bytes, at, c, 0, 8)
    }
    if (form > largestScale) throw new FrameError(`column ${c} changes to an unknown form ${form}`)
    this.#at = at
    const number = this.#zigzag(bytes)
    if (number > largestScaled || number < -largestScaled) throw tooLarge(c)
    columns.forms[c] = form
    columns.scaled[c] = number
    columns.values[c] = number / powers[form]!
    return this.#at
  }

  #differing(bytes: Uint8Array, at: number, c: number, skip: number, length: number): number {
    if (skip + length > 8)
      throw new FrameError(`column ${c}: bytes ${skip} to ${skip + length} of 8`)
    if (at + length > bytes.length) throw truncated()
    const { words } = this.#columns
    let low = 0
    let high = 0
    for (let i = skip; i < skip + length; i++) {
      const byte = bytes[at + i - skip]!
      if (i < 4) low |= byte << (8 * i)
      else high |= byte << (8 * (i - 4))
    }
    low = (words[2 * c + lowWord]! ^ low) >>> 0
    high = (words[2 * c + highWord]! ^ high) >>> 0
    if ((high & 0x7ff0_0000) === 0x7ff0_0000 && ((high & 0xf_ffff) !== 0 || low !== 0)) {
      if (high !== canonicalNanHigh || low !== 0) {
        throw new FrameError(`column ${c}: a NaN other than 0x7ff8000000000000`)
      }
    }
    words[2 * c + lowWord] = low
    words[2 * c + highWord] = high
    return at + length
  }

  /** Reads a zigzag varint at `#at` and moves it on. */
  #zigzag(bytes: Uint8Array): number {
    let value = 0
    let power = 1
    for (let i = 0; i < varintBytes; i++, power *= 128) {
      if (this.#at >= bytes.length) throw truncated()
      const byte = bytes[this.#at++]!
      value += (byte & 0x7f) * power
      if (byte >= 0x80) continue
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
    throw new FrameError(`a varint of more than ${varintBytes} bytes`)
  }

  snapshot(): Uint8Array {
    if (this.#broken) throw new FrameError('the lane ended with a row that cannot be read')
    const { count, forms, scaled, words } = this.#columns
    const bytes = new Uint8Array(5 + count * 9)
    const view = new DataView(bytes.buffer)
    bytes[0] = snapshotVersion
    view.setUint32(1, count, true)
    let at = 5
    for (let c = 0; c < count; c++) {
      const form = forms[c]!
      bytes[at++] = form
      if (form === rawForm) {
        view.setUint32(at, words[2 * c + lowWord]!, true)
        view.setUint32(at + 4, words[2 * c + highWord]!, true)
        at += 8
        continue
      }
      const number = scaled[c]!
      at = writeVarint(bytes, at, number < 0 ? -2 * number - 1 : 2 * number)
    }
    return bytes.slice(0, at)
  }

  /** Takes over the state of a snapshot; for a decoder that has read nothing. */
  restore(bytes: Uint8Array): void {
    if (bytes.length < 5 || bytes[0] !== snapshotVersion) throw new FrameError('no snapshot')
    const count = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1, true)
    // A column takes two bytes at least, which bounds what is reserved for it.
    if (count * 2 > bytes.length - 5) throw truncated()
    const columns = this.#columns
    columns.grow(count)
    let at = 5
    for (let c = 0; c < count; c++) {
      if (at >= bytes.length) throw truncated()
      const form = bytes[at++]!
      if (form === rawForm) {
        columns.forms[c] = rawForm
        at = this.#differing(bytes, at, c, 0, 8)
        continue
      }
      if (form > largestScale) throw new FrameError(`column ${c} has an unknown form ${form}`)
      this.#at = at
      const number = this.#zigzag(bytes)
      if (number > largestScaled || number < -largestScaled) throw tooLarge(c)
      at = this.#at
      columns.forms[c] = form
      columns.scaled[c] = number
      columns.values[c] = number / powers[form]!
    }
    if (at !== bytes.length) throw new FrameError(`${bytes.length - at} bytes after a snapshot`)
  }
}

/** No bit beyond the last column; a column is changed, absent or stale, never two of them. */
function checkBitmaps(
  bytes: Uint8Array,
  count: number,
  bitmapBytes: number,
  absentAt: number,
  staleAt: number,
): void {
  const beyond = (count & 7) === 0 ? 0 : (0xff << (count & 7)) & 0xff
  if (beyond !== 0) {
    const last = bitmapBytes - 1
    const absent = absentAt > 0 ? bytes[absentAt + last]! : 0
    const stale = staleAt > 0 ? bytes[staleAt + last]! : 0
    if (((bytes[1 + last]! | absent | stale) & beyond) !== 0) {
      throw new FrameError(`a bit beyond the ${count} columns of a row`)
    }
  }
  if (absentAt === 0 && staleAt === 0) return
  for (let i = 0; i < bitmapBytes; i++) {
    const changed = bytes[1 + i]!
    const absent = absentAt > 0 ? bytes[absentAt + i]! : 0
    const stale = staleAt > 0 ? bytes[staleAt + i]! : 0
    if ((changed & (absent | stale)) !== 0 || (absent & stale) !== 0) {
      throw new FrameError(
        `a column of ${i * 8} to ${i * 8 + 7} is two of changed, absent and stale`,
      )
    }
  }
}

function truncated(): FrameError {
  return new FrameError('a row that ends before its last changed column')
}

function tooLarge(column: number): FrameError {
  return new FrameError(`column ${column} leaves the range of scaled numbers`)
}
