import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Millis } from '../clock.ts'
import { BytesError } from './bytes.ts'
import { systemCode } from './disk.ts'
import { blockHeaderBytes, readBlock } from './journal/record.ts'
import { blockAt, readWhole, scanBlocks } from './journal/segments.ts'
import { openPart, type Part } from './parts/part.ts'
import { AsyncFiles } from './parts/part-files.ts'
import type { Level } from './parts/part-format.ts'
import { verifyPart } from './parts/verify-part.ts'
import { seriesLogName } from './series/series-log.ts'
import { journalName, partsName } from './store-folder.ts'

/** One segment of the journal. */
export interface SegmentFigures {
  readonly name: string
  readonly bytes: number
  /** Last write, milliseconds since the epoch. */
  readonly modifiedAt: Millis
  /** Generation that its first rows belong to; undefined when its head cannot be read. */
  readonly generation: number | undefined
  /** Bytes of whole records from the start on, when verified; less than `bytes` for a torn tail or damage. */
  readonly wholeBytes: number | undefined
}

/** One sealed file. */
export interface PartFigures {
  readonly name: string
  readonly bytes: number
  /** Of equal (series, time) the entry of the file with the higher order wins. */
  readonly order: number
  readonly level: Level
  /** First and last time held, milliseconds since the epoch. */
  readonly minTime: Millis
  readonly maxTime: Millis
  readonly series: number
  readonly samples: number
  readonly bytesPerSample: number
  /** What is damaged; only the ends are looked at unless verified. */
  readonly problems: readonly string[]
}

/** What lies in a store folder. */
export interface StoreInspection {
  readonly folder: string
  readonly segments: readonly SegmentFigures[]
  readonly parts: readonly PartFigures[]
  /** Order of the newest sealed generation; 0 when there is none. */
  readonly newestSealed: number
  /** Generations that only the journal holds. */
  readonly unsealed: readonly number[]
  readonly seriesLogBytes: number
  readonly totals: {
    readonly bytes: number
    /** Series that the sealed files hold. */
    readonly series: number
    /** Samples in sealed files. */
    readonly samples: number
    /** Bytes of the sealed files a sample. */
    readonly bytesPerSample: number
  }
  /** Files set aside as damaged, and those left unfinished. */
  readonly damagedFiles: readonly string[]
  readonly unfinishedFiles: readonly string[]
  /** True when everything that was looked at is whole. */
  readonly isWhole: boolean
}

