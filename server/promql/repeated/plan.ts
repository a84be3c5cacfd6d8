import type { LabelSet } from '../eval/label-set.ts'
import type { Frame } from '../eval/rows.ts'
import type { Expr } from '../syntax/ast.ts'
import type { FixedSeries } from './series-at-hand.ts'
import { maxSlots, type Slots } from './slots.ts'

/** One evaluation of a plan: a frame of one step, and what it reads. */
export interface Moment extends Frame {
  /** The time asked for, milliseconds. */
  readonly start: number
  readonly series: FixedSeries
  /** Set where this way cannot go on: the answer counts no more, the interpreter gives it, or the fault in it. */
  handedOver: boolean
}

/**
 * A vector whose possible series are known. Those who work on it keep its slots and `run`, not the labels: of a plan's labels only those
 * of the result stay in memory.
 */
export interface Vector {
  /** In the order of the interpreter's rows. */
  readonly labels: readonly LabelSet[]
  /** The slot of the first; the others follow. */
  readonly at: number
  /** Sets presence and value of all its slots; gives how many are present. Those have different labels. */
  run(moment: Moment): number
}

/** A scalar's value at a moment. */
export type Scalar = (moment: Moment) => number

/** Thrown while planning: why an expression is left to the interpreter. */
export class Unplanned extends Error {}

/** What the planning of one expression shares. */
export interface Planning {
  readonly slots: Slots
  readonly series: FixedSeries
  /** How far back an instant lookup reaches, milliseconds. */
  readonly lookback: number
  /** Most series a selector may give. */
  readonly maxSeries: number
  /** The first of `count` slots of its own. */
  take(count: number): number
  vector(expr: Expr): Vector
  scalar(expr: Expr): Scalar
}

/** Hands out slots from the first on, so many in all. */
export function takeSlots(size: number = maxSlots): Planning['take'] {
  let used = 0
  return (count) => {
    if (used + count > size) throw new Unplanned('too many series')
    const at = used
    used += count
    return at
  }
}

/** Indexes of equal label sets; undefined when all differ. */
export function equalLabels(labels: readonly LabelSet[]): readonly Uint32Array[] | undefined {
  const byKey = new Map<string, number[]>()
  for (const [index, { key }] of labels.entries()) {
    const found = byKey.get(key)
    if (found === undefined) byKey.set(key, [index])
    else found.push(index)
  }
  if (byKey.size === labels.length) return undefined
  return [...byKey.values()]
    .filter(({ length }) => length > 1)
    .map((indexes) => Uint32Array.from(indexes))
}

/**
 * A vector whose labels were made anew: where two of them that are equal are present at one moment, it hands over to the interpreter,
 * which refuses them.
 */
export function withoutDuplicates(vector: Vector, { present }: Slots): Vector {
  const equal = equalLabels(vector.labels)
  if (equal === undefined) return vector
  const { labels, at, run } = vector
  return {
    labels,
    at,
    run(moment) {
      const count = run(moment)
      if (count < 2) return count
      for (const indexes of equal) {
        let seen = 0
        for (const index of indexes) seen += present[at + index]!
        if (seen > 1) moment.handedOver = true
      }
      return count
    },
  }
}

/** The vector that is always empty. */
export const nothing: Vector = { labels: [], at: 0, run: () => 0 }
