import type { WantedRollup } from '../reader.ts'
import type { Entries } from '../samples.ts'

/**
 * Columns of a roll-up, by their number. Save for sums and counts they hold samples as they came, only fewer:
 * `last` the newest of each bucket, and every stale mark; `edges` the first and newest of each bucket and both sides of each fall of
 * the value, so that a counter's increase over whole buckets stays exact, and `edgeCounts` how many samples there are from the edge
 * before (exclusive) to each; `min` and `max` the extremes, `sum` and `count` of all samples of a bucket, each at the time of its
 * newest sample.
 */
export const columns = {
  last: 0,
  edges: 1,
  edgeCounts: 2,
  min: 3,
  max: 4,
  sum: 5,
  count: 6,
} as const

/** The column that says how many samples each entry of another stands for. */
export const countsOf: Readonly<Partial<Record<WantedRollup['column'], keyof typeof columns>>> = {
  edges: 'edgeCounts',
  sum: 'count',
}

const columnsOfSeries = 8

/** Series from here on have no roll-ups: their columns could not be numbered. */
export const firstWithout = 2 ** 32 / columnsOfSeries

/** Id under which a column of a series stands in a slot. */
export function columnId(id: number, column: keyof typeof columns): number {
  return id * columnsOfSeries + columns[column]
}

/**
 * Series with fewer samples of a day are not rolled up, and a column is kept when it has at most this share of the samples: else the
 * samples are as quick to read. One a minute makes 1,440 a day.
 */
const fewestSamples = 1000
const largestShare = 1 / 8

/** Edges of a day beside those of its buckets: a counter falls only now and then, and what falls all the time is none. */
const mostFallEdges = 100

/** One column of one series. */
export interface RolledColumn extends Entries {
  readonly column: keyof typeof columns
}

const none = new Float64Array(0)

/** Index behind the last sample of each bucket of `resolution`. */
function bucketEnds(times: Float64Array, resolution: number): Int32Array {
  const ends = new Int32Array(times.length)
  let count = 0
  for (let from = 0; from < times.length; ) {
    const end = Math.ceil(times[from]! / resolution) * resolution
    let to = from + 1
    while (to < times.length && times[to]! <= end) to++
    ends[count++] = to
    from = to
  }
  return ends.subarray(0, count)
}

/** Picks the samples at ascending indices. */
function pick(
  { times, values }: Entries,
  indices: ArrayLike<number>,
): [Float64Array, Float64Array] {
  const pickedTimes = new Float64Array(indices.length)
  const pickedValues = new Float64Array(indices.length)
  for (let i = 0; i < indices.length; i++) {
    pickedTimes[i] = times[indices[i]!]!
    pickedValues[i] = values[indices[i]!]!
  }
  return [pickedTimes, pickedValues]
}

/** Indices of the edges; undefined when there are more than `most`, or what falls cannot be told for NaNs. */
function edgesOf(values: Float64Array, ends: Int32Array, most: number): number[] | undefined {
  const found: number[] = []
  let from = 0
  for (const to of ends) {
    let last = from
    found.push(from)
    for (let i = from; i < to; i++) {
      const value = values[i]!
      if (Number.isNaN(value)) return undefined
      if (i === from || value >= values[i - 1]!) continue
      if (i - 1 > last) found.push(i - 1)
      found.push(i)
      last = i
    }
    if (to - 1 > last) found.push(to - 1)
    if (found.length > most) return undefined
    from = to
  }
  return found
}

interface BucketFigures {
  readonly min: Float64Array
  readonly max: Float64Array
  readonly sum: Float64Array
  readonly count: Float64Array
}

/** Decimals that `decimalsOf` tries, and below which whole numbers are added without a rounding. */
const mostDecimals = 6
const largestSum = 2 ** 53

/** At how many decimals every value is a whole number; undefined when there is no such number. */
function decimalsOf(values: Float64Array): number | undefined {
  let decimals = 0
  let power = 1
  for (let i = 0; i < values.length; ) {
    const value = values[i]!
    if (Math.round(value * power) / power === value) i++
    else if (++decimals > mostDecimals) return undefined
    else {
      power = 10 ** decimals
      i = 0
    }
  }
  return decimals
}

/** The sum of decimals to the last digit, which takes a third of the room of one that carries roundings; else the plain sum. */
function sumOf(values: Float64Array, from: number, to: number, power: number | undefined): number {
  let plain = 0
  let whole = 0
  for (let i = from; i < to; i++) plain += values[i]!
  if (power === undefined || !(Math.abs(plain) * power < largestSum)) return plain
  for (let i = from; i < to; i++) whole += Math.round(values[i]! * power)
  return whole / power
}

/** As the functions `..._over_time` of the query language reckon: a NaN yields to any number in extremes. */
function figuresOf(values: Float64Array, ends: Int32Array): BucketFigures {
  const figures = {
    min: new Float64Array(ends.length),
    max: new Float64Array(ends.length),
    sum: new Float64Array(ends.length),
    count: new Float64Array(ends.length),
  }
  const decimals = decimalsOf(values)
  const power = decimals === undefined ? undefined : 10 ** decimals
  let from = 0
  for (let bucket = 0; bucket < ends.length; bucket++) {
    const to = ends[bucket]!
    let min = values[from]!
    let max = min
    for (let i = from; i < to; i++) {
      const value = values[i]!
      if (value < min || Number.isNaN(min)) min = value
      if (value > max || Number.isNaN(max)) max = value
    }
    figures.min[bucket] = min
    figures.max[bucket] = max
    figures.sum[bucket] = sumOf(values, from, to, power)
    figures.count[bucket] = to - from
    from = to
  }
  return figures
}

/** False for what stays the same. */
function neverFallsButRises(values: Float64Array): boolean {
  for (let i = 1; i < values.length; i++) if (!(values[i]! >= values[i - 1]!)) return false
  return values.at(-1)! > values[0]!
}

/**
 * The columns of one series of one day at a resolution, by ascending number; those that would save little are left out. What only
 * rises has edges, which tell all of a counter; what falls all the time extremes and sums; what falls now and then or stays the same both.
 */
export function rollUp(entries: Entries, resolution: number): RolledColumn[] {
  const { times, values, staleTimes } = entries
  const most = times.length * largestShare
  const ends = bucketEnds(times, resolution)
  if (times.length < fewestSamples || ends.length > most) return []
  const lasts = ends.map((end) => end - 1)
  const [lastTimes, lastValues] = pick(entries, lasts)
  const found: RolledColumn[] = [
    { column: 'last', times: lastTimes, values: lastValues, staleTimes },
  ]
  const edges = edgesOf(values, ends, Math.min(most, 2 * ends.length + mostFallEdges))
  if (edges) {
    const [edgeTimes, edgeValues] = pick(entries, edges)
    const counts = Float64Array.from(edges, (at, i) => (i === 0 ? 1 : at - edges[i - 1]!))
    found.push({ column: 'edges', times: edgeTimes, values: edgeValues, staleTimes: none })
    found.push({ column: 'edgeCounts', times: edgeTimes, values: counts, staleTimes: none })
    if (neverFallsButRises(values)) return found
  }
  const figures = figuresOf(values, ends)
  for (const column of ['min', 'max', 'sum', 'count'] as const)
    found.push({ column, times: lastTimes, values: figures[column], staleTimes: none })
  return found
}
