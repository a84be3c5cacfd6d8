import type { LabelSet } from './label-set.ts'

const mask = 0xffff_ffff_ffff_ffffn
const prime1 = 0x9e37_79b1_85eb_ca87n
const prime2 = 0xc2b2_ae3d_27d4_eb4fn
const prime3 = 0x1656_67b1_9e37_79f9n
const prime4 = 0x85eb_ca77_c2b2_ae63n
const prime5 = 0x27d4_eb2f_1656_67c5n

function rotate(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & mask
}

function round(accumulator: bigint, input: bigint): bigint {
  return (rotate((accumulator + input * prime2) & mask, 31n) * prime1) & mask
}

function avalanche(hash: bigint): bigint {
  let mixed = hash ^ (hash >> 33n)
  mixed = (mixed * prime2) & mask
  mixed ^= mixed >> 29n
  mixed = (mixed * prime3) & mask
  return mixed ^ (mixed >> 32n)
}

/** XXH64 with seed 0 (the xxHash specification, 64-bit variant). */
export function xxHash64(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const lanes = [(prime1 + prime2) & mask, prime2, 0n, (0n - prime1) & mask]
  let at = 0
  let hash = prime5
  if (bytes.length >= 32) {
    for (; at + 32 <= bytes.length; at += 32) {
      lanes.forEach((lane, index) => {
        lanes[index] = round(lane, view.getBigUint64(at + index * 8, true))
      })
    }
    const [a = 0n, b = 0n, c = 0n, d = 0n] = lanes
    hash = (rotate(a, 1n) + rotate(b, 7n) + rotate(c, 12n) + rotate(d, 18n)) & mask
    for (const lane of lanes) hash = ((hash ^ round(0n, lane)) * prime1 + prime4) & mask
  }
  hash = (hash + BigInt(bytes.length)) & mask
  for (; at + 8 <= bytes.length; at += 8) {
    hash ^= round(0n, view.getBigUint64(at, true))
    hash = (rotate(hash, 27n) * prime1 + prime4) & mask
  }
  if (at + 4 <= bytes.length) {
    hash ^= (BigInt(view.getUint32(at, true)) * prime1) & mask
    hash = (rotate(hash, 23n) * prime2 + prime3) & mask
    at += 4
  }
  for (; at < bytes.length; at += 1) {
    hash ^= (BigInt(bytes[at] ?? 0) * prime5) & mask
    hash = (rotate(hash, 11n) * prime1) & mask
  }
  return avalanche(hash)
}

function sized(text: string): number[] {
  const bytes = new TextEncoder().encode(text)
  const { length } = bytes
  const size =
    length < 255 ? [length] : [255, length & 255, (length >> 8) & 255, (length >> 16) & 255]
  return [...size, ...bytes]
}

/**
 * A number in [0, 1] that depends on the labels alone: the one `limit_ratio` of Prometheus uses, so
 * that both choose the same series.
 */
export function sampleOffset(labels: LabelSet): number {
  const bytes = labels.names.flatMap((name, index) => {
    return [...sized(name), ...sized(labels.values[index] ?? '')]
  })
  return Number(xxHash64(Uint8Array.from(bytes))) / 2 ** 64
}
