import type { Part } from './part.ts'
import { dayMillis, type Level, slotMillis } from './part-format.ts'

/** Files to merge: each output is made of some slots of theirs; what is in no output stays in a file of its own. */
export interface MergePlan {
  /** By ascending order. */
  readonly inputs: readonly Part[]
  readonly outputs: readonly {
    /** Starts of its slots, ascending. */
    readonly slots: readonly number[]
    readonly order: number
    readonly level: Level
  }[]
}

/** How long after its end an interval is merged, milliseconds: its last generations have been sealed by then. */
const slotGraceMillis = 10 * 60_000
const dayGraceMillis = 30 * 60_000

/** Files of late entries that an interval may gather before they are merged with one another. */
const mostLateParts = 8

/** Late entries are merged into their day when they take this part of its file, or come in this many files. */
const lateShare = 0.25
const mostDayParts = 40

interface Interval {
  readonly from: number
  readonly parts: Part[]
}

/** Intervals of a length with the files that touch each, by start; the files as given. */
function intervals(parts: readonly Part[], length: number): Interval[] {
  const found = new Map<number, Interval>()
  for (const part of parts) {
    let last: number | undefined
    for (const { start, span } of part.slots)
      for (let from = Math.floor(start / length) * length; from < start + span; from += length) {
        if (from === last) continue
        last = from
        const interval = found.get(from)
        if (interval) interval.parts.push(part)
        else found.set(from, { from, parts: [part] })
      }
  }
  return [...found.values()].sort((a, b) => a.from - b.from)
}

/** An interval that is due, and which of its files are to become one. */
interface Due extends Interval {
  readonly inputs: readonly Part[]
}

/**
 * The next merge, undefined when none is due at `now`; `all`: every day that is not one slot of one file. Give the files by ascending order;
 * what lies together with an unmergeable one is left alone. In no slot is there another file between the inputs by order: the
 * last write goes on to win.
 */
export function planMerge(
  parts: readonly Part[],
  { now, all }: { readonly now: number; readonly all: boolean },
  unmergeable: ReadonlySet<Part>,
): MergePlan | undefined {
  const isMergeable = ({ parts }: Interval) => !parts.some((part) => unmergeable.has(part))
  const slots = all ? [] : intervals(parts, slotMillis).filter(isMergeable)
  return (
    planOf(dueSlots(slots, now), 1) ??
    planOf(
      intervals(parts, dayMillis)
        .filter(isMergeable)
        .filter(({ from, parts }) => !isWhole(parts, from) && (all || isDayDue(parts, from, now)))
        .map((day) => ({ ...day, inputs: day.parts })),
      2,
    )
  )
}

function dueSlots(slots: readonly Interval[], now: number): Due[] {
  return slots.flatMap((slot) => {
    if (slot.from + slotMillis + slotGraceMillis > now) return []
    const merged = slot.parts.findLastIndex(({ level }) => level > 0)
    const inputs = slot.parts.slice(merged + 1)
    return inputs.length >= (merged < 0 ? 2 : mostLateParts) ? [{ ...slot, inputs }] : []
  })
}

/** Merges the first interval together with all others that its files touch, so that no file is copied again and again. */
function planOf(due: readonly Due[], level: Level): MergePlan | undefined {
  const [first] = due
  if (!first) return undefined
  const inputs = new Set(first.inputs)
  for (let size = 0; size < inputs.size; ) {
    size = inputs.size
    for (const interval of due)
      if (interval.inputs.some((part) => inputs.has(part)))
        for (const part of interval.inputs) inputs.add(part)
  }
  const byDay = new Map<number, { slots: Set<number>; order: number; level: Level }>()
  for (const { from, parts, inputs: own } of due) {
    const touching = parts.filter((part) => inputs.has(part))
    if (touching.length !== own.length || !own.every((part) => inputs.has(part))) {
      if (from === first.from) return planOf([first], level)
      continue
    }
    const day = Math.floor(from / dayMillis)
    const output = byDay.get(day) ?? { slots: new Set<number>(), order: 0, level }
    byDay.set(day, output)
    const to = from + (level === 2 ? dayMillis : slotMillis)
    for (const part of own) {
      output.order = Math.max(output.order, part.order)
      for (const { start } of part.slots) if (start >= from && start < to) output.slots.add(start)
    }
  }
  return {
    inputs: [...inputs].sort((a, b) => a.order - b.order || a.number - b.number),
    outputs: [...byDay.values()].map((output) => ({
      ...output,
      slots: [...output.slots].sort((a, b) => a - b),
    })),
  }
}

/** One file holds the day, and in one slot. */
function isWhole([part, ...others]: readonly Part[], from: number): boolean {
  return (
    others.length === 0 &&
    part!.slots.some(({ start, span }) => start === from && span === dayMillis)
  )
}

function isDayDue(inputs: readonly Part[], from: number, now: number): boolean {
  if (from + dayMillis + dayGraceMillis > now) return false
  if (inputs.length >= mostDayParts) return true
  const bytesOf = (part: Part) =>
    part.slots.reduce(
      (sum, { start, length }) => (start >= from && start < from + dayMillis ? sum + length : sum),
      0,
    )
  // Files of a former form hold a day in slots of two hours.
  const whole = inputs.filter((part) => isWhole([part], from))
  if (whole.length === 0) return true
  const settled = whole.reduce((sum, part) => sum + bytesOf(part), 0)
  const all = inputs.reduce((sum, part) => sum + bytesOf(part), 0)
  return all - settled > lateShare * settled
}
