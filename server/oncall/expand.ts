import type { Millis } from '../clock.ts'
import { type Layer, scheduleLimits, type Window, weekdays } from './schedule.ts'
import { dateWall, dayMillis, hourMillis, instantOf, timeOfDay, wallOf } from './zone.ts'

/** Why a layer has nobody. */
export type GapReason = 'not started' | 'ended' | 'no participants' | 'outside its hours'

/** What a layer says of a time: somebody's turn, or why it is nobody's. */
export type LayerSegment = { readonly from: Millis; readonly to: Millis } & (
  | { readonly kind: 'shift'; readonly principalId: string }
  | { readonly kind: 'gap'; readonly reason: GapReason }
)

interface Interval {
  readonly from: Millis
  readonly to: Millis
}

/** Hand-offs are looked at from this long before the interval: no clock was ever put further at once (Samoa, 24 h). */
const leapMillis = 26 * hourMillis

/**
 * A layer over [from, to): segments in order that touch and cover it whole; equal neighbours are one. Cost grows with
 * hand-offs and window edges inside. Throws RangeError beyond `scheduleLimits.expandDays`.
 */
export function expandLayer(layer: Layer, from: Millis, to: Millis): LayerSegment[] {
  requireInterval(from, to)
  if (from === to) return []
  const { startsAt, endsAt } = spanOf(layer)
  const segments: LayerSegment[] = []
  const gap = (start: Millis, end: Millis, reason: GapReason) => {
    const [first, last] = [Math.max(start, from), Math.min(end, to)]
    if (first < last) segments.push({ kind: 'gap', reason, from: first, to: last })
  }
  const [first, last] = [Math.max(from, startsAt), Math.min(to, endsAt)]
  gap(from, Math.min(to, startsAt), 'not started')
  if (first < last) {
    if (layer.participants.length === 0) gap(first, last, 'no participants')
    else segments.push(...withinWindows(turnsOf(layer, first, last), openHours(layer, first, last)))
  }
  gap(Math.max(from, endsAt, startsAt), to, 'ended')
  return joined(segments)
}

/** Throws RangeError for what is no interval, or one that is too long to be worked out at once. */
export function requireInterval(from: Millis, to: Millis): void {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || to < from)
    throw new RangeError(`BUG: no interval from ${from} to ${to}`)
  if (to - from > scheduleLimits.expandDays * dayMillis)
    throw new RangeError(`BUG: more than ${scheduleLimits.expandDays} days at once`)
}

function spanOf(layer: Layer): { startsAt: Millis; endsAt: Millis } {
  const handOff = timeOfDay(layer.handOff) ?? 0
  const at = (date: string) => instantOf((dateWall(date) ?? 0) + handOff, layer.timeZone)
  const endsAt = layer.endsOn === undefined ? Number.POSITIVE_INFINITY : at(layer.endsOn)
  return { startsAt: at(layer.startsOn), endsAt }
}

const unitMillis = { hour: hourMillis, day: dayMillis, week: 7 * dayMillis } as const

interface Turn extends Interval {
  readonly principalId: string
}

/** Turns over [from, to), which begins at or after the layer's start; in order, touching. */
function turnsOf(layer: Layer, from: Millis, to: Millis): Turn[] {
  const { timeZone, participants, rotation } = layer
  const start = (dateWall(layer.startsOn) ?? 0) + (timeOfDay(layer.handOff) ?? 0)
  const step = rotation.count * unitMillis[rotation.unit]
  const handOff = (turn: number) => instantOf(start + turn * step, timeZone)
  let turn = Math.max(0, Math.floor((wallOf(from, timeZone) - leapMillis - start) / step))
  let begins = handOff(turn)
  const turns: Turn[] = []
  while (begins < to) {
    // Where clocks leap further than a turn lasts, the turns inside have no time and are passed over.
    const ends = Math.max(begins, handOff(turn + 1))
    const [first, last] = [Math.max(begins, from), Math.min(ends, to)]
    const principalId = participants[turn % participants.length]!
    if (first < last) turns.push({ from: first, to: last, principalId })
    begins = ends
    turn += 1
  }
  return turns
}

/** When a layer's windows are open within [from, to), in order, apart from each other; everything without windows. */
function openHours(layer: Layer, from: Millis, to: Millis): Interval[] {
  if (layer.windows.length === 0) return [{ from, to }]
  const { timeZone } = layer
  // A window of the day before may reach into the first day.
  const firstDay = Math.floor(wallOf(from, timeZone) / dayMillis) * dayMillis - 2 * dayMillis
  const lastDay = wallOf(to, timeZone) + dayMillis
  const found: Interval[] = []
  for (let day = firstDay; day <= lastDay; day += dayMillis) {
    const name = weekdays[(new Date(day).getUTCDay() + 6) % 7]!
    for (const window of layer.windows)
      if (window.days.includes(name)) found.push(openOn(window, day, timeZone))
  }
  return united(found, from, to)
}

function openOn(window: Window, day: number, zone: string): Interval {
  const [begin, end] = [timeOfDay(window.from) ?? 0, timeOfDay(window.to) ?? 0]
  const closes = end <= begin ? end + dayMillis : end
  return { from: instantOf(day + begin, zone), to: instantOf(day + closes, zone) }
}

function united(intervals: readonly Interval[], from: Millis, to: Millis): Interval[] {
  const inside = intervals
    .map((one) => ({ from: Math.max(one.from, from), to: Math.min(one.to, to) }))
    .filter((one) => one.from < one.to)
    .sort((a, b) => a.from - b.from)
  const apart: { from: Millis; to: Millis }[] = []
  for (const one of inside) {
    const last = apart.at(-1)
    if (last !== undefined && one.from <= last.to) last.to = Math.max(last.to, one.to)
    else apart.push(one)
  }
  return apart
}

/** Turns where hours are open, and gaps where they are not. */
function withinWindows(turns: readonly Turn[], open: readonly Interval[]): LayerSegment[] {
  const segments: LayerSegment[] = []
  let next = 0
  for (const { from, to, principalId } of turns) {
    let at = from
    while (at < to) {
      while (next < open.length && open[next]!.to <= at) next += 1
      const hours = open[next]
      if (hours !== undefined && hours.from <= at) {
        const end = Math.min(to, hours.to)
        segments.push({ kind: 'shift', from: at, to: end, principalId })
        at = end
      } else {
        const end = Math.min(to, hours?.from ?? to)
        segments.push({ kind: 'gap', from: at, to: end, reason: 'outside its hours' })
        at = end
      }
    }
  }
  return segments
}

function joined(segments: readonly LayerSegment[]): LayerSegment[] {
  const out: LayerSegment[] = []
  for (const segment of segments) {
    const last = out.at(-1)
    if (last !== undefined && sameSegment(last, segment))
      out[out.length - 1] = { ...last, to: segment.to }
    else out.push(segment)
  }
  return out
}

function sameSegment(a: LayerSegment, b: LayerSegment): boolean {
  if (a.to !== b.from) return false
  if (a.kind === 'shift') return b.kind === 'shift' && a.principalId === b.principalId
  return b.kind === 'gap' && a.reason === b.reason
}

/** Segments of adjacent intervals as those of the whole. */
export function concatenated(parts: readonly (readonly LayerSegment[])[]): LayerSegment[] {
  return joined(parts.flat())
}
