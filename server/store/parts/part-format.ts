import { ByteReader, BytesError, type ByteWriter, checksum } from '../bytes.ts'

/**
 * A part file, little-endian: magic, slots in any order, index, trailer of fixed length. See docs/storage.md.
 * A slot holds the entries of one interval (two hours, or a day) in regions of up to `blockSeries` series (time chunks, then the chunks
 * of the columns in order of id), then one directory block a region. Offsets within a slot count from its start: a slot is moved by
 * copying it.
 */
export const partMagic = Buffer.from('CWPART3\n')

/** Of files whose slots are all of two hours and hold samples. */
export const olderMagic = Buffer.from('CWPART2\n')

export const trailerBytes = 80

/** Length of the shorter interval of a slot, milliseconds; intervals are aligned to the epoch. */
export const slotMillis = 2 * 3_600_000

export const dayMillis = 86_400_000

const minuteMillis = 60_000

/** Most series in one directory block. */
export const blockSeries = 256

/** Start of the slot that holds `t`. */
export function slotStart(t: number): number {
  return Math.floor(t / slotMillis) * slotMillis
}

/** 0: one generation; 1: merged of one interval; 2: merged of one day. */
export type Level = 0 | 1 | 2

export interface Trailer {
  readonly order: number
  readonly level: Level
  /** First and last time of samples and marks. */
  readonly minTime: number
  readonly maxTime: number
  readonly samples: number
  readonly indexOffset: number
  readonly indexLength: number
  readonly indexCrc: number
}

/** One slot as the index tells of it. */
export interface Slot {
  readonly start: number
  /** Length of its interval, milliseconds: two hours, or a day in a file merged of one. */
  readonly span: number
  /** 0: samples as they came; else the buckets, milliseconds, of the roll-ups that it holds. */
  readonly resolution: number
  /** Where it lies in the file. */
  readonly offset: number
  readonly length: number
  readonly minTime: number
  readonly maxTime: number
  readonly samples: number
  readonly series: number
  /** Ids in ascending runs: first of each and one behind its last; none of roll-ups. */
  readonly runs: Uint32Array
  /** First id of each directory block. */
  readonly firstIds: Uint32Array
  /** Where each directory block lies in the slot; one more tells the end of the last. */
  readonly blockOffsets: Float64Array
  readonly blockCrcs: Uint32Array
}

/** Times that series share: a chunk of their distances from the start of the slot. */
export interface TimeChunk {
  readonly offset: number
  readonly length: number
  readonly crc: number
  readonly count: number
  readonly minTime: number
  readonly maxTime: number
}

/** Marks of a chunk: they stand before its values. */
export interface MarkSpan {
  readonly minTime: number
  readonly maxTime: number
}

/** One directory block, unpacked. Chunks of series i: [chunkStarts[i], chunkStarts[i + 1]). */
export interface Directory {
  readonly times: readonly TimeChunk[]
  readonly ids: Uint32Array
  readonly chunkStarts: Uint32Array
  readonly offsets: Float64Array
  readonly lengths: Uint32Array
  readonly crcs: Uint32Array
  /** Index into `times`; -1 for a chunk that has only marks. */
  readonly timeOf: Int32Array
  readonly marks: ReadonlyMap<number, MarkSpan>
}

/** A chunk as a writer has placed it. */
export interface PlacedChunk {
  readonly time: TimeChunk | undefined
  readonly length: number
  readonly crc: number
  readonly marks: MarkSpan | undefined
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}

/** Writes the directory block of one region, whose column chunks begin at `dataOffset`. */
export function writeDirectory(
  writer: ByteWriter,
  start: number,
  dataOffset: number,
  series: readonly { readonly id: number; readonly chunks: readonly PlacedChunk[] }[],
): void {
  const numbers = new Map<TimeChunk, number>()
  for (const { chunks } of series)
    for (const { time } of chunks) if (time && !numbers.has(time)) numbers.set(time, numbers.size)
  writer.varint(numbers.size)
  for (const time of numbers.keys()) {
    writer.varint(time.offset)
    writer.varint(time.length)
    writer.varint(time.count)
    writer.u32(time.crc)
    writer.varint(time.minTime - start)
    writer.varint(time.maxTime - time.minTime)
  }
  writer.varint(dataOffset)
  writer.varint(series.length)
  let nextId = 0
  let lastTime = 0
  for (const { id, chunks } of series) {
    writer.varint((id - nextId) * 2 + (chunks.length > 1 ? 1 : 0))
    nextId = id + 1
    if (chunks.length > 1) writer.varint(chunks.length)
    for (const { time, length, crc, marks } of chunks) {
      const number = time ? numbers.get(time)! : lastTime
      writer.varint(zigzag(number - lastTime) * 4 + (marks ? 2 : 0) + (time ? 0 : 1))
      lastTime = number
      writer.varint(length)
      writer.u32(crc)
      if (!marks) continue
      writer.varint(marks.minTime - start)
      writer.varint(marks.maxTime - marks.minTime)
    }
  }
}

