import { Temporal } from 'temporal-polyfill'
import { fit, plain } from './render.ts'

/** What the picture shows of a replay; times are RFC 3339. */
export interface PictureAnswer {
  readonly from: string
  readonly to: string
  readonly zone: string
  readonly firings: readonly { readonly begin: string; readonly end: string | null }[]
  readonly pages: readonly { readonly at: string; readonly atNight: boolean }[]
}

/** Days drawn; of more, the newest. */
const daysMax = 62
const hourMillis = 3_600_000

/**
 * A row a day, a cell an hour on the site's clock: `.` nothing, `-` something fired, a digit so many pages began, `+` ten or more. A
 * clock that is set back shows its doubled hour once.
 */
export function drawReplay({ from, to, zone, firings, pages }: PictureAnswer): string[] {
  const rows = new Map<string, string[]>()
  const cellOf = (at: number) => {
    const local = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone)
    return { day: local.toPlainDate().toString(), hour: local.hour }
  }
  const [start, end] = [Date.parse(from), Date.parse(to)]
  for (let at = start; at <= end; at += hourMillis) {
    const { day, hour } = cellOf(at)
    const row = rows.get(day) ?? Array.from({ length: 24 }, () => ' ')
    row[hour] = '.'
    rows.set(day, row)
  }
  for (const firing of firings) {
    const last = firing.end === null ? end : Date.parse(firing.end)
    for (let at = Date.parse(firing.begin); at <= last; at += hourMillis) mark(cellOf(at), '-')
    mark(cellOf(last), '-')
  }
  const counts = new Map<string, number>()
  for (const { at } of pages) {
    const cell = cellOf(Date.parse(at))
    const key = `${cell.day} ${cell.hour}`
    const count = (counts.get(key) ?? 0) + 1
    counts.set(key, count)
    mark(cell, count > 9 ? '+' : String(count))
  }
  function mark({ day, hour }: { day: string; hour: number }, text: string) {
    const row = rows.get(day)
    if (row !== undefined) row[hour] = text
  }
  const days = [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).slice(-daysMax)
  const margin = ' '.repeat(16)
  return [
    `${margin}0     6     12    18`,
    ...days.map(
      ([day, cells]) => `${fit(plain(`${day} ${weekday(day)}`), 15).padEnd(16)}${cells.join('')}`,
    ),
    `${margin}. nothing  - firing  1-9 pages, + more`,
  ]
}

function weekday(day: string): string {
  const names = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
  return names[Temporal.PlainDate.from(day).dayOfWeek - 1]!
}
