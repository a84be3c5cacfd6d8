import { type Picture, said } from '../../incidents/picture.ts'
import { promisedAnew } from '../../incidents/promise.ts'
import type { Millis } from '../clock.ts'

/** How often word is promised. */
export interface UpdateRhythm {
  readonly everyMillis: Millis
  /** When the next word is due after one of that time. */
  readonly after: (at: Millis) => Millis
}
/** The rhythm of a severity; undefined: no word is promised. */
export type UpdateRhythms = (severity: string) => UpdateRhythm | undefined

/** Until when the next update is promised, and what that counts from. */
export interface Rhythm {
  readonly severity: string
  readonly since: Millis
  /** Undefined: none is promised. */
  readonly dueAt: Millis | undefined
}

/** States in which others wait for word. */
const waiting: ReadonlySet<string> = new Set([
  'recorded',
  'plan_active',
  'dispatched',
  'investigating',
])

/**
 * The promise an incident stands under. It counts from the latest of: where it began anew (`promisedAnew`, as the clock of the
 * service levels does), its last notice to anybody; what that notice promised counts as it was said. `severity` is what lists show of it.
 */
export function rhythmOf(picture: Picture, severity: string, rhythms: UpdateRhythms): Rhythm {
  const notice = said(picture, 'notice').at(-1)
  const other = Math.max(0, ...promisedAnew(picture).map(({ recordedAt }) => recordedAt))
  const since = Math.max(other, notice?.recordedAt ?? 0)
  const rhythm = rhythms(severity)
  if (rhythm === undefined || !waiting.has(picture.state))
    return { severity, since, dueAt: undefined }
  const promised =
    notice !== undefined && notice.recordedAt >= other ? notice.value.nextUpdateAt : undefined
  return { severity, since, dueAt: promised ?? rhythm.after(since) }
}

/** Whether an incident still waits to be restored. */
export function isUnderWay(state: string): boolean {
  return waiting.has(state)
}
