import { arcOf, dialSize, reachesOf, rings, turnOf } from './gauge.ts'
import { judge } from './judged.ts'
import {
  clipped,
  edges,
  muted,
  nothing,
  type Picture,
  round,
  short,
  text,
  tones,
} from './picture-parts.ts'
import { type Figure, figuresOf } from './series.ts'

/** Room of one dial with its name, pixels. */
const place = { width: 200, height: 170 }
const scale = 1.5
const ground = '#e6eaf0'

function columnsIn(width: number): number {
  return Math.max(1, Math.floor((width - 32) / place.width))
}

/** What so many dials need, title included. */
export function gaugesHeight(count: number, width: number): number {
  return edges.top + Math.ceil(count / columnsIn(width)) * place.height + 24
}

/** Dials side by side, one a series, in as many lines as there is room for. */
export function gaugesPart(picture: Picture): string {
  const { panel, answers, width, height } = picture
  const figures = figuresOf(panel, answers)
  if (figures.length === 0) return nothing(picture)
  const columns = columnsIn(width)
  const lines = Math.max(1, Math.floor((height - edges.top - 24) / place.height))
  const { shown, left } = clipped(figures, columns * lines)
  const begin = (width - Math.min(columns, shown.length) * place.width) / 2
  const dials = shown.map((figure, index) => {
    const x = begin + (index % columns) * place.width
    return dial(picture, figure, x, edges.top + Math.floor(index / columns) * place.height)
  })
  const more = left > 0 ? text(16, height - 8, `+ ${left}`, { fill: muted, size: 11 }) : ''
  return dials.join('') + more
}

function dial({ reader }: Picture, { field, value, name }: Figure, x: number, y: number): string {
  const { text: words, tone } = judge(value, field, reader)
  const ring = (
    { radius, thick }: { radius: number; thick: number },
    from: number,
    to: number,
    paint: string,
  ) =>
    to > from
      ? `<path d="${arcOf(radius, from, to)}" fill="none" stroke="${paint}" stroke-width="${thick}"/>`
      : ''
  const limits = reachesOf(field).map((reach) =>
    ring(rings.limits, reach.from, reach.to, tones[reach.tone]),
  )
  const left = x + (place.width - dialSize.width * scale) / 2
  const middle = x + place.width / 2
  return (
    `<g transform="translate(${round(left)} ${round(y)}) scale(${scale})">${limits.join('')}` +
    ring(rings.value, 0, 1, ground) +
    ring(rings.value, 0, turnOf(value, field), tones[tone]) +
    '</g>' +
    text(middle, y + 100, words, { fill: tones[tone], size: 22, weight: 600, anchor: 'middle' }) +
    text(middle, y + 152, short(name, place.width / 6.6), { anchor: 'middle' })
  )
}
