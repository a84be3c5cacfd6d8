import { type Picture, relapseRules, said } from '../../incidents/picture.ts'
import type { Millis } from '../clock.ts'

export const severities = ['sev1', 'sev2', 'sev3', 'sev4'] as const
export type Severity = (typeof severities)[number]
/** Minutes from one word to the next; 0: none is promised. */
export type UpdateMinutes = Readonly<Record<Severity, number>>

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

/** How long after a word the next one is promised; undefined: it is not. */
export function intervalOf(severity: string, minutes: UpdateMinutes): Millis | undefined {
  const known = severities.find((one) => one === severity)
  const interval = known === undefined ? 0 : minutes[known] * 60_000
  return interval > 0 ? interval : undefined
}

/**
 * The promise an incident stands under. It counts from the latest of: its first fact, the beginning of its present severity, its
 * last relapse, its last notice to anybody; what that notice promised counts as it was said. `severity` is what lists show of it.
 */
export function rhythmOf(picture: Picture, severity: string, minutes: UpdateMinutes): Rhythm {
  const notice = said(picture, 'notice').at(-1)
  const relapses: readonly string[] = relapseRules
  const other = Math.max(
    picture.facts[0]?.recordedAt ?? 0,
    severitySince(picture),
    picture.steps.findLast(({ rule }) => relapses.includes(rule))?.at ?? 0,
  )
  const since = Math.max(other, notice?.recordedAt ?? 0)
  const interval = intervalOf(severity, minutes)
  if (interval === undefined || !waiting.has(picture.state))
    return { severity, since, dueAt: undefined }
  const promised =
    notice !== undefined && notice.recordedAt >= other ? notice.value.nextUpdateAt : undefined
  return { severity, since, dueAt: promised ?? since + interval }
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
