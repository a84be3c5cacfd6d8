/** A place for a drawing, in units of its view box; the drawing grows with its card. */
export const drawing = { width: 360, height: 170, left: 44, right: 6, top: 14, bottom: 24 } as const

/** Heights of an axis: from 0 to `top`, with a line at each tick. */
export interface Axis {
  readonly top: number
  readonly ticks: readonly number[]
}

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
/** Steps that people read times in. */
const timeSteps = [
  ...[1, 2, 5, 10, 15, 30].map((count) => count * minute),
  ...[1, 2, 4, 6, 12].map((count) => count * hour),
  ...[1, 2, 5, 10, 30, 100, 365].map((count) => count * day),
]

/** An axis of times in milliseconds that holds the largest, with at most four lines above zero. */
export function timeAxis(largest: number): Axis {
  return axis(largest, timeSteps.find((step) => largest <= 4 * step) ?? Math.ceil(largest / 4))
}

/** An axis of whole numbers. */
export function countAxis(largest: number): Axis {
  for (let size = 1; ; size *= 10)
    for (const step of [size, 2 * size, 5 * size])
      if (largest <= 4 * step) return axis(largest, step)
}

/** An axis of shares, 0 to 1. */
export const shareAxis: Axis = { top: 1, ticks: [0, 0.5, 1] }

function axis(largest: number, step: number): Axis {
  const lines = Math.max(1, Math.ceil(largest / step))
  return { top: lines * step, ticks: Array.from({ length: lines + 1 }, (_, line) => line * step) }
}

/** Where a value stands, from the top. */
export function heightOf(value: number, { top }: Axis): number {
  const room = drawing.height - drawing.top - drawing.bottom
  return drawing.top + room * (1 - Math.min(1, value / top))
}

/** The middle of a month's place. */
export function middleOf(index: number, months: number): number {
  return drawing.left + ((drawing.width - drawing.left - drawing.right) * (index + 0.5)) / months
}

/** How wide a month's place is. */
export function widthOf(months: number): number {
  return (drawing.width - drawing.left - drawing.right) / months
}

/** Whether a month is named below: so that names never touch, the newest always. */
export function isNamed(index: number, months: number): boolean {
  const every = Math.ceil(months / 6)
  return (months - 1 - index) % every === 0
}
