import type { PanelDefinition } from './definition.ts'
import type { Reader, Tone } from './judged.ts'
import type { Mark } from './marks.ts'
import type { Answered } from './series.ts'
import type { Window } from './time.ts'

/** All that a picture of a panel shows. */
export interface Picture {
  readonly panel: PanelDefinition
  readonly answers: readonly Answered[]
  readonly window: Window
  readonly marks: readonly Mark[]
  readonly reader: Reader
  /** What stands below the title, such as the board and its choices. */
  readonly note: string
  readonly width: number
  readonly height: number
}

/** The paint of each tone, on white. */
export const tones: Readonly<Record<Tone, string>> = {
  good: '#1b6b3d',
  attention: '#b86e00',
  bad: '#b3201c',
  unknown: '#848f9e',
  silent: '#6a3d9a',
  note: '#23589f',
  plain: '#17202b',
}
/** The paint of what stands beside the figures. */
export const muted = '#566273'
/** Room around the figures, pixels. */
export const edges = { left: 78, right: 18, top: 52 }
/** A text within XML; what XML cannot hold is replaced. */
export function escaped(words: string): string {
  return words
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;')
    .replace(/[^\t\n\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
}

/** How a text looks; `size` in pixels. */
export interface Type {
  readonly fill?: string
  readonly size?: number
  readonly weight?: number
  readonly anchor?: 'start' | 'middle' | 'end'
}

/** A text of the picture, its baseline at `y`. */
export function text(x: number, y: number, words: string, type: Type = {}): string {
  const { fill = tones.plain, size = 12, weight = 400, anchor = 'start' } = type
  return `<text x="${round(x)}" y="${round(y)}" fill="${fill}" font-size="${size}" font-weight="${weight}" text-anchor="${anchor}">${escaped(words)}</text>`
}

/** To tenths of a pixel. */
export function round(value: number): number {
  return Math.round(value * 10) / 10
}

/** What a picture without figures says. */
export function nothing({ panel, width, height }: Picture): string {
  const words = panel.fieldConfig?.defaults.noValue ?? 'no data'
  return text(width / 2, (edges.top + height) / 2, words, { fill: muted, anchor: 'middle' })
}

/** The first `most`; the rest is counted, never left out unsaid. */
export function clipped<T>(all: readonly T[], most: number): { shown: readonly T[]; left: number } {
  return { shown: all.slice(0, most), left: Math.max(0, all.length - most) }
}

/** Five times below the figures, UTC. */
export function timeAxis(
  { window, width, reader }: Picture,
  bottom: number,
  left = edges.left,
): string {
  const seconds = window.end - window.start
  const days = seconds > 2 * 86_400
  const form = new Intl.DateTimeFormat(reader.language, {
    ...{ month: '2-digit', day: '2-digit', timeZone: 'UTC' },
    ...(days ? {} : { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
    // Five times of less than ten minutes would be the same.
    ...(seconds < 600 ? { second: '2-digit' } : {}),
  })
  const count = 5
  return Array.from({ length: count }, (_, index) => {
    const at = window.start + ((window.end - window.start) * index) / (count - 1)
    const x = left + ((width - left - edges.right) * index) / (count - 1)
    const anchor = index === 0 ? 'start' : index === count - 1 ? 'end' : 'middle'
    const words = form.format(at * 1000) + (index === count - 1 ? ' UTC' : '')
    return text(x, bottom + 16, words, { fill: muted, size: 11, anchor })
  }).join('')
}

/** A text of at most so many characters. */
export function short(words: string, most: number): string {
  return words.length <= most ? words : `${words.slice(0, Math.max(1, Math.floor(most) - 1))}…`
}
