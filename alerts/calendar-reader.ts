import { type Calendar, type Range, type TimeInterval, zoneFault } from './calendar.ts'
import type { DocumentReader, Path } from './document.ts'

const weekdays = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday']
const months = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
]
const keys = ['times', 'weekdays', 'days_of_month', 'months', 'years', 'location']
const example = "{times: [{start_time: '09:00', end_time: '17:00'}], weekdays: ['monday:friday']}"
const itemsMax = 400

/**
 * Reads Alertmanager's `{name, time_intervals: […]}`; `except`, a list of the same form for holidays, is ours.
 * Without a location times are UTC.
 */
export function readCalendar(
  reader: DocumentReader,
  item: unknown,
  path: Path,
): Calendar | undefined {
  const document = reader.mapping(item, path, ['name', 'time_intervals', 'except'], 'name: office')
  if (document === undefined) return undefined
  const name = reader.text(document['name'] ?? '', [...path, 'name'], 'name: dialling-hours')
  const read = (key: string) =>
    reader
      .list(document[key], [...path, key], itemsMax, `${key}: [${example}]`)
      .map((one, i) => readTimeInterval(reader, one, [...path, key, i]))
      .filter((one) => one !== undefined)
  const [intervals, except] = [read('time_intervals'), read('except')]
  return name === undefined ? undefined : { name, intervals, except }
}

/** Reads one time interval in Alertmanager's form. */
export function readTimeInterval(
  reader: DocumentReader,
  item: unknown,
  path: Path,
): TimeInterval | undefined {
  const document = reader.mapping(item, path, keys, example)
  if (document === undefined) return undefined
  const location = reader.text(
    document['location'],
    [...path, 'location'],
    'location: Europe/Moscow',
  )
  const fault = location === undefined ? undefined : zoneFault(location)
  if (fault !== undefined) reader.fault([...path, 'location'], fault)
  const ranges = (key: string, read: (text: string) => Range | undefined, shown: string) =>
    reader.list(document[key], [...path, key], itemsMax, shown).flatMap((one, i) => {
      const range = read(String(one))
      if (range === undefined)
        reader.fault(
          [...path, key, i],
          `${JSON.stringify(one)} is out of order or no range; example: "${shown}"`,
        )
      return range ?? []
    })
  return {
    times: readTimes(reader, document['times'], [...path, 'times']),
    weekdays: ranges('weekdays', named(weekdays, 0, 6), "weekdays: ['monday:friday']"),
    daysOfMonth: ranges('days_of_month', readDays, "days_of_month: ['1:7', '-1']"),
    months: ranges('months', named(months, 1, 12), "months: ['january:march', '12']"),
    years: ranges('years', numeric(0, 9999), "years: ['2026:2027']"),
    location: fault === undefined && location !== undefined ? location : 'UTC',
  }
}

function readTimes(reader: DocumentReader, value: unknown, path: Path): Range[] {
  const shown = "times: [{start_time: '09:00', end_time: '17:00'}]"
  return reader.list(value, path, itemsMax, shown).flatMap((item, i) => {
    const document = reader.mapping(item, [...path, i], ['start_time', 'end_time'], shown)
    if (document === undefined) return []
    const from = minuteOfDay(document['start_time'])
    const to = minuteOfDay(document['end_time'])
    if (from === undefined || to === undefined || from >= to) {
      reader.fault(
        [...path, i],
        `needs start_time before end_time, in quotes, 24:00 is the day's end; a window over midnight is two; example: "${shown}"`,
      )
      return []
    }
    return { from, to }
  })
}

function minuteOfDay(value: unknown): number | undefined {
  const match = typeof value === 'string' ? /^(\d\d):(\d\d)$/.exec(value) : null
  if (match === null) return undefined
  const total = Number(match[1]) * 60 + Number(match[2])
  return Number(match[2]) < 60 && total <= 1440 ? total : undefined
}

function pair(text: string, one: (part: string) => number | undefined): Range | undefined {
  const parts = text.toLowerCase().split(':')
  const from = one(parts[0]!.trim())
  const to = parts.length === 1 ? from : one(parts[1]!.trim())
  if (parts.length > 2 || from === undefined || to === undefined) return undefined
  return { from, to }
}

function whole(text: string, min: number, max: number): number | undefined {
  const value = /^-?\d{1,4}$/.test(text) ? Number(text) : Number.NaN
  return value >= min && value <= max ? value : undefined
}

function numeric(min: number, max: number) {
  return (text: string) => ordered(pair(text, (part) => whole(part, min, max)))
}

function named(names: readonly string[], first: number, last: number) {
  return (text: string) =>
    ordered(
      pair(text, (part) => {
        const index = names.indexOf(part)
        return index >= 0 ? index + first : first === 0 ? undefined : whole(part, first, last)
      }),
    )
}

function ordered(range: Range | undefined): Range | undefined {
  return range !== undefined && range.from <= range.to ? range : undefined
}

function readDays(text: string): Range | undefined {
  const range = pair(text, (part) => (part === '0' ? undefined : whole(part, -31, 31)))
  if (range === undefined) return undefined
  const sameSide = range.from > 0 === range.to > 0
  if (sameSide) return ordered(range)
  return range.from > 0 ? range : undefined
}
