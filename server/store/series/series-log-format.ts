import { ByteReader, BytesError, type ByteWriter, checksum } from '../bytes.ts'
import type { SeriesId } from '../writer.ts'
import type { LabelPairs } from './label-pairs.ts'
import type { SeriesIndex } from './series-index.ts'

/**
 * Bytes of `series.log`: a header of 8 bytes (`CWSL`, u32 format), then records. A record is `u32 length of the payload, u32 CRC-32 of it`
 * and the payload:
 *
 * - `varint next id`: no id from here on has been given;
 * - label names first used in this record: `varint number of the first, varint count`, a text each;
 * - label pairs first used: `varint number of the first, varint count`, then `varint number of the name, text of the value` each;
 * - series: `varint count`, then `varint id, varint pairs, varint number of the pair` each, pairs by name.
 *
 * A text is `varint length in bytes, UTF-8`. Names and pairs are numbered through the file from 0.
 */
const magic = 'CWSL'
const format = 1

export const headerBytes = 8
const recordHeaderBytes = 8

/** Of a series with ten labels. */
const usualEntryBytes = 20

/** Most series of one record: what a damaged record may cost. */
export const recordSeries = 1000

export function writeHeader(writer: ByteWriter): void {
  writer.raw(Buffer.from(magic, 'latin1'))
  writer.u32(format)
}

/** What stands at the start of a log. */
export function headerOf(bytes: Buffer): 'known' | 'later' | 'none' {
  if (bytes.length < headerBytes || bytes.toString('latin1', 0, 4) !== magic) return 'none'
  return bytes.readUInt32LE(4) === format ? 'known' : 'later'
}

/** Numbers by numbers. */
class Numbers {
  /** Above every number that was set or skipped. */
  next = 0
  private numbers = new Uint32Array(256)

  /** -1 when none was set. */
  of(key: number): number {
    return (this.numbers[key] ?? 0) - 1
  }

  set(key: number, number: number): void {
    if (key >= this.numbers.length) {
      const grown = new Uint32Array(key + 1 + (key >>> 1))
      grown.set(this.numbers)
      this.numbers = grown
    }
    this.numbers[key] = number + 1
    this.skip(number + 1)
  }

  skip(next: number): void {
    this.next = Math.max(this.next, next)
  }
}

/** The writing side of one log file. */
export class LogEncoder {
  /** The file's numbers by the index's. */
  readonly names = new Numbers()
  readonly pairs = new Numbers()
  private readonly index: SeriesIndex

  constructor(index: SeriesIndex) {
    this.index = index
  }

  /**
   * A record of the series from `from` on, `recordSeries` of them at most. What gets its number here must reach the file before
   * what is encoded next.
   */
  record(writer: ByteWriter, ids: ArrayLike<SeriesId>, from = 0): void {
    const to = Math.min(ids.length, from + recordSeries)
    const start = writer.length
    writer.u32(0)
    writer.u32(0)
    writer.varint(this.index.size)
    this.definitions(writer, ids, from, to)
    writer.varint(to - from)
    for (let i = from; i < to; i++) {
      const pairs = this.index.pairsOf(ids[i]!)
      writer.varint(ids[i]!)
      writer.varint(pairs.length)
      for (let p = 0; p < pairs.length; p++) writer.varint(this.pairs.of(pairs[p]!))
    }
    const payload = writer.buffer.subarray(start + recordHeaderBytes, writer.length)
    writer.buffer.writeUInt32LE(payload.length, start)
    writer.buffer.writeUInt32LE(checksum(payload), start + 4)
  }

  private definitions(
    writer: ByteWriter,
    ids: ArrayLike<SeriesId>,
    from: number,
    to: number,
  ): void {
    const known = this.index.pairs
    const firstName = this.names.next
    const firstPair = this.pairs.next
    const names: number[] = []
    const pairs: number[] = []
    for (let i = from; i < to; i++) {
      for (const pair of this.index.pairsOf(ids[i]!)) {
        if (this.pairs.of(pair) >= 0) continue
        this.pairs.set(pair, this.pairs.next)
        pairs.push(pair)
        const name = known.nameNumber(pair)
        if (this.names.of(name) >= 0) continue
        this.names.set(name, this.names.next)
        names.push(name)
      }
    }
    writer.varint(firstName)
    writer.varint(names.length)
    for (const name of names) writer.text(known.nameText(name))
    writer.varint(firstPair)
    writer.varint(pairs.length)
    for (const pair of pairs) {
      writer.varint(this.names.of(known.nameNumber(pair)))
      writer.text(known.value(pair))
    }
  }
}

export interface ReadLog {
  /** Offset behind the last whole record. */
  readonly end: number
  /** Bytes that could not be read, a torn tail's included. */
  readonly lostBytes: number
  /** Stretches that could not be read although whole records follow, and records that name what was lost. */
  readonly damaged: number
  readonly entries: number
}

