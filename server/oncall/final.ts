import type { Millis } from '../clock.ts'
import type { GapReason, LayerSegment } from './expand.ts'
import type { Layer, Override } from './schedule.ts'

/** Name under which an override stands where layers do. */
export const overrideLayer = 'override'

/** Why one layer has nobody. */
export interface LayerGap {
  readonly layer: string
  readonly reason: GapReason
}

/** What the schedule says of a time, layers and overrides taken together. */
export type FinalSegment = { readonly from: Millis; readonly to: Millis } & (
  | {
      readonly kind: 'shift'
      readonly principalId: string
      /** The layer it comes from, or `override`. */
      readonly layer: string
      readonly overrideId: string | null
    }
  | { readonly kind: 'gap'; readonly reasons: readonly LayerGap[] }
)

/** One layer's name and its segments. */
export interface ExpandedLayer {
  readonly layer: Pick<Layer, 'name'>
  readonly segments: readonly LayerSegment[]
}

/**
 * The final schedule over [from, to): the first layer with a shift has it, overrides come before all. Segments touch and
 * cover the interval whole; each gap says of each layer why. Every layer must be expanded over the same interval.
 */
export function finalSchedule(
  layers: readonly ExpandedLayer[],
  overrides: readonly Override[],
  from: Millis,
  to: Millis,
): FinalSegment[] {
  const edges = edgesOf(layers, overrides, from, to)
  const places = layers.map(() => 0)
  const segments: FinalSegment[] = []
  for (let index = 0; index + 1 < edges.length; index += 1) {
    const [start, end] = [edges[index]!, edges[index + 1]!]
    const here = layers.map(({ segments: own }, layer) => {
      while (own[places[layer]!]!.to <= start) places[layer]! += 1
      return own[places[layer]!]!
    })
    add(segments, { from: start, to: end, ...answer(layers, here, overridden(overrides, start)) })
  }
  return segments
}

function edgesOf(
  layers: readonly ExpandedLayer[],
  overrides: readonly Override[],
  from: Millis,
  to: Millis,
): Millis[] {
  const edges = new Set([from, to])
  for (const { segments } of layers) for (const one of segments) edges.add(one.from)
  for (const { startsAt, endsAt } of overrides)
    for (const at of [startsAt, endsAt]) if (at > from && at < to) edges.add(at)
  return [...edges].sort((a, b) => a - b)
}

/** The override that counts at `at`: of several the one made last. */
function overridden(overrides: readonly Override[], at: Millis): Override | undefined {
  let found: Override | undefined
  for (const one of overrides)
    if (one.startsAt <= at && at < one.endsAt && (found === undefined || isLater(one, found)))
      found = one
  return found
}

function isLater(a: Override, b: Override): boolean {
  return a.createdAt === b.createdAt ? a.id > b.id : a.createdAt > b.createdAt
}

type Answer =
  | {
      readonly kind: 'shift'
      readonly principalId: string
      readonly layer: string
      readonly overrideId: string | null
    }
  | { readonly kind: 'gap'; readonly reasons: readonly LayerGap[] }

function answer(
  layers: readonly ExpandedLayer[],
  here: readonly LayerSegment[],
  override: Override | undefined,
): Answer {
  if (override !== undefined) {
    const { principalId, id } = override
    return { kind: 'shift', principalId, layer: overrideLayer, overrideId: id }
  }
  const reasons: LayerGap[] = []
  for (const [index, segment] of here.entries()) {
    const layer = layers[index]!.layer.name
    if (segment.kind === 'shift')
      return { kind: 'shift', principalId: segment.principalId, layer, overrideId: null }
    reasons.push({ layer, reason: segment.reason })
  }
  return { kind: 'gap', reasons }
}

function add(segments: FinalSegment[], next: FinalSegment): void {
  const last = segments.at(-1)
  if (last !== undefined && isSame(last, next))
    segments[segments.length - 1] = { ...last, to: next.to }
  else segments.push(next)
}

function isSame(a: FinalSegment, b: FinalSegment): boolean {
  if (a.kind === 'shift')
    return (
      b.kind === 'shift' &&
      a.principalId === b.principalId &&
      a.layer === b.layer &&
      a.overrideId === b.overrideId
    )
  if (b.kind === 'shift' || a.reasons.length !== b.reasons.length) return false
  return a.reasons.every(({ layer, reason }, index) => {
    const other = b.reasons[index]!
    return layer === other.layer && reason === other.reason
  })
}

/** Whether a gap is as the schedule means it: a layer works, and it is outside its hours. */
export function isPlannedGap(plannedGaps: boolean, reasons: readonly LayerGap[]): boolean {
  return plannedGaps && reasons.some(({ reason }) => reason === 'outside its hours')
}

/** A gap's reasons as one sentence. */
export function gapText(reasons: readonly LayerGap[]): string {
  if (reasons.length === 0) return 'the schedule has no layer'
  return reasons.map(({ layer, reason }) => `${layer}: ${reason}`).join('; ')
}
