import type { Millis } from '../clock.ts'
import type { StoreWriter } from '../store/writer.ts'
import { KnownLines, type LineHead, type LineSeries, own } from './line-series.ts'
import { headEnd, QuickLine, quickMillis } from './quick-line.ts'
import { SampleColumns, type Written } from './sample-columns.ts'
import { writeLimits } from './write-batch.ts'
import { WriteRefused } from './write-refused.ts'

/** Bytes of one request of lines. */
export const linesBytes = { compressed: 32 * 1024 * 1024, decoded: 64 * 1024 * 1024 } as const

/** Faulty lines beyond which a request is given up: it is something else than line protocol. */
const mostFaults = 10_000

const unitNanoseconds = {
  ns: 1n,
  n: 1n,
  us: 1000n,
  u: 1000n,
  µ: 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
} as const

/** Unit of the times in a request; the names of InfluxDB 1 and 2. */
export type Precision = keyof typeof unitNanoseconds

/** Reads the query's `precision`; nanoseconds when there is none. Throws WriteRefused. */
export function precisionOf(text: string | undefined): Precision {
  if (text === undefined || text === '') return 'ns'
  if (Object.hasOwn(unitNanoseconds, text)) return text as Precision
  throw new WriteRefused(
    'malformed',
    `precision ${JSON.stringify(text.slice(0, 20))} is not known; use ns, us, ms, s, m or h.`,
  )
}

export interface ParsedLines {
  /** One series with one sample a field, in the order of the text. */
  readonly series: readonly LineSeries[]
  readonly samples: SampleColumns
  /** Text fields left out. */
  readonly textFields: number
  /** Lines of which nothing is kept. */
  readonly faults: number
  /** The first faulty line, counted from 1. */
  readonly firstFault: { readonly line: number; readonly reason: string } | undefined
}

/** Why one line is left out. */
class LineFault extends Error {}

interface Field {
  readonly name: string
  readonly value: number
}

/** Text shown to a person: quoted, short. */
function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}

/** A name as Prometheus allows it; `_` stands for anything else. */
function metricName(measurement: string, field: string): string {
  const name = field === 'value' ? measurement : `${measurement}_${field}`
  return name.replace(/[^a-zA-Z0-9_:]/gu, '_').replace(/^(?=\d)/, '_')
}

function labelName(tag: string): string {
  return tag.replace(/[^a-zA-Z0-9_]/gu, '_').replace(/^(?=\d)/, '_')
}

/**
 * Parses InfluxDB line protocol. A faulty line is left out and counted, the others are kept; `now` is the time of lines without
 * one. Lines that `known` has seen before are read quicker. Throws WriteRefused when there are too many samples or faulty lines; any
 * other text gives an answer.
 */
export function parseLines(
  text: string,
  precision: Precision,
  now: Millis,
  known = new KnownLines(),
): ParsedLines {
  const scanner = new LineScanner(text, unitNanoseconds[precision], now, known)
  return scanner.scan()
}

/** What was parsed in the form all write protocols share. */
export function writtenLines(
  { series, samples }: ParsedLines,
  intern: StoreWriter['intern'],
): Written {
  return {
    samples,
    series: series.length,
    id: (at) => {
      const one = series[at]!
      one.id ??= intern(one.labels)
      return one.id
    },
    instance: (at) => series[at]?.labels['instance'],
  }
}

function namedSeries({ measurement, tags }: LineHead, field: string): LineSeries {
  const name = own(metricName(measurement, field))
  if (name.length > writeLimits.labelNameLength)
    throw new LineFault(`a name is longer than ${writeLimits.labelNameLength} characters`)
  return { labels: { ...tags, __name__: name }, id: undefined }
}

const tagEscapes = ',= '
const measurementEscapes = ', '

class LineScanner {
  readonly #text: string
  readonly #unit: bigint
  readonly #now: Millis
  #at = 0
  readonly #known: KnownLines
  readonly #quick = new QuickLine()
  readonly #series: LineSeries[] = []
  readonly #samples = new SampleColumns()
  /** Text fields of the lines kept, and of the present line. */
  #textFields = 0
  #lineTextFields = 0

  constructor(text: string, unit: bigint, now: Millis, known: KnownLines) {
    this.#text = text
    this.#unit = unit
    this.#now = now
    this.#known = known
  }

