import { BytesError, checksum } from '../bytes.ts'
import { chunkNumbers, readChunk } from './column-codec.ts'
import { readMarks } from './marks.ts'
import { type OpenFile, type Part, unpackDirectory } from './part.ts'
import type { Directory, Slot } from './part-format.ts'

const scratch = new Float64Array(chunkNumbers)

/** Reads a whole file and checks and unpacks every piece; what is damaged, in words. */
export async function verifyPart(part: Part, read: OpenFile['read']): Promise<string[]> {
  const problems: string[] = []
  for (const slot of [...part.slots, ...part.rollups]) {
    let samples = 0
    for (let block = 0; block < slot.firstIds.length; block++) {
      const offset = slot.blockOffsets[block]!
      const length = slot.blockOffsets[block + 1]! - offset
      try {
        const bytes = await read(slot.offset + offset, length)
        const directory = unpackDirectory(bytes, slot, block)
        samples += await verifyRegion(slot, directory, read, problems)
      } catch (error) {
        problems.push(wordsOf(error, slot))
      }
    }
    if (samples !== slot.samples && problems.length === 0)
      problems.push(`slot ${slot.start} holds ${samples} samples, its index says ${slot.samples}`)
  }
  return problems
}

function wordsOf(error: unknown, { start }: Slot): string {
  if (error instanceof BytesError) return `slot ${start}: ${error.message}`
  throw error
}

/** Samples of one region. */
async function verifyRegion(
  slot: Slot,
  { times, offsets, lengths, crcs, timeOf, marks }: Directory,
  read: OpenFile['read'],
  problems: string[],
): Promise<number> {
  const check = async (offset: number, length: number, crc: number, use: (b: Buffer) => void) => {
    try {
      const bytes = await read(slot.offset + offset, length)
      if (checksum(bytes) !== crc)
        throw new BytesError(`the ${length} bytes at ${slot.offset + offset} are damaged`)
      use(bytes)
    } catch (error) {
      problems.push(wordsOf(error, slot))
    }
  }
  for (const { offset, length, crc, count } of times)
    await check(offset, length, crc, (bytes) => readChunk(bytes, 0, length, count, scratch, 0))
  let samples = 0
  for (let c = 0; c < offsets.length; c++) {
    const count = timeOf[c]! < 0 ? 0 : times[timeOf[c]!]!.count
    samples += count
    await check(offsets[c]!, lengths[c]!, crcs[c]!, (bytes) => {
      const from = marks.has(c) ? readMarks(bytes, slot.start).end : 0
      if (count > 0) readChunk(bytes, from, bytes.length, count, scratch, 0)
    })
  }
  return samples
}
