import {
  advance,
  countedBetween,
  dayOff,
  merged,
  nextWorkingDayAt,
  type Span,
  spoken,
  spokenLength,
  type WorkCalendar,
} from './calendar.ts'
import { byRecording, type Fact, FactBook, type HeldFact, type Millis } from './fact.ts'
import { factsOf, type Step, spokenFormula, type Worked, work } from './formula.ts'
import type { ClockRule, Ending, Institution, Regime, RollRule } from './regime.ts'
import { endOfRhythm, type Rounds, roundsOf } from './rhythm.ts'

export const clockStates = [
  'not started',
  'running',
  'paused',
  'at risk',
  'met',
  'met late',
  'breached',
  'not applicable',
] as const
export type ClockState = (typeof clockStates)[number]

/** What is known of one incident. */
export interface Case {
  readonly facts: readonly Fact[]
  /** `severity: sev1`. */
  readonly attributes: Readonly<Record<string, string>>
  readonly institution: Institution
}

/** A deadline that a corrected fact has moved. */
export interface PreviousDeadline {
  readonly deadline: Millis | undefined
  /** When the correction was recorded. */
  readonly until: Millis
  readonly because: string
}

/** Where one clock stands, and why. */
export interface ClockResult {
  readonly rule: ClockRule
  readonly state: ClockState
  /** One sentence. */
  readonly because: string
  readonly startedAt: Millis | undefined
  /** Undefined where nothing is owed yet, and where it is owed without undue delay. */
  readonly deadline: Millis | undefined
  readonly atRiskAt: Millis | undefined
  readonly satisfiedAt: Millis | undefined
  /** Of a rhythm. */
  readonly rounds: Rounds | undefined
  /** Oldest first. */
  readonly previous: readonly PreviousDeadline[]
  readonly steps: readonly Step[]
  /** Facts that would sharpen the deadline. */
  readonly missing: readonly string[]
}

/** Corrections whose former deadline is looked for; of more, the newest. */
const previousMax = 20

/** Why an institution's settings do not suffice for a regime, or undefined. */
export function settingsFault(institution: Institution, regime: Regime): string | undefined {
  // A misspelt kind would give a later time to those who have none.
  const strange = institution.kinds?.find((kind) => !regime.kinds.includes(kind))
  if (strange !== undefined && regime.kinds.length > 0)
    return `institution.kinds: "${strange}" is no kind that ${regime.name} knows; known are ${regime.kinds.join(', ')}`
  if (regime.calendar.zone !== undefined || institution.zone !== undefined) return undefined
  return `institution.zone is missing: the regime ${regime.name} counts in the institution's own zone; example: "institution: { zone: Europe/Paris }"`
}

/** The calendar that a regime counts by for an institution. */
export function calendarOf(regime: Regime, institution: Institution): WorkCalendar {
  const zone = regime.calendar.zone ?? institution.zone
  if (zone === undefined) throw new Error(`BUG: no zone for regime ${regime.name}`)
  return {
    zone,
    weekend: institution.weekend ?? regime.calendar.weekend,
    holidays: new Set([...regime.calendar.holidays, ...institution.holidays]),
    workingHours: institution.workingHours ?? regime.calendar.workingHours,
  }
}

/**
 * Where every clock of a regime stands at `now`, in the regime's order. Only what was recorded by `now` counts, so a past
 * `now` gives what was known then. Neither the order of facts nor facts a clock does not name change anything.
 */
export function evaluate(theCase: Case, regime: Regime, now: Millis): ClockResult[] {
  const calendar = calendarOf(regime, theCase.institution)
  const known = theCase.facts.filter(({ recordedAt }) => recordedAt <= now).sort(byRecording)
  const context = { calendar, institution: theCase.institution, attributes: theCase.attributes }
  const book = new FactBook(known)
  const corrections = correctionsOf(known)
  return regime.clocks.map((rule) => {
    const names = namesOf(rule)
    const own = corrections.filter(({ fact }) => names.has(fact.name)).slice(-previousMax)
    return { ...judge(rule, book, context, now), previous: previousOf(rule, own, context) }
  })
}

/**
 * The same with supposed facts, as if they had been recorded now and it were already as late as the latest of them:
 * "what if it had been classified at 18:00".
 */
