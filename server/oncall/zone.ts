import { Temporal } from 'temporal-polyfill'
import type { Millis } from '../clock.ts'

/**
 * What a clock on the wall shows, as milliseconds since 1970-01-01T00:00 on that wall: days have always 24 hours
 * there, so hand-offs are plain sums, and only the way back to an instant knows of daylight saving.
 */
export type WallMillis = number

export const minuteMillis = 60_000
export const hourMillis = 60 * minuteMillis
export const dayMillis = 24 * hourMillis

const known = new Map<string, boolean>()
const knownZones = 2000

/** Whether `zone` is a name of the IANA time zone database this machine has; offsets such as `+03:00` are none. */
export function isZone(zone: string): boolean {
  const told = known.get(zone)
  if (told !== undefined) return told
  let found = /^[A-Za-z][A-Za-z0-9_+/-]{1,63}$/.test(zone)
  try {
    if (found) Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone)
  } catch {
    found = false
  }
  if (known.size < knownZones) known.set(zone, found)
  return found
}

/** A stretch in which the clocks of a zone are not changed. */
interface Steady {
  readonly from: Millis
  readonly to: Millis
  readonly offset: Millis
}

/** Stretches known of each zone: asking the time zone database takes a hundred times as long as a sum. */
const steady = new Map<string, Steady[]>()
const steadyOfZone = 64

function steadyAt(at: Millis, zone: string): Steady {
  let known = steady.get(zone)
  if (known === undefined || known.length >= steadyOfZone) {
    known = []
    if (steady.size >= knownZones) steady.clear()
    steady.set(zone, known)
  }
  const found = known.find(({ from, to }) => from <= at && at < to)
  if (found !== undefined) return found
  const zoned = (time: Millis) =>
    Temporal.Instant.fromEpochMilliseconds(time).toZonedDateTimeISO(zone)
  const here = zoned(at)
  // A change at this very instant begins the stretch: only one before the next millisecond is looked for.
  const before = zoned(at + 1).getTimeZoneTransition('previous')
  const made: Steady = {
    from: Math.max(before?.epochMilliseconds ?? Number.NEGATIVE_INFINITY, at - steadyMost),
    to: Math.min(
      here.getTimeZoneTransition('next')?.epochMilliseconds ?? Number.POSITIVE_INFINITY,
      at + steadyMost,
    ),
    offset: here.offsetNanoseconds / 1e6,
  }
  known.push(made)
  return made
}

const steadyMost = 400 * dayMillis
/** No clock was ever put further at once. */
const leapMost = 26 * hourMillis

/** What the clock on the wall of `zone` shows at an instant. */
export function wallOf(at: Millis, zone: string): WallMillis {
  return at + steadyAt(Math.floor(at), zone).offset
}

/**
 * The instant at which a clock on the wall shows `wall`. A time that the clocks skip counts from before they do (02:30
 * becomes 03:30), one that comes twice is the first (RFC 5545 §3.3.5; Temporal's `compatible`).
 */
export function instantOf(wall: WallMillis, zone: string): Millis {
  const { from, to, offset } = steadyAt(wall, zone)
  if (wall - leapMost > from && wall + leapMost < to) return wall - offset
  const date = new Date(wall)
  return new Temporal.PlainDateTime(
    date.getUTCFullYear(),
    date.getUTCMonth() + 1,
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds(),
    date.getUTCMilliseconds(),
  ).toZonedDateTime(zone, { disambiguation: 'compatible' }).epochMilliseconds
}

/** `2026-03-02` as the midnight it begins with; undefined for what is no day of the calendar. */
export function dateWall(date: string): WallMillis | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(date)) return undefined
  const wall = Date.parse(`${date}T00:00:00Z`)
  return Number.isFinite(wall) && new Date(wall).toISOString().startsWith(date) ? wall : undefined
}

/** `09:30` as milliseconds of the day; `24:00` is its end. Undefined for what is no time. */
export function timeOfDay(text: string): Millis | undefined {
  const match = /^(\d{2}):(\d{2})$/.exec(text)
  if (match === null) return undefined
  const [hours, minutes] = [Number(match[1]), Number(match[2])]
  if (minutes > 59 || hours > 24 || (hours === 24 && minutes > 0)) return undefined
  return hours * hourMillis + minutes * minuteMillis
}

/** The local day an instant is in, `2026-03-02`. */
export function dateOf(at: Millis, zone: string): string {
  return new Date(wallOf(at, zone)).toISOString().slice(0, 10)
}

/** The local midnights from the one at or before `from` to the first at or after `to`. */
export function midnights(from: Millis, to: Millis, zone: string): Millis[] {
  const found: Millis[] = []
  let wall = Math.floor(wallOf(from, zone) / dayMillis) * dayMillis
  for (;;) {
    const at = instantOf(wall, zone)
    // A day that a country left out (Samoa, 2011-12-30) has no midnight of its own.
    if (found.length === 0 || at > found.at(-1)!) found.push(at)
    if (at >= to) return found
    wall += dayMillis
  }
}
