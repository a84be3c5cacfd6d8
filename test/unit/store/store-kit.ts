import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Clock } from '../../../server/clock.ts'
import {
  type EmbeddedStore,
  type EmbeddedStoreOptions,
  openEmbeddedStore,
} from '../../../server/store/embedded-store.ts'
import type { StoreLogger } from '../../../server/store/log.ts'
import type { Labels, Matcher, SeriesSamples, StoreReader } from '../../../server/store/reader.ts'
import { labelKey } from '../../../server/store/series/labels.ts'
import type { Batch, Row, SeriesId, StoreWriter } from '../../../server/store/writer.ts'

export const hour = 3_600_000

/** A start of a two-hour window. */
export const base = Math.floor(1_800_000_000_000 / (2 * hour)) * 2 * hour

export interface HandClock extends Clock {
  at: number
}

export function handClock(at = base): HandClock {
  return {
    at,
    now() {
      return this.at
    },
    monotonic() {
      return this.at
    },
  }
}

/** Memory where there is such a file system: most tests do not ask about the disk. */
const quickFolder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** A folder that is gone when the test ends. */
export function temporaryFolder(t: Test, parent = quickFolder): string {
  const folder = mkdtempSync(join(parent, 'callward-store-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Opens with everything under the test's hand: no timers, no reserve, everything kept. */
export function openStore(
  folder: string,
  clock: Clock,
  options: Partial<EmbeddedStoreOptions> = {},
): Promise<EmbeddedStore> {
  return openEmbeddedStore({
    folder,
    clock,
    retentionDays: 0,
    reserveBytes: 0,
    maintenanceMillis: 0,
    lingerMillis: 0,
    ...options,
  })
}

/** Collects what a store says. */
export function listeningLogger(): StoreLogger & { readonly lines: string[] } {
  const lines: string[] = []
  const say = (level: string) => (_: object, message: string) =>
    void lines.push(`${level} ${message}`)
  return { lines, info: say('info'), warn: say('warn'), error: say('error') }
}

export function row(
  t: number,
  ids: readonly SeriesId[],
  values: readonly number[],
  stale: readonly SeriesId[] = [],
): Row {
  const bare = { t, ids: Uint32Array.from(ids), values: Float64Array.from(values) }
  return stale.length === 0 ? bare : { ...bare, stale: Uint32Array.from(stale) }
}

export function sequenced(sequence: number, rows: readonly Row[], collector = 'c'): Batch {
  return { origin: { collector, epoch: 'e', lane: 'live', sequence }, rows }
}

export const everything: readonly Matcher[] = []

/** Plain form of results: label key -> `t=value` and `t=stale` in order of time; keeps -0 and NaN apart. */
export function plain(results: readonly SeriesSamples[]): Record<string, string[]> {
  const plainForm: Record<string, string[]> = {}
  for (const { labels, times, values, staleTimes } of results) {
    const entries: [number, string][] = [...times].map((t, i) => [t, text(values[i]!)])
    for (const t of staleTimes) entries.push([t, 'stale'])
    const ascending = times.every((t, i) => i === 0 || times[i - 1]! < t)
    const key = labelKey(labels)
    if (!ascending || plainForm[key])
      throw new Error(`${key}: times do not ascend, or the series came twice`)
    plainForm[key] = entries.sort((a, b) => a[0] - b[0]).map(([t, value]) => `${t}=${value}`)
  }
  return plainForm
}

function text(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

/** What a store should hold, kept the simplest way. */
export class Model {
  private readonly entries = new Map<string, Map<number, string>>()
  private readonly labelSets = new Map<string, Labels>()
  readonly positions = new Map<string, number>()

  append(batch: Batch, labelsOf: (id: SeriesId) => Labels): void {
    const { origin } = batch
    if (origin) {
      const stream = `${origin.collector}/${origin.epoch}/${origin.lane}`
      if (origin.sequence <= (this.positions.get(stream) ?? 0)) return
      this.positions.set(stream, origin.sequence)
    }
    for (const { t, ids, values, stale } of batch.rows) {
      for (const [i, id] of ids.entries()) this.set(labelsOf(id), t, text(values[i]!))
      for (const id of stale ?? []) this.set(labelsOf(id), t, 'stale')
    }
  }

  private set(labels: Labels, t: number, entry: string): void {
    const key = labelKey(labels)
    this.labelSets.set(key, labels)
    const series = this.entries.get(key) ?? new Map<number, string>()
    this.entries.set(key, series.set(t, entry))
  }

  select(
    start: number,
    end: number,
    matches: (labels: Labels) => boolean,
  ): Record<string, string[]> {
    const found: Record<string, string[]> = {}
    for (const [key, series] of this.entries) {
      if (!matches(this.labelSets.get(key)!)) continue
      const inside = [...series].filter(([t]) => t >= start && t <= end).sort((a, b) => a[0] - b[0])
      if (inside.length > 0) found[key] = inside.map(([t, value]) => `${t}=${value}`)
    }
    return found
  }

  labelSetsWithin(start: number, end: number): Labels[] {
    return Object.keys(this.select(start, end, () => true)).map((key) => this.labelSets.get(key)!)
  }
}

export async function dump(
  store: StoreReader,
  start = -Infinity,
  end = Infinity,
): Promise<Record<string, string[]>> {
  return plain(await store.select(everything, start, end))
}

export type ReadWrite = StoreReader & StoreWriter
