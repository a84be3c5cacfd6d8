import type { AlertView, Labels } from '../../alerts/alert.ts'
import type { Clock, Millis } from '../clock.ts'
import type { Store } from '../store/plugin.ts'
import type { LatestEntry } from '../store/reader.ts'
import type { SeriesId } from '../store/writer.ts'
import type { Timers } from '../timers.ts'

export interface PostedSeriesOptions {
  readonly clock: Clock
  readonly timers: Timers
  readonly store: Pick<Store, 'intern' | 'append' | 'columns'>
  /** The posted alerts that are active. */
  readonly active: () => readonly AlertView[]
  /** Label sets of posted alerts that ended shortly before the start. */
  readonly endedBefore: readonly Labels[]
  readonly onError: (error: unknown) => void
  /** Other limits than `postedSeriesLimits`. */
  readonly limits?: typeof postedSeriesLimits
}

/**
 * Alerts with series at once, critical ones first, and new ones of an hour: the store remembers every label set for
 * as long as it keeps samples.
 */
export const postedSeriesLimits: { readonly atOnce: number; readonly newAnHour: number } = {
  atOnce: 5_000,
  newAnHour: 10_000,
}
const tickMillis = 5_000
const everyMillis = 30_000
const hourMillis = 3_600_000
/** How long a sample counts in PromQL. */
const lookbackMillis = 5 * 60_000

interface Written {
  /** `ALERTS` and `ALERTS_FOR_STATE`. */
  readonly ids: readonly [SeriesId, SeriesId]
  /** Of our newest sample in either series; -Infinity: none stands. */
  readonly at: [Millis, Millis]
}

/**
 * Writes `ALERTS` and `ALERTS_FOR_STATE` for every posted alert that is active, as Prometheus does for its own, and
 * ends them with it. A series that another writer keeps up (a rule of the hub, a Prometheus that sends its own by
 * remote write) is left to that one.
 */
export class PostedSeries {
  readonly #options: PostedSeriesOptions
  readonly #written = new Map<string, Written>()
  readonly #found: LatestEntry = { time: 0, value: 0, isMark: false }
  #left = 0
  #made = 0
  #hourFrom = Number.NEGATIVE_INFINITY
  #fullAt = Number.NEGATIVE_INFINITY
  #cancel: (() => void) | undefined
  #writing: Promise<void> = Promise.resolve()
  #busy = false

  constructor(options: PostedSeriesOptions) {
    this.#options = options
  }

  /** Active alerts that had no room at the newest look. */
  get left(): number {
    return this.#left
  }

  start(): void {
    const { clock, endedBefore } = this.#options
    // What stood when the hub was killed goes on to stand for PromQL until somebody ends it.
    endedBefore.forEach((labels, nth) => {
      const ids = this.#intern(labels)
      const [active, since] = ids.map((id) => this.#newestSample(id, clock.now()))
      this.#written.set(`before ${nth}`, { ids, at: [active!, since!] })
    })
    this.#look()
  }

  /** Resolves when what the newest look wrote is durable. */
  async stop(): Promise<void> {
    this.#cancel?.()
    await this.settled()
  }

  settled(): Promise<void> {
    return this.#writing
  }

  #look(): void {
    const { timers, onError } = this.#options
    if (!this.#busy) {
      this.#busy = true
      this.#writing = this.#write()
        .catch(onError)
        .finally(() => {
          this.#busy = false
        })
    }
    this.#cancel = timers.after(tickMillis, () => this.#look())
  }

