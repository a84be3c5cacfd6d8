import type { StoreLogger } from '../log.ts'
import type { Part } from '../parts/part.ts'
import { RetryLoop } from '../spool/retry-loop.ts'
import {
  batchesOf,
  type Expected,
  expectedOf,
  freshEntries,
  idsOf,
  missing,
  type SealedSource,
  type SentEntries,
  type Unit,
  unitsOf,
  unitsWithin,
} from '../spool/sealed-units.ts'
import { SentSoFar } from '../spool/sent-so-far.ts'
import type { SeriesId } from '../writer.ts'
import { countsInPieces } from './counts-in-pieces.ts'
import { EntriesRefused, seriesKey, type VictoriaClient } from './victoria-client.ts'

export interface ForwarderParts {
  readonly source: SealedSource
  /** Of the store, which the cursor goes with. */
  readonly folder: string
  readonly client: Pick<VictoriaClient, 'target' | 'write' | 'counts' | 'times'>
  readonly logger: StoreLogger
  readonly settleMillis: number
  /** How often new files are looked for. */
  readonly pollMillis?: number
  /** First wait after a failure; doubled up to a minute. */
  readonly retryMillis?: number
  /** Told of the samples of a unit when it was sent. */
  readonly onSent?: (samples: number) => void
}

/** Files of one round have about so many samples. */
const roundSamples = 20_000_000
/** Rounds of looking and sending again, after which what is still not there counts as refused. */
const mostRepairs = 5

/** Series of a unit that are to be sent again. */
interface Short {
  readonly unit: Unit
  readonly ids: readonly SeriesId[]
  readonly samples: number
}

/**
 * Sends what the store has sealed to VictoriaMetrics, in order. A round sends some files, waits until VictoriaMetrics has had time
 * to write them to its disk, and counts every series there; what is short is sent again. Only then the cursor moves. Wherever it is not
 * certain what arrived, the times that are there are read before anything is sent, so that nothing stands there twice.
 */
export class Forwarder {
  readonly #parts: ForwarderParts
  readonly #loop: RetryLoop
  readonly #refused = new Set<string>()
  readonly #sent: SentSoFar
  /** Since the start. */
  readonly counters = { samples: 0, repaired: 0, refused: 0, lost: 0 }

