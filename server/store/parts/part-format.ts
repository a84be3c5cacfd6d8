import { createHash } from 'node:crypto'
import { ByteReader, BytesError, type ByteWriter, checksum } from '../bytes.ts'

/**
 * A sealed file `<start>-<number>.blk`, little-endian:
 * magic; columns and time columns in any order; time directory (n × 20 bytes); column directory (n × 32 bytes, in table order);
 * series table (deflated); trailer of fixed length. Each part carries a CRC-32. A column of a series holds
 * `varint marks, [marks: varint bytes, column of times], values`; its sample times are a time column, which series share.
 */
export const blockMagic = Buffer.from('CWBLOCK1')

export const trailerBytes = 160
export const columnEntryBytes = 32
export const timeEntryBytes = 20

/** Time column number of a series that has only marks. */
export const noTimes = 0xffffffff

export interface Extent {
  readonly offset: number
  readonly length: number
  readonly crc: number
}

export interface Trailer {
  readonly windowStart: number
  /** Batches below this number that touch the window are in this file or an older one. */
  readonly sealedBelow: number
  readonly minTime: number
  readonly maxTime: number
  readonly samples: number
  readonly series: number
  readonly timeDirectory: Extent
  readonly columnDirectory: Extent
  readonly table: Extent
  /** First 16 bytes of the SHA-256 of the inflated table, hex; equal tables are read once. */
  readonly tableHash: string
}

export interface ColumnEntry extends Extent {
  readonly timeColumn: number
  /** First and last time of samples and marks. */
  readonly minTime: number
  readonly maxTime: number
  readonly samples: number
}

/** Short hash that names a series table. */
export function tableHash(table: Uint8Array): string {
  return createHash('sha256').update(table).digest('hex').slice(0, 32)
}

function writeExtent(writer: ByteWriter, extent: Extent): void {
  writer.f64(extent.offset)
  writer.f64(extent.length)
  writer.u32(extent.crc)
}

function readExtent(reader: ByteReader): Extent {
  return { offset: reader.f64(), length: reader.f64(), crc: reader.u32() }
}

export function writeTrailer(writer: ByteWriter, trailer: Trailer): void {
  const start = writer.length
  writer.f64(trailer.windowStart)
  writer.f64(trailer.sealedBelow)
  writer.f64(trailer.minTime)
  writer.f64(trailer.maxTime)
  writer.f64(trailer.samples)
  writer.f64(trailer.series)
  writeExtent(writer, trailer.timeDirectory)
  writeExtent(writer, trailer.columnDirectory)
  writeExtent(writer, trailer.table)
  writer.raw(Buffer.from(trailer.tableHash, 'hex'))
  const padding = trailerBytes - 4 - blockMagic.length - (writer.length - start)
  writer.raw(Buffer.alloc(padding))
  writer.u32(checksum(writer.buffer.subarray(start, writer.length)))
  writer.raw(blockMagic)
}

/** Throws BytesError for a trailer that is not whole. */
export function readTrailer(bytes: Buffer): Trailer {
  const body = bytes.subarray(0, trailerBytes - 4 - blockMagic.length)
  const reader = new ByteReader(bytes)
  const magicAt = trailerBytes - blockMagic.length
  if (bytes.length !== trailerBytes || !bytes.subarray(magicAt).equals(blockMagic))
    throw new BytesError('the end of the file is missing')
  if (checksum(body) !== bytes.readUInt32LE(body.length))
    throw new BytesError('the trailer is damaged')
  return {
    windowStart: reader.f64(),
    sealedBelow: reader.f64(),
    minTime: reader.f64(),
    maxTime: reader.f64(),
    samples: reader.f64(),
    series: reader.f64(),
    timeDirectory: readExtent(reader),
    columnDirectory: readExtent(reader),
    table: readExtent(reader),
    tableHash: reader.bytes(16).toString('hex'),
  }
}

export function writeColumnEntry(
  writer: ByteWriter,
  entry: ColumnEntry,
  windowStart: number,
): void {
  writer.u32(entry.offset % 0x100000000)
  writer.u32(Math.floor(entry.offset / 0x100000000))
  writer.u32(entry.length)
  writer.u32(entry.crc)
  writer.u32(entry.timeColumn)
  writer.u32(entry.minTime - windowStart)
  writer.u32(entry.maxTime - windowStart)
  writer.u32(entry.samples)
}

export function columnEntry(directory: Buffer, position: number, windowStart: number): ColumnEntry {
  const at = position * columnEntryBytes
  return {
    offset: directory.readUInt32LE(at) + directory.readUInt32LE(at + 4) * 0x100000000,
    length: directory.readUInt32LE(at + 8),
    crc: directory.readUInt32LE(at + 12),
    timeColumn: directory.readUInt32LE(at + 16),
    minTime: windowStart + directory.readUInt32LE(at + 20),
    maxTime: windowStart + directory.readUInt32LE(at + 24),
    samples: directory.readUInt32LE(at + 28),
  }
}

export function writeTimeEntry(writer: ByteWriter, extent: Extent): void {
  writer.f64(extent.offset)
  writer.u32(extent.length)
  writer.u32(extent.crc)
  writer.u32(0)
}

export function timeEntry(directory: Buffer, timeColumn: number): Extent {
  const at = timeColumn * timeEntryBytes
  if (at + timeEntryBytes > directory.length)
    throw new BytesError(`time column ${timeColumn} does not exist`)
  return {
    offset: directory.readDoubleLE(at),
    length: directory.readUInt32LE(at + 8),
    crc: directory.readUInt32LE(at + 12),
  }
}
