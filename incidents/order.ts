import type { FactOf, Millis } from './facts.ts'
import { current, live, type Picture, placeOf } from './picture.ts'
import { type Refusal, refusal } from './refusals.ts'

/** A rule about instants that the facts break. */
export interface Violation extends Refusal {
  readonly rule: string
  /** Ids of the facts that break it. */
  readonly facts: readonly string[]
}

/** Clocks of two machines may differ by so much before a fact counts as written ahead of its time. */
export const clockSlackMillis = 2000

const show = (at: Millis) => new Date(at).toISOString()

type Instant = FactOf<'occurred' | 'detected' | 'aware' | 'classified' | 'mitigated' | 'recovered'>

/** Breaks of the order of instants; suggestions count too, as nothing else says when. */
export function disorder(picture: Picture): Violation[] {
  const at = <K extends Instant['kind']>(kind: K) => current(picture, kind)
  const found: Violation[] = []
  const ordered = (before: Instant | undefined, after: Instant | undefined) => {
    if (before === undefined || after === undefined || before.occurredAt <= after.occurredAt) return
    found.push({
      rule: `${before.kind} <= ${after.kind}`,
      ...refusal('instants_out_of_order', {
        ...{ before: before.kind, beforeAt: show(before.occurredAt) },
        ...{ after: after.kind, afterAt: show(after.occurredAt) },
      }),
      facts: [before.id, after.id],
    })
  }
  ordered(at('occurred'), at('detected'))
  ordered(at('aware'), at('classified'))
  for (const recovered of live(picture, 'recovered')) {
    const place = placeOf(picture, recovered)
    const mitigated = live(picture, 'mitigated').filter((fact) => placeOf(picture, fact) < place)
    ordered(mitigated.at(-1), recovered)
  }
  for (const fact of picture.facts) {
    if (fact.occurredAt <= fact.recordedAt + clockSlackMillis) continue
    found.push({
      rule: 'occurred <= recorded',
      ...refusal('later_than_record', {
        ...{ kind: fact.kind, at: show(fact.occurredAt), recordedAt: show(fact.recordedAt) },
      }),
      facts: [fact.id],
    })
  }
  return found
}

/** Facts recorded before the one ahead of them: the clock of the records went back. Named, and nobody's fault. */
export function backwardRecords(picture: Picture): Violation[] {
  return picture.facts.flatMap((fact, index) => {
    const before = picture.facts[index - 1]
    if (before === undefined || before.recordedAt <= fact.recordedAt) return []
    return [
      {
        rule: 'recorded in order',
        ...refusal('recorded_backwards', {
          ...{
            fact: fact.id,
            recordedAt: show(fact.recordedAt),
            beforeAt: show(before.recordedAt),
          },
        }),
        facts: [before.id, fact.id],
      },
    ]
  })
}
