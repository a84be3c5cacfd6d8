/** Round constants of SHA-256 (FIPS 180-4 §4.2.2): the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const rounds = Int32Array.from(
  [
    '428a2f98 71374491 b5c0fbcf e9b5dba5 3956c25b 59f111f1 923f82a4 ab1c5ed5',
    'd807aa98 12835b01 243185be 550c7dc3 72be5d74 80deb1fe 9bdc06a7 c19bf174',
    'e49b69c1 efbe4786 0fc19dc6 240ca1cc 2de92c6f 4a7484aa 5cb0a9dc 76f988da',
    '983e5152 a831c66d b00327c8 bf597fc7 c6e00bf3 d5a79147 06ca6351 14292967',
    '27b70a85 2e1b2138 4d2c6dfc 53380d13 650a7354 766a0abb 81c2c92e 92722c85',
    'a2bfe8a1 a81a664b c24b8b70 c76c51a3 d192e819 d6990624 f40e3585 106aa070',
    '19a4c116 1e376c08 2748774c 34b0bcb5 391c0cb3 4ed8aa4a 5b9cca4f 682e6ff3',
    '748f82ee 78a5636f 84c87814 8cc70208 90befffa a4506ceb bef9a3f7 c67178f2',
  ]
    .join(' ')
    .split(' ')
    .map((word) => Number.parseInt(word, 16)),
)

/** Initial hash value (FIPS 180-4 §5.3.3). */
const initial = Int32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
)

const blockBytes = 64
const schedule = new Int32Array(64)
const state = new Int32Array(8)
let scratch = new Uint8Array(4096)
const encoder = new TextEncoder()
/** Bytes of UTF-8 for one UTF-16 unit, at most. */
const unitBytes = 3

/**
 * SHA-256 of the parts one after the other, texts as UTF-8 (FIPS 180-4). Written out here because WebCrypto hashes only by promises, which
 * for a million short entries costs ten times the hashing; tests hold it against Node's.
 */
export function sha256(...parts: readonly (Uint8Array | string)[]): Uint8Array {
  const end = padded(parts)
  state.set(initial)
  for (let at = 0; at < end; at += blockBytes) compress(scratch, at)
  const hash = new Uint8Array(32)
  for (let i = 0; i < 8; i++) {
    const word = state[i]!
    hash[i * 4] = word >>> 24
    hash[i * 4 + 1] = word >>> 16
    hash[i * 4 + 2] = word >>> 8
    hash[i * 4 + 3] = word
  }
  return hash
}

/** Puts the padded message into `scratch`; gives its length (FIPS 180-4 §5.1.1). */
function padded(parts: readonly (Uint8Array | string)[]): number {
  let room = 2 * blockBytes
  for (const part of parts) room += part.length * (typeof part === 'string' ? unitBytes : 1)
  if (room > scratch.length) scratch = new Uint8Array(room * 2)
  let length = 0
  for (const part of parts) {
    if (typeof part === 'string') length = putText(part, length)
    else {
      scratch.set(part, length)
      length += part.length
    }
  }
  const end = Math.ceil((length + 9) / blockBytes) * blockBytes
  scratch[length] = 0x80
  scratch.fill(0, length + 1, end)
  const high = Math.floor(length / 0x20000000)
  const low = length << 3
  for (let i = 0; i < 4; i++) {
    scratch[end - 5 - i] = high >>> (i * 8)
    scratch[end - 1 - i] = low >>> (i * 8)
  }
  return end
}

/** Puts a text into `scratch`; gives where it ends. Plain letters one by one: most texts have no others, and are short. */
function putText(text: string, begin: number): number {
  const bytes = scratch
  for (let i = 0; i < text.length; i++) {
    const letter = text.charCodeAt(i)
    if (letter > 0x7f) {
      const at = begin + i
      return at + encoder.encodeInto(text.slice(i), bytes.subarray(at)).written
    }
    bytes[begin + i] = letter
  }
  return begin + text.length
}

function compress(bytes: Uint8Array, at: number): void {
  const w = schedule
  for (let i = 0, p = at; i < 16; i++, p += 4)
    w[i] = (bytes[p]! << 24) | (bytes[p + 1]! << 16) | (bytes[p + 2]! << 8) | bytes[p + 3]!
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15]!
    const y = w[i - 2]!
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
    w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0
  }
  let a = state[0]!
  let b = state[1]!
  let c = state[2]!
  let d = state[3]!
  let e = state[4]!
  let f = state[5]!
  let g = state[6]!
  let h = state[7]!
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + rounds[i]! + w[i]!) | 0
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
    h = g
    g = f
    f = e
    e = (d + t1) | 0
    d = c
    c = b
    b = a
    a = (t1 + t2) | 0
  }
  state[0] = state[0]! + a
  state[1] = state[1]! + b
  state[2] = state[2]! + c
  state[3] = state[3]! + d
  state[4] = state[4]! + e
  state[5] = state[5]! + f
  state[6] = state[6]! + g
  state[7] = state[7]! + h
}
