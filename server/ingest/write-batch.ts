import type { Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { Batch, Row, SeriesId } from '../store/writer.ts'
import { refuseAheadMillis } from './clock-offset.ts'
import type { Written } from './sample-columns.ts'

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

/** Samples of one instant while they are counted and then placed. */
interface Instant {
  readonly t: Millis
  values: number
  marks: number
  row?: { readonly ids: Uint32Array; readonly values: Float64Array; readonly stale: Uint32Array }
}

/** The instants of a request. Neighbours mostly share theirs, so the last one is tried first. */
class Instants {
  readonly #byTime = new Map<Millis, Instant>()
  #last: Instant = { t: Number.NaN, values: 0, marks: 0 }

  at(t: Millis): Instant {
    if (this.#last.t === t) return this.#last
    let instant = this.#byTime.get(t)
    if (instant === undefined) {
      instant = { t, values: 0, marks: 0 }
      this.#byTime.set(t, instant)
    }
    this.#last = instant
    return instant
  }

  /** Rows for what was counted, in ascending time; the counts begin at 0 again. */
  rows(): Row[] {
    const sorted = [...this.#byTime.values()].sort((a, b) => a.t - b.t)
    return sorted.map((instant) => {
      const { t } = instant
      const ids = new Uint32Array(instant.values)
      const values = new Float64Array(instant.values)
      const stale = new Uint32Array(instant.marks)
      instant.row = { ids, values, stale }
      instant.values = 0
      instant.marks = 0
      return { t, ids, values, ...(stale.length === 0 ? {} : { stale }) }
    })
  }
}

const notKept = -1

/**
 * Groups samples of equal time into the rows of one batch. Left out and counted: samples more than 1 h ahead of `now` or before
 * 1970, and series the store refuses to make. A series is made only when a sample of it is kept.
 */
export function prepareWrite(written: Written, now: Millis): PreparedWrite {
  const { times, marks, ends, count } = written.samples
  const drops = new Drops()
  const instants = new Instants()
  const instances = new Set<string>()
  const idOf = new Float64Array(count)
  let samples = 0
  let from = 0
  for (let series = 0; series < written.series; series++) {
    const end = ends[series]!
    let kept = 0
    let newest = -1
    for (let i = from; i < end; i++) {
      const t = times[i]!
      if (!timeKept(t, now, drops)) idOf[i] = notKept
      else {
        kept++
        if (t > newest) newest = t
      }
    }
    const id = kept === 0 ? notKept : idOrDrop(written, series, kept, drops)
    for (let i = from; i < end; i++) {
      if (idOf[i] === notKept) continue
      idOf[i] = id
      if (id === notKept) continue
      const instant = instants.at(times[i]!)
      if (marks[i] === 1) instant.marks++
      else instant.values++
    }
    from = end
    if (id === notKept) continue
    samples += kept
    if (now - newest <= freshMillis) noteInstance(instances, written.instance(series))
  }
  const rows = instants.rows()
  place(written, idOf, instants)
  return { batch: { rows }, samples, dropped: drops.all, instances }
}

/** Writes the samples that are kept into their rows. */
function place({ samples }: Written, idOf: Float64Array, instants: Instants): void {
  const { times, values, marks, count } = samples
  for (let i = 0; i < count; i++) {
    const id = idOf[i]!
    if (id === notKept) continue
    const instant = instants.at(times[i]!)
    const row = instant.row!
    if (marks[i] === 1) row.stale[instant.marks++] = id
    else {
      row.ids[instant.values] = id
      row.values[instant.values++] = values[i]!
    }
  }
}

function noteInstance(instances: Set<string>, instance: string | undefined): void {
  if (instance === undefined || instance === '' || instances.size >= mostInstances) return
  instances.add(instance)
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

function idOrDrop(written: Written, series: number, samples: number, drops: Drops): SeriesId {
  try {
    return written.id(series)
  } catch (error) {
    if (!(error instanceof CallwardError)) throw error
    drops.add('series_refused', samples, error.message.replace(/\.$/, ''))
    return notKept
  }
}

/** A sentence on what was left out; empty when nothing was. */
export function droppedSentence(dropped: readonly Dropped[]): string {
  return dropped.map(({ samples, why }) => `${samples} samples not stored: ${why}.`).join(' ')
}
