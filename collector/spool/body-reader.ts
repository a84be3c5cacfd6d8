import { setImmediate as nextTurn } from 'node:timers/promises'
import type { OutgoingReport } from '../pending.ts'
import { isOfMedium } from './files.ts'
import { type SpoolRecord, scanRecords } from './record.ts'
import { SegmentReader } from './segment.ts'
import type { Segment } from './segments.ts'

/** Rows read before other work gets its turn: about 2 ms with 450 series. */
const rowsATurn = 64

/** Reads `segment` from byte `from` on. */
export type ReadSegment = (segment: Segment, from: number) => Promise<Uint8Array>

interface Cursor {
  readonly segment: Segment
  readonly reader: SegmentReader
  records: readonly SpoolRecord[]
  /** The next of them. */
  at: number
  /** Bytes of the file that were scanned. */
  end: number
  /** The highest number that was read. */
  number: number
}

/** Reads reports back in rising order of their numbers; goes on where it was, so that a drain reads each row once. */
export class BodyReader {
  readonly #read: ReadSegment
  #cursor: Cursor | undefined

  constructor(read: ReadSegment) {
    this.#read = read
  }

  /** The reports of `numbers` (rising) that can be read. Throws the system's error. */
  async bodies(
    numbers: readonly number[],
    segments: readonly Segment[],
  ): Promise<Map<number, OutgoingReport>> {
    const found = new Map<number, OutgoingReport>()
    const wanted = new Set(numbers)
    const lastWanted = numbers.at(-1) ?? 0
    for (const segment of segments) {
      if (!numbers.some((number) => number >= segment.first && number <= segment.last)) continue
      const cursor = await this.#cursorAt(segment, numbers)
      const upTo = Math.min(lastWanted, segment.last)
      const each = (number: number, report: OutgoingReport) => {
        if (wanted.has(number)) found.set(number, report)
      }
      await this.#through(cursor, upTo, each).catch((error: unknown) => {
        this.#cursor = undefined
        // One file that the medium does not give back is no reason to lose the others.
        if (!isOfMedium(error)) throw error
      })
    }
    return found
  }

  /** Lets go of what it holds of a segment that is gone. */
  forget(segment: Segment): void {
    if (this.#cursor?.segment === segment) this.#cursor = undefined
  }

  async #cursorAt(segment: Segment, numbers: readonly number[]): Promise<Cursor> {
    const first = numbers.find((number) => number >= segment.first) ?? segment.first
    const former = this.#cursor
    const goesOn = former?.segment === segment && former.number < first
    const cursor: Cursor = goesOn
      ? former
      : {
          segment,
          reader: new SegmentReader(),
          records: [],
          at: 0,
          end: 0,
          number: segment.first - 1,
        }
    this.#cursor = cursor
    return cursor
  }

  async #through(
    cursor: Cursor,
    upTo: number,
    each: (number: number, report: OutgoingReport) => void,
  ): Promise<void> {
    const { reader, segment } = cursor
    for (let rows = 1; cursor.number < upTo; rows++) {
      const record = cursor.records[cursor.at]
      if (record === undefined) {
        if (cursor.end >= segment.bytes) return
        const bytes = await this.#read(segment, cursor.end)
        if (bytes.length === 0) return
        cursor.records = scanRecords(bytes).records
        cursor.at = 0
        cursor.end += bytes.length
        continue
      }
      cursor.at++
      const read = reader.read(record)
      if (read === undefined) continue
      cursor.number = read.number
      each(read.number, read.report)
      if (rows % rowsATurn === 0) await nextTurn()
    }
  }
}
