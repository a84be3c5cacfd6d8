import { isZone, type Weekday, type WorkingHours, weekdays } from './calendar.ts'
import { type DocumentReader, type Path, shown } from './document.ts'

/** Days off that one calendar may list. */
const holidaysMax = 1000

export function readZone(reader: DocumentReader, value: unknown, path: Path): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string' && isZone(value)) return value
  return reader.fault(path, `${shown(value)} is no IANA time zone; example: zone: Europe/Paris`)
}

/** Undefined when not stated. Seven days are a fault: nobody would ever work. */
export function readWeekend(
  reader: DocumentReader,
  value: unknown,
  path: Path,
): readonly Weekday[] | undefined {
  if (value === undefined) return undefined
  const days = reader
    .list(value, path, 7, '[saturday, sunday]')
    .map((day, i) => reader.oneOf(day, [...path, i], weekdays))
    .filter((day) => day !== undefined)
  const found = [...new Set(days)]
  if (found.length === 7) return reader.fault(path, 'leaves no working day; name at most six days')
  return found
}

export function readHolidays(reader: DocumentReader, value: unknown, path: Path): string[] {
  return reader
    .list(value, path, holidaysMax, '[2026-12-25, 2027-01-01]')
    .map((day, i) => reader.date(day, [...path, i]))
    .filter((day) => day !== undefined)
}

/** `{ from: '09:00', to: '17:00' }`, at least an hour within one day. */
export function readWorkingHours(
  reader: DocumentReader,
  value: unknown,
  path: Path,
): WorkingHours | undefined {
  if (value === undefined) return undefined
  const example = "{ from: '09:00', to: '17:00' }"
  const item = reader.mapping(value, path, ['from', 'to'], example)
  if (item === undefined) return undefined
  const from = minuteOfDay(item['from'])
  const to = minuteOfDay(item['to'])
  if (from !== undefined && to !== undefined && to - from >= 60) return { from, to }
  return reader.fault(
    path,
    `needs from and to in quotes, at least an hour apart; example: ${example}`,
  )
}

/** Minutes since midnight of `09:30`; `24:00` is the day's end. */
export function minuteOfDay(value: unknown): number | undefined {
  const match = typeof value === 'string' ? /^(\d\d):(\d\d)$/.exec(value) : null
  if (match === null) return undefined
  const minutes = Number(match[1]) * 60 + Number(match[2])
  return Number(match[2]) < 60 && minutes <= 1440 ? minutes : undefined
}
