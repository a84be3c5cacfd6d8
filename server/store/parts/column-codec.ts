import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { type ByteReader, BytesError, type ByteWriter } from '../bytes.ts'

/**
 * Columns of numbers, lossless to the bit but for NaN payloads. First byte:
 * 0 constant `f64`;
 * 1 decimal-scaled whole numbers, differences; 2 the same, differences of differences:
 *   `u8 exponent, varint greatest common divisor, zigzag first, differences / divisor as zigzag varints, 0 followed by the length of
 *   the run of zeros - 1`;
 * 3 plain `f64`s; 4 the eight byte planes of the f64s, deflated: `varint bytes`.
 */
const kind = { constant: 0, differences: 1, secondDifferences: 2, plain: 3, planes: 4 } as const

const powers = [1, 10, 100, 1e3, 1e4, 1e5, 1e6]

/** Scaled values stay below this, so that second differences are exact. */
const largest = 2 ** 49

export function writeColumn(writer: ByteWriter, values: Float64Array): void {
  const first = values[0]
  if (first === undefined) return
  if (values.every((value) => Object.is(value, first))) {
    writer.u8(kind.constant)
    writer.f64(first)
    return
  }
  const exponent = decimalExponent(values)
  if (exponent === undefined) {
    writeFloats(writer, values)
    return
  }
  const power = powers[exponent]!
  const scaled = values.map((value) => Math.round(value * power))
  writeIntegers(writer, scaled, exponent)
}

/** Smallest exponent at which every value is a whole number and comes back exactly. */
function decimalExponent(values: Float64Array): number | undefined {
  let exponent = 0
  for (let i = 0; i < values.length; i++) {
    while (exponent < powers.length && !survives(values[i]!, powers[exponent]!)) exponent++
    if (exponent === powers.length) return undefined
  }
  const power = powers[exponent]!
  return values.every((value) => survives(value, power)) ? exponent : undefined
}

function survives(value: number, power: number): boolean {
  const scaled = Math.round(value * power)
  return (
    Math.abs(scaled) < largest &&
    scaled / power === value &&
    (scaled !== 0 || !Object.is(value, -0))
  )
}

function writeIntegers(writer: ByteWriter, scaled: Float64Array, exponent: number): void {
  const differences = differencesOf(scaled)
  const divisor = commonDivisor(differences)
  for (let i = 0; i < differences.length; i++) differences[i] = differences[i]! / divisor
  const second = differencesOf(differences)
  const useSecond = costBytes(second) + 2 < costBytes(differences)
  writer.u8(useSecond ? kind.secondDifferences : kind.differences)
  writer.u8(exponent)
  writer.varint(divisor)
  writer.varint(zigzag(scaled[0]!))
  if (useSecond) writer.varint(zigzag(differences[0]!))
  writeRuns(writer, useSecond ? second : differences)
}

function differencesOf(values: Float64Array): Float64Array {
  const differences = new Float64Array(Math.max(0, values.length - 1))
  for (let i = 0; i < differences.length; i++) differences[i] = values[i + 1]! - values[i]!
  return differences
}

function commonDivisor(values: Float64Array): number {
  let divisor = 0
  for (let i = 0; i < values.length && divisor !== 1; i++) {
    let a = Math.abs(values[i]!)
    while (a !== 0) {
      const rest = divisor % a
      divisor = a
      a = rest
    }
  }
  return divisor === 0 ? 1 : divisor
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}

function costBytes(values: Float64Array): number {
  let bytes = 0
  let inRun = false
  for (let i = 0; i < values.length; i++) {
    const value = Math.abs(values[i]!)
    if (value === 0) {
      if (!inRun) bytes += 2
      inRun = true
      continue
    }
    inRun = false
    bytes += value < 64 ? 1 : value < 8192 ? 2 : value < 1048576 ? 3 : value < 134217728 ? 4 : 6
  }
  return bytes
}

function writeRuns(writer: ByteWriter, values: Float64Array): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (value !== 0) {
      writer.varint(zigzag(value))
      continue
    }
    const from = i
    while (i + 1 < values.length && values[i + 1] === 0) i++
    writer.varint(0)
    writer.varint(i - from)
  }
}

function readRuns(reader: ByteReader, count: number): Float64Array {
  const values = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const token = reader.varint()
    if (token !== 0) {
      values[i] = unzigzag(token)
      continue
    }
    i += reader.varint()
    if (i >= count) throw new BytesError('a run of zeros is longer than its column')
  }
  return values
}

function writeFloats(writer: ByteWriter, values: Float64Array): void {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  const planes = new Uint8Array(bytes.length)
  const n = values.length
  for (let i = 0; i < n; i++)
    for (let plane = 0; plane < 8; plane++) planes[plane * n + i] = bytes[i * 8 + plane]!
  const deflated = n < 32 ? planes : deflateRawSync(planes, { level: 1 })
  if (deflated.length >= bytes.length) {
    writer.u8(kind.plain)
    writer.raw(bytes)
    return
  }
  writer.u8(kind.planes)
  writer.varint(deflated.length)
  writer.raw(deflated)
}

/** Reads a column of `count` numbers. Throws BytesError. */
export function readColumn(reader: ByteReader, count: number): Float64Array {
  if (count === 0) return new Float64Array(0)
  const found = reader.u8()
  if (found === kind.constant) return new Float64Array(count).fill(reader.f64())
  if (found === kind.plain) return reader.floats(count)
  if (found === kind.planes) return readPlanes(reader, count)
  if (found === kind.differences || found === kind.secondDifferences)
    return readIntegers(reader, count, found)
  throw new BytesError(`column kind ${found} is not known`)
}

function readIntegers(reader: ByteReader, count: number, found: number): Float64Array {
  const power = powers[reader.u8()]
  if (power === undefined) throw new BytesError('the decimal exponent of a column is not known')
  const divisor = reader.varint()
  let value = unzigzag(reader.varint())
  const second = found === kind.secondDifferences
  let difference = second ? unzigzag(reader.varint()) : 0
  const steps = readRuns(reader, Math.max(0, count - (second ? 2 : 1)))
  const values = new Float64Array(count)
  values[0] = value / power
  for (let i = 1; i < count; i++) {
    if (!second) difference = steps[i - 1]!
    else if (i > 1) difference += steps[i - 2]!
    value += difference * divisor
    values[i] = value / power
  }
  return values
}

function readPlanes(reader: ByteReader, count: number): Float64Array {
  const length = reader.varint()
  const packed = reader.bytes(length)
  const planes = inflateRawSync(packed, { maxOutputLength: count * 8 })
  if (planes.length !== count * 8)
    throw new BytesError(`${planes.length} bytes inflated, ${count * 8} expected`)
  const bytes = new Uint8Array(count * 8)
  for (let i = 0; i < count; i++)
    for (let plane = 0; plane < 8; plane++) bytes[i * 8 + plane] = planes[plane * count + i]!
  return new Float64Array(bytes.buffer)
}
