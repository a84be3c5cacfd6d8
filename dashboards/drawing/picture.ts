import { judge, limitLines, toneOf } from './judged.ts'
import { bandsOf } from './marks.ts'
import { heatmapPart, histogramPart } from './picture-distributions.ts'
import { gaugesHeight, gaugesPart } from './picture-gauge.ts'
import {
  clipped,
  edges,
  escaped,
  muted,
  nothing,
  type Picture,
  round,
  short,
  text,
  timeAxis,
  tones,
} from './picture-parts.ts'
import { scaleOf, ticksOf } from './scale.ts'
import {
  type Curve,
  curvesOf,
  figuresOf,
  isStacked,
  lastOf,
  stacked,
  stretchesOf,
} from './series.ts'
import { timesOf, type Window } from './time.ts'

const lines = [
  '#1f6fc4',
  '#c2410c',
  '#14804a',
  '#8a3ffc',
  '#b5179e',
  '#0f766e',
  '#a16207',
  '#475569',
]
const mostNamed = 12

const parts: Readonly<Record<string, (picture: Picture) => string>> = {
  timeseries: curvesPart,
  'state-timeline': lanesPart,
  'status-history': lanesPart,
  stat: figuresPart,
  bargauge: figuresPart,
  gauge: gaugesPart,
  heatmap: heatmapPart,
  histogram: histogramPart,
}

/** Kinds of panels that can be a picture. */
export const drawnKinds: readonly string[] = Object.keys(parts)

/** A panel as an SVG of its own, on white, for reports and post-mortems; of one of `drawnKinds`. */
export function pictureOf(wished: Picture): string {
  const picture = { ...wished, height: Math.min(wished.height, neededHeight(wished)) }
  const { panel, width, height, note } = picture
  const body = parts[panel.type]!(picture)
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="${escaped(panel.title)}">` +
    `<rect width="100%" height="100%" fill="#ffffff"/>` +
    text(16, 22, short(panel.title, (width - 32) / 8), { weight: 600, size: 15 }) +
    text(16, 40, short(note, (width - 32) / 6.2), { fill: muted }) +
    `${body}</svg>\n`
  )
}

const lanePx = 30
const barPx = 44
/** A state known only at the last step is seen too. */
const leastPx = 4

/** Room for the words of a panel without figures. */
const emptyPx = 60

/** Lanes and bars take no more room than they fill, nor does what says that there are none. */
function neededHeight({ panel, answers, width }: Picture): number {
  if (answers.every(({ series }) => series.length === 0)) return edges.top + emptyPx
  if (['timeseries', 'heatmap', 'histogram'].includes(panel.type)) return Number.POSITIVE_INFINITY
  const count = Math.max(1, answers.flatMap(({ series }) => series).length)
  if (panel.type === 'gauge') return gaugesHeight(count, width)
  return panel.type === 'bargauge' || panel.type === 'stat'
    ? edges.top + count * barPx + 24
    : edges.top + count * lanePx + 34
}

function curvesPart(picture: Picture): string {
  const { panel, answers, window, marks, width, height, reader } = picture
  const curves = curvesOf(panel, answers, window)
  if (curves.every(({ values }) => lastOf(values) === null)) return nothing(picture)
  const { shown, left } = clipped(curves, mostNamed)
  const legendRows = Math.ceil((shown.length + (left > 0 ? 1 : 0)) / 3)
  const bottom = height - 30 - legendRows * 17
  const field = panel.fieldConfig?.defaults ?? {}
  const drawn = isStacked(panel) ? stacked(curves) : curves.map(({ values }) => values)
  const [low, high] = scaleOf(field, drawn)
  const x = (at: number) =>
    edges.left +
    ((at - window.start) / (window.end - window.start)) * (width - edges.left - edges.right)
  const y = (value: number) => bottom - ((value - low) / (high - low)) * (bottom - edges.top)
  const grid = ticksOf(low, high, field.unit).map((value) => {
    const words = judge(value, { ...field, mappings: [] }, reader).text
    return (
      `<path d="M${edges.left} ${round(y(value))}H${width - edges.right}" stroke="#e6eaf0"/>` +
      text(edges.left - 8, y(value) + 4, words, { fill: muted, size: 11, anchor: 'end' })
    )
  })
  const bands = bandsOf(marks).map(
    ({ from, to, tone }) =>
      `<rect x="${round(x(Math.max(from, window.start)))}" y="${edges.top}" width="${round(Math.max(1, x(to) - x(Math.max(from, window.start))))}" height="${round(bottom - edges.top)}" fill="${tones[tone]}" opacity="0.12"/>`,
  )
  const limits = limitLines(field)
    .filter(({ at }) => at > low && at <= high)
    .map(
      ({ at, tone }) =>
        `<path d="M${edges.left} ${round(y(at))}H${width - edges.right}" stroke="${tones[tone]}" stroke-dasharray="6 4"/>`,
    )
  const paths = curves.map((curve, index) => line(curve, index, drawn[index]!, window, x, y))
  const legend = legendPart(picture, shown, left, bottom + 34)
  return [...grid, ...bands, ...limits, ...paths, timeAxis(picture, bottom), legend].join('')
}

function colourOf({ field }: Curve, index: number): string {
  if (field.color?.mode === 'fixed') return tones[toneOf(field.color.fixedColor)]
  return lines[index % lines.length]!
}

/** A gap ends the line; a point between gaps is a dot. */
function line(
  curve: Curve,
  index: number,
  values: readonly (number | null)[],
  window: Window,
  x: (at: number) => number,
  y: (value: number) => number,
): string {
  const times = timesOf(window)
  let path = ''
  let isOpen = false
  for (const [at, value] of values.entries()) {
    if (value === null) isOpen = false
    else {
      const alone = !isOpen && (values[at + 1] ?? null) === null
      path += `${isOpen ? 'L' : 'M'}${round(x(times[at]!))} ${round(y(value))}${alone ? 'h0.1' : ''}`
      isOpen = true
    }
  }
  const pale = curve.field.custom?.lineWidth === 0 ? ' opacity="0.5"' : ''
  return `<path d="${path}" fill="none" stroke="${colourOf(curve, index)}" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"${pale}/>`
}

