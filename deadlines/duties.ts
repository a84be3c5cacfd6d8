import { type ClockResult, namesOf as factsOfRule, ruleInWords } from '../clocks/evaluate.ts'
import type { Millis } from '../clocks/fact.ts'
import type { ClockRule } from '../clocks/regime.ts'
import { type FactOf, hubActor, type NewFact } from '../incidents/facts.ts'
import { type Picture, said } from '../incidents/picture.ts'
import { groundPosition, type RegimeStanding, type Regimes, spokenIn } from './standing.ts'

/**
 * The `duty_owed` facts that an incident lacks: one for each clock of a regulator that is owed, or that follows from one
 * that is; one whose time has moved, or which is not owed any more, supersedes. Whatever was owed stays on file until it is
 * met or waived by a person.
 */
export function missingDuties(
  picture: Picture,
  standings: readonly RegimeStanding[],
  { institution }: Pick<Regimes, 'institution'>,
  now: Millis,
): NewFact[] {
  const settled = new Set(
    [...said(picture, 'duty_met'), ...said(picture, 'duty_waived')].map(({ value }) => value.duty),
  )
  const known = new Map(said(picture, 'duty_owed').map((fact) => [fact.value.duty, fact]))
  return standings.flatMap((standing) => {
    const owed = owedClocks(standing)
    return standing.results.flatMap((result) => {
      const duty = dutyCode(picture, standing.regime.name, result.rule.code)
      if (settled.has(duty)) return []
      const before = known.get(duty)
      const value = {
        ...{ text: textOf(standing, result, institution), duty, regime: standing.regime.name },
        ...(result.deadline === undefined ? {} : { dueAt: result.deadline }),
      }
      if (before === undefined ? !owed.has(result.rule.code) : !isMoved(before, value, result))
        return []
      return [factOf(value, before, result.startedAt ?? now, now)]
    })
  })
}

/**
 * Clocks that run, and those that wait for what another of them asks for. Of several that one submission meets, the
 * first of the regime: recovered before the intermediate report, that report says it.
 */
function owedClocks({ results, waived }: RegimeStanding): ReadonlySet<string> {
  const owed = new Set(
    results.filter(({ state }) => running.has(state)).map(({ rule }) => rule.code),
  )
  for (let size = -1; size !== owed.size; ) {
    size = owed.size
    const asked = new Set(
      results.flatMap(({ rule }) => (owed.has(rule.code) ? [rule.satisfiedBy?.fact] : [])),
    )
    // Of one that became major again, what is to follow reads as taken away until its first submission.
    for (const { rule, state } of results)
      if (awaits.has(state) && asked.has(rule.startsWith)) owed.add(rule.code)
  }
  const met = new Set<string>()
  return new Set(
    results.flatMap(({ rule }) => {
      const submission = rule.satisfiedBy?.fact ?? rule.code
      if (!owed.has(rule.code) || met.has(submission) || waived.has(rule.code)) return []
      met.add(submission)
      return [rule.code]
    }),
  )
}

const awaits: ReadonlySet<ClockResult['state']> = new Set(['not started', 'not applicable'])
const running: ReadonlySet<ClockResult['state']> = new Set([
  ...(['running', 'at risk', 'paused', 'breached'] as const),
])

/** A further one of the same clock has a number: a duty that was settled before the incident became major again. */
function dutyCode(picture: Picture, regime: string, clock: string): string {
  const ground = groundPosition(picture)
  const settledBefore = new Set(
    picture.facts
      .slice(0, Math.max(0, ground))
      .flatMap((fact) =>
        fact.kind === 'duty_met' || fact.kind === 'duty_waived' ? [fact.value.duty] : [],
      ),
  )
  const first = `${regime}.${clock}`
  let code = first
  for (let number = 2; settledBefore.has(code); number++) code = `${first}.${number}`
  return code
}

type DutyValue = FactOf<'duty_owed'>['value']

/** What a person wrote is not rewritten. */
function isMoved(before: FactOf<'duty_owed'>, value: DutyValue, { state }: ClockResult): boolean {
  if (before.recordedBy !== hubActor || state === 'paused') return false
  return before.value.dueAt !== value.dueAt
}

function factOf(
  value: DutyValue,
  before: FactOf<'duty_owed'> | undefined,
  startedAt: Millis,
  now: Millis,
): NewFact {
  return {
    ...{ kind: 'duty_owed', value, certainty: 'actual', recordedBy: hubActor },
    ...{ occurredAt: Math.min(startedAt, now), supersedes: before?.id ?? null },
  }
}

function textOf(
  { regime }: RegimeStanding,
  result: ClockResult,
  institution: Regimes['institution'],
): string {
  const { rule, deadline, state, because } = result
  const source = `${rule.citation.document} ${rule.citation.article}`
  if (state === 'not applicable')
    return `${rule.title}: not owed now (${because}). Write duty_waived with the reason where it will not be met. ${source}.`
  const due =
    deadline === undefined
      ? `due ${ruleInWords(rule)}`
      : `due ${spokenIn(regime, institution, deadline)}, ${ruleInWords(rule)}`
  return `${rule.title}: ${due}. ${source}.`
}

/** Ids of the incident's facts that a clock rests on. */
export function groundsOf({ facts }: RegimeStanding, rule: ClockRule): readonly string[] {
  const names = factsOfRule(rule)
  const replaced = new Set(facts.map(({ supersedes }) => supersedes))
  const held = facts.filter(
    ({ name, id, at }) => names.has(name) && at !== undefined && !replaced.has(id),
  )
  return [...new Set(held.map(({ source }) => source))]
}
