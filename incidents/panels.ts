import type { FactOf, Millis } from './facts.ts'
import { current, type Picture, recovery, said } from './picture.ts'

/** Panels that one incident takes. */
export const mostPanels = 20

/** What stands in a fact for the hash of a file that was erased. */
const noHash = '0'.repeat(64)

/** A panel of a board that was attached as it stood then. */
export interface AttachedPanel {
  /** The fact that says so. */
  readonly fact: FactOf<'attachment'>
  /** Ids of attachments: the picture (PNG) and its figures (JSON). */
  readonly file: string
  readonly data: string
  /** Titles. */
  readonly board: string
  readonly panel: string
  readonly from: Millis
  readonly to: Millis
  /** SHA-256 of the picture; undefined once it was erased. */
  readonly hash: string | undefined
}

/** Panels attached to an incident, in the order they came. */
export function attachedPanels(picture: Picture): readonly AttachedPanel[] {
  return said(picture, 'attachment').flatMap((fact) => {
    const { file, data, board, panel, from, to, hash } = fact.value
    if (file === undefined || data === undefined || from === undefined || to === undefined)
      return []
    const kept = hash === noHash ? undefined : hash
    return [{ fact, file, data, board: board ?? '', panel: panel ?? '', from, to, hash: kept }]
  })
}

/** From when it began to when it worked again (until now when it does not yet), as far as the facts say. */
export function courseOf(
  picture: Picture,
  { openedAt, resolvedAt }: { readonly openedAt: Millis; readonly resolvedAt: Millis | null },
  now: Millis,
): { readonly from: Millis; readonly to: Millis } {
  const start = current(picture, 'occurred') ?? current(picture, 'detected')
  const from = Math.min(now, start?.occurredAt ?? openedAt)
  const to = recovery(picture)?.occurredAt ?? resolvedAt ?? now
  return { from, to: Math.max(from, to) }
}
