import { join } from 'node:path'
import { type Disk, systemCode } from '../disk.ts'
import { segmentName } from './segments.ts'

const probeBytes = 256 * 1024

/** Resolves when the disk takes a file again. */
export async function probe(disk: Disk, path: string): Promise<void> {
  await disk.unlink(path).catch(() => undefined)
  const file = await disk.create(path)
  try {
    await file.write(Buffer.alloc(probeBytes))
    await file.sync()
  } finally {
    await file.close()
    await disk.unlink(path)
  }
}

export interface JournalFiles {
  readonly folder: string
  readonly disk: Disk
  /** Durable lengths of the segments on disk, by number. */
  readonly segments: ReadonlyMap<number, { readonly bytes: number }>
}

/** Cuts segments from `first` to `last` back to what is durable; one that is not durable at all goes. */
export async function cutBack(
  { folder, disk, segments }: JournalFiles,
  first: number,
  last: number,
): Promise<void> {
  for (let segment = first; segment <= last; segment++) {
    const path = join(folder, segmentName(segment))
    const durableBytes = segments.get(segment)?.bytes
    try {
      if (durableBytes === undefined) await disk.unlink(path)
      else await disk.truncate(path, durableBytes)
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error
    }
  }
  await disk.syncFolder(folder)
}
