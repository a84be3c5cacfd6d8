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

/** What the clock on the wall of `zone` shows at an instant. */
export function wallOf(at: Millis, zone: string): WallMillis {
  const zoned = Temporal.Instant.fromEpochMilliseconds(Math.floor(at)).toZonedDateTimeISO(zone)
  return at + zoned.offsetNanoseconds / 1e6
}

/**
 * The instant at which a clock on the wall shows `wall`. A time that the clocks skip counts from before they do (02:30
 * becomes 03:30), one that comes twice is the first (RFC 5545 §3.3.5; Temporal's `compatible`).
 */
export function instantOf(wall: WallMillis, zone: string): Millis {
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
