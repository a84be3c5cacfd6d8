import type uPlot from 'uplot'
import type { PanelDefinition } from '../../../../../dashboards/drawing/definition.ts'
import { limitLines, type Tone, toneOf } from '../../../../../dashboards/drawing/judged.ts'
import { bandsOf, type Mark } from '../../../../../dashboards/drawing/marks.ts'
import { scaleOf, stepsOf } from '../../../../../dashboards/drawing/scale.ts'
import { type Curve, isStacked, stacked } from '../../../../../dashboards/drawing/series.ts'
import { timesOf, type Window } from '../../../../../dashboards/drawing/time.ts'
import { inUnit } from '../../../../../dashboards/drawing/units.ts'
import { axisLook, colour } from '../charts/canvas.ts'
import { languageTags } from '../i18n/catalogue.ts'
import { language } from '../i18n/language.ts'
import { toneColour } from './shown.tsx'

/** All that a plot shows. */
export interface Drawn {
  readonly panel: PanelDefinition
  readonly curves: readonly Curve[]
  readonly window: Window
  readonly marks: readonly Mark[]
}

const lineColours = 8

/** The custom property that holds a curve's colour: its own where the board names one, else the next of eight. */
export function curveColour({ field }: Curve, index: number): string {
  if (field.color?.mode === 'fixed') return toneColour(toneOf(field.color.fixedColor))
  return `--line-${(index % lineColours) + 1}`
}

/** The figures in uPlot's form: times, then one row a curve; stacks added up. */
export function columnsOf({ panel, curves, window }: Drawn): uPlot.AlignedData {
  const lines = isStacked(panel) ? stacked(curves) : curves.map(({ values }) => values)
  return [[...timesOf(window)], ...lines.map((line) => [...line])]
}

const withOpacity = (hex: string, percent: number) =>
  `${hex}${Math.round(percent * 2.55)
    .toString(16)
    .padStart(2, '0')}`

/** Axis labels: hours within two days, days beyond. */
function tickText(seconds: number, window: Window): string {
  const days = window.end - window.start > 2 * 86_400
  const form: Intl.DateTimeFormatOptions = days
    ? { day: '2-digit', month: '2-digit' }
    : { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }
  return new Intl.DateTimeFormat(languageTags[language.value], form).format(seconds * 1000)
}

/** What uPlot needs to draw; `moved` hears which step the pointer is over, null when it left. */
export function plotOptions(
  drawn: Drawn,
  latest: () => Drawn,
  moved: (index: number | null) => void,
): Omit<uPlot.Options, 'width' | 'height'> {
  const { panel, curves, window } = drawn
  const field = panel.fieldConfig?.defaults ?? {}
  const axis = axisLook()
  const steps = stepsOf(field.unit)
  const written = (value: number) =>
    inUnit(Math.abs(value) === 0 ? 0 : value, field.unit, {
      language: languageTags[language.value],
      now: Date.now(),
    })
  return {
    cursor: {
      sync: { key: 'board', setSeries: false },
      drag: { x: false, y: false },
      points: { size: 5 },
    },
    legend: { show: false },
    hooks: {
      setCursor: [(plot) => moved(plot.cursor.idx ?? null)],
      drawClear: [(plot) => drawMarks(plot, latest().marks)],
      draw: [(plot) => drawLimits(plot, field)],
    },
    scales: {
      x: { time: true, range: () => [latest().window.start, latest().window.end] },
      y: { range: (plot) => [...scaleOf(field, plot.data.slice(1) as (number | null)[][])] },
    },
    axes: [
      {
        ...axis,
        values: (_plot, ticks) => ticks.map((tick) => tickText(tick, window)),
        space: 60,
        size: 26,
      },
      {
        ...axis,
        values: (_plot, ticks) => ticks.map(written),
        ...(steps === undefined ? {} : { incrs: [...steps] }),
        size: 70,
        space: 30,
      },
    ],
    series: [{}, ...curves.map((curve, index) => lineOf(curve, index, isStacked(panel)))],
    ...(isStacked(panel)
      ? {
          bands: curves
            .slice(1)
            .map((_, index) => ({ series: [index + 2, index + 1] as [number, number] })),
        }
      : {}),
  }
}

function lineOf(curve: Curve, index: number, isStack: boolean): uPlot.Series {
  const { fillOpacity = 0, lineWidth = 1 } = curve.field.custom ?? {}
  const own = colour(curveColour(curve, index))
  const many = index > 3 && !isStack
  return {
    label: curve.name,
    stroke: lineWidth === 0 ? 'transparent' : own,
    width: Math.max(lineWidth, 1.4),
    spanGaps: false,
    points: { show: curve.values.filter((value) => value !== null).length < 3, size: 4 },
    ...(fillOpacity > 0 && !many ? { fill: withOpacity(own, fillOpacity) } : {}),
  }
}

function drawMarks(plot: uPlot, marks: readonly Mark[]): void {
  const { ctx, bbox } = plot
  ctx.save()
  ctx.beginPath()
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height)
  ctx.clip()
  for (const { from, to, tone } of bandsOf(marks)) {
    const left = plot.valToPos(from, 'x', true)
    const width = Math.max(plot.valToPos(to, 'x', true) - left, 1)
    ctx.fillStyle = withOpacity(colour(toneColour(tone)), 10)
    ctx.fillRect(left, bbox.top, width, bbox.height)
    ctx.fillStyle = withOpacity(colour(toneColour(tone)), 70)
    ctx.fillRect(left, bbox.top, 1, bbox.height)
  }
  ctx.restore()
}

function drawLimits(plot: uPlot, field: Curve['field']): void {
  const { ctx, bbox } = plot
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = plot.scales['y'] ?? {}
  ctx.save()
  ctx.setLineDash([6, 4])
  ctx.lineWidth = 1
  for (const { at, tone } of limitLines(field)) {
    if (at < min || at > max || at === 0) continue
    const y = plot.valToPos(at, 'y', true)
    ctx.strokeStyle = colour(toneColour(tone satisfies Tone))
    ctx.beginPath()
    ctx.moveTo(bbox.left, y)
    ctx.lineTo(bbox.left + bbox.width, y)
    ctx.stroke()
  }
  ctx.restore()
}
