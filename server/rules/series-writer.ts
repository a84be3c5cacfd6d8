import type { Labels } from '../../alerts/alert.ts'
import type { ActiveAlert, VectorElement } from '../../alerts/state.ts'
import type { Millis } from '../clock.ts'
import type { SeriesId, StoreWriter } from '../store/writer.ts'

/**
 * Stores the series the rules make: `ALERTS`, `ALERTS_FOR_STATE`, recording rules, the hub's own figures. A series
 * that was written for a source and is not any more gets a stale mark.
 */
export class SeriesWriter {
  readonly #store: StoreWriter
  readonly #written = new Map<string, ReadonlySet<SeriesId>>()
  /** Ids by label object: the series of an alert that goes on come with the same objects each time. */
  readonly #ids = new WeakMap<Labels, SeriesId>()

  constructor(store: StoreWriter) {
    this.#store = store
  }

  /** Replaces what `source` writes; resolves when durable, rejects with StoreUnavailable. */
  async write(source: string, samples: readonly VectorElement[], at: Millis): Promise<void> {
    const values = new Map(samples.map(({ labels, value }) => [this.#idOf(labels), value]))
    const before = this.#written.get(source) ?? new Set<SeriesId>()
    const stale = [...before].filter((id) => !values.has(id))
    if (values.size === 0 && stale.length === 0) return
    await this.#store.append({
      rows: [
        {
          t: at,
          ids: Uint32Array.from(values.keys()),
          values: Float64Array.from(values.values()),
          stale: Uint32Array.from(stale),
        },
      ],
    })
    this.#written.set(source, new Set(values.keys()))
  }

  /** Counts series as written, so that they end when the alert is gone after a restart. */
  resume(source: string, samples: readonly VectorElement[]): void {
    this.#written.set(source, new Set(samples.map(({ labels }) => this.#idOf(labels))))
  }

  #idOf(labels: Labels): SeriesId {
    let id = this.#ids.get(labels)
    if (id === undefined) {
      id = this.#store.intern(labels)
      this.#ids.set(labels, id)
    }
    return id
  }
}

/** The labels of an alert's synthetic series. */
interface AlertLabels {
  readonly pending: Labels
  readonly firing: Labels
  readonly since: Labels
}

const made = new WeakMap<Labels, AlertLabels>()

function alertLabels(labels: Labels): AlertLabels {
  let series = made.get(labels)
  if (series === undefined) {
    const active = { ...labels, __name__: 'ALERTS' }
    series = {
      pending: { ...active, alertstate: 'pending' },
      firing: { ...active, alertstate: 'firing' },
      since: { ...labels, __name__: 'ALERTS_FOR_STATE' },
    }
    made.set(labels, series)
  }
  return series
}

/** Prometheus's synthetic series of active alerts; `ALERTS_FOR_STATE` is when it became active, in seconds. */
export function alertSeries(
  alerts: Iterable<Pick<ActiveAlert, 'labels' | 'state' | 'activeAt'>>,
): VectorElement[] {
  const series: VectorElement[] = []
  for (const { labels, state, activeAt } of alerts) {
    const own = alertLabels(labels)
    series.push({ labels: own[state], value: 1 })
    series.push({ labels: own.since, value: Math.floor(activeAt / 1000) })
  }
  return series
}
