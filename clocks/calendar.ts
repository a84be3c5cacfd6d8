import { Temporal } from 'temporal-polyfill'
import type { Millis } from './fact.ts'

export const weekdays = [
  'monday',
  'tuesday',
  'wednesday',
  'thursday',
  'friday',
  'saturday',
  'sunday',
] as const
export type Weekday = (typeof weekdays)[number]

/** Minutes of the local day, `to` excluded. */
export interface WorkingHours {
  readonly from: number
  readonly to: number
}

/** Whose days and hours a clock counts. */
export interface WorkCalendar {
  /** An IANA zone. */
  readonly zone: string
  /** At most six days. */
  readonly weekend: readonly Weekday[]
  /** Days such as `2026-12-25`. */
  readonly holidays: ReadonlySet<string>
  readonly workingHours: WorkingHours
}

/** From `from` until before `to`. */
export interface Span {
  readonly from: Millis
  readonly to: Millis
}

const hourMillis = 3_600_000
/** No calendar is walked further: some 55 years of days. */
const daysWalkedMax = 20_000

export function isZone(zone: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(zone)) return false
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone)
    return true
  } catch {
    return false
  }
}

function local(at: Millis, zone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone)
}

/** RFC 3339 with the zone's offset: `2026-03-07T09:00:00+01:00`; a fraction only where there is one. */
export function zoned(at: Millis, zone: string): string {
  return local(at, zone).toString({ timeZoneName: 'never' })
}

/** As people write it: `Saturday 2026-03-07 09:00:00 +01:00 (Europe/Paris)`. */
export function spoken(at: Millis, zone: string): string {
  const key = `${at} ${zone}`
  const known = spokenLately.get(key)
  if (known !== undefined) return known
  if (spokenLately.size >= spokenMost) spokenLately.clear()
  const text = spokenAnew(at, zone)
  spokenLately.set(key, text)
  return text
}

/** The clocks of one incident speak of the same few instants. */
const spokenLately = new Map<string, string>()
const spokenMost = 1000

function spokenAnew(at: Millis, zone: string): string {
  const time = local(at, zone)
  const day = nameOf(time.dayOfWeek)
  const clock = time.toPlainTime().toString({ smallestUnit: 'second' })
  return `${capital(day)} ${time.toPlainDate().toString()} ${clock} ${time.offset} (${zone})`
}

