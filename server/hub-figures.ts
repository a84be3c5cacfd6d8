import type { Millis } from './clock.ts'
import { hubLabels } from './hub-labels.ts'
import type { SeriesId, StoreWriter } from './store/writer.ts'

/** One figure that the hub stores of itself, beside its hosts' series. */
export interface HubFigure {
  readonly name: string
  readonly value: number
  readonly labels: Readonly<Record<string, string>>
}

/** Stores figures with the hub's labels; a series that is not told any more gets a stale mark. */
export class HubFigures {
  readonly #store: StoreWriter
  #written: ReadonlySet<SeriesId> = new Set()

  constructor(store: StoreWriter) {
    this.#store = store
  }

  /** Rejects when the store refuses; the next call says what holds then. */
  async write(figures: readonly HubFigure[], at: Millis): Promise<void> {
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
