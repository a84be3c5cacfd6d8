import { basename } from 'node:path'
import { BytesError, checksum } from '../bytes.ts'
import type { SeriesId } from '../writer.ts'
import {
  type Directory,
  type Level,
  olderMagic,
  partMagic,
  readDirectory,
  readIndex,
  readTrailer,
  type Slot,
  type Trailer,
  trailerBytes,
} from './part-format.ts'

/** One sealed file; what it holds never changes. */
export class Part {
  readonly path: string
  readonly bytes: number
  readonly order: number
  /** Tells files of one order apart; the later one has the higher number. */
  readonly number: number
  readonly level: Level
  readonly minTime: number
  readonly maxTime: number
  readonly samples: number
  /** Those with samples, by start. */
  readonly slots: readonly Slot[]
  /** Those with roll-ups of the samples. */
  readonly rollups: readonly Slot[]
  /** Set when the file has been merged or is past its retention: it goes when the reads under way are done. */
  removed = false
  private users = 0
  private unused: (() => void) | undefined

  constructor(path: string, bytes: number, trailer: Trailer, slots: readonly Slot[]) {
    this.path = path
    this.bytes = bytes
    this.order = trailer.order
    this.number = Number(/-(\d+)\./.exec(basename(path))?.[1] ?? 0)
    this.level = trailer.level
    this.minTime = trailer.minTime
    this.maxTime = trailer.maxTime
    this.samples = trailer.samples
    this.slots = slots
      .filter(({ resolution }) => resolution === 0)
      .sort((a, b) => a.start - b.start)
    this.rollups = slots.filter(({ resolution }) => resolution > 0)
  }

  /** Keeps the file in place until `release`. */
  retain(): void {
    this.users++
  }

  get inUse(): boolean {
    return this.users > 0
  }

  release(): void {
    this.users--
    if (this.users === 0) this.unused?.()
  }

  /** Resolves when no read holds the file. */
  whenUnused(): Promise<void> {
    if (this.users === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.unused = resolve
    })
  }

  /** Runs of ids that have entries, one list a slot. */
  *runs(): Iterable<{ readonly from: SeriesId; readonly to: SeriesId }> {
    for (const { runs } of this.slots)
      for (let i = 0; i < runs.length; i += 2) yield { from: runs[i]!, to: runs[i + 1]! }
  }
}

/** True when the slot has an entry of the series. */
export function slotHas({ runs }: Slot, id: SeriesId): boolean {
  let low = 0
  let high = runs.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (runs[middle]! <= id) low = middle + 1
    else high = middle
  }
  return low % 2 === 1
}

/** Position of a series in a directory, -1 when it is not there. */
export function positionOf({ ids }: Directory, id: SeriesId): number {
  let low = 0
  let high = ids.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ids[middle]! < id) low = middle + 1
    else high = middle
  }
  return ids[low] === id ? low : -1
}

/** Checks and unpacks one directory block. Throws BytesError. */
export function unpackDirectory(bytes: Buffer, slot: Slot, block: number): Directory {
  if (checksum(bytes) !== slot.blockCrcs[block])
    throw new BytesError(`directory block ${block} is damaged`)
  return readDirectory(bytes, slot)
}

/** What `openPart` asks of a file. */
export interface OpenFile {
  readonly bytes: number
  read(offset: number, length: number): Promise<Buffer> | Buffer
}

/** Reads the ends of a sealed file. Throws BytesError for one that is not whole. */
export async function openPart(path: string, file: OpenFile): Promise<Part> {
  const { bytes } = file
  if (bytes < trailerBytes + partMagic.length) throw new BytesError(`the file has ${bytes} bytes`)
  const magic = await file.read(0, partMagic.length)
  const isOlder = magic.equals(olderMagic)
  if (!isOlder && !magic.equals(partMagic)) throw new BytesError('the file is not a part')
  const trailer = readTrailer(await file.read(bytes - trailerBytes, trailerBytes))
  const { indexOffset, indexLength } = trailer
  if (!(indexOffset >= 0 && indexOffset + indexLength === bytes - trailerBytes))
    throw new BytesError('the index lies outside the file')
  const index = await file.read(indexOffset, indexLength)
  if (checksum(index) !== trailer.indexCrc) throw new BytesError('the index is damaged')
  return new Part(path, bytes, trailer, readIndex(index, indexOffset, isOlder))
}
