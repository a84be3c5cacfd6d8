import { type Picture, relapseRules, said } from '../../incidents/picture.ts'
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
 * The promise an incident stands under. It counts from the latest of: its first fact, the beginning of its present severity, its
 * last relapse, its last notice to anybody; what that notice promised counts as it was said. `severity` is what lists show of it.
 */
export function rhythmOf(picture: Picture, severity: string, rhythms: UpdateRhythms): Rhythm {
  const notice = said(picture, 'notice').at(-1)
  const relapses: readonly string[] = relapseRules
  const other = Math.max(
    picture.facts[0]?.recordedAt ?? 0,
    severitySince(picture),
    picture.steps.findLast(({ rule }) => relapses.includes(rule))?.at ?? 0,
  )
  const since = Math.max(other, notice?.recordedAt ?? 0)
  const rhythm = rhythms(severity)
  if (rhythm === undefined || !waiting.has(picture.state))
    return { severity, since, dueAt: undefined }
  const promised =
    notice !== undefined && notice.recordedAt >= other ? notice.value.nextUpdateAt : undefined
  return { severity, since, dueAt: promised ?? rhythm.after(since) }
}

/** When the present severity was first said; said again it moves nothing. */
function severitySince(picture: Picture): Millis {
  const history = picture.facts.filter(
    (fact) => fact.kind === 'severity' && fact.certainty !== 'suggestion',
  )
  let since = 0
  let now: string | undefined
  for (const fact of history) {
    if (fact.kind !== 'severity' || fact.value.severity === now) continue
    now = fact.value.severity
    since = fact.recordedAt
  }
  return since
}

/** Whether an incident still waits to be restored. */
export function isUnderWay(state: string): boolean {
  return waiting.has(state)
}