function timeChunks(reader: ByteReader, { start, length: slotLength }: Slot): TimeChunk[] {
  const times: TimeChunk[] = []
  for (let left = bounded(reader, reader.varint()); left > 0; left--) {
    const offset = reader.varint()
    const length = reader.varint()
    const count = reader.varint()
    const crc = reader.u32()
    const minTime = start + reader.varint()
    const maxTime = minTime + reader.varint()
    if (offset + length > slotLength) throw new BytesError('a time chunk lies outside its slot')
    times.push({ offset, length, crc, count, minTime, maxTime })
  }
  return times
}

/** A count of things that take at least a byte each. */
function bounded(reader: ByteReader, count: number): number {
  if (count > reader.end - reader.offset) throw new BytesError(`${count} entries do not fit`)
  return count
}

/** Reads a directory block. Throws BytesError. */
export function readDirectory(bytes: Buffer, slot: Slot): Directory {
  const reader = new ByteReader(bytes)
  const times = timeChunks(reader, slot)
  let offset = reader.varint()
  const series = bounded(reader, reader.varint())
  const ids = new Uint32Array(series)
  const chunkStarts = new Uint32Array(series + 1)
  const offsets: number[] = []
  const lengths: number[] = []
  const crcs: number[] = []
  const timeOf: number[] = []
  const marks = new Map<number, MarkSpan>()
  let nextId = 0
  let lastTime = 0
  for (let i = 0; i < series; i++) {
    const form = reader.varint()
    const id = nextId + Math.floor(form / 2)
    if (id > 0xffffffff) throw new BytesError(`series ${id} cannot be`)
    ids[i] = id
    nextId = id + 1
    const chunks = form % 2 === 0 ? 1 : bounded(reader, reader.varint())
    for (let c = 0; c < chunks; c++) {
      const head = reader.varint()
      lastTime += unzigzag(Math.floor(head / 4))
      const hasSamples = head % 2 === 0
      if (hasSamples && !(lastTime >= 0 && lastTime < times.length))
        throw new BytesError(`time chunk ${lastTime} of ${times.length}`)
      const length = reader.varint()
      offsets.push(offset)
      lengths.push(length)
      offset += length
      crcs.push(reader.u32())
      timeOf.push(hasSamples ? lastTime : -1)
      if (head % 4 < 2) continue
      const minTime = slot.start + reader.varint()
      marks.set(lengths.length - 1, { minTime, maxTime: minTime + reader.varint() })
    }
    chunkStarts[i + 1] = lengths.length
  }
  if (offset > slot.length || !reader.atEnd)
    throw new BytesError('a directory does not fit its slot')
  return {
    times,
    ids,
    chunkStarts,
    offsets: Float64Array.from(offsets),
    lengths: Uint32Array.from(lengths),
    crcs: Uint32Array.from(crcs),
    timeOf: Int32Array.from(timeOf),
    marks,
  }
}

export function writeIndex(writer: ByteWriter, slots: readonly Slot[]): void {
  writer.varint(slots.length)
  for (const slot of slots) {
    writer.varint(zigzag(slot.start / slotMillis))
    writer.varint(slot.span / slotMillis)
    writer.varint(slot.resolution / minuteMillis)
    writer.varint(slot.offset)
    writer.varint(slot.length)
    writer.varint(slot.minTime - slot.start)
    writer.varint(slot.maxTime - slot.minTime)
    writer.varint(slot.samples)
    writer.varint(slot.series)
    writer.varint(slot.runs.length / 2)
    let last = 0
    for (const bound of slot.runs) {
      writer.varint(bound - last)
      last = bound
    }
    const blocks = slot.firstIds.length
    writer.varint(blocks)
    let lastId = 0
    for (let b = 0; b < blocks; b++) {
      writer.varint(slot.firstIds[b]! - lastId)
      lastId = slot.firstIds[b]!
      writer.varint(slot.blockOffsets[b + 1]! - slot.blockOffsets[b]!)
      writer.u32(slot.blockCrcs[b]!)
    }
    writer.varint(slot.blockOffsets[0]!)
  }
}

