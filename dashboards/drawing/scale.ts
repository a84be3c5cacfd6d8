import type { Field } from './definition.ts'
import { limitLines } from './judged.ts'

/** Room above and below the curves, as a share of what they span: Grafana's. */
const roomShare = 0.1

/**
 * The scale of a panel's values, as Grafana makes it: the field's ends where it names them, else room beyond the values and
 * then up to the next round number; 0 is always on it. A limit just above that is in sight too.
 */
export function scaleOf(
  field: Field,
  values: readonly (readonly (number | null)[])[],
): readonly [low: number, high: number] {
  const { min, max } = field
  let [low, high] = [min ?? 0, max ?? 0]
  for (const line of values) {
    for (const value of line) {
      if (value === null) continue
      low = Math.min(low, value)
      high = Math.max(high, value)
    }
  }
  if (low === high) return [low, low + 1]
  const room = (high - low) * roomShare
  const round = 10 ** (Math.floor(Math.log10(high - low)) - 1)
  const bottom = min !== undefined || low >= 0 ? low : -upTo(room - low, round)
  if (max !== undefined && high <= max) return [bottom, high]
  const top = upTo(high + room, round)
  const limit = limitLines(field).find(({ at }) => at > top && at <= top + room)
  return [bottom, limit === undefined ? top : upTo(limit.at, round)]
}

/** The next multiple of `round` (a power of ten), without the tail that a product of decimals has. */
function upTo(value: number, round: number): number {
  return Number((Math.ceil(value / round - 1e-9) * round).toPrecision(12))
}

/** Steps that people read times in, seconds; longer than a day in days. */
const timeSteps = [
  ...[1, 2, 5, 10, 15, 30],
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * 60),
  ...[1, 2, 3, 6, 12].map((hours) => hours * 3600),
  ...[1, 2, 5, 7, 10, 20, 30].map((days) => days * 86_400),
]
const decimalSteps = [1, 2, 2.5, 5, 10]

/**
 * Steps from one round value of a unit to the next, smallest first, for an axis drawn elsewhere: of bytes 1024-steps, of seconds those of
 * clocks; undefined where decimal ones are meant.
 */
export function stepsOf(unit: string | undefined): readonly number[] | undefined {
  if (unit === 'bytes') return Array.from({ length: 54 }, (_, power) => 2 ** power)
  if (unit !== 's') return undefined
  const below = [-6, -5, -4, -3, -2, -1].flatMap((power) =>
    [1, 2, 5].map((one) => Number(`${one}e${power}`)),
  )
  const beyond = [1, 2, 5, 10, 20, 50].map((hundreds) => hundreds * 100 * 86_400)
  return [...below, ...timeSteps, ...beyond]
}

/** Three to six round values of a unit from `low` to `high`. */
export function ticksOf(low: number, high: number, unit?: string): readonly number[] {
  const rough = (high - low) / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step =
    stepsOf(unit)?.find((one) => one >= rough) ??
    decimalSteps.map((one) => one * power).find((one) => one >= rough)!
  const first = Math.ceil(low / step - 1e-9)
  const last = Math.floor(high / step + 1e-9)
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step)
}
