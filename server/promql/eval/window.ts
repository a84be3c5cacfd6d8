/** The samples of one series in a range; one object is moved along the steps of a query. */
export interface Window {
  times: Float64Array
  values: Float64Array
  /** First index inside, and the index after the last. */
  from: number
  to: number
  /** The range is (rangeStart, rangeEnd], milliseconds. */
  rangeStart: number
  rangeEnd: number
  rangeSeconds: number
  /** The time of the step, milliseconds; differs from `rangeEnd` by offset and `@`. */
  evaluationTime: number
  extension: 'anchored' | 'smoothed' | undefined
}

/** Computes a value from a window that has at least one sample; undefined means no sample. */
export type RangeFunction = (window: Window, first: number, second: number) => number | undefined
