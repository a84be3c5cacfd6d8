import { Temporal } from 'temporal-polyfill'
import type { Millis } from './alert.ts'

/** Both ends included. */
export interface Range {
  readonly from: number
  readonly to: number
}

/**
 * Times of a wall clock, as Alertmanager's time interval (timeinterval package): all stated conditions hold, an
 * empty list states none.
 */
export interface TimeInterval {
  /** Minutes of the day, `to` excluded; 1440 is the day's end. */
  readonly times: readonly Range[]
  /** 0 is Sunday. */
  readonly weekdays: readonly Range[]
  /** Negative days count from the month's end: -1 is the last. */
  readonly daysOfMonth: readonly Range[]
  readonly months: readonly Range[]
  readonly years: readonly Range[]
  /** An IANA zone. */
  readonly location: string
}

/** Times with a name: dialling hours, a maintenance window. */
export interface Calendar {
  readonly name: string
  /** Inside when any of these holds ... */
  readonly intervals: readonly TimeInterval[]
  /** ... and none of these: holidays. */
  readonly except: readonly TimeInterval[]
}

export type Calendars = ReadonlyMap<string, Calendar>

/** What holds from the asked instant until `until`, when it must be asked again. */
export interface CalendarSpan {
  readonly inside: boolean
  readonly until: Millis
}

const day = 86_400_000
/** How far a change is looked for; a calendar without one is asked again then. */
export const horizon: Millis = 62 * day

interface LocalTime {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly daysInMonth: number
  readonly weekday: number
  readonly minuteOfDay: number
}

/** Why a zone cannot be used, or undefined. */
export function zoneFault(zone: string): string | undefined {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone)
    return undefined
  } catch {
    return `"${zone}" is not an IANA time zone; example: "location: Asia/Ho_Chi_Minh"`
  }
}

function localAt(zone: string, at: Millis): LocalTime {
  const local = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone)
  return {
    year: local.year,
    month: local.month,
    day: local.day,
    daysInMonth: local.daysInMonth,
    weekday: local.dayOfWeek % 7,
    minuteOfDay: local.hour * 60 + local.minute,
  }
}

function within(ranges: readonly Range[], value: number): boolean {
  return ranges.length === 0 || ranges.some(({ from, to }) => value >= from && value <= to)
}

function holds(interval: TimeInterval, local: LocalTime): boolean {
  const fromEnd = (dayOfMonth: number) =>
    dayOfMonth < 0 ? local.daysInMonth + dayOfMonth + 1 : dayOfMonth
  return (
    within(
      interval.times.map(({ from, to }) => ({ from, to: to - 1 })),
      local.minuteOfDay,
    ) &&
    within(
      interval.daysOfMonth.map(({ from, to }) => ({ from: fromEnd(from), to: fromEnd(to) })),
      local.day,
    ) &&
    within(interval.weekdays, local.weekday) &&
    within(interval.months, local.month) &&
    within(interval.years, local.year)
  )
}

/** True when the wall clock of the calendar's zones is inside at this instant. */
export function contains(calendar: Calendar, at: Millis): boolean {
  const locals = new Map<string, LocalTime>()
  const holdsNow = (interval: TimeInterval) => {
    const local = locals.get(interval.location) ?? localAt(interval.location, at)
    locals.set(interval.location, local)
    return holds(interval, local)
  }
  return calendar.intervals.some(holdsNow) && !calendar.except.some(holdsNow)
}

interface KnownSpan extends CalendarSpan {
  readonly from: Millis
}

const known = new WeakMap<Calendar, KnownSpan>()

/**
 * Whether the instant is inside and until when that holds, at most the horizon. A wall-clock hour that occurs twice
 * counts twice, one that is left out not at all. The newest span of each calendar is remembered.
 */
export function spanAt(calendar: Calendar, at: Millis): CalendarSpan {
  const last = known.get(calendar)
  if (last !== undefined && at >= last.from && at < last.until) return last
  const inside = contains(calendar, at)
  const span = { from: at, inside, until: nextChange(calendar, inside, at) }
  known.set(calendar, span)
  return span
}

function nextChange(calendar: Calendar, inside: boolean, at: Millis): Millis {
  for (let start = at; start < at + horizon; start += day) {
    const candidates = boundaries(calendar, start, start + day).sort((a, b) => a - b)
    const change = candidates.find((time) => contains(calendar, time) !== inside)
    if (change !== undefined) return change
  }
  return at + horizon
}

/** Every instant after `from` up to `to` at which some condition of the calendar may change. */
function boundaries(calendar: Calendar, from: Millis, to: Millis): Millis[] {
  const found = new Set<Millis>()
  for (const [zone, minutes] of minutesByZone(calendar)) {
    const start = Temporal.Instant.fromEpochMilliseconds(from).toZonedDateTimeISO(zone)
    const jump = start.getTimeZoneTransition('next')?.epochMilliseconds
    if (jump !== undefined) found.add(Math.ceil(jump))
    for (let offset = -1; offset <= 2; offset++) {
      const midnight = start.toPlainDate().add({ days: offset }).toPlainDateTime()
      for (const minuteOfDay of minutes) {
        const local = midnight.add({ minutes: minuteOfDay })
        for (const disambiguation of ['earlier', 'later'] as const)
          found.add(local.toZonedDateTime(zone, { disambiguation }).epochMilliseconds)
      }
    }
  }
  return [...found].filter((time) => time > from && time <= to)
}

function minutesByZone(calendar: Calendar): Map<string, Set<number>> {
  const zones = new Map<string, Set<number>>()
  for (const interval of [...calendar.intervals, ...calendar.except]) {
    const minutes = zones.get(interval.location) ?? new Set([0])
    for (const { from, to } of interval.times) minutes.add(from).add(to % 1440)
    zones.set(interval.location, minutes)
  }
  return zones
}

/** The first of the named calendars that is inside, and the instant at which the answer may change. */
export function firstInside(
  calendars: Calendars,
  names: readonly string[],
  at: Millis,
): { readonly name: string | undefined; readonly until: Millis } {
  let until = at + horizon
  let inside: string | undefined
  for (const name of names) {
    const calendar = calendars.get(name)
    if (calendar === undefined) continue
    const span = spanAt(calendar, at)
    until = Math.min(until, span.until)
    if (span.inside) inside ??= name
  }
  return { name: inside, until }
}