export function whatIf(
  theCase: Case,
  supposed: readonly { readonly name: string; readonly at: Millis }[],
  regime: Regime,
  now: Millis,
): { readonly now: Millis; readonly clocks: ClockResult[] } {
  const later = Math.max(now, ...supposed.map(({ at }) => at))
  const names = new Set(supposed.map(({ name }) => name))
  const facts = supposed.map(
    ({ name, at }, i): Fact => ({
      id: `supposed ${i + 1}`,
      name,
      at,
      certainty: 'estimate',
      recordedAt: now,
      supersedes: undefined,
      reason: undefined,
    }),
  )
  // What is supposed stands in the place of what is known under that name; what comes to be known later stays unknown.
  const kept = theCase.facts.filter(({ name, recordedAt }) => !names.has(name) && recordedAt <= now)
  return { now: later, clocks: evaluate({ ...theCase, facts: [...kept, ...facts] }, regime, later) }
}

interface Context {
  readonly calendar: WorkCalendar
  readonly institution: Institution
  readonly attributes: Readonly<Record<string, string>>
}

type Judged = Omit<ClockResult, 'previous'>

function judge(rule: ClockRule, facts: FactBook, context: Context, now: Millis): Judged {
  const steps: Step[] = []
  const missing = new Set<string>()
  const done = (state: ClockState, because: string, more: Partial<ClockResult> = {}): Judged => {
    steps.push({ kind: 'result', text: `${state}: ${because}` })
    return {
      ...{ rule, state, because, steps, missing: [...missing] },
      ...{ startedAt: undefined, deadline: undefined, atRiskAt: undefined },
      ...{ satisfiedAt: undefined, rounds: undefined },
      ...more,
    }
  }
  const { zone } = context.calendar
  const unfit = attributeFault(rule, context.attributes)
  if (unfit !== undefined) return done(unfit.state, unfit.because)
  const ground = groundOf(rule, facts, now, zone)
  if ('state' in ground) return done(ground.state, ground.because)
  const { book, start } = ground
  const satisfied = endingOf(rule.satisfiedBy, book, now)
  // A clock that was met stands no longer, also where nobody ended the pause.
  const until = satisfied?.at ?? now
  const { spans: pauses, open: pausedNow } = pausesOf(rule, book, until, zone, steps)
  const spans = merged(pauses)
  if (rule.rhythm !== undefined) {
    const rounds = roundsOf(rule, rule.rhythm, start, book, spans, context.calendar, now)
    const ended = endOfRhythm(rule.rhythm, { ...rounds, pausedNow }, now, zone)
    steps.push(...rounds.steps)
    const { state, because, ...more } = ended
    return done(state, because, { startedAt: start.at, rounds: rounds.counts, ...more })
  }
  if (rule.deadline === undefined) {
    steps.push({ kind: 'anchor', text: `${start.name}: ${spoken(start.at, zone)}` })
    steps.push({ kind: 'rule', text: 'owed without undue delay; the source gives no hours' })
    const more = { startedAt: start.at, satisfiedAt: satisfied?.at }
    if (satisfied === undefined)
      return done('running', `owed since ${spoken(start.at, zone)}, without undue delay`, more)
    return done('met', `${satisfied.name} at ${spoken(satisfied.at, zone)}`, more)
  }
  const working = { book, calendar: context.calendar, paused: spans, steps, missing }
  const worked = work(rule.deadline, working)
  if (worked === undefined)
    return done('not started', `needs ${[...missing].join(' and ')}, which is not recorded`)
  const deadline = rolled(rule.roll, worked.at, context, steps)
  steps.push({ kind: 'rule', text: `deadline: ${spoken(deadline, zone)}` })
  const standing = { start, deadline, worked, paused: spans, pausedNow, satisfied, book }
  const { state, because, atRiskAt } = stateOf(rule, standing, context.calendar, now)
  return done(state, because, {
    ...{ startedAt: start.at, deadline, atRiskAt },
    satisfiedAt: satisfied?.at,
  })
}

type Nothing = { readonly state: ClockState; readonly because: string }

function attributeFault(
  { appliesTo }: ClockRule,
  attributes: Context['attributes'],
): Nothing | undefined {
  for (const [name, values] of Object.entries(appliesTo)) {
    const value = Object.hasOwn(attributes, name) ? attributes[name] : undefined
    const wanted = values.join(' or ')
    if (value === undefined)
      return { state: 'not started', because: `${name} is not stated; it applies to ${wanted}` }
    if (!values.includes(value))
      return { state: 'not applicable', because: `${name} is ${value}; it applies to ${wanted}` }
  }
  return undefined
}

