import { bandName, countText, heatmapOf, pathOf, shadeCount, strengthOf } from './heatmap.ts'
import { binName, histogramOf } from './histogram.ts'
import {
  edges,
  muted,
  nothing,
  type Picture,
  round,
  short,
  text,
  timeAxis,
  tones,
} from './picture-parts.ts'
import { ticksOf } from './scale.ts'

const left = 120
const namePx = 14

/** How often each size occurred, over time: bands by size, darker for more often. */
export function heatmapPart(picture: Picture): string {
  const { panel, answers, window, width, height, reader } = picture
  const map = heatmapOf(panel, answers, window)
  if (map.most === 0) return nothing(picture)
  const bottom = height - 58
  const room = (bottom - edges.top) / map.bands.length
  const columns = map.bands[0]!.counts.length
  const scale = `translate(${left} ${edges.top}) scale(${(width - left - edges.right) / columns} ${room})`
  const every = Math.ceil(namePx / room)
  const names = map.bands.map((band, index) =>
    index % every === 0
      ? text(left - 8, bottom - (index + 0.5) * room + 4, short(bandName(band, reader), 18), {
          ...{ fill: muted, size: 11, anchor: 'end' as const },
        })
      : '',
  )
  const cells = shades().map(
    (shade) =>
      `<path d="${pathOf(panel, map, shade)}" fill="${tones.note}" fill-opacity="${round100(strengthOf(shade))}"/>`,
  )
  const key = shades().map(
    (shade) =>
      `<rect x="${left + 60 + shade * 16}" y="${height - 26}" width="16" height="10" fill="${tones.note}" fill-opacity="${round100(strengthOf(shade))}"/>`,
  )
  return [
    `<rect x="${left}" y="${edges.top}" width="${round(width - left - edges.right)}" height="${round(bottom - edges.top)}" fill="#f4f6f9"/>`,
    ...names,
    `<g transform="${scale}">${cells.join('')}</g>`,
    timeAxis(picture, bottom, left),
    ...key,
    text(left + 68, height - 17, '> 0', { fill: muted, size: 11, anchor: 'end' }),
    text(left + 84 + shadeCount * 16, height - 17, countText(map.most, reader), {
      ...{ fill: muted, size: 11 },
    }),
  ].join('')
}

function shades(): readonly number[] {
  return Array.from({ length: shadeCount }, (_, index) => index + 1)
}

function round100(value: number): number {
  return Math.round(value * 100) / 100
}

/** How many series have a value of about this size now. */
export function histogramPart(picture: Picture): string {
  const { panel, answers, width, height, reader } = picture
  const bins = histogramOf(panel, answers)
  if (bins.length === 0) return nothing(picture)
  const bottom = height - 34
  const most = Math.max(...bins.map(({ count }) => count))
  const y = (count: number) => bottom - (count / most) * (bottom - edges.top - 16)
  const grid = ticksOf(0, most)
    .filter((count) => Number.isInteger(count))
    .map(
      (count) =>
        `<path d="M${edges.left} ${round(y(count))}H${width - edges.right}" stroke="#e6eaf0"/>` +
        text(edges.left - 8, y(count) + 4, countText(count, reader), {
          ...{ fill: muted, size: 11, anchor: 'end' as const },
        }),
    )
  const room = (width - edges.left - edges.right) / bins.length
  const every = Math.ceil(80 / room)
  const bars = bins.map((bin, index) => {
    const x = edges.left + index * room
    const bar = `<rect x="${round(x + 1)}" y="${round(y(bin.count))}" width="${round(Math.max(1, room - 2))}" height="${round(bottom - y(bin.count))}" fill="${tones.note}"/>`
    const name =
      index % every === 0
        ? text(x + room / 2, bottom + 16, binName(bin, panel, reader), {
            ...{ fill: muted, size: 11, anchor: 'middle' as const },
          })
        : ''
    const count =
      bin.count === 0
        ? ''
        : text(x + room / 2, y(bin.count) - 5, countText(bin.count, reader), {
            ...{ size: 11, anchor: 'middle' as const },
          })
    return bar + name + count
  })
  return [...grid, ...bars].join('')
}
