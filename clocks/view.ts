import { zoned } from './calendar.ts'
import { type Case, type ClockResult, calendarOf, namesOf, ruleInWords } from './evaluate.ts'
import type { Millis } from './fact.ts'
import type { ClockRule, Regime } from './regime.ts'

/** One clock as JSON: times are RFC 3339 in the zone that the regime counts in. */
export function clockView(result: ClockResult, zone: string) {
  const { rule, state, because, rounds, missing } = result
  const time = (at: Millis | undefined) => (at === undefined ? null : zoned(at, zone))
  return {
    code: rule.code,
    title: rule.title,
    state,
    because,
    deadline: time(result.deadline),
    startedAt: time(result.startedAt),
    atRiskAt: time(result.atRiskAt),
    satisfiedAt: time(result.satisfiedAt),
    rounds: rounds ?? null,
    previous: result.previous.map(({ deadline, until, because: why }) => ({
      ...{ deadline: time(deadline), until: time(until) ?? '', because: why },
    })),
    steps: result.steps.map(({ kind, text }) => ({ kind, text })),
    missing: [...missing],
    ...sourceOf(rule),
  }
}

/** An evaluation as JSON. */
export function evaluationView(
  regime: Regime,
  { facts, institution }: Case,
  now: Millis,
  clocks: readonly ClockResult[],
) {
  const { zone } = calendarOf(regime, institution)
  const used = new Set(regime.clocks.flatMap((rule) => [...namesOf(rule)]))
  const unused = new Set(facts.map(({ name }) => name).filter((name) => !used.has(name)))
  return {
    regime: regime.name,
    title: regime.title,
    caution: regime.caution,
    zone,
    now: zoned(now, zone),
    /** Facts that no clock of the regime looks at: perhaps misspelt. */
    unusedFacts: [...unused].sort(),
    clocks: clocks.map((clock) => clockView(clock, zone)),
  }
}

/** A regime as JSON: what it holds, and how sure that is. */
export function regimeView(regime: Regime) {
  const { name, title, jurisdiction, caution, notExpressed } = regime
  return {
    ...{ name, title, jurisdiction, caution, notExpressed: [...notExpressed] },
    zone: regime.calendar.zone ?? null,
    kinds: [...regime.kinds],
    facts: Object.entries(regime.facts).map(([fact, meaning]) => ({ fact, meaning })),
    clocks: regime.clocks.map((rule) => ({
      ...{ code: rule.code, title: rule.title, rule: ruleInWords(rule) },
      ...{
        startsWith: rule.startsWith,
        satisfiedBy: rule.satisfiedBy?.fact ?? rule.rhythm?.until ?? '',
      },
      ...sourceOf(rule),
    })),
  }
}

function sourceOf(rule: ClockRule) {
  const { document, article, url } = rule.citation
  return {
    citation: { document, article, url: url ?? null },
    confidence: rule.confidence,
    verifiedOn: rule.verifiedOn,
    note: rule.note ?? null,
    ifItCannotBeMet: rule.ifItCannotBeMet ?? null,
  }
}
