import { type FileHandle, open } from 'node:fs/promises'
import { promisify } from 'node:util'
import { inflateRaw } from 'node:zlib'
import { ByteReader, BytesError, checksum } from '../bytes.ts'
import { Pause } from '../pause.ts'
import type { Labels } from '../reader.ts'
import { type Entries, noEntries } from '../samples.ts'
import { SeriesTableReader } from '../series/series-table.ts'
import type { SeriesId } from '../writer.ts'
import { readColumn } from './column-codec.ts'
import {
  type ColumnEntry,
  columnEntry,
  type Extent,
  noTimes,
  readTrailer,
  type Trailer,
  tableHash,
  timeEntry,
  trailerBytes,
} from './part-format.ts'

const inflate = promisify(inflateRaw)

/** Neighbouring columns are read together when the gap between them is smaller. */
const gapBytes = 16 * 1024
const longestReadBytes = 4 * 1024 * 1024

/** Where each series stands in a table; blocks with equal tables share one. */
export class TablePositions {
  /** In table order. */
  readonly ids: readonly SeriesId[]
  private readonly sorted: Uint32Array
  private readonly positions: Uint32Array

  constructor(ids: readonly SeriesId[]) {
    this.ids = ids
    this.positions = Uint32Array.from(ids.keys()).sort((a, b) => ids[a]! - ids[b]!)
    this.sorted = this.positions.map((position) => ids[position]!)
  }

  /** Position of a series, -1 when it is not there. */
  of(id: SeriesId): number {
    let low = 0
    let high = this.sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.sorted[middle]! < id) low = middle + 1
      else high = middle
    }
    return this.sorted[low] === id ? this.positions[low]! : -1
  }
}

/** What a block's directories take in memory. */
export interface Directories {
  readonly times: Buffer
  readonly columns: Buffer
}

async function readExtent(handle: FileHandle, extent: Extent): Promise<Buffer> {
  const bytes = await readAt(handle, extent.offset, extent.length)
  if (checksum(bytes) !== extent.crc)
    throw new BytesError(`the ${extent.length} bytes at ${extent.offset} are damaged`)
  return bytes
}

async function readAt(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length)
  let done = 0
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, offset + done)
    if (bytesRead === 0) throw new BytesError(`the file ends before ${offset + length}`)
    done += bytesRead
  }
  return bytes
}

/** Reads only the end of a sealed file. Throws BytesError for one that is not whole. */
export async function openTrailer(path: string): Promise<{ trailer: Trailer; bytes: number }> {
  const handle = await open(path, 'r')
  try {
    const bytes = (await handle.stat()).size
    if (bytes < trailerBytes) throw new BytesError(`the file has ${bytes} bytes`)
    const trailer = readTrailer(await readAt(handle, bytes - trailerBytes, trailerBytes))
    const { table, columnDirectory, timeDirectory } = trailer
    for (const part of [table, columnDirectory, timeDirectory]) {
      if (!(part.offset >= 0 && part.offset + part.length <= bytes))
        throw new BytesError('a part lies outside the file')
    }
    return { trailer, bytes }
  } finally {
    await handle.close()
  }
}

/** The label sets of a sealed file in table order. Throws BytesError. */
export async function readTable(path: string, trailer: Trailer): Promise<Labels[]> {
  const handle = await open(path, 'r')
  try {
    const bytes = await inflate(await readExtent(handle, trailer.table))
    if (tableHash(bytes) !== trailer.tableHash) throw new BytesError('the series table is damaged')
    const reader = new ByteReader(bytes)
    const table = new SeriesTableReader()
    return Array.from({ length: trailer.series }, () => table.read(reader))
  } finally {
    await handle.close()
  }
}

interface Wanted {
  readonly id: SeriesId
  readonly entry: ColumnEntry
}

/** One sealed file; what it holds never changes. */
export class SealedBlock {
  readonly path: string
  /** Ascending in the order of sealing; of equal times the higher number wins. */
  readonly number: number
  readonly trailer: Trailer
  readonly bytes: number
  readonly table: TablePositions
  /** Set when retention unlinked the file; readers under way find it empty. */
  removed = false