/** The fact that started the clock, and the facts that count since the ground was last taken away. */
function groundOf(
  rule: ClockRule,
  book: FactBook,
  now: Millis,
  zone: string,
): Nothing | { readonly book: FactBook; readonly start: HeldFact } {
  const lost = rule.voidBy === undefined ? undefined : lastBy(book, rule.voidBy, now)
  let held = book
  const ground = rule.requires ?? rule.startsWith
  if (lost !== undefined) {
    held = book.onlyAfter(ground, lost.at)
    if (rule.satisfiedBy !== undefined) held = held.onlyAfter(rule.satisfiedBy.fact, lost.at)
  }
  const start = held.pick(rule.startsWith, rule.startPick)
  if (start !== undefined && held.pick(ground, 'first') !== undefined) {
    const backwards = rule.deadline?.kind === 'before'
    if (start.at <= now || backwards) return { book: held, start }
    const because = `${start.name} is ahead, at ${spoken(start.at, zone)}`
    return { state: 'not started', because }
  }
  if (lost === undefined) {
    const awaited = start === undefined ? rule.startsWith : ground
    return { state: 'not started', because: `waits for ${awaited}, which is not recorded` }
  }
  const because = `${lost.name} at ${spoken(lost.at, zone)} took the ground away`
  return { state: 'not applicable', because }
}

function lastBy(book: FactBook, name: string, now: Millis): HeldFact | undefined {
  return book.all(name).findLast(({ at }) => at <= now)
}

function endingOf(ending: Ending | undefined, book: FactBook, now: Millis): HeldFact | undefined {
  if (ending === undefined) return undefined
  const earliest =
    ending.notBefore === undefined ? undefined : book.pick(ending.notBefore, 'first')?.at
  return book
    .all(ending.fact)
    .find(({ at }) => at <= now && at >= (earliest ?? Number.NEGATIVE_INFINITY))
}

/** Times in which a clock stands; `open`: one that nobody ended lasts until now. */
function pausesOf(
  { pause }: ClockRule,
  book: FactBook,
  now: Millis,
  zone: string,
  steps: Step[],
): { readonly spans: readonly Span[]; readonly open: boolean } {
  const spans: Span[] = []
  let open = false
  if (pause === undefined) return { spans, open }
  for (const { at, reason } of book.all(pause.begins)) {
    if (at > now) continue
    if (reason === undefined || !pause.reasons.includes(reason)) {
      const why = reason === undefined ? 'without a reason' : `for "${reason}"`
      const allowed = pause.reasons.join(', ')
      const text = `the pause of ${spoken(at, zone)} ${why} does not count; reasons are ${allowed}`
      steps.push({ kind: 'note', text })
      continue
    }
    const end = book.all(pause.ends).find((fact) => fact.at >= at && fact.at <= now)
    const to = end?.at ?? now
    open ||= end === undefined
    const until = end === undefined ? `${spoken(to, zone)}, still open` : spoken(to, zone)
    steps.push({ kind: 'pause', text: `paused (${reason}) ${spoken(at, zone)} until ${until}` })
    spans.push({ from: at, to })
  }
  return { spans, open }
}

function rolled(
  roll: RollRule | undefined,
  at: Millis,
  { calendar, institution }: Context,
  steps: Step[],
): Millis {
  if (roll === undefined) return at
  const note = (text: string) => {
    steps.push({ kind: 'roll', text })
    return at
  }
  const off = dayOff(calendar, at)
  if (off === undefined) {
    const year = spoken(at, calendar.zone).split(' ')[1]!.slice(0, 4)
    const listed = [...calendar.holidays].some((day) => day.startsWith(year))
    if (!roll.on.includes('holiday') || listed) return at
    return note(`no holidays of ${year} are listed: only weekends count as days off`)
  }
  if (!roll.on.includes(off.kind)) return at
  const place = `${off.text}; ${roll.citation.document} ${roll.citation.article}`
  const except = institution.kinds?.find((kind) => roll.notFor.includes(kind))
  if (except !== undefined)
    return note(`falls on ${place} gives no later time to this institution (${except})`)
  if (institution.kinds === undefined && roll.notFor.length > 0)
    return note(
      `falls on ${place} may give a later time, but not to ${roll.notFor.join(', ')}; institution.kinds is not stated, so the earlier time is kept`,
    )
  const later = nextWorkingDayAt(calendar, at, roll.atMinute)
  steps.push({
    kind: 'roll',
    text: `falls on ${place}: until ${spoken(later, calendar.zone)}`,
  })
  return later
}

interface Standing {
  readonly start: HeldFact
  readonly deadline: Millis
  readonly worked: Worked
  readonly paused: readonly Span[]
  /** Nobody has ended the pause. */
  readonly pausedNow: boolean
  readonly satisfied: HeldFact | undefined
  readonly book: FactBook
}

