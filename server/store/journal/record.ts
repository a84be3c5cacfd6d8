import { ByteReader, BytesError, type ByteWriter, checksum } from '../bytes.ts'
import type { Batch, Row, StreamKey } from '../writer.ts'

/**
 * A journal segment is a run of blocks `u32 magic | u32 length | u32 link | u32 crc32 | payload`: what one write and one fdatasync commit.
 * The link is the checksum of the block before (of the first: the segment's number) and the checksum continues from it, so that a block stands for nothing
 * anywhere else: rows are differences from the rows before. A payload is a run of records, each `u8 type | body`; docs/storage.md has them byte by byte.
 */
export const recordType = {
  header: 1,
  open: 2,
  layout: 3,
  keyRow: 4,
  fullRow: 5,
  frame: 6,
  batch: 7,
} as const

/** "CWJ3" */
export const blockMagic = 0x334a5743
export const blockHeaderBytes = 16

/** Largest batch, as `batchBytes` counts it; a block holds less than 2^31 bytes. */
export const maxBatchBytes = 256 * 1024 * 1024

const journalFormat = 3
/** Differences of times beyond it are written as the time itself. */
const largestDifference = 2 ** 50

export interface StreamPosition extends StreamKey {
  readonly sequence: number
  /** When the stream last moved, milliseconds. */
  readonly movedAt: number
}

/** First record of a segment. */
export interface SegmentHeader {
  /** Generation that the segment's samples belong to. */
  readonly generation: number
  /** Every stream's position before the first row. */
  readonly positions: readonly StreamPosition[]
}

/** What a row's record is written against: the row before it of the same stream in the same segment. */
export interface RowPlace {
  sequence: number
  t: number
}

export interface Bitmaps {
  readonly absent: Uint8Array | undefined
  readonly stale: Uint8Array | undefined
}

/** Begins a block at the writer's end; returns where. */
export function beginBlock(writer: ByteWriter): number {
  const start = writer.length
  writer.reserve(blockHeaderBytes)
  writer.length += blockHeaderBytes
  return start
}

/** Fills in the head of the block that began at `start` and ends here; returns the checksum, the link of the next. */
export function endBlock(writer: ByteWriter, start: number, link: number): number {
  const payload = writer.buffer.subarray(start + blockHeaderBytes, writer.length)
  writer.buffer.writeUInt32LE(blockMagic, start)
  writer.buffer.writeUInt32LE(payload.length, start + 4)
  writer.buffer.writeUInt32LE(link, start + 8)
  const crc = checksum(payload, link)
  writer.buffer.writeUInt32LE(crc, start + 12)
  return crc
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}

function writeTime(writer: ByteWriter, t: number, before: number): void {
  const difference = t - before
  if (Math.abs(difference) < largestDifference) writer.varint(zigzag(difference) + 1)
  else {
    writer.varint(0)
    writer.f64(t)
  }
}

function readTime(reader: ByteReader, before: number): number {
  const difference = reader.varint()
  return difference === 0 ? reader.f64() : before + unzigzag(difference - 1)
}

