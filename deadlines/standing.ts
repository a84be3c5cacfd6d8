import { advance, spoken } from '../clocks/calendar.ts'
import { type ClockResult, calendarOf, evaluate, whatIf } from '../clocks/evaluate.ts'
import type { Millis } from '../clocks/fact.ts'
import type { ClockRule, Institution, Regime } from '../clocks/regime.ts'
import type { FactOf } from '../incidents/facts.ts'
import { current, type Picture, said } from '../incidents/picture.ts'
import { states } from '../incidents/workflow.ts'
import { type CaseFact, caseFacts } from './case.ts'

/** Whose time limits hold, as the configuration names them and the files say. */
export interface Regimes {
  readonly serviceLevels: Regime
  /** In force for an incident once it was called major. */
  readonly regulators: readonly Regime[]
  readonly institution: Institution
}

/** The clocks of one regime for one incident. */
export interface RegimeStanding {
  readonly regime: Regime
  readonly results: readonly ClockResult[]
  /** Clocks of whose duty somebody wrote that it does not apply. */
  readonly waived: ReadonlyMap<string, FactOf<'duty_waived'>>
  readonly facts: readonly CaseFact[]
}

/** Whether it was ever called major; what was called so once is watched to its end. */
export function wasMajor(picture: Picture): boolean {
  return picture.facts.some(
    (fact) => fact.kind === 'major' && fact.certainty !== 'suggestion' && fact.value.major,
  )
}

/** The regimes whose clocks run for an incident. */
export function inForce(picture: Picture, { serviceLevels, regulators }: Regimes): Regime[] {
  return [serviceLevels, ...(wasMajor(picture) ? regulators : [])]
}

export interface Supposition {
  readonly name: string
  readonly at: Millis
}

/**
 * Where every clock of these regimes stands. The answer for one set of facts changes with `now` only from running to at
 * risk to breached, and while a clock is paused.
 */
export function standingsOf(
  picture: Picture,
  regimes: readonly Regime[],
  { institution, serviceLevels }: Regimes,
  now: Millis,
  supposed: readonly Supposition[] = [],
): RegimeStanding[] {
  const facts = caseFacts(picture, regimes)
  // The records' clock may have gone back: what is on file is known.
  const at = facts.reduce((latest, { recordedAt }) => Math.max(latest, recordedAt), now)
  const isPaused = facts.some(({ ofClock }) => ofClock !== undefined)
  const severity = current(picture, 'severity')?.value.severity ?? 'sev2'
  return regimes.map((regime) => {
    const waived = waivedClocks(picture, regime)
    const known = supposed.filter(({ name }) => Object.hasOwn(regime.facts, name))
    const judged = (own: readonly CaseFact[], of: Regime) => {
      const theCase = { facts: own, attributes: { severity }, institution }
      return known.length === 0 ? evaluate(theCase, of, at) : whatIf(theCase, known, of, at).clocks
    }
    // Without a pause all clocks read the same facts, which are then sorted once.
    const all = isPaused
      ? regime.clocks.flatMap((rule) => {
          const own = facts.filter(
            ({ ofClock }) => ofClock === undefined || isOf(rule, regime, ofClock),
          )
          return judged(own.map(plainPause(rule)), { ...regime, clocks: [rule] })
        })
      : judged(facts, regime)
    const results = all.map((result) =>
      ended(result, regime === serviceLevels, picture, waived.get(result.rule.code)),
    )
    return { regime, results, waived, facts }
  })
}

/** A pause names a clock by its code, or what several codes begin with: `restore` for `restore-sev1`. */
function isOf(rule: ClockRule, regime: Regime, clock: string): boolean {
  const name = clock.startsWith(`${regime.name}.`) ? clock.slice(regime.name.length + 1) : clock
  return rule.code === name || rule.code.startsWith(`${name}-`)
}

/** The reason of a pause may be followed by more words: `waiting for the customer: they send a log`. */
function plainPause({ pause }: ClockRule): (fact: CaseFact) => CaseFact {
  return (fact) => {
    const reason = pause?.reasons.find(
      (one) => fact.reason === one || fact.reason?.startsWith(`${one}:`),
    )
    return reason === undefined ? fact : { ...fact, reason }
  }
}

/** What a waiver and the end of an incident do to a clock that nobody met. */
function ended(
  result: ClockResult,
  agreed: boolean,
  picture: Picture,
  waiver: FactOf<'duty_waived'> | undefined,
): ClockResult {
  if (result.state === 'met' || result.state === 'met late') return result
  const none = (because: string): ClockResult => ({
    ...{ ...result, state: 'not applicable', because },
    ...{ deadline: undefined, atRiskAt: undefined },
    steps: [...result.steps, { kind: 'result', text: `not applicable: ${because}` }],
  })
  if (waiver !== undefined) return none(`waived by ${waiver.recordedBy}: ${waiver.value.text}`)
  // An agreement is about handling; what the law wants is wanted of an incident that is closed as well.
  if (!states[picture.state].open && agreed)
    return result.state === 'not applicable' ? result : none(`the incident is ${picture.state}`)
  return result
}

/** The place of the word that made it major, or major again. */
export function groundPosition(picture: Picture): number {
  let ground = -1
  let was: boolean | undefined
  for (const [position, fact] of picture.facts.entries()) {
    if (fact.kind !== 'major' || fact.certainty === 'suggestion') continue
    if (fact.value.major && was !== true) ground = position
    was = fact.value.major
  }
  return ground
}

