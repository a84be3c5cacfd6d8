import type { Millis } from '../clock.ts'
import { dateWall, isZone, timeOfDay } from './zone.ts'

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export type Weekday = (typeof weekdays)[number]

/** Hours of the week in which a layer has somebody on call; `to` at or before `from` is on the next day. */
export interface Window {
  readonly days: readonly Weekday[]
  /** `HH:MM` on the wall. */
  readonly from: string
  readonly to: string
}

/** How long a turn lasts, on the wall: `{ unit: 'week', count: 2 }` hands off at the same time every second week. */
export interface Rotation {
  readonly unit: 'hour' | 'day' | 'week'
  readonly count: number
}

/** One rotation of a schedule. */
export interface Layer {
  readonly name: string
  /** IANA name; hand-offs and windows are on its clocks. */
  readonly timeZone: string
  readonly rotation: Rotation
  /** `HH:MM` of the first hand-off, on the day `startsOn`. */
  readonly handOff: string
  /** Day the first turn begins, `YYYY-MM-DD`; the first participant has it. */
  readonly startsOn: string
  /** Day it ends, at `handOff`; absent: never. */
  readonly endsOn?: string | undefined
  /** Principals by id, in the order of their turns; one may come twice. */
  readonly participants: readonly string[]
  /** None: always. */
  readonly windows: readonly Window[]
}

/** Who is on call when: the first layer that has somebody wins; an override wins over all layers. */
export interface ScheduleContent {
  readonly name: string
  readonly description: string
  /** IANA name, for showing it. */
  readonly timeZone: string
  /** Nobody on call outside the windows of all layers is meant so, and no fault. */
  readonly plannedGaps: boolean
  readonly layers: readonly Layer[]
}

/** Somebody else for a while; of two at once the one made last counts. */
export interface Override {
  readonly id: string
  readonly principalId: string
  readonly startsAt: Millis
  readonly endsAt: Millis
  readonly createdAt: Millis
}

/** Limits of what a schedule may hold, and of what is worked out of it at once. */
export const scheduleLimits = {
  layers: 20,
  participants: 200,
  windows: 50,
  rotationCount: 500,
  expandDays: 400,
  overridesOfSchedule: 500,
  overrideDays: 92,
} as const

/** What is wrong with a schedule whose shape is right, with what to do; undefined when nothing is. */
export function scheduleFault(schedule: ScheduleContent): string | undefined {
  if (!isZone(schedule.timeZone)) return zoneFault(schedule.timeZone)
  const names = schedule.layers.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) return `Two layers are named "${twice}"; give each its own name.`
  for (const layer of schedule.layers) {
    const fault = layerFault(layer)
    if (fault !== undefined) return `Layer "${layer.name}": ${fault}`
  }
  return undefined
}

function layerFault(layer: Layer): string | undefined {
  if (!isZone(layer.timeZone)) return zoneFault(layer.timeZone)
  const handOff = timeOfDay(layer.handOff)
  if (handOff === undefined || layer.handOff === '24:00')
    return `handOff "${layer.handOff}" is no time of a day; write it as 09:00.`
  const start = dateWall(layer.startsOn)
  if (start === undefined) return `startsOn "${layer.startsOn}" is no day; write it as 2026-03-02.`
  if (layer.endsOn !== undefined) {
    const end = dateWall(layer.endsOn)
    if (end === undefined) return `endsOn "${layer.endsOn}" is no day; write it as 2026-03-02.`
    if (end <= start) return `it ends on ${layer.endsOn}, before it begins; give a later day.`
  }
  for (const window of layer.windows) {
    const fault = windowFault(window)
    if (fault !== undefined) return fault
  }
  return undefined
}

function windowFault({ days, from, to }: Window): string | undefined {
  if (days.length === 0) return 'a window names no day; list mon to sun, or leave the window out.'
  if (timeOfDay(from) === undefined || from === '24:00')
    return `a window begins at "${from}"; write it as 09:00.`
  if (timeOfDay(to) === undefined) return `a window ends at "${to}"; write it as 18:00 or 24:00.`
  return undefined
}

function zoneFault(zone: string): string {
  return `"${zone}" is no time zone; write an IANA name such as Europe/Moscow or Asia/Ho_Chi_Minh.`
}

/** Every person a schedule names. */
export function participantsOf(schedule: ScheduleContent): Set<string> {
  return new Set(schedule.layers.flatMap(({ participants }) => participants))
}
