import { isUtf8 } from 'node:buffer'
import type { Millis } from '../clock.ts'
import type { Labels } from '../store/reader.ts'
import type { StoreWriter } from '../store/writer.ts'
import { LabelCache } from './label-cache.ts'
import { FieldReader } from './protobuf-reader.ts'
import { SampleColumns, type Written } from './sample-columns.ts'
import { decodeSnappy } from './snappy.ts'
import { writeLimits } from './write-batch.ts'
import { WriteRefused } from './write-refused.ts'

/** Bytes of one remote write request. */
export const remoteWriteBytes = {
  compressed: 32 * 1024 * 1024,
  decoded: 128 * 1024 * 1024,
} as const

/** A decoded request; what the hub does not keep is counted. */
export interface RemoteWrite extends Written {
  readonly ignored: { metadata: number; exemplars: number; histograms: number }
}

const what = 'a remote write 1.0 request'

/** Said to senders of remote write 2.0. */
export const speaksVersion1 =
  'The hub takes remote write 1.0 only: leave protobuf_message at prometheus.WriteRequest.'

function tooMany(what: string): WriteRefused {
  return new WriteRefused(
    'too_large',
    `The request holds more than ${what}; send fewer in one request (Prometheus: queue_config.max_samples_per_send).`,
  )
}

/** A series that no request brought before. */
interface NewSeries {
  readonly labels: Labels
  /** Its label section as sent. */
  readonly view: DataView
  readonly start: number
  readonly end: number
}

const staleHigh = 0x7ff0_0000
const staleLow = 2

/** Decodes requests one after the other; what it gives is valid until the next one. */
export class RemoteWriteDecoder implements RemoteWrite {
  readonly #intern: StoreWriter['intern']
  readonly #cache: LabelCache
  readonly samples = new SampleColumns()
  /** Of each series of the request: the store's id, or -1 when it is in `#new`. */
  readonly #ids: number[] = []
  readonly #instances: (string | undefined)[] = []
  readonly #new = new Map<number, NewSeries>()
  ignored = { metadata: 0, exemplars: 0, histograms: 0 }

  constructor(intern: StoreWriter['intern'], cache: LabelCache = new LabelCache()) {
    this.#intern = intern
    this.#cache = cache
  }

  get series(): number {
    return this.#ids.length
  }

  /** Decodes a request: snappy block, protobuf. Throws WriteRefused; makes no series. */
  decode(body: Buffer): RemoteWrite {
    return this.decodeMessage(decodeSnappy(body, remoteWriteBytes.decoded))
  }

  /** Decodes the protobuf message `prometheus.WriteRequest`. Throws WriteRefused; makes no series. */
  decodeMessage(bytes: Buffer): RemoteWrite {
    const reader = new FieldReader(bytes, what)
    this.samples.clear()
    this.#ids.length = 0
    this.#instances.length = 0
    this.#new.clear()
    this.ignored = { metadata: 0, exemplars: 0, histograms: 0 }
    for (let field = reader.next(); field !== 0; field = reader.next()) {
      if (field === 1) {
        if (this.series >= writeLimits.series) throw tooMany(`${writeLimits.series} series`)
        this.#readSeries(reader)
      } else if (field === 4 || field === 5) {
        throw new WriteRefused('unsupported', speaksVersion1)
      } else {
        if (field === 3) this.ignored.metadata++
        reader.skip()
      }
    }
    return this
  }

  id(series: number): number {
    const id = this.#ids[series] ?? -1
    if (id >= 0) return id
    const found = this.#new.get(series)
    if (found === undefined) throw new Error(`BUG: no series ${series} in the request`)
    const made = this.#intern(found.labels)
    this.#cache.add(found.view, found.start, found.end, made, found.labels['instance'])
    return made
  }

  instance(series: number): string | undefined {
    return this.#instances[series]
  }

  #readSeries(reader: FieldReader): void {
    const outer = reader.end
    reader.end = reader.fieldEnd('a series')
    let start = reader.at
    let end = start
    let entry = this.#cache.expected(reader.view, start, reader.end)
    if (entry >= 0) end = reader.at = start + this.#cache.length(entry)
    // Labels that do not stand in one piece.
    let pieces: Buffer[] | undefined
    for (let from = reader.at, field = reader.next(); field !== 0; field = reader.next()) {
      if (field === 1) {
        const labelEnd = reader.fieldEnd('a label')
        if (from !== end && end > start) {
          pieces ??= [reader.bytes.subarray(start, end)]
          pieces.push(reader.bytes.subarray(from, labelEnd))
        } else {
          if (from !== end) start = from
          end = labelEnd
        }
        entry = -1
        reader.at = labelEnd
      } else if (field === 2) this.#readSample(reader)
      else {
        if (field === 3) this.ignored.exemplars++
        else if (field === 4) this.ignored.histograms++
        reader.skip()
      }
      from = reader.at
    }
    reader.end = outer
    this.samples.endSeries()
    if (pieces === undefined) this.#identify(reader, start, end, entry)
    else {
      const joined = Buffer.concat(pieces)
      this.#identify(new FieldReader(joined, what), 0, joined.length, -1)
    }
  }

  /** Notes what is known of the series whose labels stand from `start` to `end`; `known` is its entry when that is known. */
  #identify({ bytes, view }: FieldReader, start: number, end: number, known: number): void {
    const entry = known >= 0 || start === end ? known : this.#cache.find(view, start, end)
    if (entry >= 0) {
      this.#cache.came(entry)
      this.#ids.push(this.#cache.id(entry))
      this.#instances.push(this.#cache.instance(entry))
      return
    }
    const labels = readLabels(new FieldReader(bytes, what, start, end), this.series + 1)
    this.#new.set(this.series, { labels, view, start, end })
    this.#ids.push(-1)
    this.#instances.push(labels['instance'])
  }

  #readSample(reader: FieldReader): void {
    if (this.samples.count >= writeLimits.samples) throw tooMany(`${writeLimits.samples} samples`)
    const outer = reader.end
    reader.end = reader.fieldEnd('a sample')
    let value = 0
    let stale = false
    let t: Millis = 0
    for (let field = reader.next(); field !== 0; field = reader.next()) {
      if (field === 1) {
        const at = reader.fixed64('a value')
        const { view } = reader
        // By its bits: the mark is one of many NaNs, and a number need not keep which.
        stale = view.getUint32(at + 4, true) === staleHigh && view.getUint32(at, true) === staleLow
        value = stale ? Number.NaN : view.getFloat64(at, true)
      } else if (field === 2) t = reader.whole('a time')
      else reader.skip()
    }
    reader.end = outer
    this.samples.push(t, value, stale)
  }
}

/** Labels of the request's series `number`, from 1. Throws WriteRefused. */
function readLabels(reader: FieldReader, number: number): Labels {
  const labels = new LabelReader(number)
  while (reader.next() === 1) labels.read(reader)
  return labels.finish()
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
