import { realDisk } from '../../../server/store/disk.ts'
import { Generation } from '../../../server/store/head/generation.ts'
import { PartFolder } from '../../../server/store/parts/part-folder.ts'
import type { Matcher, SeriesSamples, StoreReader } from '../../../server/store/reader.ts'
import { SeriesIndex } from '../../../server/store/series/series-index.ts'
import { StoreReads } from '../../../server/store/store-reads.ts'
import { listeningLogger } from './store-kit.ts'

/** One write to a series; NaN-safe. */
export interface Write {
  readonly id: number
  readonly t: number
  readonly value: number | 'stale'
}

export const seriesCount = 6

/** Reads of a part folder and of generations that are not sealed yet. */
export class Shelf {
  readonly folder: string
  readonly logger = listeningLogger()
  readonly index = new SeriesIndex(1000)
  readonly parts: PartFolder
  readonly reads: StoreReads
  readonly unsealed: Generation[] = []

  constructor(folder: string) {
    this.folder = folder
    this.parts = new PartFolder({ folder, disk: realDisk, logger: this.logger })
    for (let i = 0; i < seriesCount; i++)
      this.index.intern({ __name__: 'up', series: String(i), half: i % 2 === 0 ? 'even' : 'odd' })
    const overlapping = (start: number, end: number) =>
      this.unsealed.filter(({ minTime, maxTime }) => minTime <= end && maxTime >= start)
    this.reads = new StoreReads({
      index: this.index,
      head: { overlapping, recent: () => undefined },
      parts: this.parts,
    })
  }

  static async open(folder: string): Promise<Shelf> {
    const shelf = new Shelf(folder)
    await shelf.parts.open()
    return shelf
  }

  /** Seals the oldest generation in memory. */
  async seal(): Promise<void> {
    const [generation] = this.unsealed
    if (!generation) return
    await this.parts.seal(generation.partSource())
    this.unsealed.shift()
  }
}

/** A generation of writes; of each series' ascending ones, those with an even id stand in a group. */
export function generationOf(order: number, writes: readonly Write[]): Generation {
  const generation = new Generation(order, 0)
  const grouped = Uint32Array.of(0, 2, 4)
  const group = generation.openGroup(grouped, 4)!
  const byTime = new Map<number, Write[]>()
  for (const write of writes)
    if (write.id % 2 === 0) byTime.set(write.t, [...(byTime.get(write.t) ?? []), write])
  const loose = writes.filter(({ id }) => id % 2 === 1)
  for (const [t, row] of [...byTime].sort((a, b) => a[0] - b[0])) {
    const values = new Float64Array(3)
    const absent = Uint8Array.of(7)
    const stale = Uint8Array.of(0)
    for (const { id, value } of row) {
      const bit = 1 << (id / 2)
      absent[0]! &= ~bit
      stale[0]! &= ~bit
      if (value === 'stale') stale[0]! |= bit
      else values[id / 2] = value
    }
    generation.appendRow(group, t, values, absent, stale)
  }
  for (const { id, t, value } of loose)
    generation.write(
      value === 'stale'
        ? { t, ids: new Uint32Array(0), values: new Float64Array(0), stale: Uint32Array.of(id) }
        : { t, ids: Uint32Array.of(id), values: Float64Array.of(value) },
    )
  return generation
}

/** What should be there: entries by series and time. */
export class Held {
  private readonly series = new Map<number, Map<number, number | 'stale'>>()

  write(writes: readonly Write[]): void {
    for (const { id, t, value } of writes) {
      const entries = this.series.get(id) ?? new Map<number, number | 'stale'>()
      this.series.set(id, entries.set(t, value))
    }
  }

  /** `t=value` by series in order of time. */
  within(start: number, end: number): Record<string, string[]> {
    const found: Record<string, string[]> = {}
    for (const [id, entries] of [...this.series].sort((a, b) => a[0] - b[0])) {
      const inside = [...entries].filter(([t]) => t >= start && t <= end)
      if (inside.length === 0) continue
      inside.sort((a, b) => a[0] - b[0])
      found[id] = inside.map(([t, value]) => `${t}=${text(value)}`)
    }
    return found
  }
}

function text(value: number | 'stale'): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

/** Results in the form of `Held.within`. Throws when times do not ascend or a series comes twice. */
export function plainly(results: readonly SeriesSamples[]): Record<string, string[]> {
  const found: Record<string, string[]> = {}
  for (const { labels, times, values, staleTimes } of results) {
    const entries: [number, number | 'stale'][] = [...times].map((t, i) => [t, values[i]!])
    if (times.length !== values.length) throw new Error('times and values differ in number')
    if (!times.every((t, i) => i === 0 || times[i - 1]! < t)) throw new Error('times do not ascend')
    for (const t of staleTimes) entries.push([t, 'stale'])
    entries.sort((a, b) => a[0] - b[0])
    const id = labels['series']!
    if (found[id]) throw new Error(`series ${id} came twice`)
    found[id] = entries.map(([t, value]) => `${t}=${text(value)}`)
  }
  return found
}

export async function read(
  reader: StoreReader,
  start = -Infinity,
  end = Infinity,
  matchers: readonly Matcher[] = [],
): Promise<Record<string, string[]>> {
  return plainly(await reader.select(matchers, start, end))
}