function nameOf(dayOfWeek: number): Weekday {
  return weekdays[dayOfWeek - 1]!
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** `weekend` (with the day's name), `holiday` (with its date), or undefined for a working day. */
export function dayOff(
  calendar: WorkCalendar,
  at: Millis,
): { readonly kind: 'weekend' | 'holiday'; readonly text: string } | undefined {
  return dateOff(calendar, local(at, calendar.zone).toPlainDate())
}

function dateOff(calendar: WorkCalendar, date: Temporal.PlainDate): ReturnType<typeof dayOff> {
  const day = nameOf(date.dayOfWeek)
  if (calendar.weekend.includes(day)) return { kind: 'weekend', text: `a ${capital(day)}` }
  const text = date.toString()
  return calendar.holidays.has(text) ? { kind: 'holiday', text: `a holiday (${text})` } : undefined
}

function nextWorkingDate(calendar: WorkCalendar, date: Temporal.PlainDate): Temporal.PlainDate {
  for (let days = 1; days <= daysWalkedMax; days++) {
    const next = date.add({ days })
    if (dateOff(calendar, next) === undefined) return next
  }
  throw new Error('BUG: a calendar without a working day')
}

/** This time of the next working day after the local day of an instant. */
export function nextWorkingDayAt(calendar: WorkCalendar, at: Millis, minuteOfDay: number): Millis {
  const date = nextWorkingDate(calendar, local(at, calendar.zone).toPlainDate())
  return timeOn(date, minuteOfDay, calendar.zone)
}

function timeOn(date: Temporal.PlainDate, minuteOfDay: number, zone: string): Millis {
  return date
    .toPlainDateTime({ hour: 0 })
    .add({ minutes: minuteOfDay })
    .toZonedDateTime(zone, { disambiguation: 'compatible' }).epochMilliseconds
}

/**
 * The same local time so many days or months later (negative: earlier). A month without that day ends on its last one;
 * a time that clocks skip is the one after the skip, one that comes twice is the first (Temporal's `compatible`).
 */
export function addLocal(
  at: Millis,
  add: { readonly days?: number; readonly months?: number },
  zone: string,
): Millis {
  return local(at, zone).add(add, { overflow: 'constrain' }).epochMilliseconds
}

/** The same local time so many working days later (negative: earlier); the day of `at` does not count. */
export function addBusinessDays(calendar: WorkCalendar, at: Millis, amount: number): Millis {
  const start = local(at, calendar.zone)
  const step = amount < 0 ? -1 : 1
  let date = start.toPlainDate()
  for (let left = Math.abs(amount), walked = 0; left > 0; walked++) {
    if (walked > daysWalkedMax) throw new Error('BUG: a calendar without a working day')
    date = date.add({ days: step })
    if (dateOff(calendar, date) === undefined) left--
  }
  return date.toZonedDateTime({ timeZone: calendar.zone, plainTime: start.toPlainTime() })
    .epochMilliseconds
}

/** Merges what overlaps; the result is in order. */
export function merged(spans: readonly Span[]): Span[] {
  const result: Span[] = []
  for (const span of [...spans].sort((a, b) => a.from - b.from || a.to - b.to)) {
    const last = result.at(-1)
    if (last === undefined || span.from > last.to) result.push(span)
    else result[result.length - 1] = { from: last.from, to: Math.max(last.to, span.to) }
  }
  return result
}

/** The time that counts from an instant on: all of it, or working hours; without what is paused (merged, in order). */
function* counted(
  from: Millis,
  calendar: WorkCalendar | undefined,
  paused: readonly Span[],
): Generator<Span> {
  for (const span of calendar === undefined
    ? [{ from, to: Number.POSITIVE_INFINITY }]
    : openHours(from, calendar)) {
    let start = span.from
    for (const pause of paused) {
      if (pause.to <= start || pause.from >= span.to) continue
      if (pause.from > start) yield { from: start, to: pause.from }
      start = Math.max(start, pause.to)
    }
    if (start < span.to) yield { from: start, to: span.to }
  }
}

function* openHours(from: Millis, calendar: WorkCalendar): Generator<Span> {
  let date = local(from, calendar.zone).toPlainDate()
  const { workingHours, zone } = calendar
  for (let days = 0; days <= daysWalkedMax; days++, date = date.add({ days: 1 })) {
    if (dateOff(calendar, date) !== undefined) continue
    const start = Math.max(from, timeOn(date, workingHours.from, zone))
    const to = timeOn(date, workingHours.to, zone)
    if (start < to) yield { from: start, to }
  }
}

/** The instant at which so much time that counts has passed. */
export function advance(
  from: Millis,
  amount: Millis,
  calendar: WorkCalendar | undefined,
  paused: readonly Span[],
): Millis {
  let left = amount
  for (const span of counted(from, calendar, paused)) {
    if (left <= span.to - span.from) return span.from + left
    left -= span.to - span.from
  }
  throw new Error('BUG: a calendar without working hours')
}

/** How much time that counts lies between two instants; 0 when they are the other way round. */
export function countedBetween(
  from: Millis,
  to: Millis,
  calendar: WorkCalendar | undefined,
  paused: readonly Span[],
): Millis {
  let sum = 0
  if (to <= from) return sum
  for (const span of counted(from, calendar, paused)) {
    if (span.from >= to) break
    sum += Math.min(span.to, to) - span.from
  }
  return sum
}

/** `3 h 30 min`, `2 d`: for explanations. */
export function spokenLength(length: Millis): string {
  const minutes = Math.round(length / 60_000)
  const hours = Math.floor(minutes / 60)
  if (length >= 72 * hourMillis) return `${Math.round(length / (24 * hourMillis))} d`
  const parts = [hours > 0 ? `${hours} h` : '', minutes % 60 > 0 ? `${minutes % 60} min` : '']
  return parts.filter((part) => part !== '').join(' ') || '0 min'
}
