import { advance, type Span, spoken, spokenLength, type WorkCalendar } from './calendar.ts'
import type { FactBook, HeldFact, Millis } from './fact.ts'
import type { Step } from './formula.ts'
import type { ClockRule, Rhythm } from './regime.ts'

/** How often a report was owed, and how often it came too late or not at all. */
export interface Rounds {
  readonly owed: number
  readonly late: number
}

interface Rounded {
  readonly counts: Rounds
  readonly deadline: Millis
  readonly atRiskAt: Millis
  readonly ended: HeldFact | undefined
  readonly steps: readonly Step[]
}

/** Rounds named one by one in an explanation; of more, the last. */
const roundsShown = 20

/** Goes through the reports that were owed: each is due one interval after the one before it, or after the start; of a rhythm that began anew, after that. */
export function roundsOf(
  rule: ClockRule,
  { everyMillis, event, until, anew }: Rhythm,
  start: HeldFact,
  book: FactBook,
  paused: readonly Span[],
  calendar: WorkCalendar,
  now: Millis,
): Rounded {
  const counting = rule.workingHours ? calendar : undefined
  const due = (from: Millis, length = everyMillis) => advance(from, length, counting, paused)
  const say = (at: Millis) => spoken(at, calendar.zone)
  const ended = book.all(until).find(({ at }) => at >= start.at && at <= now)
  const begun = (anew === undefined ? [] : book.all(anew)).findLast(
    ({ at }) => at > start.at && at <= (ended?.at ?? now),
  )
  const from = begun ?? start
  const events = book
    .all(event)
    .filter(({ at }) => at > from.at && at <= (ended?.at ?? now))
    .map(({ at }) => at)
  const rounds: { readonly at: Millis; readonly limit: Millis }[] = []
  let last = from.at
  for (const at of events) {
    rounds.push({ at, limit: due(last) })
    last = at
  }
  let late = rounds.filter(({ at, limit }) => at > limit).length
  const deadline = due(last)
  const over = ended !== undefined
  if (over && ended.at > deadline) late++
  return {
    counts: { owed: events.length + (over && ended.at <= deadline ? 0 : 1), late },
    deadline,
    atRiskAt: due(last, everyMillis * rule.atRiskShare),
    ended,
    steps: [
      { kind: 'anchor', text: `${from.name}: ${say(from.at)}` },
      { kind: 'rule', text: `${event} every ${spokenLength(everyMillis)} until ${until}` },
      ...rounds.slice(-roundsShown).map(({ at, limit }): Step => {
        const how = at > limit ? 'late' : 'in time'
        return { kind: 'rule', text: `${event} ${say(at)}, ${how}: due ${say(limit)}` }
      }),
    ],
  }
}

/** What a rhythm came to. */
export interface RhythmStanding {
  readonly state: 'met' | 'met late' | 'breached' | 'paused' | 'at risk' | 'running'
  readonly because: string
  /** Of the next report. */
  readonly deadline?: Millis
  readonly atRiskAt?: Millis
  readonly satisfiedAt?: Millis
}

/** Where a rhythm stands. */
export function endOfRhythm(
  { event }: Rhythm,
  {
    counts,
    deadline,
    atRiskAt,
    ended,
    pausedNow,
  }: Omit<Rounded, 'steps'> & { readonly pausedNow: boolean },
  now: Millis,
  zone: string,
): RhythmStanding {
  const late = counts.late === 0 ? '' : `; ${counts.late} of ${counts.owed} came late or not at all`
  if (ended !== undefined) {
    const because = `${ended.name} at ${spoken(ended.at, zone)} ended it${late}`
    return { state: counts.late > 0 ? 'met late' : 'met', because, satisfiedAt: ended.at }
  }
  const due = `the next ${event} is due ${spoken(deadline, zone)}`
  if (now > deadline) {
    const because = `${due}, ${spokenLength(now - deadline)} ago${late}`
    return { state: 'breached', deadline, atRiskAt, because }
  }
  const state = pausedNow ? 'paused' : now >= atRiskAt ? 'at risk' : 'running'
  return { state, deadline, atRiskAt, because: `${due}${late}` }
}