function legendPart(
  { width, reader }: Picture,
  shown: readonly Curve[],
  left: number,
  top: number,
): string {
  const column = (width - 32) / 3
  const place = (index: number) =>
    [16 + (index % 3) * column, top + Math.floor(index / 3) * 17] as const
  const entries = shown.map((curve, index) => {
    const [x, y] = place(index)
    const value = lastOf(curve.values)
    const sign = curve.field.custom?.transform === 'negative-Y' ? -1 : 1
    const words = judge(value === null ? null : value * sign, curve.field, reader).text
    const name = short(`${curve.name}  ${words}`, column / 5.8 - 3)
    return `<rect x="${round(x)}" y="${round(y - 5)}" width="12" height="3" fill="${colourOf(curve, index)}"/>${text(x + 18, y, name, { size: 11 })}`
  })
  const [x, y] = place(shown.length)
  const more = left > 0 ? text(x, y, `+ ${left}`, { size: 11, fill: muted }) : ''
  return entries.join('') + more
}

function lanesPart(picture: Picture): string {
  const { panel, answers, window, width, height, reader } = picture
  const curves = curvesOf(panel, answers, window)
  if (curves.length === 0) return nothing(picture)
  const [start, bottom] = [180, height - 34]
  const { shown, left } = clipped(curves, Math.max(1, Math.floor((bottom - edges.top) / 18)))
  const room = Math.min(lanePx, (bottom - edges.top) / shown.length)
  const scale = (width - start - edges.right) / (window.end - window.start)
  const lanes = shown.map((curve, index) => {
    const top = edges.top + index * room
    const name = text(start - 8, top + room / 2 + 4, short(curve.name, 26), {
      anchor: 'end',
      size: 11,
    })
    const pieces = stretchesOf(curve, window).map(({ from, to, value }) => {
      const { text: words, tone } = judge(value, curve.field, reader)
      const w = Math.max(leastPx, (to - from) * scale)
      const x = Math.min(start + (from - window.start) * scale, width - edges.right - w)
      const said =
        w > words.length * 7 + 8
          ? text(x + 5, top + room / 2 + 4, words, { fill: '#ffffff', size: 11 })
          : ''
      return `<rect x="${round(x)}" y="${round(top + 2)}" width="${round(w)}" height="${round(room - 4)}" fill="${tones[tone]}"><title>${escaped(words)}</title></rect>${said}`
    })
    return name + pieces.join('')
  })
  const more = left > 0 ? text(16, bottom + 16, `+ ${left}`, { fill: muted, size: 11 }) : ''
  return [...lanes, timeAxis(picture, bottom, start), more].join('')
}

function figuresPart(picture: Picture): string {
  const { panel, answers, width, height, reader } = picture
  const figures = figuresOf(panel, answers)
  if (figures.length === 0) return nothing(picture)
  const { shown, left } = clipped(figures, Math.max(1, Math.floor((height - edges.top - 24) / 22)))
  const room = Math.min(barPx, (height - edges.top - 24) / shown.length)
  const { min = 0, max = Math.max(0, ...figures.map(({ value }) => value ?? 0)) } =
    panel.fieldConfig?.defaults ?? {}
  const isStat = panel.type === 'stat'
  const [start, end] = [width * 0.4, width - 110]
  const rows = shown.map((figure, index) => {
    const middle = edges.top + room * (index + 0.5)
    const { text: words, tone } = judge(figure.value, figure.field, reader)
    const share =
      max > min ? Math.min(1, Math.max(0, ((figure.value ?? min) - min) / (max - min))) : 0
    const bar = isStat
      ? ''
      : `<rect x="${start}" y="${round(middle - 7)}" width="${round(end - start)}" height="14" fill="#e6eaf0"/><rect x="${start}" y="${round(middle - 7)}" width="${round((end - start) * share)}" height="14" fill="${tones[tone]}"/>`
    return (
      text(start - 10, middle + 4, short(figure.name, (start - 20) / 6.6), { anchor: 'end' }) +
      bar +
      text(isStat ? start : end + 8, middle + 5, words, {
        ...{ fill: tones[tone], weight: 600, size: isStat ? 20 : 13 },
      })
    )
  })
  const more = left > 0 ? text(16, height - 8, `+ ${left}`, { fill: muted, size: 11 }) : ''
  return rows.join('') + more
}
