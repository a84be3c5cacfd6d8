import type { Frame } from './rows.ts'

/** One series of a range vector before it is cut into windows. */
export interface RangeSamples {
  readonly times: Float64Array
  readonly values: Float64Array
  /** How many samples each stands for; undefined: one each. */
  readonly weights?: Float64Array | undefined
}

/** A range as it follows the steps of a frame. */
export interface RangeBounds {
  /** Milliseconds. */
  readonly range: number
  /** So long after its beginning samples may have been left out of a roll-up, milliseconds; 0: none were. */
  readonly slack: number
  readonly lookback: number
  readonly extension: 'anchored' | 'smoothed' | undefined
  /** Where the range ends: at the fixed time, or at the step's, less the offset. */
  readonly at: number | undefined
  readonly offset: number
}

/** The samples of one series in a range; one object is moved along the steps of a query. */
export interface Window {
  readonly times: Float64Array
  readonly values: Float64Array
  readonly weights: Float64Array | undefined
  /** First index inside, and the index after the last. */
  from: number
  to: number
  /** The range is (rangeStart, rangeEnd], milliseconds. */
  rangeStart: number
  rangeEnd: number
  readonly rangeSeconds: number
  /** The time of the step, milliseconds; differs from `rangeEnd` by offset and `@`. */
  evaluationTime: number
  readonly extension: 'anchored' | 'smoothed' | undefined
}

/** A window before the first step. */
export function startWindow(
  { times, values, weights }: RangeSamples,
  { range, extension }: RangeBounds,
): Window {
  return {
    times,
    values,
    weights,
    from: 0,
    to: 0,
    rangeStart: 0,
    rangeEnd: 0,
    rangeSeconds: range / 1000,
    evaluationTime: 0,
    extension,
  }
}

/** Moves a window forward to a step of a frame; times never go back. */
export function moveWindow(window: Window, bounds: RangeBounds, frame: Frame, step: number): void {
  const { times } = window
  const time = frame.start + step * frame.interval
  const end = (bounds.at ?? time) - bounds.offset
  const start = end - bounds.range
  window.evaluationTime = time
  window.rangeEnd = end
  window.rangeStart = start
  const { extension, lookback } = bounds
  const last = extension === 'smoothed' ? end + lookback : end
  const first = extension === undefined ? start : start - lookback
  let { from, to } = window
  const { length } = times
  while (to < length && times[to]! <= last) to += 1
  while (from < to && times[from]! <= first) from += 1
  window.from = from
  window.to = to
}

/** Computes a value from a window that has at least one sample; undefined means no sample. */
export type RangeFunction = (window: Window, first: number, second: number) => number | undefined
