import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createRowDecoder, createRowEncoder } from '../../../collector/wire/row-codec.ts'
import type { Clock } from '../../../server/clock.ts'
import {
  type EmbeddedStore,
  type EmbeddedStoreOptions,
  openEmbeddedStore,
} from '../../../server/store/embedded-store.ts'
import type { StoreLogger } from '../../../server/store/log.ts'
import type { Labels, Matcher, SeriesSamples, StoreReader } from '../../../server/store/reader.ts'
import type {
  Batch,
  Row,
  SeriesId,
  StoreUnavailable,
  StoreWriter,
  StreamKey,
  StreamWriter,
} from '../../../server/store/writer.ts'

export const hour = 3_600_000

/** A start of a two-hour interval. */
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

/** Text that two label sets share only when they are equal: whatever their order, and without empty values. */
export function labelKey(labels: Labels): string {
  return Object.keys(labels)
    .filter((name) => labels[name] !== '')
    .sort()
    .map((name) => `${name.length}:${name}${labels[name]!.length}:${labels[name]}`)
    .join('')
}

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

/** What a column of a stream's row has. */
export type Cell = number | 'absent' | 'stale'

/** Bit c set where cell c is of that kind; undefined when none is. */
export function bitmapOf(cells: readonly Cell[], kind: Cell): Uint8Array | undefined {
  const bits = new Uint8Array((cells.length + 7) >> 3)
  for (const [c, cell] of cells.entries()) if (cell === kind) bits[c >> 3]! |= 1 << (c & 7)
  return bits.some((byte) => byte !== 0) ? bits : undefined
}

/** A session's end of a stream: sends rows as values or as encoded frames, and hears of commits. */
export class Sender {
  readonly key: StreamKey
  committed = 0
  failure: StoreUnavailable | undefined
  readonly stream: StreamWriter
  private readonly encoder = createRowEncoder()
  private readonly decoder = createRowDecoder()
  private listeners: (() => void)[] = []

  constructor(store: StoreWriter, collector = 'c', lane = 'live') {
    this.key = { collector, epoch: 'e', lane }
    this.stream = store.stream(this.key, {
      committed: (sequence) => {
        this.committed = Math.max(this.committed, sequence)
        this.tell()
      },
      failed: (error) => {
        this.failure = error
        this.tell()
      },
    })
  }

  private tell(): void {
    const { listeners } = this
    this.listeners = []
    for (const listener of listeners) listener()
  }

  /** Sends a row; a cell a column. */
  send(sequence: number, t: number, cells: readonly Cell[], isEncoded = true): void {
    const values = Float64Array.from(cells, (cell) => (typeof cell === 'number' ? cell : 0))
    const absent = bitmapOf(cells, 'absent')
    const stale = bitmapOf(cells, 'stale')
    if (!isEncoded) {
      this.stream.append({ sequence, t, values, absent, stale })
      return
    }
    const { encoder, decoder } = this
    const bytes = encoder.encode(values, absent, stale)
    const decoded = decoder.decode(bytes, cells.length)
    this.stream.append({ sequence, t, ...decoded, encoded: { bytes, decoder } })
  }

  /** Resolves when `sequence` is durable; rejects when the stream fails. */
  async durable(sequence: number): Promise<void> {
    while (this.committed < sequence) {
      if (this.failure) throw this.failure
      await new Promise<void>((resolve) => this.listeners.push(resolve))
    }
  }
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

  /** A row of a stream whose columns are these series. */
  appendRow(
    { collector, epoch, lane }: StreamKey,
    sequence: number,
    t: number,
    columns: readonly Labels[],
    cells: readonly Cell[],
  ): void {
    const stream = `${collector}/${epoch}/${lane}`
    if (sequence <= (this.positions.get(stream) ?? 0)) return
    this.positions.set(stream, sequence)
    for (const [i, cell] of cells.entries()) {
      if (cell === 'absent') continue
      this.set(columns[i]!, t, typeof cell === 'number' ? text(cell) : cell)
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
