import type { PanelDefinition } from './definition.ts'
import { judge, type Reader } from './judged.ts'
import { type Answered, figuresOf } from './series.ts'

/** How many series have a value from `from` up to but not including `to`. */
export interface Bin {
  readonly from: number
  readonly to: number
  readonly count: number
}

const usualCount = 30

/** The newest values of all series as bins of one width, from the lowest value to the highest; empty ones between them too. */
export function histogramOf(panel: PanelDefinition, answers: readonly Answered[]): readonly Bin[] {
  const values = figuresOf(panel, answers)
    .flatMap(({ value }) => (value === null || !Number.isFinite(value) ? [] : [value]))
    .sort((a, b) => a - b)
  if (values.length === 0) return []
  const { bucketCount = usualCount, bucketSize } = (panel.options ?? {}) as {
    bucketCount?: number
    bucketSize?: number
  }
  const width = bucketSize ?? widthOf(values, bucketCount)
  const first = Math.floor(values[0]! / width + 1e-9)
  const last = Math.floor(values.at(-1)! / width + 1e-9)
  const counts = new Array<number>(last - first + 1).fill(0)
  for (const value of values) counts[Math.floor(value / width + 1e-9) - first]!++
  return counts.map((count, index) => ({
    from: (first + index) * width,
    to: (first + index + 1) * width,
    count,
  }))
}

const roundWidths = [1, 2, 2.5, 4, 5, 10]

/** The next round width above the range by `count`, and none below the smallest distance of two values, as Grafana's histogram has it. */
function widthOf(values: readonly number[], count: number): number {
  const distances = values.slice(1).map((value, index) => value - values[index]!)
  const smallest = Math.min(...distances.filter((distance) => distance > 0))
  if (smallest === Number.POSITIVE_INFINITY) return 1
  const wished = Math.max((values.at(-1)! - values[0]!) / count, smallest)
  const power = 10 ** Math.floor(Math.log10(wished) + 1e-9)
  return roundWidths.map((one) => one * power).find((one) => one >= wished * (1 - 1e-9))!
}

/** Such as `10 – 15`, in the panel's unit. */
export function binName({ from, to }: Bin, panel: PanelDefinition, reader: Reader): string {
  const { decimals: _, ...field } = { ...panel.fieldConfig?.defaults, mappings: [] }
  const said = (value: number) => judge(value, field, reader).text
  return `${said(from)} – ${said(to)}`
}
