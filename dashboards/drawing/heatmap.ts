import type { Field, PanelDefinition } from './definition.ts'
import { judge, type Reader } from './judged.ts'
import { type Answered, curvesOf } from './series.ts'
import type { Window } from './time.ts'

/** How many shades are told apart, palest first. */
export const shadeCount = 8

/** One band of sizes: above the bound of the band below it, up to its own. */
export interface Band {
  readonly field: Field
  /** Largest size in the band; the topmost may be `Infinity`. */
  readonly upTo: number
  /** Undefined in the lowest band. */
  readonly above: number | undefined
  /** One a step: how often; null where the series has none. */
  readonly counts: readonly (number | null)[]
}

export interface Heatmap {
  /** Smallest sizes first. */
  readonly bands: readonly Band[]
  /** The largest count of all. */
  readonly most: number
}

interface HeatmapOptions {
  readonly color?: { readonly exponent?: number }
  readonly filterValues?: { readonly le?: number }
}

function optionsOf(panel: PanelDefinition): { exponent: number; hidden: number } {
  const { color, filterValues } = (panel.options ?? {}) as HeatmapOptions
  return { exponent: color?.exponent ?? 1, hidden: filterValues?.le ?? 0 }
}

/** Counts by band out of buckets by `le`, each of which counts those below it too; series without `le` are no buckets. */
export function heatmapOf(
  panel: PanelDefinition,
  answers: readonly Answered[],
  window: Window,
): Heatmap {
  const buckets = curvesOf(panel, answers, window)
    .map((curve) => ({ ...curve, upTo: boundOf(curve.labels['le']) }))
    .filter(({ upTo }) => !Number.isNaN(upTo))
    .sort((a, b) => a.upTo - b.upTo)
  const bands = buckets.map(({ field, upTo, values }, index): Band => {
    const below = buckets[index - 1]
    const counts = values.map((value, at) =>
      value === null ? null : Math.max(0, value - (below?.values[at] ?? 0)),
    )
    return { field, upTo, above: below?.upTo, counts }
  })
  const most = bands.reduce((most, { counts }) => Math.max(most, ...counts.map((n) => n ?? 0)), 0)
  return { bands, most }
}

function boundOf(le: string | undefined): number {
  if (le === undefined || le === '') return Number.NaN
  return le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le)
}

/** The shade of a count, 1 (palest) to `shadeCount`; 0 for none and for what the panel hides. Grafana's exponential scale. */
export function shadeOf(panel: PanelDefinition, count: number | null, most: number): number {
  const { exponent, hidden } = optionsOf(panel)
  if (count === null || count <= hidden || most <= 0) return 0
  return Math.max(1, Math.ceil((count / most) ** exponent * shadeCount - 1e-9))
}

/** How strongly a shade covers the ground, 0 to 1. */
export function strengthOf(shade: number): number {
  return shade === 0 ? 0 : 0.12 + (0.88 * (shade - 1)) / (shadeCount - 1)
}

/** An SVG path of every cell of one shade, a unit a step and a unit a band, the highest band on top; empty for none. */
export function pathOf(panel: PanelDefinition, { bands, most }: Heatmap, shade: number): string {
  let path = ''
  for (const [row, { counts }] of [...bands].reverse().entries()) {
    let from = -1
    for (let at = 0; at <= counts.length; at++) {
      const is = at < counts.length && shadeOf(panel, counts[at]!, most) === shade
      if (is && from === -1) from = at
      if (!is && from !== -1) {
        path += `M${from} ${row}H${at}V${row + 1}H${from}Z`
        from = -1
      }
    }
  }
  return path
}

/** Such as `5ms – 10ms`; the lowest begins with ≤ and the topmost with >. */
export function bandName({ above, upTo, field }: Band, reader: Reader): string {
  const size = (value: number) => judge(value, field, reader).text
  if (above === undefined) return `≤ ${size(upTo)}`
  return upTo === Number.POSITIVE_INFINITY ? `> ${size(above)}` : `${size(above)} – ${size(upTo)}`
}

/** A count in the panel's figures; what is not known is a dash. */
export function countText(count: number | null, { language }: Reader): string {
  if (count === null) return '–'
  return new Intl.NumberFormat(language, {
    maximumFractionDigits: count > 0 && count < 10 ? 1 : 0,
  }).format(count)
}
