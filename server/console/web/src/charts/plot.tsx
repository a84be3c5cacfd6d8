import type uPlot from 'uplot'
import type { Unit } from '../curves.ts'
import { bytesPerSecond, decimal, percent, shortTime } from '../i18n/format.ts'
import { language } from '../i18n/language.ts'
import { axisLook, colour, useCanvas } from './canvas.ts'
import type { CurveData } from './curve-data.ts'

const heightPx = 180
const dashes: readonly number[][] = [
  [],
  [6, 3],
  [2, 3],
  [8, 3, 2, 3],
  [],
  [6, 3],
  [2, 3],
  [8, 3, 2, 3],
]

/** A value in the curve's unit. Traffic that is sent is drawn below zero but is no negative traffic. */
export function inUnit(unit: Unit, value: number | null | undefined): string {
  if (unit === 'ratio') return percent(language.value, value)
  if (unit === 'bytesPerSecond')
    return bytesPerSecond(language.value, Math.abs(value ?? Number.NaN))
  return decimal(language.value, value)
}

interface Props {
  readonly data: CurveData
  readonly unit: Unit
  readonly top: number | undefined
  readonly label: string
}

/** Curves of a host; drawn anew when its lines or the language change, else only fed. */
export function Plot({ data, unit, top, label }: Props) {
  const names = data.lines.map((line) => line.label).join('\n')
  const box = useCanvas({
    heightPx,
    options: () => options(data, unit, top),
    columns: () => columns(data),
    shape: [language.value, names, unit, top],
    figures: [data],
  })
  return <div class="plot" ref={box} role="img" aria-label={label} />
}

function columns(data: CurveData): uPlot.AlignedData {
  return [[...data.times], ...data.lines.map((line) => [...line.values])]
}

function options(
  data: CurveData,
  unit: Unit,
  top: number | undefined,
): Omit<uPlot.Options, 'width' | 'height'> {
  const axis = axisLook()
  return {
    cursor: { sync: { key: 'host' }, drag: { x: false, y: false }, points: { size: 5 } },
    legend: { show: true, live: true },
    hooks: { setCursor: [latestWhenIdle], setData: [latestWhenIdle] },
    scales: { x: { time: true }, y: { range: (_plot, low, high) => yRange(low, high, top) } },
    axes: [
      {
        ...axis,
        values: (_plot, ticks) =>
          ticks.map((tick) => shortTime(language.value, tick * 1000).slice(0, 5)),
        space: 60,
        size: 26,
      },
      {
        ...axis,
        values: (_plot, ticks) => ticks.map((tick) => inUnit(unit, tick)),
        size: unit === 'bytesPerSecond' ? 72 : 48,
        space: 34,
      },
    ],
    series: [
      { value: (_plot, at) => (at === null ? '–' : shortTime(language.value, at * 1000)) },
      ...data.lines.map((line, index) => ({
        label: line.label,
        stroke: colour(`--line-${(index % 8) + 1}`),
        dash: dashes[index % 8]!,
        width: 1.6,
        spanGaps: false,
        points: { show: false },
        value: (_plot: uPlot, value: number | null) => inUnit(unit, value),
      })),
    ],
  }
}

/** Without a pointer over the curve the legend shows the newest values. */
function latestWhenIdle(plot: uPlot): void {
  if ((plot.cursor.idx ?? null) !== null) return
  const [times, ...lines] = plot.data
  let newest = times.length - 1
  while (newest > 0 && lines.every((line) => (line[newest] ?? null) === null)) newest--
  plot.setLegend({ idx: newest }, false)
}

function yRange(
  low: number | null,
  high: number | null,
  top: number | undefined,
): uPlot.Range.MinMax {
  if (top !== undefined) return [0, Math.max(top, high ?? 0)]
  const most = Math.max(high ?? 0, 0)
  const least = Math.min(low ?? 0, 0)
  return most === least ? [0, 1] : [least * 1.1, most * 1.1]
}
