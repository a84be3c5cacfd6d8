import type { Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Labels } from '../store/reader.ts'
import type { Batch, Row, StoreWriter } from '../store/writer.ts'
import { refuseAheadMillis } from './clock-offset.ts'

/**
 * Limits of one write request of any protocol; beyond them all of it is refused. A request is decoded in one go: its size bounds how
 * long nothing else of the hub runs.
 */
export const writeLimits = {
  /** Series of a remote write request; a series may come with many samples. */
  series: 20_000,
  samples: 100_000,
  labelsPerSeries: 128,
  /** Bytes (remote write) or characters (lines) of a label's name. */
  labelNameLength: 1024,
  /** Bytes (remote write) or characters (lines) of a label's value. */
  labelValueLength: 16_384,
} as const

export interface WrittenSample {
  readonly t: Millis
  /** Not looked at when `stale`. */
  readonly value: number
  /** The series ends here: a mark, no sample. */
  readonly stale: boolean
}

/** What every write protocol is decoded to. */
export interface WrittenSeries {
  /** `__name__` included, as sent. */
  readonly labels: Labels
  readonly samples: readonly WrittenSample[]
}

/** Why samples of a good request were left out. */
export type DropReason = 'too_far_ahead' | 'before_1970' | 'series_refused'

export interface Dropped {
  readonly reason: DropReason
  /** Samples and marks. */
  readonly samples: number
  /** A clause for the sender's log. */
  readonly why: string
}

export interface PreparedWrite {
  /** One row an instant, ascending; without origin. */
  readonly batch: Batch
  /** Samples and marks in the batch. */
  readonly samples: number
  readonly dropped: readonly Dropped[]
  /** Values of the label `instance` among samples not older than a minute; at most 1,000. */
  readonly instances: ReadonlySet<string>
}

/** Older samples are stored and do not set off an evaluation of their host. */
const freshMillis = 60_000
const mostInstances = 1000

interface Column {
  readonly ids: number[]
  readonly values: number[]
  readonly stale: number[]
}

/** Samples left out, by reason; the newest sentence of each is kept. */
class Drops {
  readonly #byReason = new Map<DropReason, Dropped>()

  add(reason: DropReason, samples: number, why: string): void {
    const former = this.#byReason.get(reason)?.samples ?? 0
    this.#byReason.set(reason, { reason, samples: former + samples, why })
  }

  get all(): readonly Dropped[] {
    return [...this.#byReason.values()]
  }
}

/**
 * Groups samples of equal time into the rows of one batch. Left out and counted: samples more than 1 h ahead of `now` or before
 * 1970, and series the store refuses to make. A series is interned only when a sample of it is kept.
 */
export function prepareWrite(
  series: readonly WrittenSeries[],
  intern: StoreWriter['intern'],
  now: Millis,
): PreparedWrite {
  const columns = new Map<Millis, Column>()
  const drops = new Drops()
  const instances = new Set<string>()
  let samples = 0
  for (const { labels, samples: sent } of series) {
    const kept = sent.filter(({ t }) => timeKept(t, now, drops))
    if (kept.length === 0) continue
    const id = internOrDrop(labels, intern, kept.length, drops)
    if (id === undefined) continue
    samples += kept.length
    for (const { t, value, stale } of kept) {
      const column = columnAt(columns, t)
      if (stale) column.stale.push(id)
      else {
        column.ids.push(id)
        column.values.push(value)
      }
    }
    const { instance } = labels
    const fresh = instance !== undefined && kept.some(({ t }) => now - t <= freshMillis)
    if (fresh && instance !== '' && instances.size < mostInstances) instances.add(instance)
  }
  return { batch: { rows: rowsOf(columns) }, samples, dropped: drops.all, instances }
}

function timeKept(t: Millis, now: Millis, drops: Drops): boolean {
  if (t > now + refuseAheadMillis) {
    const hours = ((t - now) / 3_600_000).toFixed(1)
    drops.add(
      'too_far_ahead',
      1,
      `more than 1 h ahead of the hub's clock (the last by ${hours} h); set the sender's clock`,
    )
    return false
  }
  if (t < 0) {
    drops.add('before_1970', 1, 'a time before 1970; check the unit of the times')
    return false
  }
  return true
}

function internOrDrop(
  labels: Labels,
  intern: StoreWriter['intern'],
  samples: number,
  drops: Drops,
): number | undefined {
  try {
    return intern(labels)
  } catch (error) {
    if (!(error instanceof CallwardError)) throw error
    drops.add('series_refused', samples, error.message.replace(/\.$/, ''))
    return undefined
  }
}

function columnAt(columns: Map<Millis, Column>, t: Millis): Column {
  let column = columns.get(t)
  if (column === undefined) {
    column = { ids: [], values: [], stale: [] }
    columns.set(t, column)
  }
  return column
}

function rowsOf(columns: ReadonlyMap<Millis, Column>): Row[] {
  return [...columns]
    .sort(([a], [b]) => a - b)
    .map(([t, { ids, values, stale }]) => ({
      t,
      ids: Uint32Array.from(ids),
      values: Float64Array.from(values),
      ...(stale.length === 0 ? {} : { stale: Uint32Array.from(stale) }),
    }))
}

/** A sentence on what was left out; empty when nothing was. */
export function droppedSentence(dropped: readonly Dropped[]): string {
  return dropped.map(({ samples, why }) => `${samples} samples not stored: ${why}.`).join(' ')
}
