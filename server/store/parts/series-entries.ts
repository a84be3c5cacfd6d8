import type { Entries } from '../samples.ts'
import type { TimeChunk } from './part-format.ts'
import type { SlotWriter } from './part-writer.ts'

/** Length of each chunk when `count` numbers are cut evenly. */
function chunkLength(count: number, usualNumbers: number): number {
  return Math.ceil(count / Math.ceil(count / usualNumbers))
}

/** Places times as the chunks of one series. */
export function placeTimes(
  slot: SlotWriter,
  times: Float64Array,
  from: number,
  to: number,
): TimeChunk[] {
  const chunks = []
  const length = chunkLength(to - from, slot.usualNumbers)
  for (let at = from; at < to; at += length)
    chunks.push(slot.timeChunk(times, at, Math.min(length, to - at)))
  return chunks
}

/** Writes the values of one series whose times are placed; the marks go with the first chunk. */
export function writeValues(
  slot: SlotWriter,
  placed: readonly TimeChunk[],
  values: Float64Array,
  from: number,
  marks?: Float64Array,
): void {
  let at = from
  for (const [i, time] of placed.entries()) {
    slot.chunk(time, values, at, i === 0 ? marks : undefined)
    at += time.count
  }
  if (placed.length === 0 && marks) slot.chunk(undefined, values, 0, marks)
}

/** Writes the entries of one series. */
export function writeEntries(slot: SlotWriter, { times, values, staleTimes }: Entries): void {
  writeValues(slot, placeTimes(slot, times, 0, times.length), values, 0, staleTimes)
}
