import {
  addBusinessDays,
  addLocal,
  advance,
  type Span,
  spoken,
  type WorkCalendar,
} from './calendar.ts'
import type { FactBook, HeldFact, Millis, Pick } from './fact.ts'

export const units = [
  'minutes',
  'hours',
  'working_hours',
  'days',
  'business_days',
  'months',
] as const
export type Unit = (typeof units)[number]

/** Minutes and hours are elapsed time; days and months keep the local time of day. */
export interface Duration {
  readonly unit: Unit
  readonly amount: number
}

/** How a deadline follows from facts. */
export type Formula =
  | {
      readonly kind: 'after' | 'before'
      readonly fact: string
      readonly pick: Pick
      readonly by: Duration
    }
  | { readonly kind: 'min' | 'max'; readonly of: readonly Formula[] }
  | {
      readonly kind: 'if'
      readonly fact: string
      readonly pick: Pick
      readonly laterThan: Formula
      readonly then: Formula
      readonly otherwise: Formula
    }

/** One line of an explanation. */
export interface Step {
  readonly kind: 'anchor' | 'rule' | 'choice' | 'pause' | 'roll' | 'result' | 'note'
  readonly text: string
}

/** What a formula came to. */
export interface Worked {
  readonly at: Millis
  /** The fact that decided. */
  readonly anchor: HeldFact
}

/** What a formula is worked out with; `steps` and `missing` are added to. */
export interface Working {
  readonly book: FactBook
  readonly calendar: WorkCalendar
  /** Merged, in order. */
  readonly paused: readonly Span[]
  readonly steps: Step[]
  /** Facts that a part of the formula would have needed. */
  readonly missing: Set<string>
}

/** Works a formula out; undefined when no part of it has its facts. */
export function work(formula: Formula, working: Working): Worked | undefined {
  switch (formula.kind) {
    case 'after':
    case 'before':
      return counted(formula, working)
    case 'min':
    case 'max':
      return extreme(formula, working)
    case 'if':
      return chosen(formula, working)
  }
}

function counted(
  { kind, fact, pick, by }: Extract<Formula, { kind: 'after' | 'before' }>,
  working: Working,
): Worked | undefined {
  const { book, calendar, paused, steps, missing } = working
  const anchor = book.pick(fact, pick)
  if (anchor === undefined) {
    missing.add(fact)
    return undefined
  }
  steps.push({ kind: 'anchor', text: anchorText(anchor, pick, book, calendar.zone) })
  const at = shifted(anchor.at, by, kind === 'after' ? 1 : -1, calendar, paused)
  const length = spokenDuration(by)
  steps.push({ kind: 'rule', text: `${length} ${kind} ${fact}: ${spoken(at, calendar.zone)}` })
  return { at, anchor }
}

function anchorText(anchor: HeldFact, pick: Pick, book: FactBook, zone: string): string {
  const several = book.all(anchor.name).length > 1 ? `the ${pick} ` : ''
  const recorded = spoken(anchor.recordedAt, zone)
  return `${several}${anchor.name}: ${spoken(anchor.at, zone)} (${anchor.certainty}, recorded ${recorded})`
}

function shifted(
  at: Millis,
  { unit, amount }: Duration,
  sign: 1 | -1,
  calendar: WorkCalendar,
  paused: readonly Span[],
): Millis {
  const signed = sign * amount
  switch (unit) {
    case 'days':
      return addLocal(at, { days: signed }, calendar.zone)
    case 'months':
      return addLocal(at, { months: signed }, calendar.zone)
    case 'business_days':
      return addBusinessDays(calendar, at, signed)
    default: {
      const length = amount * (unit === 'minutes' ? 60_000 : 3_600_000)
      if (sign < 0) return at - length
      return advance(at, length, unit === 'working_hours' ? calendar : undefined, paused)
    }
  }
}

function extreme(
  { kind, of }: Extract<Formula, { kind: 'min' | 'max' }>,
  working: Working,
): Worked | undefined {
  const before = new Set(working.missing)
  const found = of.map((one) => work(one, working)).filter((one) => one !== undefined)
  const first = found[0]
  if (first === undefined) return undefined
  const lacking = [...working.missing].filter((name) => !before.has(name))
  if (kind === 'min' && lacking.length > 0)
    working.steps.push({
      kind: 'note',
      text: `${lacking.join(', ')} not recorded: the deadline may be earlier than shown; record it`,
    })
  const best = found.reduce((a, b) => ((kind === 'min' ? b.at < a.at : b.at > a.at) ? b : a), first)
  if (found.length > 1)
    working.steps.push({
      kind: 'choice',
      text: `the ${kind === 'min' ? 'earlier' : 'later'} of these holds: ${spoken(best.at, working.calendar.zone)}`,
    })
  return best
}

function chosen(formula: Extract<Formula, { kind: 'if' }>, working: Working): Worked | undefined {
  const { fact, pick, laterThan, then, otherwise } = formula
  const held = working.book.pick(fact, pick)
  const limit = work(laterThan, { ...working, steps: [], missing: new Set() })
  if (held === undefined || limit === undefined) return work(otherwise, working)
  const { zone } = working.calendar
  const later = held.at > limit.at
  working.steps.push({
    kind: 'choice',
    text: `${fact} (${spoken(held.at, zone)}) is ${later ? 'later than' : 'not later than'} ${spokenFormula(laterThan)} (${spoken(limit.at, zone)})`,
  })
  return work(later ? then : otherwise, working)
}

/** `4 hours`, `1 month`. */
export function spokenDuration({ unit, amount }: Duration): string {
  const words = unit.replace('_', ' ')
  return `${amount} ${amount === 1 ? words.slice(0, -1) : words}`
}

/** `the earlier of 4 hours after classified and 24 hours after aware`. */
export function spokenFormula(formula: Formula): string {
  switch (formula.kind) {
    case 'after':
    case 'before': {
      const which = formula.pick === 'latest' ? 'the latest ' : ''
      return `${spokenDuration(formula.by)} ${formula.kind} ${which}${formula.fact}`
    }
    case 'min':
    case 'max': {
      const word = formula.kind === 'min' ? 'the earlier of' : 'the later of'
      return `${word} ${formula.of.map(spokenFormula).join(' and ')}`
    }
    case 'if':
      return `${spokenFormula(formula.then)} where ${formula.fact} is later than ${spokenFormula(formula.laterThan)}, else ${spokenFormula(formula.otherwise)}`
  }
}

/** Names of all facts that a formula looks at. */
export function factsOf(formula: Formula): string[] {
  switch (formula.kind) {
    case 'after':
    case 'before':
      return [formula.fact]
    case 'min':
    case 'max':
      return formula.of.flatMap(factsOf)
    case 'if':
      return [
        formula.fact,
        ...[formula.laterThan, formula.then, formula.otherwise].flatMap(factsOf),
      ]
  }
}

/** Units of all durations in a formula. */
export function unitsOf(formula: Formula): Unit[] {
  switch (formula.kind) {
    case 'after':
    case 'before':
      return [formula.by.unit]
    case 'min':
    case 'max':
      return formula.of.flatMap(unitsOf)
    case 'if':
      return [formula.laterThan, formula.then, formula.otherwise].flatMap(unitsOf)
  }
}
