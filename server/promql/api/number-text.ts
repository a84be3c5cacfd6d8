import { formatSample } from '../syntax/float.ts'

/*
 * Shortest decimal text of doubles, written as bytes: what `String` gives, at a fraction of its cost. A
 * value from 1e-6 to 1e17 is scaled by a power of ten, exactly (a product of two doubles is the sum of two
 * doubles), to a number x of 17 digits before the point. The decimals that read back to the value are those nearer
 * to x than half a unit in its last binary place, scaled likewise; among them the fewest digits win, then
 * the nearest. Where rounding leaves a doubt (a few in a billion), and outside that range, `formatSample` decides.
 */

/** The most bytes a number takes. */
export const maxNumberBytes = 32

const zero = 48
const point = 46
const minus = 45

/** Digits of 0000 to 9999. */
const fourDigits = new Uint8Array(40_000)
for (let number = 0; number < 10_000; number += 1) {
  const text = String(number).padStart(4, '0')
  for (let digit = 0; digit < 4; digit += 1) {
    fourDigits[number * 4 + digit] = text.charCodeAt(digit)
  }
}

const least = 1e-6
const limit = 1e17
/** 10^-7 to 10^22; from 10^0 on they are exact. */
const powersFrom = -7
const powers = Float64Array.from({ length: 30 }, (_, index) => Number(`1e${index + powersFrom}`))
/** 2^(e - 53) for e from -32: half a unit in the last place of a value of exponent e. */
const exponentsFrom = -32
const halfUnits = Float64Array.from({ length: 96 }, (_, index) => 2 ** (index + exponentsFrom - 53))

/** More than all rounding errors below together, in units of the 17th digit. */
const doubt = 1e-6
/** Splits a double in two halves of 26 bits (Dekker). */
const splitter = 2 ** 27 + 1

const bits = new Float64Array(1)
const words = new Uint32Array(bits.buffer)
const highWord = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0

function writeText(out: Uint8Array, at: number, text: string): number {
  for (let index = 0; index < text.length; index += 1) out[at + index] = text.charCodeAt(index)
  return at + text.length
}

function putFour(out: Uint8Array, at: number, number: number): void {
  const from = number * 4
  out[at] = fourDigits[from]!
  out[at + 1] = fourDigits[from + 1]!
  out[at + 2] = fourDigits[from + 2]!
  out[at + 3] = fourDigits[from + 3]!
}

/** Writes a whole number below 1e9. */
function writeWhole(out: Uint8Array, at: number, number: number): number {
  let length = 1
  for (let bound = 10; number >= bound; bound *= 10) length += 1
  let rest = number
  for (let index = at + length - 1; index >= at; index -= 1) {
    const next = (rest / 10) | 0
    out[index] = zero + rest - next * 10
    rest = next
  }
  return at + length
}

/** Writes 17 digits: 9 of `top`, 8 of `low`; gives how many there are without the zeros at the end. */
function writeSeventeen(out: Uint8Array, at: number, top: number, low: number): number {
  const first = (top / 1e8) | 0
  const middle = top - first * 1e8
  const upper = (middle / 1e4) | 0
  out[at] = zero + first
  putFour(out, at + 1, upper)
  putFour(out, at + 5, middle - upper * 1e4)
  const lower = (low / 1e4) | 0
  putFour(out, at + 9, lower)
  putFour(out, at + 13, low - lower * 1e4)
  let length = low === 0 ? 9 : 17
  while (length > 1 && out[at + length - 1] === zero) length -= 1
  return length
}

/** Writes digits with the point after the first `exponent + 1` of them. */
function writeDecimal(
  out: Uint8Array,
  at: number,
  top: number,
  low: number,
  exponent: number,
): number {
  if (exponent < 0) {
    const from = at + 1 - exponent
    for (let index = at; index < from; index += 1) out[index] = zero
    out[at + 1] = point
    return from + writeSeventeen(out, from, top, low)
  }
  const length = writeSeventeen(out, at + 1, top, low)
  for (let index = at; index <= at + exponent; index += 1) out[index] = out[index + 1]!
  if (length <= exponent + 1) return at + exponent + 1
  out[at + exponent + 1] = point
  return at + length + 1
}

/** Writes `|values[index]|`, which is in [1e-6, 1e17); gives -1 when it is in doubt. */
function writeShortest(out: Uint8Array, at: number, values: Float64Array, index: number): number {
  const value = Math.abs(values[index]!)
  bits[0] = value
  const high = words[highWord]!
  const binary = (high >>> 20) - 1023
  let exponent = Math.floor(binary * 0.301029995663981)
  if (value >= powers[exponent + 1 - powersFrom]!) exponent += 1
  const scale = powers[16 - exponent - powersFrom]!
  // value * scale = product + error, exactly.
  const product = value * scale
  const valueSplit = splitter * value
  const valueHigh = valueSplit - (valueSplit - value)
  const valueLow = value - valueHigh
  const scaleSplit = splitter * scale
  const scaleHigh = scaleSplit - (scaleSplit - scale)
  const scaleLow = scale - scaleHigh
  const error =
    valueLow * scaleLow -
    (product - valueHigh * scaleHigh - valueLow * scaleHigh - valueHigh * scaleLow)
  let top = (product * 1e-8) | 0
  let rest = product - top * 1e8 + error
  if (rest < 0) {
    top -= 1
    rest += 1e8
  } else if (rest >= 1e8) {
    top += 1
    rest -= 1e8
  }
  const half = halfUnits[binary - exponentsFrom]! * scale
  // Below a power of two the doubles lie twice as dense.
  const powerOfTwo = (high & 0xfffff) === 0 && words[1 - highWord] === 0
  let low = ((rest * 0.01 + 0.5) | 0) * 100
  let distance = Math.abs(low - rest)
  if (distance > (powerOfTwo ? half / 2 : half) - doubt) {
    if (distance < half + doubt || powerOfTwo) return -1
    low = ((rest * 0.1 + 0.5) | 0) * 10
    distance = Math.abs(low - rest)
    if (distance > half - doubt) {
      if (distance < half + doubt) return -1
      low = (rest + 0.5) | 0
      distance = Math.abs(low - rest)
      if (distance > half - doubt || Math.abs(distance - 0.5) < doubt) return -1
    } else if (Math.abs(distance - 5) < doubt) return -1
  }
  if (low === 1e8) {
    low = 0
    top += 1
  }
  if (top < 1e8 || top >= 1e9) return -1
  return writeDecimal(out, at, top, low, exponent)
}

/**
 * Writes one of `values` as `formatSample` words it; gives the place after it. There must be room for
 * `maxNumberBytes`.
 */
export function writeNumber(
  out: Uint8Array,
  from: number,
  values: Float64Array,
  index: number,
): number {
  const value = values[index]!
  const size = Math.abs(value)
  if (size >= least && size < limit) {
    let at = from
    if (value < 0) out[at++] = minus
    if (size < 1e9 && size === Math.floor(size)) return writeWhole(out, at, size)
    const end = writeShortest(out, at, values, index)
    if (end >= 0) return end
  }
  return writeText(out, from, formatSample(value))
}
