import { ByteReader, BytesError, type ByteWriter, checksum } from '../bytes.ts'
import type { Labels } from '../reader.ts'
import type { SeriesTableReader, SeriesTableWriter } from '../series/series-table.ts'
import type { Batch, Row, SeriesId, StreamKey } from '../writer.ts'

/**
 * A journal segment is a run of records `u32 length | u32 crc32 of the payload | payload`, payload `u8 type | body`:
 * header: JSON `SegmentHeader`, first of each segment.
 * series: `varint n`, then n × (`u32 id`, labels). Ids and text numbers hold within one segment.
 * batch: `u8 origin?` [`text collector, text epoch, text lane, f64 sequence`] `varint rows`, then per row
 * `f64 t | u32 n | u32 s | n × u32 id | n × f64 value | s × u32 stale id`.
 */
export const recordType = { header: 1, series: 2, batch: 3 } as const

export const recordHeaderBytes = 8

/** Largest payload of one record. */
export const maxRecordBytes = 256 * 1024 * 1024

export interface StreamPosition extends StreamKey {
  readonly sequence: number
  /** When the stream last moved, milliseconds. */
  readonly movedAt: number
}

/** First record of a segment. */
export interface SegmentHeader {
  readonly format: 1
  /** Number of the first batch of this segment; batches are counted over the life of the store. */
  readonly firstBatch: number
  /** Every stream's position before the first batch. */
  readonly positions: readonly StreamPosition[]
}

function framed(writer: ByteWriter, type: number, body: () => void): void {
  const start = writer.length
  writer.reserve(recordHeaderBytes)
  writer.length += recordHeaderBytes
  writer.u8(type)
  body()
  const payload = writer.buffer.subarray(start + recordHeaderBytes, writer.length)
  writer.buffer.writeUInt32LE(payload.length, start)
  writer.buffer.writeUInt32LE(checksum(payload), start + 4)
}

export function writeHeader(writer: ByteWriter, header: SegmentHeader): void {
  framed(writer, recordType.header, () => writer.raw(Buffer.from(JSON.stringify(header))))
}

export function writeSeries(
  writer: ByteWriter,
  table: SeriesTableWriter,
  ids: readonly SeriesId[],
  labels: (id: SeriesId) => Labels,
): void {
  framed(writer, recordType.series, () => {
    writer.varint(ids.length)
    for (const id of ids) {
      writer.u32(id)
      table.write(writer, labels(id))
    }
  })
}

export function writeBatch(writer: ByteWriter, batch: Batch): void {
  framed(writer, recordType.batch, () => {
    const { origin, rows } = batch
    writer.u8(origin ? 1 : 0)
    if (origin) {
      writer.text(origin.collector)
      writer.text(origin.epoch)
      writer.text(origin.lane)
      writer.f64(origin.sequence)
    }
    writer.varint(rows.length)
    for (const row of rows) {
      writer.f64(row.t)
      writer.u32(row.ids.length)
      writer.u32(row.stale?.length ?? 0)
      writer.array(row.ids)
      writer.array(row.values)
      if (row.stale) writer.array(row.stale)
    }
  })
}

/** Upper bound of the bytes that `writeBatch` adds. */
export function batchBytes(batch: Batch): number {
  const origin = batch.origin
  let bytes =
    64 + (origin ? (origin.collector.length + origin.epoch.length + origin.lane.length) * 3 : 0)
  for (const row of batch.rows) bytes += 16 + row.ids.length * 12 + (row.stale?.length ?? 0) * 4
  return bytes
}

/** Receives a segment's records in order. */
export interface SegmentVisitor {
  header(header: SegmentHeader): void
  series(segmentId: number, labels: Labels): void
  /** Ids are the segment's. */
  batch(batch: Batch, batchNumber: number): void
}

/** The payload of the record at `offset`, or undefined when none is whole there. */
export function recordAt(bytes: Buffer, offset: number): Buffer | undefined {
  if (offset + recordHeaderBytes > bytes.length) return undefined
  const length = bytes.readUInt32LE(offset)
  const start = offset + recordHeaderBytes
  if (length === 0 || length > maxRecordBytes || start + length > bytes.length) return undefined
  const type = bytes[start]!
  if (type < recordType.header || type > recordType.batch) return undefined
  const payload = bytes.subarray(start, start + length)
  return checksum(payload) === bytes.readUInt32LE(offset + 4) ? payload : undefined
}

/** Feeds whole records to `visitor`; returns the offset behind the last of them. Throws BytesError for a checked record that makes no sense. */
export function readSegment(
  bytes: Buffer,
  table: SeriesTableReader,
  visitor: SegmentVisitor,
): number {
  let offset = 0
  let batchNumber = 0
  for (;;) {
    const payload = recordAt(bytes, offset)
    if (!payload) return offset
    const reader = new ByteReader(payload, 1)
    if (payload[0] === recordType.header) {
      const header = JSON.parse(payload.toString('utf8', 1)) as SegmentHeader
      if (header.format !== 1)
        throw new BytesError(`journal format ${String(header.format)} is not known to this version`)
      batchNumber = header.firstBatch
      visitor.header(header)
    } else if (payload[0] === recordType.series) {
      for (let left = reader.varint(); left > 0; left--)
        visitor.series(reader.u32(), table.read(reader))
    } else visitor.batch(readBatch(reader), batchNumber++)
    offset += recordHeaderBytes + payload.length
  }
}

function readBatch(reader: ByteReader): Batch {
  const origin =
    reader.u8() === 1
      ? {
          collector: reader.text(),
          epoch: reader.text(),
          lane: reader.text(),
          sequence: reader.f64(),
        }
      : undefined
  const rows: Row[] = []
  for (let left = reader.varint(); left > 0; left--) {
    const t = reader.f64()
    const n = reader.u32()
    const s = reader.u32()
    const ids = reader.words(n)
    const values = reader.floats(n)
    rows.push(s > 0 ? { t, ids, values, stale: reader.words(s) } : { t, ids, values })
  }
  return origin ? { origin, rows } : { rows }
}

/** Bytes that the search for a later record may check, so that a damaged segment cannot hold up the start. */
const searchBudgetBytes = 2 * 1024 * 1024 * 1024

/** Offset of the first whole record behind `from`, or undefined: then what follows `from` is a torn tail. */
export function nextRecord(bytes: Buffer, from: number): number | undefined {
  let budget = searchBudgetBytes
  for (let offset = from + 1; offset + recordHeaderBytes < bytes.length; offset++) {
    const length = bytes.readUInt32LE(offset)
    const type = bytes[offset + recordHeaderBytes]!
    if (length === 0 || type === 0 || type > recordType.batch) continue
    if (offset + recordHeaderBytes + length > bytes.length) continue
    budget -= length
    if (budget < 0 || recordAt(bytes, offset)) return offset
  }
  return undefined
}
