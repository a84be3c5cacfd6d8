/** Entries of one series from one place; times ascend, no time stands in both lists. */
export interface Entries {
  readonly times: Float64Array
  readonly values: Float64Array
  readonly staleTimes: Float64Array
}

/**
 * Upper words of cells that are no sample, both NaN: nothing stands here, or the series ended here. Real NaNs are stored as the one
 * canonical NaN. Read them through a Uint32Array only: a double may lose them on its way.
 */
export const absentHigh = 0x7ff9ab5e
export const staleHigh = 0x7ff957a1

const none = new Float64Array(0)

/** No samples, no marks. */
export const noEntries: Entries = { times: none, values: none, staleTimes: none }

/** First index, from `from` on, whose time is not below `t`; `times` ascends. */
export function lowerBound(times: Float64Array, t: number, from = 0): number {
  let low = from
  let high = times.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (times[middle]! < t) low = middle + 1
    else high = middle
  }
  return low
}

/** Entries within [start, end], as views. */
export function clip(entries: Entries, start: number, end: number): Entries {
  const { times, values, staleTimes } = entries
  const from = lowerBound(times, start)
  const to = upperBound(times, end)
  const staleFrom = lowerBound(staleTimes, start)
  const staleTo = upperBound(staleTimes, end)
  if (from === 0 && to === times.length && staleFrom === 0 && staleTo === staleTimes.length)
    return entries
  return {
    times: times.subarray(from, to),
    values: values.subarray(from, to),
    staleTimes: staleTimes.subarray(staleFrom, staleTo),
  }
}

function upperBound(times: Float64Array, t: number): number {
  let at = lowerBound(times, t)
  while (at < times.length && times[at]! <= t) at++
  return at
}

/** True when there is neither sample nor mark. */
export function isEmpty(entries: Entries): boolean {
  return entries.times.length === 0 && entries.staleTimes.length === 0
}

function firstTime(entries: Entries): number {
  return Math.min(entries.times[0] ?? Infinity, entries.staleTimes[0] ?? Infinity)
}

function lastTime(entries: Entries): number {
  return Math.max(entries.times.at(-1) ?? -Infinity, entries.staleTimes.at(-1) ?? -Infinity)
}

/** Merges parts given oldest first; at one time the entry of the later part wins, sample or mark. */
export function merge(parts: readonly Entries[]): Entries {
  const filled = parts.filter((part) => !isEmpty(part))
  if (filled.length <= 1) return filled[0] ?? noEntries
  const ordered = filled.toSorted((a, b) => firstTime(a) - firstTime(b))
  const disjoint = ordered.every(
    (part, i) => i === 0 || lastTime(ordered[i - 1]!) < firstTime(part),
  )
  return disjoint ? concatenate(ordered) : filled.reduce(overlay)
}

function concatenate(parts: readonly Entries[]): Entries {
  return {
    times: joined(parts.map((part) => part.times)),
    values: joined(parts.map((part) => part.values)),
    staleTimes: joined(parts.map((part) => part.staleTimes)),
  }
}

function joined(arrays: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(arrays.reduce((sum, array) => sum + array.length, 0))
  let at = 0
  for (const array of arrays) {
    all.set(array, at)
    at += array.length
  }
  return all
}

function overlay(older: Entries, newer: Entries): Entries {
  const taken = new Set<number>([...newer.times, ...newer.staleTimes])
  const times = new Float64Array(older.times.length + newer.times.length)
  const values = new Float64Array(times.length)
  let kept = 0
  let n = 0
  const take = (from: Entries, i: number) => {
    times[kept] = from.times[i]!
    values[kept++] = from.values[i]!
  }
  for (let o = 0; o < older.times.length; o++) {
    const t = older.times[o]!
    while (n < newer.times.length && newer.times[n]! < t) take(newer, n++)
    if (!taken.has(t)) take(older, o)
  }
  while (n < newer.times.length) take(newer, n++)
  const stale = [...older.staleTimes.filter((t) => !taken.has(t)), ...newer.staleTimes].sort(
    (a, b) => a - b,
  )
  return {
    times: times.subarray(0, kept),
    values: values.subarray(0, kept),
    staleTimes: Float64Array.from(stale),
  }
}