function stateOf(
  rule: ClockRule,
  { deadline, worked, paused, pausedNow, satisfied, book }: Standing,
  calendar: WorkCalendar,
  now: Millis,
): Nothing & { readonly atRiskAt?: Millis } {
  const say = (at: Millis) => spoken(at, calendar.zone)
  if (satisfied !== undefined) {
    const late = satisfied.at - deadline
    const sure = satisfied.certainty === 'estimate' ? ' (estimate)' : ''
    const when = `${satisfied.name} at ${say(satisfied.at)}${sure}`
    return late > 0
      ? { state: 'met late', because: `${when}, ${spokenLength(late)} after the deadline` }
      : { state: 'met', because: `${when}, by the deadline ${say(deadline)}` }
  }
  const lapsed = endingOf(rule.lapsesBy, book, Math.min(now, deadline))
  if (lapsed !== undefined)
    return { state: 'not applicable', because: `${lapsed.name} at ${say(lapsed.at)}: never due` }
  const atRiskAt = riskAt(rule, deadline, worked, calendar, paused)
  if (now > deadline) {
    const because = `due ${say(deadline)}, ${spokenLength(now - deadline)} ago, and ${rule.satisfiedBy?.fact ?? 'its end'} is not recorded`
    return { state: 'breached', because, atRiskAt }
  }
  const due = `due ${say(deadline)}`
  if (pausedNow) return { state: 'paused', because: `${due} if it went on now`, atRiskAt }
  const left = `${due}, in ${spokenLength(deadline - now)}`
  return { state: now >= atRiskAt ? 'at risk' : 'running', because: left, atRiskAt }
}

/** When the rule's share of the time that counts has passed. */
function riskAt(
  rule: ClockRule,
  deadline: Millis,
  { anchor }: Worked,
  calendar: WorkCalendar,
  paused: readonly Span[],
): Millis {
  const from = rule.deadline?.kind === 'before' ? anchor.recordedAt : anchor.at
  if (from >= deadline) return deadline
  const counting = rule.workingHours ? calendar : undefined
  const whole = countedBetween(from, deadline, counting, paused)
  return advance(from, whole * rule.atRiskShare, counting, paused)
}

/** A correction, with what was known without it and with it. */
interface Correction {
  readonly fact: Fact
  readonly old: Fact | undefined
  readonly before: () => FactBook
  readonly after: () => FactBook
}

/** The corrections among what is known, in order of recording; their books are made when a clock looks into them. */
function correctionsOf(known: readonly Fact[]): Correction[] {
  const byId = new Map(known.map((fact) => [fact.id, fact]))
  return known.flatMap((fact, i) => {
    if (fact.supersedes === undefined) return []
    const once = (count: number) => {
      let book: FactBook | undefined
      return () => (book ??= new FactBook(known.slice(0, count)))
    }
    return [{ fact, old: byId.get(fact.supersedes), before: once(i), after: once(i + 1) }]
  })
}

/** The deadlines that corrections have moved, each until the correction was recorded. */
function previousOf(
  rule: ClockRule,
  corrections: readonly Correction[],
  context: Context,
): PreviousDeadline[] {
  return corrections.flatMap(({ fact, old, before, after }) => {
    const until = fact.recordedAt
    const deadline = judge(rule, before(), context, until).deadline
    if (deadline === undefined) return []
    if (deadline === judge(rule, after(), context, until).deadline) return []
    return [{ deadline, until, because: correction(fact, old, context) }]
  })
}

function correction(fact: Fact, old: Fact | undefined, { calendar }: Context): string {
  const was = old?.at === undefined ? 'unknown' : spoken(old.at, calendar.zone)
  if (fact.at === undefined) return `${fact.name} (${was}) was withdrawn`
  const is = spoken(fact.at, calendar.zone)
  return `${fact.name} was corrected from ${was} (${old?.certainty ?? 'unknown'}) to ${is} (${fact.certainty})`
}

/** Names of all facts that can change a clock. */
export function namesOf(rule: ClockRule): ReadonlySet<string> {
  const names = [
    ...[rule.startsWith, rule.requires, rule.voidBy, rule.pause?.begins, rule.pause?.ends],
    ...(rule.deadline === undefined ? [] : factsOf(rule.deadline)),
    ...[rule.satisfiedBy, rule.lapsesBy].flatMap((one) => [one?.fact, one?.notBefore]),
    ...[rule.rhythm?.event, rule.rhythm?.until, rule.rhythm?.anew],
  ]
  return new Set(names.filter((name) => name !== undefined))
}

/** The formula of a clock in words, for people and tables. */
export function ruleInWords(rule: ClockRule): string {
  if (rule.rhythm !== undefined) {
    const { everyMillis, event, until } = rule.rhythm
    return `${event} every ${spokenLength(everyMillis)} from ${rule.startsWith} until ${until}`
  }
  if (rule.deadline === undefined) return `without undue delay after ${rule.startsWith}`
  return spokenFormula(rule.deadline)
}
