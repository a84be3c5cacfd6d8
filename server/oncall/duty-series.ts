import type { Millis } from '../clock.ts'
import { hubLabels } from '../hub-labels.ts'
import type { SeriesId, StoreWriter } from '../store/writer.ts'
import type { ShiftReadiness } from './readiness.ts'

/** How one schedule stands now. */
export interface Standing {
  readonly id: string
  /** People on call who have an account in force. */
  readonly reachable: number
  /** Nobody is, and that is not meant so. */
  readonly uncovered: boolean
}

interface Figure {
  readonly name: string
  readonly value: number
  readonly labels: Readonly<Record<string, string>>
}

/** What rules watch of on-call duty: figures by schedule, never a person's name. Pure. */
export function dutyFigures(
  standings: readonly Standing[],
  shifts: readonly ShiftReadiness[],
  provenAt: Millis | undefined,
): Figure[] {
  if (standings.length === 0) return []
  const figures: Figure[] = []
  for (const { id, reachable, uncovered } of standings) {
    const labels = { schedule: id }
    figures.push({ name: 'callward_oncall_current', value: reachable, labels })
    figures.push({ name: 'callward_oncall_uncovered', value: Number(uncovered), labels })
  }
  const counts = new Map<string, { count: number; labels: { schedule: string; reason: string } }>()
  for (const { scheduleId, reason } of shifts) {
    if (reason === null) continue
    const key = JSON.stringify([scheduleId, reason])
    const found = counts.get(key) ?? { count: 0, labels: { schedule: scheduleId, reason } }
    found.count += 1
    counts.set(key, found)
  }
  for (const { count, labels } of counts.values())
    figures.push({ name: 'callward_oncall_shift_unready', value: count, labels })
  if (provenAt !== undefined) {
    const name = 'callward_oncall_proof_timestamp_seconds'
    figures.push({ name, value: provenAt / 1000, labels: {} })
  }
  return figures
}

/** Stores the figures; a series that is not told any more gets a stale mark. */
export class DutySeries {
  readonly #store: StoreWriter
  #written: ReadonlySet<SeriesId> = new Set()

  constructor(store: StoreWriter) {
    this.#store = store
  }

  /** Rejects when the store refuses; the next call says it again. */
  async write(figures: readonly Figure[], at: Millis): Promise<void> {
    const values = new Map(
      figures.map(({ name, value, labels }) => [
        this.#store.intern({ ...hubLabels, ...labels, __name__: name }),
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
