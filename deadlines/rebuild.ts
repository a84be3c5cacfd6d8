import { isImported, type Picture } from '../incidents/picture.ts'
import { standingOf } from '../incidents/standing.ts'
import { changesDeadlines } from './case.ts'
import { missingDuties } from './duties.ts'
import { type Deadline, deadlinesOf, inForce, type Regimes, standingsOf } from './standing.ts'

/** Time limits, and from which place of the ledger on they were in force. */
export interface InForce {
  readonly from: number
  readonly regimes: Regimes
}

/** What the hub keeps of an incident, worked out again from its facts. */
export interface Rebuilt {
  readonly deadlines: readonly Deadline[]
  /** What was wrong with the duties that the hub itself wrote down. */
  readonly duties: readonly string[]
}

/**
 * The deadlines that facts leave, by the time limits that were in force when the last of them was recorded, and by those that came
 * into force later while the incident was open or owed something. `places` are those of the facts in the ledger, `limits` are
 * sorted by theirs. Undefined: the limits of that time are not known.
 */
export function rebuild(
  picture: Picture,
  places: readonly number[],
  limits: readonly InForce[],
  now: number,
): Rebuilt | undefined {
  if (isImported(picture)) return { deadlines: [], duties: [] }
  const last = picture.facts.findLastIndex(({ kind }) => changesDeadlines(kind))
  const place = places[last] ?? -1
  const closed = standingOf(picture).closedAt !== undefined
  let regimes = limits.findLast(({ from }) => from < place)?.regimes
  let deadlines = regimes && deadlinesOf(picture, regimes, now)
  for (const later of limits.filter(({ from }) => from > place)) {
    if (closed && deadlines === undefined) return undefined
    if (closed && deadlines?.every(({ state }) => state !== 'owed' && state !== 'paused')) continue
    regimes = later.regimes
    deadlines = deadlinesOf(picture, regimes, now)
  }
  if (regimes === undefined || deadlines === undefined) return undefined
  return { deadlines, duties: dutyFaults(picture, regimes, now) }
}

/** Duties towards regulators that the facts ask for otherwise than they are on file. */
function dutyFaults(picture: Picture, regimes: Regimes, now: number): string[] {
  const [, ...regulators] = inForce(picture, regimes)
  if (regulators.length === 0) return []
  const standings = standingsOf(picture, regulators, regimes, now)
  return missingDuties(picture, standings, regimes, now).map(({ value, supersedes }) => {
    const { duty, dueAt } = value as { duty: string; dueAt?: number }
    const due = dueAt === undefined ? 'without a time' : `due ${new Date(dueAt).toISOString()}`
    return supersedes === null
      ? `the duty ${duty} (${due}) follows from the facts and is not on file`
      : `the duty ${duty} is ${due} by the facts, and otherwise on file`
  })
}
