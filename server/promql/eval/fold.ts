import type { Aggregator } from '../syntax/ast.ts'
import { Mean } from './arithmetic.ts'
import type { Row } from './rows.ts'

/**
 * Folds rows into one, row by row: at each step the samples come in the order of the rows, so that
 * rounding is that of a fold step by step, while every loop runs along one pair of arrays.
 */
interface Fold {
  add(row: Row): void
  /** Ends the result; the rows are those that were added. */
  finish(rows: readonly Row[]): void
}

/** The value so far stands in the result itself; `-0` and NaN are kept as they come. */
function extremes({ values, present }: Row, wins: 1 | -1): Fold {
  return {
    add(row) {
      for (let step = 0; step < values.length; step += 1) {
        if (row.present[step] === 0) continue
        const value = row.values[step]!
        const best = values[step]!
        if (
          present[step] === 0 ||
          Number.isNaN(best) ||
          (wins === 1 ? best < value : best > value)
        ) {
          values[step] = value
          present[step] = 1
        }
      }
    },
    finish: () => undefined,
  }
}

function counts({ values, present }: Row, increment: 0 | 1): Fold {
  return {
    add(row) {
      for (let step = 0; step < values.length; step += 1) {
        if (row.present[step] === 0) continue
        values[step] = present[step] === 0 ? 1 : values[step]! + increment
        present[step] = 1
      }
    },
    finish: () => undefined,
  }
}

/** Adds a row to sums with what rounding lost (Kahan, Neumaier), as `KahanSum` does. */
function addCompensated({ values, present }: Row, lost: Float64Array, row: Row): void {
  for (let step = 0; step < values.length; step += 1) {
    if (row.present[step] === 0) continue
    const value = row.values[step]!
    if (present[step] === 0) {
      present[step] = 1
      values[step] = value
      continue
    }
    const sum = values[step]!
    const next = sum + value
    if (next === Number.POSITIVE_INFINITY || next === Number.NEGATIVE_INFINITY) lost[step] = 0
    else if (Math.abs(sum) >= Math.abs(value)) lost[step]! += sum - next + value
    else lost[step]! += value - next + sum
    values[step] = next
  }
}

function sums(result: Row): Fold {
  const lost = new Float64Array(result.values.length)
  return {
    add: (row) => addCompensated(result, lost, row),
    finish() {
      for (let step = 0; step < lost.length; step += 1) result.values[step]! += lost[step]!
    },
  }
}

/** The mean of one step the careful way, for sums that are not finite. */
function meanAt(rows: readonly Row[], step: number): number {
  let mean: Mean | undefined
  for (const row of rows) {
    if (row.present[step] === 0) continue
    const value = row.values[step]!
    if (mean === undefined) mean = new Mean(value)
    else mean.add(value)
  }
  return mean?.value() ?? Number.NaN
}

function means(result: Row): Fold {
  const { values } = result
  const lost = new Float64Array(values.length)
  const samples = new Uint32Array(values.length)
  return {
    add(row) {
      addCompensated(result, lost, row)
      for (let step = 0; step < samples.length; step += 1) samples[step]! += row.present[step]!
    },
    finish(rows) {
      for (let step = 0; step < samples.length; step += 1) {
        const count = samples[step]!
        if (count === 0) continue
        const sum = values[step]!
        values[step] = Number.isFinite(sum) ? sum / count + lost[step]! / count : meanAt(rows, step)
      }
    },
  }
}

/** Welford's running variance of the whole population. */
function variances({ values: mean, present }: Row, finish: (variance: number) => number): Fold {
  const samples = new Uint32Array(mean.length)
  const squares = new Float64Array(mean.length)
  return {
    add(row) {
      for (let step = 0; step < mean.length; step += 1) {
        if (row.present[step] === 0) continue
        const value = row.values[step]!
        const count = samples[step]! + 1
        samples[step] = count
        if (count === 1) {
          present[step] = 1
          mean[step] = value
          squares[step] = Number.isFinite(value) ? 0 : Number.NaN
          continue
        }
        const delta = value - mean[step]!
        const next = mean[step]! + delta / count
        mean[step] = next
        squares[step]! += delta * (value - next)
      }
    },
    finish() {
      for (let step = 0; step < mean.length; step += 1) {
        if (present[step] === 1) mean[step] = finish(squares[step]! / samples[step]!)
      }
    },
  }
}

/** Starts an aggregation whose result goes into an empty row. */
export function startFold(op: Aggregator, result: Row): Fold {
  switch (op) {
    case 'sum':
      return sums(result)
    case 'avg':
      return means(result)
    case 'count':
      return counts(result, 1)
    case 'group':
      return counts(result, 0)
    case 'min':
      return extremes(result, -1)
    case 'max':
      return extremes(result, 1)
    case 'stdvar':
      return variances(result, (variance) => variance)
    case 'stddev':
      return variances(result, Math.sqrt)
    default:
      throw new Error(`BUG: ${op} does not fold`)
  }
}
