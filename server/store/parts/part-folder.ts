import { readdir, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { BytesError } from '../bytes.ts'
import type { Disk } from '../disk.ts'
import type { HeadWindow } from '../head/head.ts'
import type { StoreLogger } from '../log.ts'
import type { SeriesIndex } from '../series/series-index.ts'
import { type Directories, openTrailer, readTable, SealedBlock, TablePositions } from './part.ts'
import { writeBlock } from './part-writer.ts'

/** Directories of sealed files kept in memory. */
const cacheBytes = 128 * 1024 * 1024

export interface BlockFolderOptions {
  readonly folder: string
  readonly disk: Disk
  readonly logger: StoreLogger
  readonly index: SeriesIndex
}

/** The sealed files of a store. */
export class BlockFolder {
  private readonly options: BlockFolderOptions
  private readonly tables = new Map<string, TablePositions>()
  private readonly cache = new Map<SealedBlock, Directories>()
  private cachedBytes = 0
  private blocks: readonly SealedBlock[] = []
  private nextNumber = 1
  /** Files and columns found damaged since the start. */
  damaged = 0

  constructor(options: BlockFolderOptions) {
    this.options = options
  }

  /** In the order of sealing. */
  get all(): readonly SealedBlock[] {
    return this.blocks
  }

  get bytes(): number {
    return this.blocks.reduce((sum, block) => sum + block.bytes, 0)
  }

  /** Reads the ends of all files and makes their series known; sets damaged files aside, removes unfinished ones. */
  async open(): Promise<void> {
    const { folder, disk, logger } = this.options
    const blocks = []
    for (const name of await readdir(folder)) {
      const path = join(folder, name)
      if (name.endsWith('.tmp')) await unlink(path)
      const number = /^-?\d+-(\d+)\.blk/.exec(name)?.[1]
      if (number === undefined) continue
      // A file set aside keeps its number taken.
      this.nextNumber = Math.max(this.nextNumber, Number(number) + 1)
      if (!name.endsWith('.blk')) continue
      blocks.push({ path, number: Number(number) })
    }
    blocks.sort((a, b) => a.number - b.number)
    const opened: SealedBlock[] = []
    for (const { path, number } of blocks) {
      try {
        opened.push(await this.openBlock(path, number))
      } catch (error) {
        if (!(error instanceof BytesError)) throw error
        this.damaged++
        await rename(path, `${path}.damaged`)
        logger.error(
          { err: error, path },
          'sealed file is damaged and set aside as .damaged; its samples cannot be read',
        )
      }
    }
    this.blocks = opened
    await disk.syncFolder(folder)
  }

  private async openBlock(path: string, number: number): Promise<SealedBlock> {
    const found = await openTrailer(path)
    let table = this.tables.get(found.trailer.tableHash)
    if (!table) {
      const labels = await readTable(path, found.trailer)
      table = new TablePositions(labels.map((set) => this.options.index.intern(set, true)))
      this.tables.set(found.trailer.tableHash, table)
    }
    return new SealedBlock(path, number, found, table)
  }

  /** Writes a frozen window to a file of its own; the file counts when this resolves. */
  async seal(window: HeadWindow): Promise<SealedBlock> {
    const { folder, disk, index } = this.options
    const number = this.nextNumber++
    const path = join(folder, `${window.start}-${number}.blk`)
    const unfinished = `${path}.tmp`
    try {
      const { trailer, bytes, ids } = await writeBlock(unfinished, window, (id) => index.labels(id))
      await rename(unfinished, path)
      await disk.syncFolder(folder)
      let table = this.tables.get(trailer.tableHash)
      // A table of equal labels may hold other ids when a series was retired and came back.
      if (!table || table.ids.some((id, i) => id !== ids[i])) table = new TablePositions(ids)
      this.tables.set(trailer.tableHash, table)
      const block = new SealedBlock(path, number, { trailer, bytes }, table)
      this.blocks = [...this.blocks, block]
      return block
    } catch (error) {
      await unlink(unfinished).catch(() => undefined)
      throw error
    }
  }

  /** Unlinks files whose newest entry is older than `before`; returns how many. */
  async removeOlder(before: number): Promise<number> {
    const { folder, disk } = this.options
    const old = this.blocks.filter((block) => block.trailer.maxTime < before)
    for (const block of old) {
      block.removed = true
      this.blocks = this.blocks.filter((other) => other !== block)
      this.uncache(block)
      await disk.unlink(block.path)
    }
    if (old.length > 0) await disk.syncFolder(folder)
    const used = new Set(this.blocks.map((block) => block.trailer.tableHash))
    for (const hash of this.tables.keys()) if (!used.has(hash)) this.tables.delete(hash)
    return old.length
  }

  /** Files with entries in [start, end], in the order of sealing. */
  overlapping(start: number, end: number): readonly SealedBlock[] {
    return this.blocks.filter(({ trailer }) => trailer.minTime <= end && trailer.maxTime >= start)
  }

  /** Where the columns of a file lie; undefined when the file was unlinked meanwhile or its directories are damaged (logged, counted). */
  async directories(block: SealedBlock): Promise<Directories | undefined> {
    const cached = this.cache.get(block)
    if (cached) {
      this.cache.delete(block)
      this.cache.set(block, cached)
      return cached
    }
    try {
      const read = await block.directories()
      this.keep(block, read)
      return read
    } catch (error) {
      if (block.removed) return undefined
      if (!(error instanceof BytesError)) throw error
      this.reportDamage(block, error)
      return undefined
    }
  }

  reportDamage(block: SealedBlock, error: Error): void {
    this.damaged++
    this.options.logger.error(
      { err: error, path: block.path },
      'part of a sealed file is damaged and left out of a query; check the disk',
    )
  }

  private keep(block: SealedBlock, directories: Directories): void {
    if (block.removed || this.cache.has(block)) return
    this.cache.set(block, directories)
    this.cachedBytes += sizeOf(directories)
    for (const [oldest] of this.cache) {
      if (this.cachedBytes <= cacheBytes) break
      this.uncache(oldest)
    }
  }

  private uncache(block: SealedBlock): void {
    const cached = this.cache.get(block)
    if (!cached) return
    this.cache.delete(block)
    this.cachedBytes -= sizeOf(cached)
  }
}

function sizeOf(directories: Directories): number {
  return directories.times.length + directories.columns.length
}
