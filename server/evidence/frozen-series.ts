import type { FrozenSeries } from '../../incidents/evidence.ts'
import type { Millis } from '../clock.ts'
import type { SeriesSamples } from '../store/reader.ts'

/** A period cut into steps; sample t belongs to step floor((t - from) / stepMillis). */
export interface Grid {
  readonly from: Millis
  readonly stepMillis: number
  readonly steps: number
}

/** Series whose names end so count up; what is frozen is their increase per second. */
const counterName = /_(?:total|sum|count|bucket)$/
const digits = 10

/** Minimum, maximum and average of a series in each step; null where it told nothing. */
export function frozen({ labels, times, values }: SeriesSamples, grid: Grid): FrozenSeries {
  const isCounter = counterName.test(labels['__name__'] ?? '')
  const columns = [times, isCounter ? ratesOf(times, values) : values] as const
  const cells = cellsOf(columns[0], columns[1], grid)
  const column = (of: (cell: Cell) => number) =>
    cells.map((cell) => (cell === undefined ? null : rounded(of(cell))))
  return {
    labels,
    kind: isCounter ? 'counter' : 'gauge',
    min: column(({ min }) => min),
    max: column(({ max }) => max),
    avg: column(({ mean }) => mean),
  }
}

interface Cell {
  min: number
  max: number
  mean: number
  count: number
}

function cellsOf(
  times: ArrayLike<number>,
  values: ArrayLike<number>,
  { from, stepMillis, steps }: Grid,
): (Cell | undefined)[] {
  const cells: (Cell | undefined)[] = new Array(steps).fill(undefined)
  for (let index = 0; index < times.length; index++) {
    const value = values[index] ?? Number.NaN
    const place = Math.floor(((times[index] ?? 0) - from) / stepMillis)
    if (!Number.isFinite(value) || place < 0 || place >= steps) continue
    const cell = cells[place]
    if (cell === undefined) cells[place] = { min: value, max: value, mean: value, count: 1 }
    else {
      cell.min = Math.min(cell.min, value)
      cell.max = Math.max(cell.max, value)
      cell.count += 1
      // Divided before they are added: the sum of large ones would be infinite.
      cell.mean += value / cell.count - cell.mean / cell.count
    }
  }
  return cells
}

/** Increase per second up to each sample; a counter that began anew counts from 0. NaN for the first. */
function ratesOf(times: ArrayLike<number>, values: ArrayLike<number>): number[] {
  return Array.from({ length: times.length }, (_, index) => {
    const before = values[index - 1]
    const now = values[index] ?? Number.NaN
    const seconds = ((times[index] ?? 0) - (times[index - 1] ?? 0)) / 1000
    if (before === undefined || seconds <= 0) return Number.NaN
    return (now >= before ? now - before : now) / seconds
  })
}

function rounded(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(digits)) : null
}
