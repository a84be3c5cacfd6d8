import type { Millis } from '../clock.ts'

/** What a legal hold keeps: an incident with what belongs to it, or everything of a period. */
export interface Hold {
  readonly id: string
  /** Null: of a period. */
  readonly incident: { readonly id: string; readonly number: number } | null
  readonly from: Millis
  /** End of a period, exclusive; null for an incident, which keeps all from its beginning on. */
  readonly to: Millis | null
  readonly reason: string
  readonly until: Millis | null
  readonly setAt: Millis
  readonly setBy: string
  readonly released: {
    readonly at: Millis
    readonly askedBy: string
    readonly by: string
    readonly reason: string
  } | null
}

/** From the first sign of an incident back: its measurements from before the fault are part of it. */
export const marginMillis = 24 * 3_600_000

export function isStanding(
  { released, until }: Pick<Hold, 'released' | 'until'>,
  now: Millis,
): boolean {
  return released === null && (until === null || now < until)
}

/** Whether a hold keeps an incident that lasted from `openedAt` to `endedAt`; one that has not ended lasts on. */
export function keeps(
  hold: Pick<Hold, 'incident' | 'from' | 'to'>,
  incident: { readonly id: string; readonly openedAt: Millis; readonly endedAt: Millis | null },
): boolean {
  if (hold.incident !== null) return hold.incident.id === incident.id
  const [begin, end] = [incident.openedAt, incident.endedAt ?? Number.POSITIVE_INFINITY]
  return begin < (hold.to ?? Number.POSITIVE_INFINITY) && end >= hold.from
}

/** From when on nothing may be swept by age; Infinity when nothing is held. */
export function keptFrom(holds: readonly Hold[], now: Millis): Millis {
  return holds
    .filter((hold) => isStanding(hold, now))
    .reduce((oldest, { from }) => Math.min(oldest, from), Number.POSITIVE_INFINITY)
}
