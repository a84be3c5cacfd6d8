import { executionFailure } from '../failure.ts'
import { maxNumberBytes, writeNumber } from './number-text.ts'

const firstChunk = 16_384
const largestChunk = 1_048_576

const encoder = new TextEncoder()

const comma = 44
const quote = 34
const bracketOpen = 91
const bracketClose = 93
const maxInstantBytes = 4 + maxNumberBytes

/** Instants as JSON in bytes, each `,[seconds,"`; made once for all series of an answer. */
export class Instants {
  readonly times: Float64Array
  readonly bytes: Uint8Array
  /** Where the text of each begins; one more than there are times. */
  readonly offsets: Uint32Array

  constructor(times: Float64Array) {
    this.times = times
    this.offsets = new Uint32Array(times.length + 1)
    const seconds = times.map((time) => time / 1000)
    const bytes = new Uint8Array(times.length * maxInstantBytes)
    let at = 0
    for (let index = 0; index < times.length; index += 1) {
      this.offsets[index] = at
      bytes[at] = comma
      bytes[at + 1] = bracketOpen
      at = writeNumber(bytes, at + 2, seconds, index)
      bytes[at] = comma
      bytes[at + 1] = quote
      at += 2
    }
    this.offsets[times.length] = at
    this.bytes = bytes.subarray(0, at)
  }
}

/** Text under way as UTF-8, in pieces that can be given to another thread. */
export class ByteText {
  private readonly maxBytes: number
  private readonly full: Uint8Array<ArrayBuffer>[] = []
  private chunk = new Uint8Array(firstChunk)
  private at = 0
  private before = 0

  /** Over `maxBytes` the writing methods throw `QueryFailure`. */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  private keep(): void {
    this.full.push(this.chunk.subarray(0, this.at))
    this.before += this.at
    this.at = 0
    if (this.before <= this.maxBytes) return
    const shown = Math.round(this.maxBytes / 1_048_576)
    throw executionFailure(
      `the answer is longer than ${shown} MiB; ask for fewer series, a shorter time or a larger step`,
    )
  }

  private next(bytes: number): void {
    this.keep()
    this.chunk = new Uint8Array(Math.max(bytes, Math.min(2 * this.chunk.length, largestChunk)))
  }

  text(text: string): void {
    // A UTF-16 unit takes three bytes at most.
    if (this.at + 3 * text.length > this.chunk.length) this.next(3 * text.length)
    if (text.length > 64) {
      this.at += encoder.encodeInto(text, this.chunk.subarray(this.at)).written
      return
    }
    const { chunk } = this
    const from = this.at
    for (let index = 0; index < text.length; index += 1) {
      const unit = text.charCodeAt(index)
      if (unit > 127) {
        this.at = from + encoder.encodeInto(text, chunk.subarray(from)).written
        return
      }
      chunk[from + index] = unit
    }
    this.at = from + text.length
  }

  /** Points `[seconds,"value"]` from `from` to `to` (exclusive), with commas between; `times` stand among the instants'. */
  points(
    instants: Instants,
    times: Float64Array,
    values: Float64Array,
    from: number,
    to: number,
  ): void {
    const { bytes, offsets } = instants
    const whole = times === instants.times
    let step = whole ? from : 0
    for (let index = from; index < to; index += 1) {
      if (this.at + maxPointBytes > this.chunk.length) this.next(maxPointBytes)
      if (whole) step = index
      else while (instants.times[step] !== times[index]) step += 1
      const { chunk } = this
      let at = this.at
      const end = offsets[step + 1]!
      for (let byte = offsets[step]! + (index === 0 ? 1 : 0); byte < end; byte += 1) {
        chunk[at++] = bytes[byte]!
      }
      at = writeNumber(chunk, at, values, index)
      chunk[at] = quote
      chunk[at + 1] = bracketClose
      this.at = at + 2
    }
  }

  /** All of it, in order. */
  finish(): readonly Uint8Array<ArrayBuffer>[] {
    this.keep()
    return this.full
  }
}

const maxPointBytes = 40 + maxNumberBytes
