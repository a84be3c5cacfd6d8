import type { Random } from '../differential/random.ts'

/** The bytes with one to four of them changed, put in, left out, cut off or repeated. */
export function mutatedBytes(bytes: Uint8Array, random: Random): Buffer {
  let now = Buffer.from(bytes)
  for (let edits = 1 + random.below(4); edits > 0; edits--) {
    const at = random.below(now.length + 1)
    const byte = Buffer.of(random.below(256))
    switch (random.below(6)) {
      case 0:
        now = Buffer.concat([now.subarray(0, at), byte, now.subarray(at + 1)])
        break
      case 1:
        now = Buffer.concat([now.subarray(0, at), byte, now.subarray(at)])
        break
      case 2:
        now = Buffer.concat([now.subarray(0, at), now.subarray(at + 1)])
        break
      case 3:
        now = now.subarray(0, at)
        break
      case 4: {
        const from = random.below(at + 1)
        now = Buffer.concat([now.subarray(0, at), now.subarray(from, from + 64), now.subarray(at)])
        break
      }
      default:
        if (at < now.length) now[at]! ^= 1 << random.below(8)
    }
  }
  return now
}

/** The tokens with some left out, doubled, swapped with another or replaced by one of `others`. */
export function mutatedTokens(
  tokens: readonly string[],
  others: readonly string[],
  random: Random,
): string[] {
  const now = [...tokens]
  for (let edits = 1 + random.below(3); edits > 0 && now.length > 0; edits--) {
    const at = random.below(now.length)
    const token = now[at]!
    switch (random.below(4)) {
      case 0:
        now.splice(at, 1)
        break
      case 1:
        now.splice(at, 0, token)
        break
      case 2: {
        const other = random.below(now.length)
        now[at] = now[other]!
        now[other] = token
        break
      }
      default:
        now[at] = random.pick(others)
    }
  }
  return now
}
