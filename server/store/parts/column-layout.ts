import { clip, type Entries, isEmpty, lowerBound, merge, noEntries } from '../samples.ts'
import type { Part } from './part.ts'
import type { Slot, TimeChunk } from './part-format.ts'

/** Times of a chunk within the asked interval: indices [from, to) of the chunk. */
export interface WantedTimes {
  readonly chunk: TimeChunk
  times: Float64Array
  from: number
  to: number
}

/** A slot of a file. */
export interface Place {
  readonly part: Part
  readonly slot: Slot
  readonly times: Map<number, WantedTimes>
  readonly pieces: Piece[]
}

/** One chunk to read, and where its values go. */
export interface Piece {
  readonly place: Place
  readonly time: WantedTimes | undefined
  readonly offset: number
  readonly length: number
  readonly crc: number
  readonly hasMarks: boolean
  readonly minTime: number
  readonly maxTime: number
  target: Float64Array
  at: number
  staleTimes: Float64Array
  isLost: boolean
}

/** Entries of a series: chunks of files, then what memory holds. */
export interface Layout {
  readonly pieces: Piece[]
  readonly inMemory: readonly Entries[]
  /** Set when nothing overlaps: then the values are read right into the result. */
  times: Float64Array | undefined
  values: Float64Array
}

const none = noEntries.times

/** The layout at an index, made when it is not there. */
export function layoutAt(layouts: (Layout | undefined)[], i: number): Layout {
  layouts[i] ??= { pieces: [], inMemory: [], times: undefined, values: none }
  return layouts[i]
}

/** Puts the entries of series together, within [start, end]. */
export class Layouts {
  private readonly start: number
  private readonly end: number
  private lastTimes: readonly Float64Array[] = []
  private lastJoined: Float64Array = none

  constructor(start: number, end: number) {
    this.start = start
    this.end = end
  }

  /** Decides where the values of a series go. */
  arrange(layout: Layout): void {
    const { pieces, inMemory } = layout
    const runs: { minTime: number; times: Float64Array; piece?: Piece; entries?: Entries }[] = []
    let isPlain = true
    let total = 0
    for (const piece of pieces) {
      if (piece.hasMarks) isPlain = false
      const times = piece.time?.times ?? none
      if (times.length === 0) continue
      total += times.length
      runs.push({ minTime: times[0]!, times, piece })
    }
    for (const entries of inMemory) {
      if (entries.staleTimes.length > 0) isPlain = false
      if (entries.times.length === 0) continue
      total += entries.times.length
      runs.push({ minTime: entries.times[0]!, times: entries.times, entries })
    }
    if (isPlain) {
      runs.sort((a, b) => a.minTime - b.minTime)
      for (let i = 1; i < runs.length && isPlain; i++)
        isPlain = runs[i - 1]!.times.at(-1)! < runs[i]!.minTime
    }
    if (!isPlain) {
      for (const piece of pieces) piece.target = new Float64Array(piece.time?.times.length ?? 0)
      return
    }
    layout.values = new Float64Array(total)
    layout.times = this.joined(runs.map(({ times }) => times))
    let at = 0
    for (const { times, piece, entries } of runs) {
      if (entries) layout.values.set(entries.values, at)
      else if (piece) {
        piece.target = layout.values
        piece.at = at
      }
      at += times.length
    }
  }

  /** Joined times; series that follow one another mostly share them. */
  private joined(runs: readonly Float64Array[]): Float64Array {
    if (runs.length === 1) return runs[0]!
    const { lastTimes } = this
    if (runs.length === lastTimes.length && runs.every((run, i) => isSame(run, lastTimes[i]!)))
      return this.lastJoined
    const joined = new Float64Array(runs.reduce((sum, run) => sum + run.length, 0))
    let at = 0
    for (const run of runs) {
      joined.set(run, at)
      at += run.length
    }
    this.lastTimes = runs
    this.lastJoined = joined
    return joined
  }

  /** The entries of a series whose pieces have been read; undefined when there are none. */
  finish({ pieces, inMemory, times, values }: Layout): Entries | undefined {
    if (times && !pieces.some(({ isLost }) => isLost))
      return times.length === 0 ? undefined : { times, values, staleTimes: none }
    const parts = pieces
      .filter(({ isLost }) => !isLost)
      .map(({ time, target, at, staleTimes }): Entries => {
        const found = time?.times ?? none
        return {
          times: found,
          values: target.subarray(at, at + found.length),
          staleTimes: clip({ ...noEntries, staleTimes }, this.start, this.end).staleTimes,
        }
      })
    const merged = merge([...parts, ...inMemory])
    return isEmpty(merged) ? undefined : merged
  }
}

/** Counts stand at some of the times; one sample is one. */
export function weightsOf(times: Float64Array, counts: Entries): Float64Array {
  if (counts.times.length === times.length) return counts.values
  const weights = new Float64Array(times.length).fill(1)
  let at = 0
  for (let k = 0; k < counts.times.length; k++) {
    at = lowerBound(times, counts.times[k]!, at)
    weights[at] = counts.values[k]!
  }
  return weights
}

function isSame(a: Float64Array, b: Float64Array): boolean {
  return (
    a === b || (a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.length === b.length)
  )
}
