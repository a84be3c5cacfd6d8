import type { CountedIncident, Period } from './figures.ts'
import type { State } from './workflow.ts'

/** Open and not restored yet. */
const disrupted: ReadonlySet<string> = new Set<State>([
  ...(['recorded', 'plan_active', 'dispatched', 'investigating'] as const),
])

/**
 * How long each service was disrupted within a period that ends now: from when an incident began until it was restored, and until
 * now where it is not; times that overlap count once. An incident whose restoration nobody stated counts for nothing.
 */
export function disruptedMillis(
  incidents: readonly CountedIncident[],
  { from, to }: Period,
): ReadonlyMap<string, number> {
  const spans = new Map<string, { from: number; to: number }[]>()
  for (const { services, at, state, toRestoreMillis } of incidents) {
    if (state === 'cancelled' || state === 'merged') continue
    const end = disrupted.has(state)
      ? to
      : toRestoreMillis === undefined
        ? at
        : at + toRestoreMillis
    const span = { from: Math.max(at, from), to: Math.min(end, to) }
    if (span.to <= span.from) continue
    for (const service of new Set(services)) {
      const some = spans.get(service) ?? []
      some.push(span)
      spans.set(service, some)
    }
  }
  return new Map([...spans].map(([service, its]) => [service, covered(its)]))
}

/** What spans cover together. */
function covered(spans: readonly { readonly from: number; readonly to: number }[]): number {
  let sum = 0
  let until = Number.NEGATIVE_INFINITY
  for (const { from, to } of [...spans].sort((a, b) => a.from - b.from)) {
    sum += Math.max(0, to - Math.max(from, until))
    until = Math.max(until, to)
  }
  return sum
}