  constructor(parts: ForwarderParts) {
    this.#parts = parts
    const { logger, pollMillis, retryMillis } = parts
    this.#sent = new SentSoFar({
      ...parts,
      engine: 'VictoriaMetrics',
      cursorName: 'forwarded.json',
    })
    this.#loop = new RetryLoop({
      engine: 'VictoriaMetrics',
      logger,
      pollMillis,
      retryMillis,
      round: () => this.round(),
      probe: () => this.#probe(),
    })
  }

  /** Why the newest attempt failed; undefined while all is well. */
  get away(): string | undefined {
    return this.#loop.away
  }

  /** Failed attempts since the start. */
  get failures(): number {
    return this.#loop.failures
  }

  /** Files that are not known to be in VictoriaMetrics. */
  get waiting(): readonly Part[] {
    return this.#sent.waiting
  }

  /** A file went because of its age. */
  agedOut(part: Part): void {
    this.counters.lost += this.#sent.lostWith(part)
  }

  start(): void {
    this.#loop.start()
  }

  /** What is under way ends; what was sent is looked up at the next start. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** With nothing to send, VictoriaMetrics is asked something small, so that its absence shows. */
  async #probe(): Promise<void> {
    await this.#parts.client.counts('count_over_time', 'up', 1000, 1000, this.#loop.signal)
  }

  /** Sends the next files; false when there are none. Throws EngineAway. */
  async round(): Promise<boolean> {
    const { settleMillis, source } = this.#parts
    const { signal } = this.#loop
    // Without a cursor everything that is sealed may have been sent.
    const cursor = await this.#sent.load(source.parts.newestOrder)
    const parts = roundOf(this.waiting)
    const last = parts.at(-1)?.order
    if (last === undefined) return false
    for (const part of parts) part.retain()
    try {
      const begun = Math.max(cursor.begun, last)
      await this.#sent.save({ ...cursor, begun })
      // What was on its way when an earlier round ended shows only now.
      if (parts.some(({ order }) => order <= cursor.begun)) await this.#loop.sleep(settleMillis)
      const units = unitsOf(parts)
      for (const unit of units)
        await this.#sendUnit(unit, unit.part.order <= cursor.begun || unit.part.level > 0)
      await this.#settle(units, last)
      signal.throwIfAborted()
      await this.#sent.save({ ...cursor, forwarded: last, begun })
      this.#refused.clear()
      return true
    } finally {
      for (const part of parts) part.release()
    }
  }

  /**
   * Sends what is held of [start, end] and is not there yet, whatever was sent before, and counts it there; the cursor stays where it is.
   * Throws EngineAway.
   */
  async span(start: number, end: number): Promise<void> {
    const all = this.#parts.source.parts
    for (let rest = all.overlapping(start, end); rest.length > 0; ) {
      const parts = roundOf(rest)
      for (const part of parts) part.retain()
      try {
        const units = unitsWithin(unitsOf(parts), start, end)
        for (const unit of units) await this.#sendUnit(unit, true)
        await this.#settle(units, all.newestOrder)
      } finally {
        for (const part of parts) part.release()
      }
      rest = rest.slice(parts.length)
    }
  }

  async #sendUnit(unit: Unit, looked: boolean): Promise<void> {
    await this.#send(unit, idsOf(unit), looked)
    this.#parts.onSent?.(unit.slot.samples)
  }

  /** Sends series of a unit; `looked`: only what VictoriaMetrics has not got. Returns the samples sent. */
  async #send(unit: Unit, ids: readonly SeriesId[], looked: boolean): Promise<number> {
    const { source, client } = this.#parts
    const { signal } = this.#loop
    let sent = 0
    for (const batch of batchesOf(unit, ids)) {
      await this.#loop.giveWay()
      signal.throwIfAborted()
      let series = (await freshEntries(source, unit, batch, signal)).filter(isFilled)
      if (looked && series.length > 0) {
        const { minTime, maxTime } = unit.slot
        const labels = series.map((one) => one.labels)
        const present = await client.times(labels, minTime, maxTime, signal)
        series = series
          .map((one) => missing(one, present.get(seriesKey(one.labels))))
          .filter(isFilled)
      }
      if (series.length > 0) sent += await this.#write(series)
    }
    return sent
  }

  /** Halves what is refused until the refused series stand alone: they are set aside and counted. */
  async #write(series: readonly SentEntries[]): Promise<number> {
    const { client, logger } = this.#parts
    try {
      await client.write(series, this.#loop.signal)
    } catch (error) {
      if (!(error instanceof EntriesRefused)) throw error
      if (series.length > 1) {
        const half = series.length >> 1
        return (await this.#write(series.slice(0, half))) + (await this.#write(series.slice(half)))
      }
      const [{ labels, times }] = series as readonly [SentEntries]
      this.#refused.add(seriesKey(labels))
      this.counters.refused += times.length
      logger.warn({ metric: labels['__name__'], samples: times.length }, error.message)
      return 0
    }
    const samples = series.reduce((sum, { times }) => sum + times.length, 0)
    this.counters.samples += samples
    return samples
  }

  /** Waits, counts, and sends again what is short until nothing is. */
  async #settle(all: readonly Unit[], order: number): Promise<void> {
    const { settleMillis, logger } = this.#parts
    let units = all.map((unit): Short => ({ unit, ids: idsOf(unit), samples: 0 }))
    for (let repairs = 0; ; repairs++) {
      await this.#loop.sleep(settleMillis)
      const short: Short[] = []
      for (const { unit, ids } of units) {
        const found = await this.#shortOf(unit, ids, order)
        if (found.ids.length > 0) short.push(found)
      }
      if (short.length === 0) return
      if (repairs === mostRepairs) {
        const samples = short.reduce((sum, one) => sum + one.samples, 0)
        this.counters.refused += samples
        logger.warn(
          { samples },
          'VictoriaMetrics says that it took samples, but does not hold them: are they older than its retention?',
        )
        return
      }
      for (const { unit, ids } of short) this.counters.repaired += await this.#send(unit, ids, true)
      units = short
    }
  }

  async #shortOf(unit: Unit, ids: readonly SeriesId[], order: number): Promise<Short> {
    const { source } = this.#parts
    const { signal } = this.#loop
    // Files are read in the order of ids, which is by host; VictoriaMetrics is asked by metric.
    const byMetric = new Map<string, Expected[]>()
    for (const batch of batchesOf(unit, ids)) {
      await this.#loop.giveWay()
      signal.throwIfAborted()
      for (const one of await expectedOf(source, unit, batch, order, signal)) {
        const metric = source.index.labels(one.id)['__name__'] ?? ''
        const members = byMetric.get(metric)
        if (members) members.push(one)
        else byMetric.set(metric, [one])
      }
    }
    const short: SeriesId[] = []
    let samples = 0
    for (const [metric, expected] of byMetric) {
      signal.throwIfAborted()
      for (const [id, lacking] of await this.#lacking(unit, metric, expected)) {
        short.push(id)
        samples += lacking
      }
    }
    return { unit, ids: short.sort((a, b) => a - b), samples }
  }

  /** Series of a metric of which VictoriaMetrics holds less than it must, and how much less. */
  async #lacking(
    { slot: { minTime, maxTime } }: Unit,
    metric: string,
    expected: readonly Expected[],
  ): Promise<[SeriesId, number][]> {
    const { source, client } = this.#parts
    const { signal } = this.#loop
    const members = expected.map(({ id }) => source.index.labels(id))
    const counted = (what: 'count_over_time' | 'stale_samples_over_time') =>
      countsInPieces(members, (only) => client.counts(what, metric, minTime, maxTime, signal, only))
    const samples = await counted('count_over_time')
    const marks = expected.some((one) => one.marks > 0)
      ? await counted('stale_samples_over_time')
      : new Map<string, number>()
    return expected.flatMap((one): [SeriesId, number][] => {
      const { __name__: name = '', ...labels } = source.index.labels(one.id)
      if (this.#refused.has(seriesKey({ ...labels, __name__: name }))) return []
      const key = seriesKey(labels)
      const lacking =
        Math.max(0, one.samples - (samples.get(key) ?? 0)) +
        Math.max(0, one.marks - (marks.get(key) ?? 0))
      return lacking > 0 ? [[one.id, lacking]] : []
    })
  }
}

/** The first of these files that make one round: whole orders. */
function roundOf(parts: readonly Part[]): readonly Part[] {
  const chosen: Part[] = []
  let samples = 0
  for (const part of parts) {
    if (samples >= roundSamples && part.order !== chosen.at(-1)?.order) break
    chosen.push(part)
    samples += part.samples
  }
  return chosen
}

function isFilled({ times, staleTimes }: SentEntries): boolean {
  return times.length + staleTimes.length > 0
}
