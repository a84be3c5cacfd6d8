import type { Points } from './board-engines.ts'

/** How far one answer is from another: series and points that only one side has, and values further apart than allowed. */
export interface Difference {
  readonly onlyHere: number
  readonly onlyThere: number
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

/** Compares two answers at the times that count; undefined when they are equal within the share `allowed`. */
export function compare(
  here: Points,
  there: Points,
  allowed: number,
  counts: (seconds: number) => boolean = () => true,
): Difference | undefined {
  const found = { onlyHere: 0, onlyThere: 0, unequal: 0, widest: 0 }
  let example = ''
  for (const [key, values] of here)
    for (const [time, value] of values) {
      if (!counts(time)) continue
      const other = there.get(key)?.get(time)
      if (other === undefined) {
        found.onlyHere++
        example ||= `only here: ${key} at ${time}`
        continue
      }
      const apart = distance(value, other)
      found.widest = Math.max(found.widest, apart)
      if (apart <= allowed) continue
      found.unequal++
      example ||= `${key} at ${time}: ${value} against ${other}`
    }
  for (const [key, values] of there)
    for (const time of values.keys()) {
      if (!counts(time) || here.get(key)?.has(time)) continue
      found.onlyThere++
      example ||= `only there: ${key} at ${time}`
    }
  return example === '' ? undefined : { ...found, example }
}

/** A difference in a line. */
export function told({ onlyHere, onlyThere, unequal, widest, example }: Difference): string {
  const share = `${(100 * widest).toPrecision(2)} %`
  return `${unequal} points unequal by up to ${share}, ${onlyHere} only here, ${onlyThere} only there; ${example}`
}

/** The values of a sorted answer, one after the other. */
export function inOrder(points: Points): readonly number[] {
  return [...points.values()].flatMap((values) => [...values.values()])
}
