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

/** Functions that say as much of a window that is a little shorter. */
const shortenable: ReadonlySet<string> = new Set([
  ...['rate', 'increase', 'delta', 'min_over_time', 'max_over_time', 'avg_over_time'],
])

/** A window may be shortened by this share of it, to whole buckets: Grafana makes windows one scrape longer than the steps between. */
const mostShortened = 1 / 20

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

/** A roll-up for a function of a range, and the range in whole buckets, milliseconds. */
export interface RolledRange {
  readonly rollup: WantedRollup
  readonly range: number
}

/** As `rollupOfInstant` for windows; those of a range query may be shortened a little. */
export function rollupOfRange(
  name: string,
  selector: VectorSelector,
  range: number,
  frame: Frame,
  coarsest: number,
): RolledRange | undefined {
  const column = columnOf[name]
  if (column === undefined) return undefined
  const most = shortenable.has(name) && frameEnd(frame) > frame.start ? range * mostShortened : 0
  const resolution = resolutions.findLast(
    (one) =>
      one <= coarsest && one <= range && range % one <= most && isOnBuckets(selector, frame, one),
  )
  if (resolution === undefined) return undefined
  return { rollup: { resolution, column }, range: range - (range % resolution) }
}
