import { type Entries, lowerBound } from '../samples.ts'
import type { Part } from './part.ts'
import { dayMillis, type Slot } from './part-format.ts'

/** Days that times lie in, by number. */
function* daysOf(times: Float64Array): Iterable<number> {
  for (let at = 0; at < times.length; ) {
    const day = Math.floor(times[at]! / dayMillis)
    yield day
    at = lowerBound(times, (day + 1) * dayMillis, at)
  }
}

/**
 * The slots of samples whose roll-up tells all of their day, with that roll-up: no other slot of the files reaches into the day, and
 * memory has no entry of it.
 */
export function rolledSlots(
  parts: readonly Part[],
  resolution: number,
  inMemory: Iterable<Entries>,
): ReadonlyMap<Slot, Slot> {
  const slotsOf = new Map<number, number>()
  for (const { slots } of parts)
    for (const { start, span } of slots)
      for (let t = start; t < start + span; t += dayMillis) {
        const day = Math.floor(t / dayMillis)
        slotsOf.set(day, (slotsOf.get(day) ?? 0) + 1)
      }
  const late = new Set<number>()
  for (const { times, staleTimes } of inMemory)
    for (const list of [times, staleTimes]) for (const day of daysOf(list)) late.add(day)
  const found = new Map<Slot, Slot>()
  for (const { slots, rollups } of parts) {
    if (rollups.length === 0) continue
    for (const slot of slots) {
      const day = slot.start / dayMillis
      if (slot.span !== dayMillis || slotsOf.get(day) !== 1 || late.has(day)) continue
      const rolled = rollups.find(
        (one) => one.start === slot.start && one.resolution === resolution,
      )
      if (rolled) found.set(slot, rolled)
    }
  }
  return found
}