  constructor(
    path: string,
    number: number,
    found: { trailer: Trailer; bytes: number },
    table: TablePositions,
  ) {
    this.path = path
    this.number = number
    this.trailer = found.trailer
    this.bytes = found.bytes
    this.table = table
  }

  async directories(): Promise<Directories> {
    const handle = await open(this.path, 'r')
    try {
      return {
        times: await readExtent(handle, this.trailer.timeDirectory),
        columns: await readExtent(handle, this.trailer.columnDirectory),
      }
    } finally {
      await handle.close()
    }
  }

  /** Where a series' column lies, undefined when the file has none of it. */
  entry(directories: Directories, id: SeriesId): ColumnEntry | undefined {
    const position = this.table.of(id)
    return position < 0
      ? undefined
      : columnEntry(directories.columns, position, this.trailer.windowStart)
  }

  /**
   * Reads the columns of `ids` that have entries in [start, end], whole (not clipped), each given to `found`. A damaged column goes
   * to `damaged` instead.
   */
  async read(
    directories: Directories,
    ids: Iterable<SeriesId>,
    start: number,
    end: number,
    found: (id: SeriesId, entries: Entries) => void,
    damaged: (id: SeriesId, error: BytesError) => void,
  ): Promise<void> {
    const wanted: Wanted[] = []
    for (const id of ids) {
      const entry = this.entry(directories, id)
      if (entry && entry.minTime <= end && entry.maxTime >= start) wanted.push({ id, entry })
    }
    if (wanted.length === 0) return
    wanted.sort((a, b) => a.entry.offset - b.entry.offset)
    const handle = await open(this.path, 'r')
    try {
      const reader = new ColumnReader(handle, directories)
      const pause = new Pause()
      for (const run of runs(wanted)) {
        const first = run[0]!.entry.offset
        const last = run.at(-1)!.entry
        const bytes = await readAt(handle, first, last.offset + last.length - first)
        for (const { id, entry } of run) {
          try {
            found(
              id,
              await reader.column(
                entry,
                bytes.subarray(entry.offset - first, entry.offset - first + entry.length),
              ),
            )
          } catch (error) {
            if (!(error instanceof BytesError)) throw error
            damaged(id, error)
          }
          if (pause.due) await pause.take()
        }
      }
    } finally {
      await handle.close()
    }
  }
}

function* runs(wanted: readonly Wanted[]): Iterable<Wanted[]> {
  let run: Wanted[] = []
  for (const next of wanted) {
    const previous = run.at(-1)?.entry
    const start = run[0]?.entry.offset ?? 0
    const near = !previous || next.entry.offset - (previous.offset + previous.length) < gapBytes
    if (
      run.length > 0 &&
      (!near || next.entry.offset + next.entry.length - start > longestReadBytes)
    ) {
      yield run
      run = []
    }
    run.push(next)
  }
  yield run
}

class ColumnReader {
  private readonly handle: FileHandle
  private readonly directories: Directories
  private readonly times = new Map<string, Float64Array>()

  constructor(handle: FileHandle, directories: Directories) {
    this.handle = handle
    this.directories = directories
  }

  async column(entry: ColumnEntry, bytes: Buffer): Promise<Entries> {
    if (checksum(bytes) !== entry.crc)
      throw new BytesError(`the column at ${entry.offset} is damaged`)
    const reader = new ByteReader(bytes)
    const marks = reader.varint()
    if (marks === 0 && entry.timeColumn === noTimes) return noEntries
    const staleTimes = readColumn(reader, marks)
    const values = readColumn(reader, entry.samples)
    const times =
      entry.timeColumn === noTimes
        ? noEntries.times
        : await this.timeColumn(entry.timeColumn, entry.samples)
    return { times, values, staleTimes }
  }

  private async timeColumn(number: number, samples: number): Promise<Float64Array> {
    const key = `${number}:${samples}`
    let times = this.times.get(key)
    if (!times) {
      times = readColumn(
        new ByteReader(await readExtent(this.handle, timeEntry(this.directories.times, number))),
        samples,
      )
      this.times.set(key, times)
    }
    return times
  }
}
