import type { BinaryOperator } from '../syntax/ast.ts'

/** IEEE 754-2008 power as C and Go have it: 1 to any power and -1 to an infinite one are 1. */
export function power(base: number, exponent: number): number {
  if (base === 1) return 1
  if (base === -1 && Math.abs(exponent) === Number.POSITIVE_INFINITY) return 1
  return base ** exponent
}

/** The larger number as Go has it: +Inf beats NaN, NaN beats the rest. */
export function larger(left: number, right: number): number {
  const infinite = Number.POSITIVE_INFINITY
  return left === infinite || right === infinite ? infinite : Math.max(left, right)
}

/** The smaller number as Go has it: -Inf beats NaN, NaN beats the rest. */
export function smaller(left: number, right: number): number {
  const infinite = Number.NEGATIVE_INFINITY
  return left === infinite || right === infinite ? infinite : Math.min(left, right)
}

/** Computes an arithmetic operator, or compares: 1 when true, 0 when false. */
export function operation(op: BinaryOperator): (left: number, right: number) => number {
  switch (op) {
    case '+':
      return (left, right) => left + right
    case '-':
      return (left, right) => left - right
    case '*':
      return (left, right) => left * right
    case '/':
      return (left, right) => left / right
    case '%':
      return (left, right) => left % right
    case '^':
      return power
    case 'atan2':
      return Math.atan2
    case '==':
      return (left, right) => Number(left === right)
    case '!=':
      return (left, right) => Number(left !== right)
    case '<':
      return (left, right) => Number(left < right)
    case '<=':
      return (left, right) => Number(left <= right)
    case '>':
      return (left, right) => Number(left > right)
    case '>=':
      return (left, right) => Number(left >= right)
    default:
      throw new Error(`BUG: operator ${op} does not compute`)
  }
}

/** Kahan's sum with Neumaier's improvement; `total()` is the sum with what rounding lost. */
export class KahanSum {
  sum = 0
  compensation = 0

  constructor(first = 0) {
    this.sum = first
  }

  add(value: number): void {
    const next = this.sum + value
    if (next === Number.POSITIVE_INFINITY || next === Number.NEGATIVE_INFINITY) {
      this.compensation = 0
    } else if (Math.abs(this.sum) >= Math.abs(value)) {
      this.compensation += this.sum - next + value
    } else {
      this.compensation += value - next + this.sum
    }
    this.sum = next
  }

  total(): number {
    return this.sum + this.compensation
  }
}

/**
 * The mean: summed directly while the sum stays finite, from then on as a running mean, so that
 * large values do not overflow.
 */
export class Mean {
  private readonly direct: KahanSum
  private running: KahanSum | undefined
  count = 1

  constructor(first: number) {
    this.direct = new KahanSum(first)
  }

  add(value: number): void {
    this.count += 1
    if (this.running === undefined) {
      const { sum, compensation } = this.direct
      this.direct.add(value)
      if (Number.isFinite(this.direct.sum) || Number.isNaN(this.direct.sum)) return
      this.running = new KahanSum(sum / (this.count - 1))
      this.running.compensation = compensation / (this.count - 1)
    }
    const share = (this.count - 1) / this.count
    const { sum, compensation } = this.running
    this.running.sum = share * sum
    this.running.compensation = share * compensation
    this.running.add(value / this.count)
  }

  value(): number {
    if (this.running !== undefined) return this.running.total()
    return this.direct.sum / this.count + this.direct.compensation / this.count
  }
}

/** Sorts in place ascending with NaN first, as quantiles want it. */
export function sortNanFirst(values: Float64Array): Float64Array {
  values.sort()
  let first = values.length
  while (first > 0 && Number.isNaN(values[first - 1])) first -= 1
  const missing = values.length - first
  if (missing > 0 && first > 0) {
    values.copyWithin(missing, 0, first)
    values.fill(Number.NaN, 0, missing)
  }
  return values
}

/** The φ-quantile with linear interpolation; sorts `values`. Outside 0..1 it is infinite. */
export function quantile(phi: number, values: Float64Array): number {
  if (values.length === 0 || Number.isNaN(phi)) return Number.NaN
  if (phi < 0) return Number.NEGATIVE_INFINITY
  if (phi > 1) return Number.POSITIVE_INFINITY
  sortNanFirst(values)
  const rank = phi * (values.length - 1)
  const lower = Math.max(0, Math.floor(rank))
  const upper = Math.min(values.length - 1, lower + 1)
  const weight = rank - Math.floor(rank)
  return (values[lower] ?? 0) * (1 - weight) + (values[upper] ?? 0) * weight
}