export interface InspectOptions {
  /** Reads everything and checks every checksum. */
  readonly verify?: boolean
  /** Told after each file: bytes looked at, and bytes in all. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
}

interface Found {
  readonly name: string
  readonly path: string
  readonly bytes: number
  readonly modifiedAt: Millis
}

/** Files of a folder that have not vanished meanwhile, by name. */
async function filesOf(folder: string): Promise<Found[]> {
  const names = await readdir(folder).catch(unlessGone<string[]>([]))
  const found = []
  for (const name of names.sort()) {
    const path = join(folder, name)
    const figures = await stat(path).catch(unlessGone(undefined))
    if (figures?.isFile())
      found.push({ name, path, bytes: figures.size, modifiedAt: figures.mtimeMs })
  }
  return found
}

function unlessGone<T>(fallback: T): (error: unknown) => T {
  return (error) => {
    if (systemCode(error) === 'ENOENT') return fallback
    throw error
  }
}

/**
 * Figures of a store folder, stopped or in use by a running hub; changes nothing. Files that a running hub removes meanwhile are left
 * out. Rejects with the system's error when the folder cannot be read.
 */
export async function inspectStore(
  folder: string,
  { verify = false, onProgress = () => undefined }: InspectOptions = {},
): Promise<StoreInspection> {
  await readdir(folder)
  const journalFiles = await filesOf(join(folder, journalName))
  const partFiles = await filesOf(join(folder, partsName))
  const seriesLog = await stat(join(folder, seriesLogName)).catch(unlessGone(undefined))
  const all = [...journalFiles, ...partFiles]
  const totalBytes = all.reduce((sum, { bytes }) => sum + bytes, 0)
  let doneBytes = 0
  const inspected = new Set<number>()
  const segments: SegmentFigures[] = []
  const parts: PartFigures[] = []
  for (const file of all) {
    if (/^\d{8,}\.wal$/.test(file.name)) {
      const figures = await segmentFigures(file, verify).catch(unlessGone(undefined))
      if (figures) segments.push(figures)
    } else if (/^\d+-\d+\.part$/.test(file.name)) {
      const figures = await partFigures(file, verify, inspected).catch(unlessGone(undefined))
      if (figures) parts.push(figures)
    }
    doneBytes += file.bytes
    onProgress(doneBytes, totalBytes)
  }
  const newestSealed = parts.reduce((newest, { order }) => Math.max(newest, order), 0)
  const samples = parts.reduce((sum, part) => sum + part.samples, 0)
  const partBytes = parts.reduce((sum, { bytes }) => sum + bytes, 0)
  const named = (pattern: RegExp) =>
    all.filter(({ name }) => pattern.test(name)).map(({ name }) => name)
  const damagedFiles = named(/\.damaged/)
  return {
    folder,
    segments,
    parts,
    newestSealed,
    unsealed: unsealed(segments, newestSealed),
    seriesLogBytes: seriesLog?.size ?? 0,
    totals: {
      bytes: totalBytes + (seriesLog?.size ?? 0),
      series: inspected.size,
      samples,
      bytesPerSample: samples === 0 ? 0 : partBytes / samples,
    },
    damagedFiles,
    unfinishedFiles: named(/\.tmp$/),
    isWhole: damagedFiles.length === 0 && parts.every(({ problems }) => problems.length === 0),
  }
}

function unsealed(segments: readonly SegmentFigures[], newestSealed: number): number[] {
  const found = new Set<number>()
  for (const { generation } of segments)
    if (generation !== undefined && generation > newestSealed) found.add(generation)
  return [...found].sort((a, b) => a - b)
}

async function segmentFigures(
  { name, path, bytes, modifiedAt }: Found,
  verify: boolean,
): Promise<SegmentFigures> {
  const content = verify ? await readWhole(path) : await firstBlock(path)
  return {
    name,
    bytes,
    modifiedAt,
    generation: generationOf(content),
    wholeBytes: verify
      ? scanBlocks(content, Number.parseInt(name, 10), () => undefined)
      : undefined,
  }
}

/** The bytes of a segment's first block, which names its generation. */
async function firstBlock(path: string): Promise<Buffer> {
  const handle = await open(path, 'r')
  try {
    const header = Buffer.alloc(blockHeaderBytes)
    const { bytesRead } = await handle.read(header, 0, blockHeaderBytes, 0)
    if (bytesRead < blockHeaderBytes) return Buffer.alloc(0)
    const { size } = await handle.stat()
    const length = blockHeaderBytes + header.readUInt32LE(4)
    if (length > size) return Buffer.alloc(0)
    const bytes = Buffer.alloc(length)
    await handle.read(bytes, 0, length, 0)
    return bytes
  } finally {
    await handle.close()
  }
}

function generationOf(bytes: Buffer): number | undefined {
  const payload = blockAt(bytes, 0)?.payload
  if (!payload) return undefined
  let generation: number | undefined
  const columns = new Map<number, number>()
  const nothing = () => undefined
  try {
    readBlock(payload, {
      header: (header) => {
        generation = header.generation
      },
      layout: (stream, ids) => columns.set(stream, (columns.get(stream) ?? 0) + ids.length),
      columns: (stream) => columns.get(stream) ?? 0,
      open: nothing,
      keyRow: nothing,
      fullRow: nothing,
      frame: nothing,
      batch: nothing,
    })
  } catch (error) {
    if (!(error instanceof BytesError)) throw error
  }
  return generation
}

async function partFigures(
  { name, path, bytes }: Found,
  verify: boolean,
  seen: Set<number>,
): Promise<PartFigures> {
  const files = new AsyncFiles()
  try {
    const read = (offset: number, length: number) => files.read(path, offset, length)
    const part = await openPart(path, { bytes: await files.size(path), read })
    const problems = verify ? await verifyPart(part, read) : []
    const { order, level, minTime, maxTime, samples } = part
    return {
      name,
      bytes,
      order,
      level,
      minTime,
      maxTime,
      series: countSeries(part, seen),
      samples,
      bytesPerSample: samples === 0 ? 0 : bytes / samples,
      problems,
    }
  } catch (error) {
    if (!(error instanceof BytesError)) throw error
    return {
      name,
      bytes,
      order: Number.parseInt(name, 10),
      level: 0,
      minTime: Number.NaN,
      maxTime: Number.NaN,
      series: 0,
      samples: 0,
      bytesPerSample: 0,
      problems: [error.message],
    }
  } finally {
    await files.close()
  }
}

function countSeries(part: Part, seen: Set<number>): number {
  const here = new Set<number>()
  for (const { from, to } of part.runs())
    for (let id = from; id < to; id++) {
      here.add(id)
      seen.add(id)
    }
  return here.size
}
