import { executionFailure } from '../failure.ts'
import { type LabelSet, withoutName } from './label-set.ts'

/** The instants an expression is evaluated at: `start + step * interval` for each step. */
export interface Frame {
  readonly start: number
  /** Milliseconds, above 0. */
  readonly interval: number
  /** 1 for an instant. */
  readonly steps: number
}

/** The time of the last step. */
export function frameEnd(frame: Frame): number {
  return frame.start + (frame.steps - 1) * frame.interval
}

/** One series of a value on the steps of a frame; `values[i]` counts only where `present[i]` is 1. */
export interface Row {
  readonly labels: LabelSet
  readonly values: Float64Array
  readonly present: Uint8Array
  /** With delayed name removal: the name goes when the query ends. */
  readonly dropName: boolean
}

/** A row without samples, to be filled. */
export function emptyRow(labels: LabelSet, steps: number, dropName = false): Row {
  return { labels, values: new Float64Array(steps), present: new Uint8Array(steps), dropName }
}

/** Rows made one after the other in arrays they share: two allocations for a thousand short rows, not two each. */
export class RowBlock {
  private readonly steps: number
  private readonly perBlock: number
  private values = new Float64Array(0)
  private present = new Uint8Array(0)
  private used = 0

  /** `count` is how many rows there may be. */
  constructor(count: number, steps: number) {
    this.steps = steps
    this.perBlock = Math.max(1, Math.min(count, Math.floor(blockValues / steps)))
    this.used = this.perBlock
  }

  /** A row without samples, to be filled. */
  row(labels: LabelSet, dropName = false): Row {
    const { steps } = this
    if (this.used === this.perBlock) {
      this.values = new Float64Array(this.perBlock * steps)
      this.present = new Uint8Array(this.perBlock * steps)
      this.used = 0
    }
    const from = this.used * steps
    this.used += 1
    const values = this.values.subarray(from, from + steps)
    const present = this.present.subarray(from, from + steps)
    return { labels, values, present, dropName }
  }

  /** Takes back the row made last, which must have stayed empty. */
  drop(): void {
    this.used -= 1
  }
}

/** Values of a block, unless one row has more: 512 KiB. */
const blockValues = 65_536

/** Whether any step has a sample. */
export function hasSamples(row: Row): boolean {
  return row.present.includes(1)
}

/** How many steps have a sample. */
export function countSamples(rows: readonly Row[]): number {
  let count = 0
  for (const { present } of rows) {
    for (let step = 0; step < present.length; step += 1) count += present[step] ?? 0
  }
  return count
}

/** The row with its labels as they are after a computation on its values. */
export function computedRow(row: Row, values: Float64Array, delayed: boolean): Row {
  const labels = delayed ? row.labels : withoutName(row.labels)
  return { labels, values, present: row.present, dropName: true }
}

function hasDuplicates(rows: readonly Row[]): boolean {
  const seen = new Set<string>()
  for (const row of rows) seen.add(row.labels.key)
  return seen.size < rows.length
}

const sameLabels = 'vector cannot contain metrics with the same labelset'

/** Throws when two rows have the same labels, whether they meet or not. */
export function refuseDuplicates(rows: readonly Row[]): readonly Row[] {
  if (hasDuplicates(rows)) throw executionFailure(sameLabels)
  return rows
}

/** Joins rows with the same labels; throws when two have a sample at one step. */
export function mergeRows(rows: readonly Row[]): readonly Row[] {
  if (rows.length < 2 || !hasDuplicates(rows)) return rows
  const merged = new Map<string, Row>()
  const owned = new Set<string>()
  for (const row of rows) {
    const { key } = row.labels
    let target = merged.get(key)
    if (target === undefined) {
      merged.set(key, row)
      continue
    }
    if (!owned.has(key)) {
      target = { ...target, values: target.values.slice(), present: target.present.slice() }
      merged.set(key, target)
      owned.add(key)
    }
    for (let step = 0; step < row.present.length; step += 1) {
      if (row.present[step] !== 1) continue
      if (target.present[step] === 1) throw executionFailure(sameLabels)
      target.present[step] = 1
      target.values[step] = row.values[step] ?? 0
    }
  }
  return [...merged.values()]
}

/** What a node gives: rows without samples dropped, equal labels joined or refused. */
export function assembleRows(rows: readonly Row[], frame: Frame, delayed: boolean): readonly Row[] {
  const kept = rows.filter(hasSamples)
  if (frame.steps > 1) return mergeRows(kept)
  return delayed ? kept : refuseDuplicates(kept)
}
