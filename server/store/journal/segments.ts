import { link, open, readdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Disk } from '../disk.ts'
import type { StoreLogger } from '../log.ts'
import { SeriesTableReader } from '../series/series-table.ts'
import { nextRecord, readSegment, type SegmentVisitor } from './record.ts'

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

export interface ReplayedSegment {
  readonly bytes: number
  /** Set when a copy of the damaged file was kept aside: its path. */
  readonly damaged?: string
}

/**
 * Replays one segment. A torn tail (no whole record follows it, and the segment is the last) is cut. Damage anywhere else ends the
 * segment there, loudly: the whole file stays beside it as `.damaged`.
 */
export async function replaySegment(
  folder: string,
  segment: number,
  isLast: boolean,
  visitor: SegmentVisitor,
  { disk, logger }: { disk: Disk; logger: StoreLogger },
): Promise<ReplayedSegment> {
  const path = join(folder, segmentName(segment))
  const bytes = await readFile(path)
  if (bytes.length === 0) {
    await disk.unlink(path)
    return { bytes: 0 }
  }
  const end = readSegment(bytes, new SeriesTableReader(), visitor)
  if (end === bytes.length) return { bytes: end }
  if (isLast && nextRecord(bytes, end) === undefined) {
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
