import { ByteReader, BytesError, type ByteWriter } from '../bytes.ts'
import { BitSource, BitWriter } from './bits.ts'
import { groupNumbers, putNumbers, takeNumbers } from './rice.ts'

/**
 * Chunks of numbers, lossless to the bit but for NaN payloads. First byte: kind in the lower four bits, decimal exponent in the upper.
 * Kinds of whole numbers, which the exponent has made of decimals:
 * `whole` constant: `zigzag varint`; `line`: `zigzag varint first, zigzag varint step`;
 * `level`, `delta`, `signedDelta`, `second`: `varint divisor, zigzag varint base, [zigzag varint first, [zigzag varint first difference]],`
 * then the levels, differences or differences of differences, less the base, by the divisor, as rice.ts writes them (zigzag but for `delta`).
 * Kinds of any numbers: `plain` constant: `f64`; `xor`: `f64 first`, then groups of 64 differences of bits: 6 bits of leading zeros,
 * 7 bits of length, one bit telling whether a bit before each difference tells zero from the rest, then that many bits each.
 */
const kind = {
  plain: 0,
  whole: 1,
  line: 2,
  level: 3,
  delta: 4,
  signedDelta: 5,
  second: 6,
  xor: 7,
} as const

/** Most numbers in a chunk. */
export const chunkNumbers = 1024

/** Numbers at which a chunk is cut: one sample costs the reading of those before it, one chunk more costs 15 bytes. */
export const usualNumbers = 240

/** The same in slots of a whole day, which are mostly read over long spans. */
export const usualNumbersOfDay = 720

/** Chunks up to here only choose between kinds of differences: they are read and written again before long. */
const shortChunk = 64

/** Scaled values stay below this, so that second differences are exact. */
const largest = 2 ** 49

const powers = Float64Array.from({ length: 13 }, (_, exponent) => 10 ** exponent)

const out = new BitWriter()
const source = new BitSource()
const scaled = new Float64Array(chunkNumbers)
const differences = new Float64Array(chunkNumbers)
const residuals = new Float64Array(chunkNumbers)
const words = new Uint32Array(chunkNumbers * 2)
const floats = new Float64Array(words.buffer)
const picked = new Float64Array(15)

/** Writes `count` (1 to chunkNumbers) numbers from `values[from]` on. */
export function writeChunk(
  writer: ByteWriter,
  values: Float64Array,
  from: number,
  count: number,
): void {
  const first = values[from]!
  let same = 1
  while (same < count && Object.is(values[from + same], first)) same++
  const exponent = scale(values, from, same === count ? 1 : count)
  if (exponent === undefined) {
    writer.u8(same === count ? kind.plain : kind.xor)
    writer.f64(first)
    if (same < count) writeXor(writer, values, from, count)
  } else if (same === count) {
    writer.u8(kind.whole | (exponent << 4))
    writer.varint(zigzag(scaled[0]!))
  } else writeWhole(writer, exponent, count)
}

/** Fills `scaled`; the smallest exponent at which every value is a whole number and comes back exactly, undefined when there is none. */
function scale(values: Float64Array, from: number, count: number): number | undefined {
  let exponent = 0
  for (let i = 0; i < count; ) {
    const value = values[from + i]!
    if (exponent === 0 && Math.floor(value) === value) {
      if (value < largest && value > -largest && (value !== 0 || !Object.is(value, -0))) {
        scaled[i++] = value
        continue
      }
      return undefined
    }
    const power = powers[exponent]!
    const whole = Math.round(value * power)
    if (
      exponent > 0 &&
      whole < largest &&
      whole > -largest &&
      whole / power === value &&
      (whole !== 0 || !Object.is(value, -0))
    ) {
      scaled[i++] = whole + 0
      continue
    }
    if (++exponent === powers.length) return undefined
    i = 0
  }
  return exponent
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}

