import { randomBytes } from 'node:crypto'
import type { Millis } from './clock.ts'

const pooledBytes = 4096
let pool = Buffer.alloc(0)

/** `count` random bytes of the system's generator, of which many are fetched at a time; at most 4096. */
export function random(count: number): Buffer {
  if (pool.length < count) pool = randomBytes(pooledBytes)
  const bytes = pool.subarray(0, count)
  pool = pool.subarray(count)
  return bytes
}

/** A UUID version 7 (RFC 9562 §5.7): sorts by time, 74 random bits. */
export function uuid(now: Millis): string {
  const bytes = random(16)
  bytes.writeUIntBE(Math.max(0, Math.floor(now)), 0, 6)
  bytes[6] = (bytes[6]! & 0x0f) | 0x70
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
