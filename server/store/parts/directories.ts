import { type Part, unpackDirectory } from './part.ts'
import type { PartFiles } from './part-files.ts'
import type { Directory, Slot } from './part-format.ts'

/** Rough bytes that an unpacked directory takes in memory. */
function sizeOf({ ids, lengths, times }: Directory): number {
  return 400 + ids.length * 8 + lengths.length * 20 + times.length * 80
}

/** Unpacked directory blocks, kept up to a bound; the oldest go first. */
export class DirectoryCache {
  private readonly mostBytes: number
  private readonly bySlot = new WeakMap<Slot, (Directory | undefined)[]>()
  private readonly kept = new Map<Directory, () => void>()
  private bytes = 0

  constructor(mostBytes: number) {
    this.mostBytes = mostBytes
  }

  /** The blocks of a slot that are at hand, by number. */
  of(slot: Slot): (Directory | undefined)[] {
    let blocks = this.bySlot.get(slot)
    if (!blocks) {
      blocks = []
      this.bySlot.set(slot, blocks)
    }
    return blocks
  }

  keep(slot: Slot, block: number, directory: Directory): void {
    const blocks = this.of(slot)
    blocks[block] = directory
    this.bytes += sizeOf(directory)
    this.kept.set(directory, () => {
      blocks[block] = undefined
    })
    for (const [oldest, drop] of this.kept) {
      if (this.bytes <= this.mostBytes) break
      drop()
      this.kept.delete(oldest)
      this.bytes -= sizeOf(oldest)
    }
  }
}

/** Longest stretch of directory blocks that is read at once. */
const longestRead = 1024 * 1024

/**
 * The wanted directory blocks of a slot (ascending numbers) by number. A damaged one is told to `damaged` and left out.
 */
export async function loadDirectories(
  files: PartFiles,
  cache: DirectoryCache,
  part: Part,
  slot: Slot,
  wanted: readonly number[],
  damaged: (error: unknown) => void,
): Promise<ReadonlyMap<number, Directory>> {
  const found = new Map<number, Directory>()
  const known = cache.of(slot)
  const { blockOffsets, offset } = slot
  for (let i = 0; i < wanted.length; ) {
    const first = wanted[i]!
    const cached = known[first]
    if (cached) {
      found.set(first, cached)
      i++
      continue
    }
    let end = i + 1
    while (
      end < wanted.length &&
      wanted[end] === wanted[end - 1]! + 1 &&
      !known[wanted[end]!] &&
      blockOffsets[wanted[end]! + 1]! - blockOffsets[first]! <= longestRead
    )
      end++
    const from = blockOffsets[first]!
    const reading = files.read(part.path, offset + from, blockOffsets[wanted[end - 1]! + 1]! - from)
    const bytes = reading instanceof Promise ? await reading : reading
    for (; i < end; i++) {
      const block = wanted[i]!
      try {
        const packed = bytes.subarray(blockOffsets[block]! - from, blockOffsets[block + 1]! - from)
        const directory = unpackDirectory(packed, slot, block)
        found.set(block, directory)
        cache.keep(slot, block, directory)
      } catch (error) {
        damaged(error)
      }
    }
  }
  return found
}
