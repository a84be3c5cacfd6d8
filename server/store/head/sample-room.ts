import type { Millis } from '../../clock.ts'
import type { SampleColumn } from '../reader.ts'
import type { Entries } from '../samples.ts'

/** One series' samples of an interval, gathered in arrays that are used again for the next series. Marks only count for the order. */
export class SampleRoom {
  times = new Float64Array(256)
  values = new Float64Array(256)
  count = 0
  /** Time of the newest entry so far, mark or sample. */
  last: Millis = -Infinity
  /** Entries came that are not newer than all before: what stands here does not count. */
  tangled = false
  /** Views of the first samples, by their number. */
  private columns: (SampleColumn | undefined)[] = []

  clear(): void {
    this.count = 0
    this.last = -Infinity
    this.tangled = false
  }

  /** Makes room for more samples. */
  reserve(count: number): void {
    const needed = this.count + count
    if (needed <= this.times.length) return
    const times = new Float64Array(Math.max(needed, this.times.length * 2))
    const values = new Float64Array(times.length)
    times.set(this.times)
    values.set(this.values)
    this.times = times
    this.values = values
    this.columns = []
  }

  /** Adds entries that are newer than all before. */
  add({ times, values, staleTimes }: Entries): void {
    const first = Math.min(times[0] ?? Infinity, staleTimes[0] ?? Infinity)
    if (first <= this.last) this.tangled = true
    this.reserve(times.length)
    this.times.set(times, this.count)
    this.values.set(values, this.count)
    this.count += times.length
    this.last = Math.max(this.last, times.at(-1) ?? -Infinity, staleTimes.at(-1) ?? -Infinity)
  }

  /** What was gathered; good until the next is. */
  get column(): SampleColumn {
    const { count } = this
    this.columns[count] ??= {
      times: this.times.subarray(0, count),
      values: this.values.subarray(0, count),
    }
    return this.columns[count]
  }
}
