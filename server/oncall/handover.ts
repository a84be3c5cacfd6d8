import type { Millis } from '../clock.ts'
import type { FinalSegment } from './final.ts'

/** What a hand-over says; kept as it was at the hand-off. */
export interface HandoverContent {
  readonly alerts: readonly { readonly id: string; readonly text: string }[]
  readonly incidents: readonly { readonly id: string; readonly text: string }[]
  /** Open alerts and incidents beyond those listed. */
  readonly omitted: number
  readonly notes: readonly { readonly text: string; readonly by: string; readonly at: Millis }[]
}

/** One hand-off: from whom to whom; null is nobody. */
export interface HandOff {
  readonly at: Millis
  readonly from: string | null
  readonly to: string | null
  /** When the one before took over; notes since then go along. */
  readonly since: Millis
}

/**
 * The hand-off between the last one that is known and now, or undefined when the same person is on call. `segments` touch and
 * the last one holds `now`. A schedule that is new, or was edited, hands off now; several missed in a row (the hub was off) are told as one.
 */
export function handOff(
  last: { readonly at: Millis; readonly to: string | null } | undefined,
  segments: readonly FinalSegment[],
  now: Millis,
): HandOff | undefined {
  const current = segments.at(-1)
  if (current === undefined) return undefined
  const to = personOf(current)
  const from = last?.to ?? null
  if (from === to) return undefined
  let began = current.from
  for (const earlier of segments.toReversed()) {
    if (personOf(earlier) !== to) break
    began = earlier.from
  }
  const at = last === undefined || began <= last.at ? now : began
  return { at, from, to, since: last?.at ?? began }
}

function personOf(segment: FinalSegment): string | null {
  return segment.kind === 'shift' ? segment.principalId : null
}
