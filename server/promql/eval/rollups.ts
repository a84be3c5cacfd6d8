import { resolutions, type WantedRollup } from '../../store/reader.ts'
import type { VectorSelector } from '../syntax/ast.ts'
import { type Frame, frameEnd } from './rows.ts'

/** What a function of a range reads of roll-ups; one that is not here needs the samples. */
const columnOf: Readonly<Record<string, WantedRollup['column']>> = {
  rate: 'edges',
  increase: 'edges',
  delta: 'edges',
  first_over_time: 'edges',
  last_over_time: 'last',
  ts_of_last_over_time: 'last',
  present_over_time: 'last',
  absent_over_time: 'last',
  min_over_time: 'min',
  max_over_time: 'max',
  sum_over_time: 'sum',
  count_over_time: 'sum',
  avg_over_time: 'sum',
}

/** Functions that extrapolate: what roll-ups leave out at the window's beginning is reckoned from the rest. */
const extrapolating: ReadonlySet<string> = new Set(['rate', 'increase', 'delta'])

/** Functions that say as much of a window that is a little shorter. */
const shortenable: ReadonlySet<string> = new Set([
  ...['min_over_time', 'max_over_time', 'avg_over_time'],
])

/**
 * A window may be this share of it longer than whole buckets: Grafana makes windows one scrape longer than the steps between. The one
 * sample there is the newest of its bucket, so that extrapolations stay exact; with more of them they are as good as the rest of the window.
 */
const largestRest = 1 / 20

/** Whether a selector stands at ends of buckets on every step of a frame. */
function isOnBuckets(
  { at, offset, extension }: VectorSelector,
  { start, interval, steps }: Frame,
  resolution: number,
): boolean {
  if (at !== undefined || extension !== undefined || typeof offset !== 'number') return false
  return (start - offset) % resolution === 0 && (steps === 1 || interval % resolution === 0)
}

/** The longest of the resolutions up to `coarsest` that gives exactly what the samples do at each step; undefined: only these do. */
export function rollupOfInstant(
  selector: VectorSelector,
  frame: Frame,
  coarsest: number,
): WantedRollup | undefined {
  const resolution = resolutions.findLast(
    (one) => one <= coarsest && isOnBuckets(selector, frame, one),
  )
  return resolution === undefined ? undefined : { resolution, column: 'last' }
}

/** A roll-up for a function of a range. */
export interface RolledRange {
  readonly rollup: WantedRollup
  /** Milliseconds: the range itself, or as much of it as whole buckets fill. */
  readonly range: number
  /** See `RangeBounds`. */
  readonly slack: number
}

/** As `rollupOfInstant` for windows; those of a range query may be a little longer than whole buckets. */
export function rollupOfRange(
  name: string,
  selector: VectorSelector,
  range: number,
  frame: Frame,
  coarsest: number,
): RolledRange | undefined {
  const column = columnOf[name]
  if (column === undefined) return undefined
  const isFlexible = extrapolating.has(name) || shortenable.has(name)
  const most = isFlexible && frameEnd(frame) > frame.start ? range * largestRest : 0
  const resolution = resolutions.findLast(
    (one) =>
      one <= coarsest && one <= range && range % one <= most && isOnBuckets(selector, frame, one),
  )
  if (resolution === undefined) return undefined
  const rollup = { resolution, column }
  const rest = range % resolution
  return extrapolating.has(name)
    ? { rollup, range, slack: rest }
    : { rollup, range: range - rest, slack: 0 }
}
