import { BytesError } from '../bytes.ts'
import type { BitSource, BitWriter } from './bits.ts'

/**
 * Whole numbers from 0 to 2^53 - 1 in groups of 64, each with a parameter k of its own (6 bits; 63: all are zero) and a bit that says
 * whether a bit before each number tells zero from the rest, which is then written less one. A number is its quotient by 2^k
 * as that many zeros and a one, then k bits; `mostQuotient` zeros and a one: 53 plain bits follow.
 */
export const groupNumbers = 64

const mostQuotient = 20
const allZero = 63

/** Parameters up to here leave every number that is not escaped below 2^31. */
const widestInt = 26

const twoTo32 = 2 ** 32

const powersOfTwo = Float64Array.from({ length: 53 }, (_, k) => 2 ** k)

/** Bits that a group takes. */
function cost(numbers: Float64Array, from: number, to: number, k: number): number {
  const scale = 1 / powersOfTwo[k]!
  let bits = 0
  for (let i = from; i < to; i++) {
    const quotient = Math.floor(numbers[i]! * scale)
    bits += quotient < mostQuotient ? quotient + 1 + k : mostQuotient + 54
  }
  return bits
}

/** Best parameter: from the mean's on, as long as it gets better. */
function best(numbers: Float64Array, from: number, to: number, mean: number): number {
  let k = Math.min(52, Math.floor(Math.log2(mean + 1)))
  let bits = cost(numbers, from, to, k)
  for (const step of [-1, 1]) {
    for (let next = k + step; next >= 0 && next <= 52; next += step) {
      const found = cost(numbers, from, to, next)
      if (found >= bits) break
      bits = found
      k = next
    }
  }
  return k
}

function putWide(out: BitWriter, value: number, bits: number): void {
  if (bits > 32) {
    out.put(Math.floor(value / twoTo32), bits - 32)
    out.put((value % twoTo32) | 0, 32)
  } else if (bits > 0) out.put(value | 0, bits)
}

function takeWide(source: BitSource, bits: number): number {
  if (bits === 0) return 0
  if (bits <= 32) return source.take(bits)
  const high = source.take(bits - 32)
  return high * twoTo32 + source.take(32)
}

function putNumber(out: BitWriter, u: number, k: number): void {
  const power = powersOfTwo[k]!
  const quotient = Math.floor(u / power)
  if (quotient >= mostQuotient) {
    out.put(1, mostQuotient + 1)
    putWide(out, u, 53)
    return
  }
  if (quotient + 1 + k <= 32) {
    out.put(k === 0 ? 1 : (1 << k) | (u - quotient * power), quotient + 1 + k)
    return
  }
  out.put(1, quotient + 1)
  putWide(out, u - quotient * power, k)
}

/** Bits that a group of ints takes. */
function intCost(count: number, k: number, less: number): number {
  let bits = less === 0 ? 0 : count
  for (let i = 0; i < count; i++) {
    const u = ints[i]! - less
    if (u < 0) continue
    const quotient = u >>> k
    bits += quotient < mostQuotient ? quotient + 1 + k : mostQuotient + 54
  }
  return bits
}

/** Best parameter of a group of ints: about the mean's, and its neighbours as long as they are better. */
function bestInt(count: number, mean: number, less: number): number {
  let k = mean < 2 ? 0 : 31 - Math.clz32(mean)
  let bits = intCost(count, k, less)
  const up = k < widestInt ? intCost(count, k + 1, less) : Infinity
  if (up < bits) {
    k++
    bits = up
  } else
    while (k > 0) {
      const down = intCost(count, k - 1, less)
      if (down >= bits) break
      k--
      bits = down
    }
  bestBits = bits
  return k
}

let bestBits = 0
const ints = new Int32Array(groupNumbers)

function putInts(out: BitWriter, count: number, sum: number, filled: number): void {
  let k = bestInt(count, sum / count, 0)
  let less = 0
  if ((count - filled) * 4 > count) {
    const plainBits = bestBits
    const flagged = bestInt(count, sum / filled - 1, 1)
    if (bestBits < plainBits) {
      k = flagged
      less = 1
    }
  }
  out.put((k << 1) | less, 7)
  for (let i = 0; ; ) {
    i = out.putCodes(ints, i, count, k, less, mostQuotient)
    if (i === count) return
    if (less === 1) out.put(1, 1)
    putNumber(out, ints[i++]! - less, k)
  }
}

