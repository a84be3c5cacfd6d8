import type { ArchiveSeries } from '../../store/archive.ts'
import type { Labels } from '../../store/reader.ts'
import type { Series } from '../answer.ts'
import { executionFailure } from '../failure.ts'

function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Series without the metric's name. Throws `QueryFailure` where two are one then, as Prometheus does. */
export function withoutNames(series: readonly ArchiveSeries[]): readonly ArchiveSeries[] {
  const seen = new Set<string>()
  return series.map((one) => {
    const { __name__: _, ...labels } = one.labels
    const key = keyOf(labels)
    if (seen.has(key))
      throw executionFailure('vector cannot contain metrics with the same labelset')
    seen.add(key)
    return { ...one, labels }
  })
}

function joined(older: Float64Array, newer: Float64Array): Float64Array {
  const all = new Float64Array(older.length + newer.length)
  all.set(older)
  all.set(newer, older.length)
  return all
}

/** Older and newer points of the same series put together, sorted by labels; all older times are before the newer ones. */
export function stitch(older: readonly Series[], newer: readonly Series[]): readonly Series[] {
  const byKey = new Map(older.map((one) => [keyOf(one.labels), one]))
  for (const one of newer) {
    const key = keyOf(one.labels)
    const before = byKey.get(key)
    byKey.set(
      key,
      before === undefined
        ? one
        : {
            labels: one.labels,
            times: joined(before.times, one.times),
            values: joined(before.values, one.values),
          },
    )
  }
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
}
