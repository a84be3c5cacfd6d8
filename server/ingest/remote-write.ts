import { isUtf8 } from 'node:buffer'
import type { Millis } from '../clock.ts'
import { decodeSnappy } from './snappy.ts'
import { type WrittenSample, type WrittenSeries, writeLimits } from './write-batch.ts'
import { WriteRefused } from './write-refused.ts'

/** Bytes of one remote write request. */
export const remoteWriteBytes = {
  compressed: 32 * 1024 * 1024,
  decoded: 128 * 1024 * 1024,
} as const

/** A decoded request; what the hub does not keep is counted. */
export interface RemoteWrite {
  readonly series: readonly WrittenSeries[]
  readonly ignored: { metadata: number; exemplars: number; histograms: number }
}

function malformed(detail: string): WriteRefused {
  return new WriteRefused('malformed', `The body is not a remote write 1.0 request: ${detail}.`)
}

/** Reads protobuf fields between two positions of a buffer; never outside them. */
class FieldReader {
  readonly bytes: Buffer
  at: number
  end: number
  /** Wire type of the field that `next` found. */
  #type = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.at = 0
    this.end = bytes.length
  }

  /** Number of the next field before `end`; 0 when there is none. */
  next(): number {
    if (this.at >= this.end) return 0
    const tag = this.varint()
    this.#type = tag % 8
    const field = Math.floor(tag / 8)
    if (field < 1 || field > 0x1fff_ffff) throw malformed('a field number is not valid')
    return field
  }

  /** A varint as a signed 64-bit whole number; beyond 2^53 it is rounded. */
  varint(): number {
    let low = 0
    let high = 0
    for (let i = 0; i < 10; i++) {
      if (this.at >= this.end) throw malformed('it ends within a number')
      const byte = this.bytes[this.at++]!
      const bits = byte & 0x7f
      if (i < 4) low += bits * 2 ** (7 * i)
      else if (i === 4) {
        low += (bits & 0x0f) * 2 ** 28
        high = bits >> 4
      } else high += bits * 2 ** (7 * i - 32)
      if (byte < 0x80) return (high | 0) * 2 ** 32 + low
    }
    throw malformed('a number is longer than 10 bytes')
  }

  /** End of the length-delimited field that starts here. */
  fieldEnd(what: string): number {
    this.#expect(2, what)
    const length = this.varint()
    if (length < 0 || length > this.end - this.at)
      throw malformed(`${what} is longer than what holds it`)
    return this.at + length
  }

  /** Position of a 64-bit field's 8 bytes. */
  fixed64(what: string): number {
    this.#expect(1, what)
    if (this.end - this.at < 8) throw malformed(`it ends within ${what}`)
    this.at += 8
    return this.at - 8
  }

  whole(what: string): number {
    this.#expect(0, what)
    return this.varint()
  }

  skip(): void {
    if (this.#type === 0) this.varint()
    else if (this.#type === 2) this.at = this.fieldEnd('a field')
    else if (this.#type === 1 || this.#type === 5) {
      const length = this.#type === 1 ? 8 : 4
      if (this.end - this.at < length) throw malformed('it ends within a field')
      this.at += length
    } else throw malformed(`wire type ${this.#type} is not used in it`)
  }

  #expect(type: number, what: string): void {
    if (this.#type !== type) throw malformed(`${what} has wire type ${this.#type}, not ${type}`)
  }
}

/** Decodes a request: snappy block, protobuf. Throws WriteRefused; changes nothing. */
export function decodeRemoteWrite(body: Buffer): RemoteWrite {
  return decodeWriteRequest(decodeSnappy(body, remoteWriteBytes.decoded))
}

/** Decodes the protobuf message `prometheus.WriteRequest`. Throws WriteRefused. */
export function decodeWriteRequest(bytes: Buffer): RemoteWrite {
  const reader = new FieldReader(bytes)
  const series: WrittenSeries[] = []
  const ignored = { metadata: 0, exemplars: 0, histograms: 0 }
  let samples = 0
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) {
      if (series.length >= writeLimits.series) throw tooMany(`${writeLimits.series} series`)
      const one = readSeries(reader, series.length + 1, writeLimits.samples - samples, ignored)
      samples += one.samples.length
      series.push(one)
    } else if (field === 4 || field === 5) {
      throw new WriteRefused('unsupported', speaksVersion1)
    } else {
      if (field === 3) ignored.metadata++
      reader.skip()
    }
  }
  return { series, ignored }
}

/** Said to senders of remote write 2.0. */
export const speaksVersion1 =
  'The hub takes remote write 1.0 only: leave protobuf_message at prometheus.WriteRequest.'

