import type { AlertView } from '../../alerts/alert.ts'
import type { VectorElement } from '../../alerts/state.ts'
import type { Millis } from '../clock.ts'
import type { SeriesId, StoreWriter } from '../store/writer.ts'

/**
 * Stores the series the rules make: `ALERTS`, `ALERTS_FOR_STATE`, recording rules, the hub's own figures. A series
 * that was written for a source and is not any more gets a stale mark.
 */
export class SeriesWriter {
  readonly #store: StoreWriter
  readonly #written = new Map<string, ReadonlySet<SeriesId>>()

  constructor(store: StoreWriter) {
    this.#store = store
  }

  /** Replaces what `source` writes; resolves when durable, rejects with StoreUnavailable. */
  async write(source: string, samples: readonly VectorElement[], at: Millis): Promise<void> {
    const values = new Map(samples.map(({ labels, value }) => [this.#store.intern(labels), value]))
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
    this.#written.set(source, new Set(samples.map(({ labels }) => this.#store.intern(labels))))
  }
}

/** Prometheus's synthetic series of active alerts; `ALERTS_FOR_STATE` is when it became active, in seconds. */
export function alertSeries(alerts: readonly AlertView[]): VectorElement[] {
  return alerts.flatMap((alert) => [
    { labels: { ...alert.labels, __name__: 'ALERTS', alertstate: alert.state }, value: 1 },
    {
      labels: { ...alert.labels, __name__: 'ALERTS_FOR_STATE' },
      value: Math.floor(alert.activeAt / 1000),
    },
  ])
}