/** Greatest common divisor of the distances of the first `count` numbers from the first of them; 0 when all are equal. */
function commonDivisor(numbers: Float64Array, count: number): number {
  const first = numbers[0]!
  let divisor = 0
  for (let i = 1; i < count && divisor !== 1; i++) {
    let a = Math.abs(numbers[i]! - first)
    if (a < 0x80000000 && divisor < 0x80000000) {
      let x = a | 0
      let y = divisor | 0
      while (x !== 0) {
        const rest = y % x
        y = x
        x = rest
      }
      divisor = y
      continue
    }
    while (a !== 0) {
      const rest = divisor % a
      divisor = a
      a = rest
    }
  }
  return divisor
}

/** About the middle one of the numbers. */
function middle(numbers: Float64Array, count: number): number {
  const n = Math.min(count, count <= shortChunk ? 5 : picked.length)
  for (let i = 0; i < n; i++) {
    const value = numbers[((i * count) / n) | 0]!
    let at = i
    for (; at > 0 && picked[at - 1]! > value; at--) picked[at] = picked[at - 1]!
    picked[at] = value
  }
  return picked[n >>> 1]!
}

/** About the bits that coding every few of the numbers takes, less a base and by a divisor. */
function guess(
  numbers: Float64Array,
  count: number,
  base: number,
  divisor: number,
  signed: boolean,
): number {
  const by = (signed ? 2 : 1) / divisor
  const stride = Math.ceil(count / 96)
  let bits = 0
  for (let i = 0; i < count; i += stride) {
    const u = Math.abs(numbers[i]! - base) * by
    bits += u < 0x80000000 ? 32 - Math.clz32(u) : 64 - Math.clz32(u / 0x100000000)
  }
  return (bits * stride) / count
}

function writeWhole(writer: ByteWriter, exponent: number, count: number): void {
  const steps = count - 1
  let least = Infinity
  for (let i = 0; i < steps; i++) {
    const step = scaled[i + 1]! - scaled[i]!
    differences[i] = step
    if (step < least) least = step
  }
  const divisor = commonDivisor(differences, steps)
  const first = scaled[0]!
  if (divisor === 0) {
    writer.u8(kind.line | (exponent << 4))
    writer.varint(zigzag(first))
    writer.varint(zigzag(differences[0]!))
    return
  }
  const middleStep = middle(differences, steps)
  if (count <= shortChunk) {
    let signed = 0
    for (let i = 0; i < steps; i++) signed += Math.abs(differences[i]! - middleStep)
    const unsigned = scaled[steps]! - first - steps * least
    writeDifferences(writer, exponent, steps, divisor, signed * 2 <= unsigned, middleStep, least)
    return
  }
  const levelDivisor = commonDivisor(scaled, count)
  const levelBase = middle(scaled, count)
  const signed = guess(differences, steps, middleStep, divisor, true)
  const unsigned = guess(differences, steps, least, divisor, false)
  const level = guess(scaled, count, levelBase, levelDivisor, true)
  for (let i = 1; i < steps; i++) residuals[i - 1] = differences[i]! - differences[i - 1]!
  const second = guess(residuals, steps - 1, 0, divisor, true)
  const fewest = Math.min(signed, unsigned, level, second)
  if (fewest === second) {
    head(writer, kind.second, exponent, divisor, 0)
    writer.varint(zigzag(first))
    writer.varint(zigzag(differences[0]!))
    writeResiduals(writer, residuals, steps - 1, 0, divisor, true)
  } else if (fewest === level) {
    head(writer, kind.level, exponent, levelDivisor, levelBase)
    writeResiduals(writer, scaled, count, levelBase, levelDivisor, true)
  } else writeDifferences(writer, exponent, steps, divisor, signed <= unsigned, middleStep, least)
}