/** Ids as differences from the one before; consecutive ones take a byte each. */
function writeIds(writer: ByteWriter, ids: Uint32Array): void {
  writer.reserve(ids.length * 5 + 8)
  const { buffer } = writer
  let at = writer.length
  let before = -1
  for (let i = 0; i < ids.length; i++) {
    const difference = ids[i]! - before - 1
    before = ids[i]!
    let rest = difference >= 0 ? difference * 2 : -difference * 2 - 1
    while (rest >= 128) {
      buffer[at++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    buffer[at++] = rest
  }
  writer.length = at
}

function readIds(reader: ByteReader, count: number): Uint32Array {
  if (count > reader.end - reader.offset) throw new BytesError(`${count} ids are announced`)
  const ids = new Uint32Array(count)
  let before = -1
  for (let i = 0; i < count; i++) {
    before += unzigzag(reader.varint()) + 1
    ids[i] = before
  }
  return ids
}

function writeKey(writer: ByteWriter, { collector, epoch, lane }: StreamKey): void {
  writer.text(collector)
  writer.text(epoch)
  writer.text(lane)
}

function readKey(reader: ByteReader): StreamKey {
  return { collector: reader.text(), epoch: reader.text(), lane: reader.text() }
}

export function writeHeader(writer: ByteWriter, { generation, positions }: SegmentHeader): void {
  writer.u8(recordType.header)
  writer.u8(journalFormat)
  writer.f64(generation)
  writer.varint(positions.length)
  for (const position of positions) {
    writeKey(writer, position)
    writer.f64(position.sequence)
    writer.f64(position.movedAt)
  }
}

/** Gives a stream its number within the segment. */
export function writeOpen(writer: ByteWriter, stream: number, key: StreamKey): void {
  writer.u8(recordType.open)
  writer.varint(stream)
  writeKey(writer, key)
}

/** Appends series to a stream's layout. */
export function writeLayout(writer: ByteWriter, stream: number, ids: Uint32Array): void {
  writer.u8(recordType.layout)
  writer.varint(stream)
  writer.varint(ids.length)
  writeIds(writer, ids)
}

function writeRowHead(
  writer: ByteWriter,
  type: number,
  stream: number,
  row: RowPlace & Bitmaps,
  columns: number,
): void {
  writer.u8(type)
  writer.varint(stream)
  writer.f64(row.sequence)
  writer.f64(row.t)
  writer.u8((row.absent ? 1 : 0) | (row.stale ? 2 : 0))
  const bytes = (columns + 7) >> 3
  if (row.absent) writer.raw(row.absent.subarray(0, bytes))
  if (row.stale) writer.raw(row.stale.subarray(0, bytes))
}

/** A row by the state of the decoder that read it: frames follow it. */
export function writeKeyRow(
  writer: ByteWriter,
  stream: number,
  row: RowPlace & Bitmaps,
  columns: number,
  snapshot: Uint8Array,
): void {
  writeRowHead(writer, recordType.keyRow, stream, row, columns)
  writer.varint(snapshot.length)
  writer.raw(snapshot)
}

/** A row by its values: no frame can follow it. */
export function writeFullRow(
  writer: ByteWriter,
  stream: number,
  row: RowPlace & Bitmaps & { readonly values: Float64Array },
): void {
  writeRowHead(writer, recordType.fullRow, stream, row, row.values.length)
  writer.array(row.values)
}

/** A row as it came over the wire. */
export function writeFrame(
  writer: ByteWriter,
  stream: number,
  row: RowPlace,
  before: RowPlace,
  bytes: Uint8Array,
): void {
  writer.u8(recordType.frame)
  writer.varint(stream)
  writer.varint(row.sequence - before.sequence)
  writeTime(writer, row.t, before.t)
  writer.varint(bytes.length)
  writer.raw(bytes)
}

export function writeBatch(writer: ByteWriter, { origin, rows }: Batch): void {
  writer.u8(recordType.batch)
  writer.u8(origin ? 1 : 0)
  if (origin) {
    writeKey(writer, origin)
    writer.f64(origin.sequence)
  }
  writer.varint(rows.length)
  let before = 0
  for (const { t, ids, values, stale } of rows) {
    writeTime(writer, t, before)
    before = t
    writer.varint(ids.length)
    writer.varint(stale?.length ?? 0)
    writeIds(writer, ids)
    writer.array(values)
    if (stale) writeIds(writer, stale)
  }
}

/** Upper bound of the bytes that `writeBatch` adds. */
export function batchBytes({ origin, rows }: Batch): number {
  let bytes =
    64 + (origin ? (origin.collector.length + origin.epoch.length + origin.lane.length) * 3 : 0)
  for (const row of rows) bytes += 40 + row.ids.length * 13 + (row.stale?.length ?? 0) * 5
  return bytes
}

/** Receives a segment's records in order. Arrays and bytes are views, valid during the call. */
export interface SegmentVisitor {
  header(header: SegmentHeader): void
  open(stream: number, key: StreamKey): void
  layout(stream: number, ids: Uint32Array): void
  /** Columns of a stream's layout so far. */
  columns(stream: number): number
  keyRow(stream: number, row: RowPlace & Bitmaps, snapshot: Uint8Array): void
  fullRow(stream: number, row: RowPlace & Bitmaps, values: Float64Array): void
  frame(
    stream: number,
    sequenceBehind: number,
    time: (before: number) => number,
    bytes: Uint8Array,
  ): void
  batch(batch: Batch): void
}

/** Feeds the records of a block's payload to `visitor`. Throws BytesError for a checked payload that makes no sense. */
export function readBlock(payload: Buffer, visitor: SegmentVisitor): void {
  const reader = new ByteReader(payload)
  while (!reader.atEnd) readRecord(reader, visitor)
}

function readRecord(reader: ByteReader, visitor: SegmentVisitor): void {
  const type = reader.u8()
  if (type === recordType.frame) {
    const stream = reader.varint()
    const behind = reader.varint()
    const difference = reader.varint()
    const t = difference === 0 ? reader.f64() : 0
    const time = (before: number) => (difference === 0 ? t : before + unzigzag(difference - 1))
    visitor.frame(stream, behind, time, reader.bytes(reader.varint()))
  } else if (type === recordType.keyRow || type === recordType.fullRow) {
    const stream = reader.varint()
    const sequence = reader.f64()
    const t = reader.f64()
    const flags = reader.u8()
    const columns = visitor.columns(stream)
    const bytes = (columns + 7) >> 3
    const absent = flags & 1 ? reader.bytes(bytes) : undefined
    const stale = flags & 2 ? reader.bytes(bytes) : undefined
    const row = { sequence, t, absent, stale }
    if (type === recordType.fullRow) visitor.fullRow(stream, row, reader.floats(columns))
    else visitor.keyRow(stream, row, reader.bytes(reader.varint()))
  } else if (type === recordType.batch) visitor.batch(readBatch(reader))
  else if (type === recordType.open) visitor.open(reader.varint(), readKey(reader))
  else if (type === recordType.layout) {
    const stream = reader.varint()
    visitor.layout(stream, readIds(reader, reader.varint()))
  } else if (type === recordType.header) visitor.header(readHeader(reader))
  else throw new BytesError(`a journal record of type ${type} is not known to this version`)
}

function readHeader(reader: ByteReader): SegmentHeader {
  const format = reader.u8()
  if (format !== journalFormat)
    throw new BytesError(`journal format ${format} is not known to this version`)
  const generation = reader.f64()
  const positions: StreamPosition[] = []
  for (let left = reader.varint(); left > 0; left--)
    positions.push({ ...readKey(reader), sequence: reader.f64(), movedAt: reader.f64() })
  return { generation, positions }
}

function readBatch(reader: ByteReader): Batch {
  const origin = reader.u8() === 1 ? { ...readKey(reader), sequence: reader.f64() } : undefined
  const rows: Row[] = []
  let t = 0
  for (let left = reader.varint(); left > 0; left--) {
    t = readTime(reader, t)
    const n = reader.varint()
    const s = reader.varint()
    const ids = readIds(reader, n)
    const values = reader.floats(n)
    rows.push(s > 0 ? { t, ids, values, stale: readIds(reader, s) } : { t, ids, values })
  }
  return origin ? { origin, rows } : { rows }
}
