import type { Millis } from '../clock.ts'
import type { SeriesId } from '../store/writer.ts'

/** What every write protocol is decoded to: samples in columns, series after series. Valid until the next decode. */
export interface Written {
  readonly samples: SampleColumns
  /** How many series there are. */
  readonly series: number
  /** Id of a series, made on first sight. Throws CallwardError when the store refuses it. */
  id(series: number): SeriesId
  /** The label `instance` of a series. */
  instance(series: number): string | undefined
}

/** Samples of one request by columns; reused from one request to the next. */
export class SampleColumns {
  times = new Float64Array(1024)
  /** Not looked at where there is a mark. */
  values = new Float64Array(1024)
  /** 1: the series ends here, a mark and no sample. */
  marks = new Uint8Array(1024)
  count = 0
  /** Where the samples of each series end. */
  readonly ends: number[] = []

  clear(): void {
    this.count = 0
    this.ends.length = 0
  }

  push(t: Millis, value: number, mark: boolean): void {
    if (this.count === this.times.length) this.#grow()
    this.times[this.count] = t
    this.values[this.count] = value
    this.marks[this.count] = mark ? 1 : 0
    this.count++
  }

  /** The samples since the last call are one series'. */
  endSeries(): void {
    this.ends.push(this.count)
  }

  #grow(): void {
    const length = this.times.length * 2
    const times = new Float64Array(length)
    const values = new Float64Array(length)
    const marks = new Uint8Array(length)
    times.set(this.times)
    values.set(this.values)
    marks.set(this.marks)
    this.times = times
    this.values = values
    this.marks = marks
  }
}
