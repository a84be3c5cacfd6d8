import type { Labels } from '../store/reader.ts'
import type { SeriesId } from '../store/writer.ts'

/** A series as lines name it. */
export interface LineSeries {
  readonly labels: Labels
  /** Set once the store has given it. */
  id: SeriesId | undefined
}

/** What stands before the fields of a line: measurement and tags as they were written. */
export interface LineHead {
  readonly measurement: string
  readonly tags: Labels
  /** By the name of the field as it was written. */
  readonly fields: Map<string, LineSeries>
}

/** About the bytes that are kept, and those of an entry without its text. */
const mostBytes = 64 * 1024 * 1024
const entryBytes = 300

/**
 * Series by the text that names them: agents repeat their lines with other values, so what follows from the text is worked out once.
 * Bounded: when full it begins anew.
 */
export class KnownLines {
  readonly #mostBytes: number
  readonly #heads = new Map<string, LineHead>()
  #bytes = 0

  constructor(bytes: number = mostBytes) {
    this.#mostBytes = bytes
  }

  head(text: string): LineHead | undefined {
    return this.#heads.get(text)
  }

  addHead(text: string, measurement: string, tags: Labels): LineHead {
    const head: LineHead = { measurement, tags, fields: new Map() }
    this.#take(text)
    this.#heads.set(own(text), head)
    return head
  }

  addField(head: LineHead, field: string, series: LineSeries): void {
    this.#take(field)
    head.fields.set(own(field), series)
  }

  /** The text is kept twice: as it was written, and cut into labels. */
  #take(text: string): void {
    this.#bytes += 2 * text.length + entryBytes
    if (this.#bytes <= this.#mostBytes) return
    this.#bytes = 0
    this.#heads.clear()
  }
}

/** A text of its own: what was cut out of a request may keep all of the request in memory. */
export function own(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8')
}
