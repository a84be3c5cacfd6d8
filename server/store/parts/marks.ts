import { ByteReader, BytesError } from '../bytes.ts'

/** Reads the stale marks at the start of a chunk: their times, and where the values begin. Throws BytesError. */
export function readMarks(
  bytes: Buffer,
  start: number,
): { readonly staleTimes: Float64Array; readonly end: number } {
  const reader = new ByteReader(bytes)
  const count = reader.varint()
  if (count > bytes.length) throw new BytesError(`${count} marks do not fit`)
  const staleTimes = new Float64Array(count)
  let t = start
  for (let i = 0; i < count; i++) {
    t += reader.varint()
    staleTimes[i] = t
  }
  return { staleTimes, end: reader.offset }
}
