import type { Field } from './definition.ts'
import { type Tone, toneOf } from './judged.ts'

/** The room a dial takes, in units of its own. */
export const dialSize = { width: 120, height: 92 } as const

const centre = { x: 60, y: 60 }
/** Clockwise from the right; the dial is open below. */
const [firstDegrees, lastDegrees] = [150, 390]

/** Where the two rings of a dial run, and how thick they are: the value within, its limits around it. */
export const rings = {
  value: { radius: 44, thick: 14 },
  limits: { radius: 55, thick: 4 },
} as const

/** Ends of a dial: the field's own, else from 0 to 1, or to 100 for per cent. */
export function endsOf({ min = 0, max, unit }: Field): readonly [low: number, high: number] {
  const usual = unit === 'percent' ? 100 : 1
  return [min, max ?? min + usual]
}

/** How far round the dial a value stands, 0 to 1; beyond the ends at the ends, absence at the first. */
export function turnOf(value: number | null, field: Field): number {
  const [low, high] = endsOf(field)
  if (value === null || high <= low) return 0
  return Math.min(1, Math.max(0, (value - low) / (high - low)))
}

/** A stretch of the dial that means one thing; 0 to 1 round it. */
export interface Reach {
  readonly from: number
  readonly to: number
  readonly tone: Tone
}

/** What the dial's stretches mean by the field's thresholds, in order; those out of its ends are left out. */
export function reachesOf(field: Field): readonly Reach[] {
  const steps = field.thresholds?.steps ?? []
  return steps
    .map(({ value, color }, index) => ({
      from: turnOf(value ?? Number.NEGATIVE_INFINITY, field),
      to: index + 1 < steps.length ? turnOf(steps[index + 1]!.value ?? 0, field) : 1,
      tone: toneOf(color),
    }))
    .filter(({ from, to }) => to > from)
}

/** An SVG path along a ring of the dial, from one turn to another; empty for none. */
export function arcOf(radius: number, from: number, to: number): string {
  if (to <= from) return ''
  const long = (to - from) * (lastDegrees - firstDegrees) > 180 ? 1 : 0
  return `M${pointOf(radius, from)}A${radius} ${radius} 0 ${long} 1 ${pointOf(radius, to)}`
}

function pointOf(radius: number, turn: number): string {
  const angle = ((firstDegrees + turn * (lastDegrees - firstDegrees)) * Math.PI) / 180
  const at = [centre.x + radius * Math.cos(angle), centre.y + radius * Math.sin(angle)]
  return at.map((place) => Math.round(place * 100) / 100).join(' ')
}
