import type { Points } from './board-engines.ts'

/** How far one answer is from another: series and points that only one side has, and values further apart than allowed. */
export interface Difference {
  readonly seriesHere: number
  readonly seriesThere: number
  readonly pointsHere: number
  readonly pointsThere: number
  readonly unequal: number
  /** The widest distance of two values, as a share of the larger. */
  readonly widest: number
  /** The first that differs, for people. */
  readonly example: string
}

/** Sums of the same numbers in another order differ by less than this share. */
export const rounding = 1e-9

function distance(here: number, there: number): number {
  if (Object.is(here, there) || here === there) return 0
  if (Number.isNaN(here) || Number.isNaN(there)) return Number.POSITIVE_INFINITY
  const apart = Math.abs(here - there)
  // Where large numbers cancel, what is left of them is rounding.
  return apart <= 1e-9 ? 0 : apart / Math.max(Math.abs(here), Math.abs(there))
}

/** Compares two answers; undefined when they are equal within the share `allowed`. */
export function compare(here: Points, there: Points, allowed: number): Difference | undefined {
  const count = { seriesHere: 0, seriesThere: 0, pointsHere: 0, pointsThere: 0, unequal: 0 }
  let widest = 0
  let example = ''
  const tell = (text: string) => {
    example ||= text
  }
  for (const key of there.keys())
    if (!here.has(key)) {
      count.seriesThere++
      tell(`only there: ${key}`)
    }
  for (const [key, points] of here) {
    const others = there.get(key)
    if (others === undefined) {
      count.seriesHere++
      tell(`only here: ${key}`)
      continue
    }
    for (const time of others.keys())
      if (!points.has(time)) {
        count.pointsThere++
        tell(`only there: ${key} at ${time}`)
      }
    for (const [time, value] of points) {
      const other = others.get(time)
      if (other === undefined) {
        count.pointsHere++
        tell(`only here: ${key} at ${time}`)
      } else {
        const apart = distance(value, other)
        widest = Math.max(widest, apart)
        if (apart > allowed) {
          count.unequal++
          tell(`${key} at ${time}: ${value} against ${other}`)
        }
      }
    }
  }
  const differs = Object.values(count).some((one) => one > 0)
  return differs ? { ...count, widest, example } : undefined
}

/** The order of a sorted answer: its values one after the other; which of equal ones comes first is left open. */
export function orderOf(points: Points): readonly number[] {
  return [...points.values()].flatMap((values) => [...values.values()])
}