/** Waivers that hold: written since it was last called major. */
function waivedClocks(picture: Picture, regime: Regime): Map<string, FactOf<'duty_waived'>> {
  const ground = groundPosition(picture)
  const places = new Map(picture.facts.map(({ id }, position) => [id, position]))
  return new Map(
    said(picture, 'duty_waived')
      .filter((fact) => (places.get(fact.id) ?? -1) > ground)
      .flatMap((fact) => {
        const [name, clock] = fact.value.duty.split('.')
        return name === regime.name && clock !== undefined ? [[clock, fact] as const] : []
      }),
  )
}

/** How a deadline is kept beside the facts it follows from: nothing of it changes by time alone. */
export interface Deadline {
  readonly regime: string
  readonly code: string
  readonly state: 'owed' | 'paused' | 'met' | 'met late'
  /** Null where none is known: without undue delay, paused, an action without a day. */
  readonly dueAt: Millis | null
  readonly atRiskAt: Millis | null
  readonly satisfiedAt: Millis | null
  /** Somebody is told before it and when it is over. */
  readonly told: boolean
}

/** Actions of a post-mortem stand beside the clocks under this name. */
export const actionRegime = 'action'

/** Every deadline that an incident's facts leave, met ones too. */
export function deadlinesOf(picture: Picture, regimes: Regimes, now: Millis): Deadline[] {
  const standings = standingsOf(picture, inForce(picture, regimes), regimes, now)
  return [
    ...standings.flatMap(({ regime, results }) =>
      results.flatMap((result) => deadlineOf(regime, result, regime === regimes.serviceLevels)),
    ),
    ...actionDeadlines(picture),
  ]
}

function deadlineOf(regime: Regime, result: ClockResult, agreed: boolean): Deadline[] {
  const { rule, state } = result
  const named = { regime: regime.name, code: rule.code, told: !(agreed && isUpdate(rule)) }
  const instants = {
    dueAt: result.deadline ?? null,
    atRiskAt: result.atRiskAt ?? null,
    satisfiedAt: result.satisfiedAt ?? null,
  }
  switch (state) {
    case 'running':
    case 'at risk':
    case 'breached':
      return [{ ...named, ...instants, state: 'owed', satisfiedAt: null }]
    case 'paused':
      return [{ ...named, state, dueAt: null, atRiskAt: null, satisfiedAt: null }]
    case 'met':
    case 'met late':
      return [{ ...named, ...instants, state, atRiskAt: null }]
    default:
      return []
  }
}

/** Who promised updates is told by what sends them. */
function isUpdate(rule: ClockRule): boolean {
  return rule.satisfiedBy?.fact === 'update_sent' || rule.rhythm?.event === 'update_sent'
}

/** How often the service levels want word. */
export interface UpdateRhythm {
  readonly everyMillis: Millis
  /** When the next word is due after one of that time; in working hours where the rule counts those. */
  readonly after: (at: Millis) => Millis
}

/** The rhythm of updates that the service levels have for a severity; of several the shortest; undefined: none. */
export function updateRhythmOf(
  { serviceLevels, institution }: Regimes,
  severity: string,
): UpdateRhythm | undefined {
  const [found] = serviceLevels.clocks
    .flatMap(({ rhythm, appliesTo, workingHours }) =>
      rhythm?.event === 'update_sent' && (appliesTo['severity']?.includes(severity) ?? true)
        ? [{ everyMillis: rhythm.everyMillis, workingHours }]
        : [],
    )
    .sort((a, b) => a.everyMillis - b.everyMillis)
  if (found === undefined) return undefined
  const { everyMillis, workingHours } = found
  const calendar = workingHours ? calendarOf(serviceLevels, institution) : undefined
  return { everyMillis, after: (at) => advance(at, everyMillis, calendar, []) }
}

function actionDeadlines(picture: Picture): Deadline[] {
  const done = new Map(
    said(picture, 'action_done').map((fact) => [fact.value.number, fact.occurredAt]),
  )
  const dropped = picture.state === 'cancelled' || picture.state === 'merged'
  return said(picture, 'action').flatMap(({ value }) => {
    const at = done.get(value.number)
    if (dropped && at === undefined) return []
    const dueAt = value.dueAt ?? null
    const late = at !== undefined && dueAt !== null && at > dueAt
    return [
      {
        ...{ regime: actionRegime, code: String(value.number), told: true, dueAt, atRiskAt: null },
        state:
          at === undefined ? ('owed' as const) : late ? ('met late' as const) : ('met' as const),
        satisfiedAt: at ?? null,
      },
    ]
  })
}

/** How far telling of a deadline went: nothing, the first word, the last one. */
export type Told = 0 | 1 | 2

/** An overdue action is told to its owner first, and so much later to who leads. */
export const actionClimbMillis = 24 * 3_600_000

/** When the next word of a deadline is due, after what was told of that very deadline; undefined: none. */
export function nextWord(deadline: Deadline, told: Told): Millis | undefined {
  const { state, dueAt, atRiskAt } = deadline
  if (!deadline.told || state !== 'owed' || dueAt === null || told === 2) return undefined
  // The very instant of the deadline is in time.
  const over = dueAt + 1
  if (deadline.regime === actionRegime) return told === 0 ? over : over + actionClimbMillis
  return told === 0 ? Math.min(atRiskAt ?? over, over) : over
}

/** What is to be said now: of a clock that it is at risk (1) or breached (2), of an action to its owner (1) or who leads (2). */
export function wordAt(deadline: Deadline, told: Told, now: Millis): Told {
  const next = nextWord(deadline, told)
  if (next === undefined || now < next) return 0
  if (deadline.regime === actionRegime) return told === 0 ? 1 : 2
  return deadline.dueAt !== null && now > deadline.dueAt ? 2 : 1
}

/** A time as people of that regime read it. */
export function spokenIn(regime: Regime, { zone }: Institution, at: Millis): string {
  return spoken(at, regime.calendar.zone ?? zone ?? 'UTC')
}
