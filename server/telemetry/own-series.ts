import type { Registry } from 'prom-client'
import type { Millis } from '../clock.ts'
import { hubLabels } from '../hub-labels.ts'
import type { SeriesId, StoreWriter } from '../store/writer.ts'

/** One figure of the hub's own process. */
interface Figure {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** The figures of these metrics as /metrics would say them; those without a number are left out. */
export async function ownFigures(
  registry: Registry,
  names: ReadonlySet<string>,
): Promise<readonly Figure[]> {
  const read = await Promise.all(
    [...names].flatMap((name) => registry.getSingleMetric(name)?.get() ?? []),
  )
  return read.flatMap(({ name, values }) =>
    values.flatMap((one) => {
      if (!Number.isFinite(one.value)) return []
      // A histogram's parts carry names of their own.
      const part = 'metricName' in one ? String(one.metricName) : name
      const labels = Object.entries(one.labels).map(([key, value]) => [key, String(value)])
      return { name: part, labels: Object.fromEntries(labels), value: one.value }
    }),
  )
}

/** Stores the hub's own figures beside its hosts'; a series that is not told any more gets a stale mark. */
export class OwnSeries {
  readonly #store: StoreWriter
  #written: ReadonlySet<SeriesId> = new Set()

  constructor(store: StoreWriter) {
    this.#store = store
  }

  /** Rejects when the store refuses; what is missing then is not written later. */
  async write(figures: readonly Figure[], at: Millis): Promise<void> {
    const values = new Map(
      figures.map(({ name, labels, value }) => [
        this.#store.intern({ ...labels, ...hubLabels, __name__: name }),
        value,
      ]),
    )
    const ended = [...this.#written].filter((id) => !values.has(id))
    if (values.size + ended.length === 0) return
    await this.#store.append({
      rows: [
        {
          t: at,
          ids: Uint32Array.from(values.keys()),
          values: Float64Array.from(values.values()),
          stale: Uint32Array.from(ended),
        },
      ],
    })
    this.#written = new Set(values.keys())
  }
}