/** Reads an index; `isOlder`: of a file that begins with `olderMagic`. Throws BytesError. */
export function readIndex(bytes: Buffer, fileBytes: number, isOlder: boolean): Slot[] {
  const reader = new ByteReader(bytes)
  const slots: Slot[] = []
  for (let left = bounded(reader, reader.varint()); left > 0; left--)
    slots.push(readSlot(reader, fileBytes, isOlder))
  return slots
}

function readSlot(reader: ByteReader, fileBytes: number, isOlder: boolean): Slot {
  const start = unzigzag(reader.varint()) * slotMillis
  const span = isOlder ? slotMillis : reader.varint() * slotMillis
  const resolution = isOlder ? 0 : reader.varint() * minuteMillis
  const offset = reader.varint()
  const length = reader.varint()
  if (offset + length > fileBytes) throw new BytesError('a slot lies outside its file')
  const minTime = start + reader.varint()
  const maxTime = minTime + reader.varint()
  const samples = reader.varint()
  const series = reader.varint()
  const runs = new Uint32Array(bounded(reader, reader.varint()) * 2)
  for (let i = 0, last = 0; i < runs.length; i++) {
    last += reader.varint()
    runs[i] = last
  }
  const blocks = bounded(reader, reader.varint())
  const firstIds = new Uint32Array(blocks)
  const blockOffsets = new Float64Array(blocks + 1)
  const blockCrcs = new Uint32Array(blocks)
  for (let b = 0, lastId = 0; b < blocks; b++) {
    lastId += reader.varint()
    firstIds[b] = lastId
    blockOffsets[b + 1] = blockOffsets[b]! + reader.varint()
    blockCrcs[b] = reader.u32()
  }
  const firstOffset = reader.varint()
  for (let b = 0; b <= blocks; b++) blockOffsets[b]! += firstOffset
  if (blockOffsets[blocks]! > length) throw new BytesError('a directory lies outside its slot')
  return {
    start,
    span,
    resolution,
    offset,
    length,
    minTime,
    maxTime,
    samples,
    series,
    runs,
    firstIds,
    blockOffsets,
    blockCrcs,
  }
}

export function writeTrailer(writer: ByteWriter, trailer: Trailer): void {
  const start = writer.length
  writer.f64(trailer.order)
  writer.f64(trailer.level)
  writer.f64(trailer.minTime)
  writer.f64(trailer.maxTime)
  writer.f64(trailer.samples)
  writer.f64(trailer.indexOffset)
  writer.f64(trailer.indexLength)
  writer.f64(0)
  writer.u32(trailer.indexCrc)
  writer.u32(checksum(writer.buffer.subarray(start, writer.length)))
  writer.raw(partMagic)
}

/** Throws BytesError for a trailer that is not whole. */
export function readTrailer(bytes: Buffer): Trailer {
  const body = bytes.subarray(0, trailerBytes - 4 - partMagic.length)
  const reader = new ByteReader(bytes)
  const magic = bytes.subarray(trailerBytes - partMagic.length)
  if (bytes.length !== trailerBytes || !(magic.equals(partMagic) || magic.equals(olderMagic)))
    throw new BytesError('the end of the file is missing')
  if (checksum(body) !== bytes.readUInt32LE(body.length))
    throw new BytesError('the trailer is damaged')
  const order = reader.f64()
  const level = reader.f64() as Level
  const minTime = reader.f64()
  const maxTime = reader.f64()
  const samples = reader.f64()
  const indexOffset = reader.f64()
  const indexLength = reader.f64()
  reader.f64()
  return {
    order,
    level,
    minTime,
    maxTime,
    samples,
    indexOffset,
    indexLength,
    indexCrc: reader.u32(),
  }
}
