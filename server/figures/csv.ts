import type { MonthFigures, ServiceFigures, Spread } from '../../incidents/figures.ts'
import { rfc3339 } from '../clock.ts'

const columns = [
  ...['service', 'from', 'to', 'incidents', 'per_30_days', 'failed_call_share'],
  ...['acknowledge_count', 'acknowledge_unknown', 'acknowledge_median_seconds'],
  ...['acknowledge_p90_seconds', 'acknowledge_within_target_share'],
  ...['restore_count', 'restore_unknown', 'restore_median_seconds', 'restore_p90_seconds'],
  ...['restore_within_target_share'],
]

type Line = readonly (string | number | undefined)[]

/** One line a service (RFC 4180); what is not known is empty. */
export function figuresCsv(figures: readonly ServiceFigures[]): string {
  return csv([columns, ...figures.map(lineOf)])
}

/** One line a month of all incidents together, with no service named, then one a service. */
export function monthsCsv(months: readonly MonthFigures[]): string {
  const lines = months.flatMap(({ month, whole, services }) =>
    [whole, ...services].map((one) => [month, ...lineOf(one)]),
  )
  return csv([['month', ...columns], ...lines])
}

function lineOf(one: ServiceFigures): Line {
  return [
    ...[one.service, rfc3339(one.period.from), rfc3339(one.period.to), one.incidents],
    ...[one.per30Days, one.failedCallShare],
    ...spread(one.toAcknowledge),
    ...spread(one.toRestore),
  ]
}

const csv = (lines: readonly Line[]) =>
  lines.map((line) => `${line.map(cell).join(',')}\r\n`).join('')

function spread({ count, unknown, medianMillis, p90Millis, withinTargetShare }: Spread) {
  return [count, unknown, seconds(medianMillis), seconds(p90Millis), withinTargetShare]
}

const seconds = (millis: number | undefined) => (millis === undefined ? undefined : millis / 1000)

/** A text that a spreadsheet would run as a formula is marked as text. */
function cell(value: string | number | undefined): string {
  if (value === undefined) return ''
  if (typeof value === 'number') return String(Math.round(value * 1000) / 1000)
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
