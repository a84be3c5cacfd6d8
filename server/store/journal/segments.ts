import { link, open, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { checksum } from '../bytes.ts'
import type { Disk } from '../disk.ts'
import type { StoreLogger } from '../log.ts'
import { blockHeaderBytes, blockMagic, readBlock, type SegmentVisitor } from './record.ts'

/** File name of a journal segment. */
export function segmentName(segment: number): string {
  return `${String(segment).padStart(8, '0')}.wal`
}

/** Numbers of the segments in a journal folder, ascending; removes what an interrupted recovery left. */
export async function listSegments(folder: string, disk: Disk): Promise<number[]> {
  const segments = []
  for (const name of await readdir(folder)) {
    if (name.endsWith('.probe') || name.endsWith('.cut')) await disk.unlink(join(folder, name))
    else if (/^\d{8,}\.wal$/.test(name)) segments.push(Number.parseInt(name, 10))
  }
  return segments.sort((a, b) => a - b)
}

/** A whole file; large reads, since the start waits for it. */
export async function readWhole(path: string): Promise<Buffer> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    const bytes = Buffer.allocUnsafeSlow(size)
    let done = 0
    while (done < size) {
      const { bytesRead } = await handle.read(bytes, done, size - done, done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return bytes.subarray(0, done)
  } finally {
    await handle.close()
  }
}

interface Block {
  readonly payload: Buffer
  readonly link: number
  readonly crc: number
}

/** The block at `offset`, or undefined when none is whole there. */
export function blockAt(bytes: Buffer, offset: number): Block | undefined {
  const start = offset + blockHeaderBytes
  if (start > bytes.length || bytes.readUInt32LE(offset) !== blockMagic) return undefined
  const length = bytes.readUInt32LE(offset + 4)
  if (length === 0 || start + length > bytes.length) return undefined
  const payload = bytes.subarray(start, start + length)
  const link = bytes.readUInt32LE(offset + 8)
  const crc = bytes.readUInt32LE(offset + 12)
  return checksum(payload, link) === crc ? { payload, link, crc } : undefined
}

/** Bytes that the search for a later block may check, so that a damaged segment cannot hold up the start. */
const searchBudgetBytes = 2 * 1024 * 1024 * 1024

const magicBytes = Buffer.alloc(4)
magicBytes.writeUInt32LE(blockMagic)

/** Offset of the first whole block from `from` on, or undefined: then what follows is a torn tail. */
export function nextBlock(bytes: Buffer, from: number): number | undefined {
  let budget = searchBudgetBytes
  for (let offset = from - 1; ; ) {
    offset = bytes.indexOf(magicBytes, offset + 1)
    if (offset < 0 || offset + blockHeaderBytes > bytes.length) return undefined
    const length = bytes.readUInt32LE(offset + 4)
    if (offset + blockHeaderBytes + length > bytes.length) continue
    budget -= length
    if (budget < 0 || blockAt(bytes, offset)) return offset
  }
}

/** Feeds the payloads of whole blocks, from the start on and one linked to the other, to `found`; returns the offset behind the last. */
export function scanBlocks(
  bytes: Buffer,
  segment: number,
  found: (payload: Buffer) => void,
): number {
  let end = 0
  let link = segment
  for (let block = blockAt(bytes, 0); block?.link === link; block = blockAt(bytes, end)) {
    found(block.payload)
    end += blockHeaderBytes + block.payload.length
    link = block.crc
  }
  return end
}

export interface ReplayedSegment {
  readonly bytes: number
  /** Set when a copy of the damaged file was kept aside: its path. */
  readonly damaged?: string
}

/**
 * Replays one segment. A torn tail (no whole block follows it, and the segment is the last) is cut. Damage anywhere else ends the
 * segment there, loudly: the whole file stays beside it as `.damaged`. Throws BytesError for a checked block that makes no sense.
 */
export async function replaySegment(
  folder: string,
  segment: number,
  isLast: boolean,
  visitor: SegmentVisitor,
  { disk, logger }: { disk: Disk; logger: StoreLogger },
): Promise<ReplayedSegment> {
  const path = join(folder, segmentName(segment))
  const bytes = await readWhole(path)
  const end = scanBlocks(bytes, segment, (payload) => readBlock(payload, visitor))
  if (end === bytes.length && end > 0) return { bytes: end }
  if (bytes.length === 0 || (isLast && nextBlock(bytes, end) === undefined)) {
    logger.info(
      { path, cutBytes: bytes.length - end, keptBytes: end },
      'torn tail of the journal cut; nothing in it was acknowledged',
    )
    if (end === 0) await disk.unlink(path)
    else await disk.truncate(path, end)
    await disk.syncFolder(folder)
    return { bytes: end }
  }
  const damaged = await keepAside(path, bytes.subarray(0, end), disk, folder)
  logger.error(
    { path, offset: end, unreadableBytes: bytes.length - end, damaged },
    'journal segment is damaged in the middle; samples after this offset of the segment are lost. Check the disk; the file is kept aside',
  )
  return { bytes: end, damaged }
}

/** Leaves the readable start under the old name and the whole file beside it; safe at any instant. */
async function keepAside(
  path: string,
  readable: Buffer,
  disk: Disk,
  folder: string,
): Promise<string> {
  const damaged = `${path}.damaged-${Date.now()}`
  const cut = `${path}.cut`
  const handle = await open(cut, 'w')
  try {
    await handle.writeFile(readable)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await link(path, damaged)
  await rename(cut, path)
  await disk.syncFolder(folder)
  return damaged
}
