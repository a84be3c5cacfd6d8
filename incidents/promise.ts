import type { Fact } from './facts.ts'
import { type Picture, relapseRules } from './picture.ts'

/**
 * Facts from which on what is promised to those who wait counts anew, in order of recording: the first one, each that says
 * another severity than before (said again it moves nothing), each step of a relapse. They count from when they were recorded.
 */
export function promisedAnew(picture: Picture): Fact[] {
  const relapses: readonly string[] = relapseRules
  const steps = new Set(
    picture.steps.filter(({ rule }) => relapses.includes(rule)).map(({ position }) => position),
  )
  let severity: string | undefined
  return picture.facts.filter((fact, position) => {
    if (position === 0 || steps.has(position)) return true
    if (fact.kind !== 'severity' || fact.certainty === 'suggestion') return false
    const before = severity
    severity = fact.value.severity
    return severity !== before
  })
}