/** Brings all that can be read of a log into `index`, and the numbers it gave into `encoder`. */
export function readLog(bytes: Buffer, index: SeriesIndex, encoder: LogEncoder): ReadLog {
  const reader = new LogReader(index, encoder)
  index.expect(bytes.length / usualEntryBytes)
  let end = headerOf(bytes) === 'known' ? headerBytes : 0
  let lostBytes = 0
  let damaged = 0
  while (end < bytes.length) {
    const payload = end === 0 ? undefined : payloadAt(bytes, end)
    if (payload !== undefined) {
      if (!reader.read(payload)) {
        damaged++
        lostBytes += payload.length
      }
      end += recordHeaderBytes + payload.length
      continue
    }
    const next = nextRecord(bytes, end)
    lostBytes += (next ?? bytes.length) - end
    if (next === undefined) break
    damaged++
    end = next
  }
  return { end, lostBytes, damaged, entries: reader.entries }
}

function payloadAt(bytes: Buffer, offset: number): Buffer | undefined {
  const start = offset + recordHeaderBytes
  if (start > bytes.length) return undefined
  const length = bytes.readUInt32LE(offset)
  if (length === 0 || start + length > bytes.length) return undefined
  const payload = bytes.subarray(start, start + length)
  return checksum(payload) === bytes.readUInt32LE(offset + 4) ? payload : undefined
}

/** Bytes that the search for a later record may check, so that a damaged log cannot hold up the start. */
const searchBudgetBytes = 2 * 1024 * 1024 * 1024

function nextRecord(bytes: Buffer, from: number): number | undefined {
  let budget = searchBudgetBytes
  for (let offset = from + 1; offset + recordHeaderBytes < bytes.length; offset++) {
    const length = bytes.readUInt32LE(offset)
    if (length === 0 || offset + recordHeaderBytes + length > bytes.length) continue
    budget -= length
    if (budget < 0) return undefined
    if (payloadAt(bytes, offset)) return offset
  }
  return undefined
}

/** The reading side of one log file. */
class LogReader {
  entries = 0
  private readonly index: SeriesIndex
  private readonly encoder: LogEncoder
  private readonly pairs: LabelPairs
  private readonly names = new Map<number, string>()
  /** The index's numbers of pairs by the log's. */
  private readonly known = new Numbers()
  private slice = new Uint32Array(64)

  constructor(index: SeriesIndex, encoder: LogEncoder) {
    this.index = index
    this.encoder = encoder
    this.pairs = index.pairs
  }

  /** False when something of the record could not be taken over. */
  read(payload: Buffer): boolean {
    try {
      const reader = new ByteReader(payload)
      const nextId = reader.varint()
      this.readNames(reader)
      const pairsWhole = this.readPairs(reader)
      const seriesWhole = this.readSeries(reader)
      this.index.reserve(nextId)
      return pairsWhole && seriesWhole
    } catch (error) {
      if (error instanceof BytesError) return false
      throw error
    }
  }

  private readNames(reader: ByteReader): void {
    const first = reader.varint()
    const count = reader.varint()
    for (let i = 0; i < count; i++) this.names.set(first + i, reader.text())
    this.encoder.names.skip(first + count)
  }

  private readPairs(reader: ByteReader): boolean {
    const { names, pairs } = this.encoder
    const first = reader.varint()
    const count = reader.varint()
    let whole = true
    for (let i = 0; i < count; i++) {
      const nameNumber = reader.varint()
      const value = reader.text()
      const name = this.names.get(nameNumber)
      if (name === undefined) {
        whole = false
        continue
      }
      const pair = this.pairs.make(name, value)
      this.known.set(first + i, pair)
      pairs.set(pair, first + i)
      names.set(this.pairs.nameNumber(pair), nameNumber)
    }
    pairs.skip(first + count)
    return whole
  }

  private readSeries(reader: ByteReader): boolean {
    let whole = true
    for (let left = reader.varint(); left > 0; left--) {
      const id = reader.varint()
      const count = reader.varint()
      if (count > reader.end - reader.offset) throw new BytesError(`${count} pairs`)
      if (count > this.slice.length) this.slice = new Uint32Array(count * 2)
      const known = this.pairNumbers(reader, count)
      this.entries++
      if (known && count > 0) this.index.enter(id, this.slice, 0, count)
      else whole = false
    }
    return whole
  }

  /** The index's numbers of the next `count` pairs, to the slice; false when one is not known. */
  private pairNumbers(reader: ByteReader, count: number): boolean {
    const { buffer } = reader
    const { slice, known } = this
    let whole = true
    for (let i = 0; i < count; i++) {
      // Nearly all pairs have numbers of one or two bytes; the reader's own way costs ten times as much.
      const first = reader.offset < reader.end ? buffer[reader.offset]! : 255
      const second = reader.offset + 1 < reader.end ? buffer[reader.offset + 1]! : 255
      let number: number
      if (first < 128) {
        number = first
        reader.offset++
      } else if (second < 128) {
        number = (first & 127) | (second << 7)
        reader.offset += 2
      } else number = reader.varint()
      const pair = known.of(number)
      if (pair < 0) whole = false
      else slice[i] = pair
    }
    return whole
  }
}
