import type { Series } from './pending.ts'
import type { Metric } from './source.ts'
import { type HostLabels, type Labels, limits } from './wire/frames.ts'

/** Most series one host reports; beyond, the rest are left out and counted. */
export const seriesPerReportLimit = 20_000

export interface BuiltReport {
  readonly series: readonly Series[]
  readonly values: Float64Array
  /** Series of the last report that this one lacks. */
  readonly stale: readonly Series[]
}

/** Turns the metrics of a tick into a report: adds the host's labels, keeps the identity of series, marks those that ended. */
export class ReportBuilder {
  readonly #hostLabels: HostLabels
  #series = new Map<string, Series>()
  #last: readonly Series[] = []
  #refused = 0

  constructor(hostLabels: HostLabels) {
    this.#hostLabels = hostLabels
  }

  /** Figures left out since the start: no number, labels over the protocol's limits, twice the same, too many. */
  get refused(): number {
    return this.#refused
  }

  build(metrics: readonly Metric[]): BuiltReport {
    const present = new Map<string, Series>()
    const values: number[] = []
    for (const one of metrics) {
      const key = keyOf(one, this.#hostLabels)
      const fits = present.size < seriesPerReportLimit && Number.isFinite(one.value)
      const series = this.#series.get(key) ?? this.#newSeries(one)
      if (!fits || series === undefined || present.has(key)) {
        this.#refused++
        continue
      }
      present.set(key, series)
      values.push(one.value)
    }
    const series = sameOrNew(this.#last, [...present.values()])
    const stale = [...this.#series].filter(([key]) => !present.has(key)).map(([, one]) => one)
    this.#series = present
    this.#last = series
    return { series, values: Float64Array.from(values), stale }
  }

  #newSeries(one: Metric): Series | undefined {
    const labels: Labels = { ...one.labels, ...this.#hostLabels }
    const entries = Object.entries(labels)
    const characters = limits.labelCharacters
    const fits = entries.every(
      ([name, value]) => name.length <= characters && value.length <= characters,
    )
    return fits && entries.length <= limits.labelsPerSeries ? { name: one.name, labels } : undefined
  }
}

/** The last array again when nothing changed, so that waiting reports share it. */
function sameOrNew(last: readonly Series[], series: readonly Series[]): readonly Series[] {
  const same = last.length === series.length && last.every((one, i) => one === series[i])
  return same ? last : series
}

/** What tells a metric's series from others: an empty label is none, and the host's labels win. */
function keyOf(one: Metric, hostLabels: HostLabels): string {
  let key = one.name
  for (const name of Object.keys(one.labels).sort()) {
    if (one.labels[name] !== '' && !Object.hasOwn(hostLabels, name))
      key += `\u0000${name}\u0001${one.labels[name]}`
  }
  return key
}