  scan(): ParsedLines {
    let line = 1
    let faults = 0
    let firstFault: ParsedLines['firstFault']
    while (this.#at < this.#text.length) {
      if (this.#quickLine()) {
        line++
        continue
      }
      const start = this.#at
      try {
        this.#line()
      } catch (error) {
        if (!(error instanceof LineFault)) throw error
        firstFault ??= { line, reason: error.message }
        if (++faults > mostFaults)
          throw new WriteRefused(
            'malformed',
            `line ${firstFault.line}: ${firstFault.reason}; ${faults} lines are faulty, nothing was stored.`,
          )
        // A quote that was never closed may have taken further lines: they are read again.
        this.#at = start
        this.#skipLine()
      }
      line += this.#lineEnds(start, this.#at)
    }
    return {
      series: this.#series,
      samples: this.#samples,
      textFields: this.#textFields,
      faults,
      firstFault,
    }
  }

  #lineEnds(start: number, end: number): number {
    let count = 0
    for (let at = this.#text.indexOf('\n', start); at >= 0 && at < end; count++)
      at = this.#text.indexOf('\n', at + 1)
    return count
  }

  #skipLine(): void {
    const end = this.#text.indexOf('\n', this.#at)
    this.#at = end < 0 ? this.#text.length : end + 1
  }

  /** Reads a line that is like one before but for its values; false, and nothing done, when it is not. */
  #quickLine(): boolean {
    const space = headEnd(this.#text, this.#at)
    if (space < 0) return false
    const head = this.#known.head(this.#text.slice(this.#at, space))
    if (head === undefined || !this.#quick.read(this.#text, space + 1, head)) return false
    const { series, values, time, end } = this.#quick
    const t = time === '' ? this.#now : quickMillis(time, this.#unit)
    if (t === undefined) return false
    this.#makeRoom(series.length)
    for (let i = 0; i < series.length; i++) this.#push(series[i]!, t, values[i]!)
    this.#at = end + 1
    return true
  }

  #makeRoom(samples: number): void {
    if (this.#series.length + samples > writeLimits.samples)
      throw new WriteRefused(
        'too_large',
        `The request holds more than ${writeLimits.samples} values; send fewer lines in one request.`,
      )
  }

  #push(series: LineSeries, t: Millis, value: number): void {
    this.#series.push(series)
    this.#samples.push(t, value, false)
    this.#samples.endSeries()
  }

  /** Reads one line and its end. */
  #line(): void {
    this.#skipSpaces()
    if (this.#text[this.#at] === '#') this.#skipLine()
    else {
      if (!this.#ended()) this.#point()
      this.#passEnd()
    }
  }

  #point(): void {
    this.#lineTextFields = 0
    const start = this.#at
    const measurement = this.#token(measurementEscapes, measurementEscapes)
    if (measurement === '') throw new LineFault('the measurement is missing')
    const tags = this.#tags()
    const headText = this.#text.slice(start, this.#at)
    this.#skipSpaces()
    if (this.#ended()) throw new LineFault('there are no fields')
    const fields = this.#fields()
    this.#skipSpaces()
    const t = this.#ended() ? this.#now : this.#time()
    this.#skipSpaces()
    if (!this.#ended()) throw new LineFault('there is more after the time')
    const head = this.#known.head(headText) ?? this.#known.addHead(headText, own(measurement), tags)
    this.#keep(head, fields, t)
  }

  #keep(head: LineHead, fields: readonly Field[], t: Millis): void {
    const series = fields.map(({ name }) => head.fields.get(name) ?? namedSeries(head, name))
    this.#makeRoom(series.length)
    this.#textFields += this.#lineTextFields
    for (let i = 0; i < series.length; i++) {
      const { name, value } = fields[i]!
      if (!head.fields.has(name)) this.#known.addField(head, name, series[i]!)
      this.#push(series[i]!, t, value)
    }
  }

  #tags(): Record<string, string> {
    const tags: Record<string, string> = {}
    let count = 0
    while (this.#text[this.#at] === ',') {
      this.#at++
      const key = this.#token(',= ', tagEscapes)
      if (key === '') throw new LineFault('a tag has no name')
      if (this.#text[this.#at] !== '=') throw new LineFault(`tag ${shown(key)} has no value`)
      this.#at++
      const value = this.#token(',= ', tagEscapes)
      if (value === '') throw new LineFault(`tag ${shown(key)} has no value`)
      if (this.#text[this.#at] === '=')
        throw new LineFault(`the value of tag ${shown(key)} has an "=" that is not escaped`)
      const name = labelName(key)
      if (name === '__name__' || name === '__proto__')
        throw new LineFault(`a tag may not be called ${name}`)
      if (Object.hasOwn(tags, name)) throw new LineFault(`label ${shown(name)} comes twice`)
      if (++count >= writeLimits.labelsPerSeries)
        throw new LineFault(`there are more than ${writeLimits.labelsPerSeries - 1} tags`)
      if (name.length > writeLimits.labelNameLength || value.length > writeLimits.labelValueLength)
        throw new LineFault(`tag ${shown(key)} is too long`)
      tags[own(name)] = own(value)
    }
    return tags
  }

  /** Number and truth fields; text fields are counted. */
  #fields(): Field[] {
    const fields: Field[] = []
    for (;;) {
      const name = this.#token(',= ', tagEscapes)
      if (name === '') throw new LineFault('a field has no name')
      if (this.#text[this.#at] !== '=') throw new LineFault(`field ${shown(name)} has no value`)
      this.#at++
      if (this.#text[this.#at] === '"') {
        this.#passText(name)
        this.#lineTextFields++
      } else fields.push({ name, value: fieldValue(name, this.#token(', ', '')) })
      if (this.#text[this.#at] !== ',') return fields
      this.#at++
    }
  }

  /** Passes a quoted value; it may hold line ends. */
  #passText(name: string): void {
    for (let at = this.#at + 1; at < this.#text.length; at++) {
      const character = this.#text[at]
      if (character === '\\') at++
      else if (character === '"') {
        this.#at = at + 1
        const next = this.#text[this.#at]
        if (next === ',' || next === ' ' || next === '\t' || this.#ended()) return
        throw new LineFault(`there is more after the text of field ${shown(name)}`)
      }
    }
    throw new LineFault(`the text of field ${shown(name)} has no closing quote`)
  }

  #time(): Millis {
    const text = this.#token(' \t', '')
    if (!/^-?\d{1,19}$/.test(text)) throw new LineFault(`${shown(text)} is not a time`)
    const nanoseconds = BigInt(text) * this.#unit
    const remainder = nanoseconds % 1_000_000n
    const millis = Number(nanoseconds / 1_000_000n) - (remainder < 0n ? 1 : 0)
    if (Math.abs(millis) > 8.64e15) throw new LineFault(`time ${text} is out of range`)
    return millis
  }

  /** Text up to an unescaped character of `stops` or the line's end; a backslash escapes those of `escapes` only. */
  #token(stops: string, escapes: string): string {
    let text = ''
    let from = this.#at
    while (!this.#ended()) {
      const character = this.#text[this.#at]!
      if (stops.includes(character)) break
      const next = this.#text[this.#at + 1]
      if (character === '\\' && next !== undefined && next !== '' && escapes.includes(next)) {
        text += this.#text.slice(from, this.#at) + next
        this.#at += 2
        from = this.#at
      } else this.#at++
    }
    return text + this.#text.slice(from, this.#at)
  }

  #skipSpaces(): void {
    while (this.#text[this.#at] === ' ' || this.#text[this.#at] === '\t') this.#at++
  }

  /** Whether the line ends here: `\n`, `\r\n` or the end of the text. */
  #ended(): boolean {
    const character = this.#text[this.#at]
    if (character === undefined || character === '\n') return true
    if (character !== '\r') return false
    const next = this.#text[this.#at + 1]
    return next === undefined || next === '\n'
  }

  #passEnd(): void {
    if (this.#text[this.#at] === '\r') this.#at++
    if (this.#text[this.#at] === '\n') this.#at++
  }
}

const truths: ReadonlyMap<string, number> = new Map([
  ...['t', 'T', 'true', 'True', 'TRUE'].map((text) => [text, 1] as const),
  ...['f', 'F', 'false', 'False', 'FALSE'].map((text) => [text, 0] as const),
])

function fieldValue(name: string, text: string): number {
  const truth = truths.get(text)
  if (truth !== undefined) return truth
  if (text.length <= 400) {
    if (/^-?\d+i$/.test(text) && inRange(text, -(2n ** 63n), 2n ** 63n - 1n))
      return Number(text.slice(0, -1))
    if (/^\d+u$/.test(text) && inRange(text, 0n, 2n ** 64n - 1n)) return Number(text.slice(0, -1))
    if (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) {
      const value = Number(text)
      if (Number.isFinite(value)) return value
    }
  }
  throw new LineFault(
    `field ${shown(name)}: ${shown(text)} is not a number in range, a truth value or quoted text`,
  )
}

function inRange(text: string, least: bigint, most: bigint): boolean {
  const value = BigInt(text.slice(0, -1))
  return value >= least && value <= most
}