function tooMany(what: string): WriteRefused {
  return new WriteRefused(
    'too_large',
    `The request holds more than ${what}; send fewer in one request (Prometheus: queue_config.max_samples_per_send).`,
  )
}

function readSeries(
  reader: FieldReader,
  number: number,
  samplesLeft: number,
  ignored: RemoteWrite['ignored'],
): WrittenSeries {
  const outer = reader.end
  reader.end = reader.fieldEnd('a series')
  const labels = new LabelReader(number)
  const samples: WrittenSample[] = []
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) labels.read(reader)
    else if (field === 2) {
      if (samples.length >= samplesLeft) throw tooMany(`${writeLimits.samples} samples`)
      samples.push(readSample(reader))
    } else {
      if (field === 3) ignored.exemplars++
      else if (field === 4) ignored.histograms++
      reader.skip()
    }
  }
  reader.end = outer
  return { labels: labels.finish(), samples }
}

const staleHigh = 0x7ff0_0000
const staleLow = 2

function readSample(reader: FieldReader): WrittenSample {
  const outer = reader.end
  reader.end = reader.fieldEnd('a sample')
  let value = 0
  let stale = false
  let t: Millis = 0
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) {
      const at = reader.fixed64('a value')
      const { bytes } = reader
      // By its bits: the mark is one of many NaNs, and a number need not keep which.
      stale = bytes.readUInt32LE(at + 4) === staleHigh && bytes.readUInt32LE(at) === staleLow
      value = stale ? Number.NaN : bytes.readDoubleLE(at)
    } else if (field === 2) t = reader.whole('a time')
    else reader.skip()
  }
  reader.end = outer
  return { t, value, stale }
}

/** Collects the labels of one series; names must ascend by bytes, which also excludes duplicates. */
class LabelReader {
  readonly #number: number
  readonly #labels: Record<string, string> = {}
  #count = 0
  #lastStart = 0
  #lastEnd = 0

  /** `number` counts the request's series from 1. */
  constructor(number: number) {
    this.#number = number
  }

  read(reader: FieldReader): void {
    const outer = reader.end
    reader.end = reader.fieldEnd('a label')
    let [nameStart, nameEnd, valueStart, valueEnd] = [0, 0, 0, 0]
    for (let field = reader.next(); field !== 0; field = reader.next()) {
      if (field === 1) {
        nameEnd = reader.fieldEnd('a label name')
        nameStart = reader.at
        reader.at = nameEnd
      } else if (field === 2) {
        valueEnd = reader.fieldEnd('a label value')
        valueStart = reader.at
        reader.at = valueEnd
      } else reader.skip()
    }
    reader.end = outer
    const { labelsPerSeries, labelNameLength, labelValueLength } = writeLimits
    if (++this.#count > labelsPerSeries)
      throw this.#fault(`has more than ${labelsPerSeries} labels`)
    if (nameEnd === nameStart) throw this.#fault('has a label without a name')
    if (nameEnd - nameStart > labelNameLength)
      throw this.#fault(`has a label name of over ${labelNameLength} bytes`)
    if (valueEnd - valueStart > labelValueLength)
      throw this.#fault(`has a label value of over ${labelValueLength} bytes`)
    const name = this.#text(reader.bytes, nameStart, nameEnd)
    if (name === '__proto__') throw this.#fault('has a label "__proto__", which cannot be kept')
    if (this.#count > 1) this.#mustAscend(reader.bytes, name, nameStart, nameEnd)
    this.#lastStart = nameStart
    this.#lastEnd = nameEnd
    this.#labels[name] = this.#text(reader.bytes, valueStart, valueEnd)
  }

  finish(): Readonly<Record<string, string>> {
    if (!Object.hasOwn(this.#labels, '__name__') || this.#labels['__name__'] === '')
      throw this.#fault('has no name (label __name__)')
    return this.#labels
  }

  #mustAscend(bytes: Buffer, name: string, start: number, end: number): void {
    const order = bytes.compare(bytes, start, end, this.#lastStart, this.#lastEnd)
    if (order === 0) throw this.#fault(`has the label ${JSON.stringify(name)} twice`)
    if (order > 0)
      throw this.#fault(
        `has its labels unsorted at ${JSON.stringify(name)} (vmagent sorts them with -sortLabels)`,
      )
  }

  #text(bytes: Buffer, start: number, end: number): string {
    const text = bytes.toString('utf8', start, end)
    if (text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end)))
      throw this.#fault('has a label that is not UTF-8')
    return text
  }

  #fault(what: string): WriteRefused {
    const known = JSON.stringify(this.#labels)
    const shown = known.length > 200 ? `${known.slice(0, 200)}…` : known
    return new WriteRefused('malformed', `Series ${this.#number} ${what}: ${shown}.`)
  }
}