  /** What began and ended since the last look; now and then all of it. */
  async #write(): Promise<void> {
    const { clock, store } = this.#options
    const now = clock.now()
    const isFull = Math.abs(now - this.#fullAt) >= everyMillis
    const active = this.#chosen(now)
    const stale = this.#ended(active, now)
    const ids: SeriesId[] = []
    const values: number[] = []
    const stamped: [Written, 0 | 1][] = []
    for (const [fingerprint, alert] of active) {
      const written = this.#written.get(fingerprint)!
      for (const which of [0, 1] as const) {
        const id = written.ids[which]
        if (this.#hasOtherWriter(id, written.at[which], now)) {
          written.at[which] = Number.NEGATIVE_INFINITY
          continue
        }
        if (!isFull && Number.isFinite(written.at[which])) continue
        ids.push(id)
        values.push(which === 0 ? 1 : Math.floor(alert.activeAt / 1000))
        stamped.push([written, which])
      }
    }
    if (isFull) this.#fullAt = now
    if (ids.length + stale.length === 0) return
    // Two label sets may be one series; a series that goes on does not end.
    const last = new Map(ids.map((id, nth) => [id, values[nth]!]))
    const row = {
      t: now,
      ids: Uint32Array.from(last.keys()),
      values: Float64Array.from(last.values()),
      stale: Uint32Array.from(new Set(stale.filter((id) => !last.has(id)))),
    }
    await store.append({ rows: [row] })
    for (const [written, which] of stamped) written.at[which] = now
  }

  /** Those that get series, by fingerprint: who has some keeps them, then critical ones come first. */
  #chosen(now: Millis): ReadonlyMap<string, AlertView> {
    const { limits = postedSeriesLimits } = this.#options
    const active = this.#options.active()
    const chosen = new Map<string, AlertView>()
    const rank = ({ fingerprint, severity }: AlertView) =>
      this.#written.has(fingerprint) ? 0 : severity === 'critical' ? 1 : 2
    if (Math.abs(now - this.#hourFrom) >= hourMillis) {
      this.#hourFrom = now
      this.#made = 0
    }
    for (const alert of [...active].sort((a, b) => rank(a) - rank(b))) {
      if (chosen.size === limits.atOnce) break
      if (!this.#written.has(alert.fingerprint)) {
        if (this.#made === limits.newAnHour) break
        this.#made++
        this.#written.set(alert.fingerprint, {
          ids: this.#intern(alert.labels),
          at: [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
        })
      }
      chosen.set(alert.fingerprint, alert)
    }
    this.#left = active.length - chosen.size
    return chosen
  }

  /** Series whose alert is over and that nobody else writes. */
  #ended(active: ReadonlyMap<string, AlertView>, now: Millis): SeriesId[] {
    const ended: SeriesId[] = []
    for (const [fingerprint, { ids, at }] of this.#written) {
      if (active.has(fingerprint)) continue
      this.#written.delete(fingerprint)
      for (const which of [0, 1] as const)
        if (Number.isFinite(at[which]) && !this.#hasOtherWriter(ids[which], at[which], now))
          ended.push(ids[which])
    }
    return ended
  }

  /** Whether the newest sample is not the one written here at `at`, and still counts. */
  #hasOtherWriter(id: SeriesId, at: Millis, now: Millis): boolean {
    return this.#newestSample(id, now) > at
  }

  /** When the series had its newest sample; -Infinity: it has ended, or nothing of it counts any more. */
  #newestSample(id: SeriesId, now: Millis): Millis {
    const found = this.#found
    const known = this.#options.store.columns.latest(id, now - lookbackMillis, Infinity, found)
    return known && !found.isMark ? found.time : Number.NEGATIVE_INFINITY
  }

  /** What a sender may call its labels never makes another series than these two. */
  #intern(labels: Labels): [SeriesId, SeriesId] {
    const { __name__: name, alertstate, ...own } = labels
    const series = {
      alertname: 'unnamed',
      ...own,
      ...(name === undefined ? {} : { exported_name: name }),
      ...(alertstate === undefined ? {} : { exported_alertstate: alertstate }),
    }
    const { intern } = this.#options.store
    return [
      intern.call(this.#options.store, { ...series, __name__: 'ALERTS', alertstate: 'firing' }),
      intern.call(this.#options.store, { ...series, __name__: 'ALERTS_FOR_STATE' }),
    ]
  }
}