function putGroup(out: BitWriter, numbers: Float64Array, from: number, to: number): void {
  const count = to - from
  let sum = 0
  let filled = 0
  let most = 0
  for (let i = from; i < to; i++) {
    const u = numbers[i]!
    sum += u
    if (u !== 0) filled++
    if (u > most) most = u
  }
  if (filled === 0) out.put(allZero << 1, 7)
  else if (most < 0x40000000) {
    for (let i = 0; i < count; i++) ints[i] = numbers[from + i]!
    putInts(out, count, sum, filled)
  } else {
    const k = best(numbers, from, to, sum / count)
    out.put(k << 1, 7)
    for (let i = from; i < to; i++) putNumber(out, numbers[i]!, k)
  }
}

/** Writes the first `count` numbers. */
export function putNumbers(out: BitWriter, numbers: Float64Array, count: number): void {
  for (let from = 0; from < count; from += groupNumbers)
    putGroup(out, numbers, from, Math.min(count, from + groupNumbers))
}

/**
 * Reads `count` numbers into `numbers`; `signed` ones alternate: 0, -1, 1, -2 are 0, 1, 2, 3. Throws BytesError.
 */
export function takeNumbers(
  source: BitSource,
  numbers: Float64Array,
  count: number,
  signed: boolean,
): void {
  for (let from = 0; from < count; from += groupNumbers) {
    const to = Math.min(count, from + groupNumbers)
    const head = source.take(7)
    const k = head >>> 1
    if (k === allZero) numbers.fill(0, from, to)
    else if (k <= widestInt) takeInts(source, numbers, from, to, head)
    else takeWides(source, numbers, from, to, head)
    source.checkEnd()
    if (signed) unfold(numbers, from, to)
  }
}

function unfold(numbers: Float64Array, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const u = numbers[i]!
    if (u < 0x80000000) {
      const int = u | 0
      numbers[i] = (int >>> 1) ^ -(int & 1)
    } else numbers[i] = u % 2 === 0 ? u / 2 : -(u + 1) / 2
  }
}

function takeInts(
  source: BitSource,
  numbers: Float64Array,
  from: number,
  to: number,
  head: number,
): void {
  const words = source.words
  const k = head >>> 1
  const less = head & 1
  let at = source.at
  for (let i = from; i < to; i++) {
    let word = at >>> 5
    let shift = at & 31
    let window =
      shift === 0 ? words[word]! : (words[word]! << shift) | (words[word + 1]! >>> (32 - shift))
    if (less !== 0) {
      at++
      if (window >= 0 && window >>> 31 === 0) {
        numbers[i] = 0
        continue
      }
      window <<= 1
    }
    const quotient = Math.clz32(window)
    at += quotient + 1
    if (quotient >= mostQuotient) {
      source.at = at
      numbers[i] = escaped(source, quotient) + less
      at = source.at
      continue
    }
    if (k === 0) {
      numbers[i] = quotient + less
      continue
    }
    if (quotient + 1 + k + less > 32) {
      word = at >>> 5
      shift = at & 31
      window =
        shift === 0 ? words[word]! : (words[word]! << shift) | (words[word + 1]! >>> (32 - shift))
    } else window <<= quotient + 1
    at += k
    numbers[i] = (quotient << k) + (window >>> (32 - k)) + less
  }
  source.at = at
}

function escaped(source: BitSource, quotient: number): number {
  if (quotient !== mostQuotient) throw new BytesError('a number of a chunk is not whole')
  return takeWide(source, 53)
}

function takeWides(
  source: BitSource,
  numbers: Float64Array,
  from: number,
  to: number,
  head: number,
): void {
  const k = head >>> 1
  const less = head & 1
  if (k > 52) throw new BytesError(`parameter ${k} of a group is not known`)
  const power = powersOfTwo[k]!
  for (let i = from; i < to; i++) {
    if (less !== 0 && source.take(1) === 0) {
      numbers[i] = 0
      continue
    }
    const quotient = Math.clz32(source.take(32))
    source.at += quotient - 31
    numbers[i] =
      (quotient >= mostQuotient
        ? escaped(source, quotient)
        : quotient * power + takeWide(source, k)) + less
  }
}