function writeDifferences(
  writer: ByteWriter,
  exponent: number,
  steps: number,
  divisor: number,
  signed: boolean,
  middleStep: number,
  least: number,
): void {
  const base = signed ? middleStep : least
  head(writer, signed ? kind.signedDelta : kind.delta, exponent, divisor, base)
  writer.varint(zigzag(scaled[0]!))
  writeResiduals(writer, differences, steps, base, divisor, signed)
}

function head(
  writer: ByteWriter,
  found: number,
  exponent: number,
  divisor: number,
  base: number,
): void {
  writer.u8(found | (exponent << 4))
  writer.varint(divisor)
  writer.varint(zigzag(base))
}

function writeResiduals(
  writer: ByteWriter,
  numbers: Float64Array,
  count: number,
  base: number,
  divisor: number,
  signed: boolean,
): void {
  for (let i = 0; i < count; i++) {
    const residual = (numbers[i]! - base) / divisor
    residuals[i] = signed ? (residual >= 0 ? residual * 2 : -residual * 2 - 1) : residual
  }
  out.begin()
  putNumbers(out, residuals, count)
  out.finish(writer)
}

function writeXor(writer: ByteWriter, values: Float64Array, from: number, count: number): void {
  for (let i = 0; i < count; i++) {
    const value = values[from + i]!
    floats[i] = Number.isNaN(value) ? Number.NaN : value
  }
  out.begin()
  for (let at = 1; at < count; at += groupNumbers)
    putXorGroup(at, Math.min(count, at + groupNumbers))
  out.finish(writer)
}

function putXorGroup(from: number, to: number): void {
  let low = 0
  let high = 0
  let zeros = 0
  for (let i = from; i < to; i++) {
    const lowBits = words[2 * i]! ^ words[2 * i - 2]!
    const highBits = words[2 * i + 1]! ^ words[2 * i - 1]!
    low |= lowBits
    high |= highBits
    if (lowBits === 0 && highBits === 0) zeros++
  }
  const leading = high !== 0 ? Math.clz32(high) : Math.min(63, 32 + Math.clz32(low))
  const trailing = low !== 0 ? trailingZeros(low) : 32 + trailingZeros(high)
  const length = zeros === to - from ? 0 : 64 - leading - trailing
  const flagged = length > 0 && zeros * length > to - from
  out.put(leading, 6)
  out.put((length << 1) | Number(flagged), 8)
  if (length === 0) return
  for (let i = from; i < to; i++) {
    const lowBits = words[2 * i]! ^ words[2 * i - 2]!
    const highBits = words[2 * i + 1]! ^ words[2 * i - 1]!
    const isZero = lowBits === 0 && highBits === 0
    if (flagged) out.put(isZero ? 0 : 1, 1)
    if (flagged && isZero) continue
    const shiftedLow =
      trailing >= 32
        ? highBits >>> (trailing - 32)
        : trailing === 0
          ? lowBits
          : (lowBits >>> trailing) | (highBits << (32 - trailing))
    if (length > 32) {
      out.put(highBits >>> trailing, length - 32)
      out.put(shiftedLow, 32)
    } else out.put(shiftedLow, length)
  }
}

function trailingZeros(bits: number): number {
  return bits === 0 ? 32 : 31 - Math.clz32(bits & -bits)
}

/**
 * Reads a chunk of `count` numbers that lies at [from, to) of `buffer` into `values` from `at` on; only those with index in
 * [wantedFrom, wantedTo) are written. Throws BytesError.
 */
export function readChunk(
  buffer: Buffer,
  from: number,
  to: number,
  count: number,
  values: Float64Array,
  at: number,
  wantedFrom = 0,
  wantedTo = count,
): void {
  if (!(count > 0 && count <= chunkNumbers)) throw new BytesError(`a chunk of ${count} numbers`)
  const reader = new ByteReader(buffer, from, to)
  const head = reader.u8()
  const found = head & 15
  if (found === kind.plain) values.fill(reader.f64(), at, at + wantedTo - wantedFrom)
  else if (found === kind.xor) readXor(reader, count, values, at, wantedFrom, wantedTo)
  else {
    const power = powers[head >>> 4]
    if (power === undefined) throw new BytesError('the decimal exponent of a chunk is not known')
    readWhole(reader, found, count, wantedTo)
    if (power === 1) for (let i = wantedFrom; i < wantedTo; i++) values[at++] = scaled[i]!
    else for (let i = wantedFrom; i < wantedTo; i++) values[at++] = scaled[i]! / power
  }
}

