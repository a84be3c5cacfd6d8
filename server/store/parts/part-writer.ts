import { type FileHandle, open } from 'node:fs/promises'
import { promisify } from 'node:util'
import { deflateRaw } from 'node:zlib'
import { ByteWriter, checksum } from '../bytes.ts'
import type { HeadWindow } from '../head/head.ts'
import { Pause } from '../pause.ts'
import type { Labels } from '../reader.ts'
import { SeriesTableWriter } from '../series/series-table.ts'
import type { SeriesId } from '../writer.ts'
import { writeColumn } from './column-codec.ts'
import {
  blockMagic,
  type Extent,
  noTimes,
  type Trailer,
  tableHash,
  writeColumnEntry,
  writeTimeEntry,
  writeTrailer,
} from './part-format.ts'

const deflate = promisify(deflateRaw)
const flushBytes = 512 * 1024

export interface WrittenBlock {
  readonly trailer: Trailer
  readonly bytes: number
  /** Series in table order. */
  readonly ids: readonly SeriesId[]
}

/** Writes a frozen window to a new file and makes the file durable; leaves the event loop every few milliseconds. */
export async function writeBlock(
  path: string,
  window: HeadWindow,
  labels: (id: SeriesId) => Labels,
): Promise<WrittenBlock> {
  const handle = await open(path, 'w')
  try {
    const block = new BlockWriter(handle, window)
    const ids = window.ids()
    const { trailer, bytes } = await block.write(ids, labels)
    await handle.sync()
    return { trailer, bytes, ids }
  } finally {
    await handle.close()
  }
}

class BlockWriter {
  private readonly handle: FileHandle
  private readonly window: HeadWindow
  private readonly out = new ByteWriter(flushBytes * 2)
  private readonly times = new ByteWriter()
  private readonly columns = new ByteWriter()
  private readonly timeColumns = new Map<string, number>()
  private readonly scratch = new ByteWriter()
  private flushed = 0
  private lastTimes: Float64Array = new Float64Array(0)
  private lastTimeColumn = noTimes
  private minTime = Infinity
  private maxTime = -Infinity
  private samples = 0

  constructor(handle: FileHandle, window: HeadWindow) {
    this.handle = handle
    this.window = window
  }

  async write(
    ids: readonly SeriesId[],
    labels: (id: SeriesId) => Labels,
  ): Promise<{ trailer: Trailer; bytes: number }> {
    const pause = new Pause()
    this.out.raw(blockMagic)
    for (const id of ids) {
      this.column(id)
      if (this.out.length >= flushBytes) await this.flush()
      if (pause.due) await pause.take()
    }
    const timeDirectory = await this.part(this.times.bytes())
    const columnDirectory = await this.part(this.columns.bytes())
    const table = await seriesTable(ids, labels, pause)
    const tableExtent = await this.part(await deflate(table, { level: 1 }))
    const trailer: Trailer = {
      windowStart: this.window.start,
      sealedBelow: this.window.sealedBelow,
      minTime: this.minTime,
      maxTime: this.maxTime,
      samples: this.samples,
      series: ids.length,
      timeDirectory,
      columnDirectory,
      table: tableExtent,
      tableHash: tableHash(table),
    }
    writeTrailer(this.out, trailer)
    await this.flush()
    return { trailer, bytes: this.flushed }
  }

  private async flush(): Promise<void> {
    const bytes = this.out.bytes()
    for (let at = 0; at < bytes.length; ) at += (await this.handle.write(bytes, at)).bytesWritten
    this.flushed += bytes.length
    this.out.length = 0
    // In small portions, so that the journal's fdatasync never queues behind a large one.
    await this.handle.datasync()
  }

  private async part(bytes: Uint8Array): Promise<Extent> {
    await this.flush()
    const extent = this.extent(bytes)
    this.out.raw(bytes)
    await this.flush()
    return extent
  }

  private extent(bytes: Uint8Array): Extent {
    return { offset: this.flushed + this.out.length, length: bytes.length, crc: checksum(bytes) }
  }

  private column(id: SeriesId): void {
    const { times, values, staleTimes } = this.window.entries(id)!
    const timeColumn = times.length === 0 ? noTimes : this.timeColumn(times)
    this.scratch.length = 0
    this.scratch.varint(staleTimes.length)
    writeColumn(this.scratch, staleTimes)
    writeColumn(this.scratch, values)
    const minTime = Math.min(times[0] ?? Infinity, staleTimes[0] ?? Infinity)
    const maxTime = Math.max(times.at(-1) ?? -Infinity, staleTimes.at(-1) ?? -Infinity)
    const bytes = this.scratch.bytes()
    const entry = { ...this.extent(bytes), timeColumn, minTime, maxTime, samples: times.length }
    writeColumnEntry(this.columns, entry, this.window.start)
    this.out.raw(bytes)
    this.minTime = Math.min(this.minTime, minTime)
    this.maxTime = Math.max(this.maxTime, maxTime)
    this.samples += times.length
  }

  /** Number of the time column with these times; most series share one with the series before. */
  private timeColumn(times: Float64Array): number {
    if (sameNumbers(times, this.lastTimes)) return this.lastTimeColumn
    this.scratch.length = 0
    writeColumn(this.scratch, times)
    const bytes = this.scratch.bytes()
    const key = `${times.length}:${bytes.toString('latin1')}`
    let number = this.timeColumns.get(key)
    if (number === undefined) {
      number = this.timeColumns.size
      this.timeColumns.set(key, number)
      writeTimeEntry(this.times, this.extent(bytes))
      this.out.raw(bytes)
    }
    this.lastTimes = times
    this.lastTimeColumn = number
    return number
  }
}

function sameNumbers(a: Float64Array, b: Float64Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

async function seriesTable(
  ids: readonly SeriesId[],
  labels: (id: SeriesId) => Labels,
  pause: Pause,
): Promise<Buffer> {
  const writer = new ByteWriter(64 * 1024)
  const table = new SeriesTableWriter()
  for (const id of ids) {
    table.write(writer, labels(id))
    if (pause.due) await pause.take()
  }
  return writer.bytes()
}
