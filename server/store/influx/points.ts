import type { IPoint } from 'influx'
import type { Labels } from '../reader.ts'
import type { SentEntries } from '../spool/sealed-units.ts'

/** Name of the one field of each point. */
export const valueField = 'value'

/**
 * Text that InfluxDB 1.x can hold as a name or a tag: its line protocol knows no line break, and takes a backslash at the
 * end for an escape of what follows.
 */
function tame(text: string): string {
  return text.replaceAll('\n', ' ').replace(/\\+$/, (slashes) => '/'.repeat(slashes.length))
}

/** The package writes measurements as they are: separators are escaped here, and a `#` would begin a comment. */
export function measurementOf(metric: string): string {
  return tame(metric).replace(/^#/, '_#').replace(/[, ]/g, '\\$&')
}

/** Tags of a series. InfluxDB refuses a tag `time`; one named as the field could not be told from it in a query. */
export function tagsOf(labels: Labels): Record<string, string> {
  const { __name__: _, ...rest } = labels
  return Object.fromEntries(
    Object.entries(rest).map(([label, text]) => [
      label === 'time' || label === valueField ? `label_${label}` : tame(label),
      tame(text),
    ]),
  )
}

/** A point, and why it may be none: InfluxDB holds no NaN and no infinity. */
export function isWritable(value: number): boolean {
  return Number.isFinite(value)
}

/**
 * Points of some series in order of time. A time is a string of milliseconds: the package takes a number for nanoseconds, of
 * which a double loses the last digits, and leaves out the time 0.
 */
export function* pointsOf(series: readonly SentEntries[]): Generator<IPoint> {
  for (const { labels, times, values } of series) {
    const measurement = measurementOf(labels['__name__'] ?? '')
    const tags = tagsOf(labels)
    for (let i = 0; i < times.length; i++)
      if (isWritable(values[i]!))
        yield {
          measurement,
          tags,
          fields: { [valueField]: values[i]! },
          timestamp: String(times[i]!),
        }
  }
}

/** Samples that `pointsOf` leaves out. */
export function unwritable(series: readonly SentEntries[]): number {
  let count = 0
  for (const { values } of series) for (const value of values) count += Number(!isWritable(value))
  return count
}