/** Fills `scaled` up to `wanted`. */
function readWhole(reader: ByteReader, found: number, count: number, wanted: number): void {
  if (found === kind.whole) {
    scaled.fill(unzigzag(reader.varint()), 0, wanted)
    return
  }
  if (found === kind.line) {
    const first = unzigzag(reader.varint())
    const step = unzigzag(reader.varint())
    for (let i = 0; i < wanted; i++) scaled[i] = first + i * step
    return
  }
  const divisor = reader.varint()
  const base = unzigzag(reader.varint())
  const first = found === kind.level ? 0 : unzigzag(reader.varint())
  if (found === kind.level) {
    takeResiduals(reader, count, wanted, true)
    for (let i = 0; i < wanted; i++) scaled[i] = base + residuals[i]! * divisor
  } else if (found === kind.delta || found === kind.signedDelta) {
    takeResiduals(reader, count - 1, wanted - 1, found === kind.signedDelta)
    let value = first
    scaled[0] = value
    for (let i = 1; i < wanted; i++) {
      value += base + residuals[i - 1]! * divisor
      scaled[i] = value
    }
  } else if (found === kind.second) {
    let difference = unzigzag(reader.varint())
    takeResiduals(reader, count - 2, wanted - 2, true)
    scaled[0] = first
    let value = first + difference
    scaled[1] = value
    for (let i = 2; i < wanted; i++) {
      difference += residuals[i - 2]! * divisor
      value += difference
      scaled[i] = value
    }
  } else throw new BytesError(`a chunk of kind ${found} is not known`)
}

/** Reads as many of `count` residuals as are wanted. */
function takeResiduals(reader: ByteReader, count: number, wanted: number, signed: boolean): void {
  source.load(reader.buffer, reader.offset, reader.end)
  takeNumbers(source, residuals, Math.max(0, Math.min(count, wanted)), signed)
}

function readXor(
  reader: ByteReader,
  count: number,
  values: Float64Array,
  at: number,
  wantedFrom: number,
  wantedTo: number,
): void {
  floats[0] = reader.f64()
  source.load(reader.buffer, reader.offset, reader.end)
  const end = Math.min(count, wantedTo)
  for (let from = 1; from < end; from += groupNumbers) {
    // A group begins where the whole one before it ended.
    takeXorGroup(from, Math.min(count, from + groupNumbers))
    source.checkEnd()
  }
  for (let i = wantedFrom; i < wantedTo; i++) values[at++] = floats[i]!
}

function takeXorGroup(from: number, to: number): void {
  const leading = source.take(6)
  const form = source.take(8)
  const length = form >>> 1
  const flagged = (form & 1) === 1
  const trailing = 64 - leading - length
  if (trailing < 0) throw new BytesError('a group of a chunk is too wide')
  let low = words[2 * from - 2]!
  let high = words[2 * from - 1]!
  for (let i = from; i < to; i++) {
    if (length > 0 && (!flagged || source.take(1) === 1)) {
      const highBits = length > 32 ? source.take(length - 32) : 0
      const lowBits = source.take(Math.min(32, length))
      if (trailing >= 32) high ^= lowBits << (trailing - 32)
      else if (trailing === 0) {
        low ^= lowBits
        high ^= highBits
      } else {
        low ^= lowBits << trailing
        high ^= (highBits << trailing) | (lowBits >>> (32 - trailing))
      }
    }
    words[2 * i] = low
    words[2 * i + 1] = high
  }
}
