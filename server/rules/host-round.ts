import type { Millis } from '../clock.ts'
import type { HostReading } from './host-views.ts'
import { clockToleranceMillis, type HostLook, type RuleQueries } from './queries.ts'
import type { AlertRunner, Calm } from './rule-runner.ts'

/** A group whose rules go host by host. */
export interface RoundGroup {
  readonly byHost: readonly AlertRunner[]
  readonly calm: Calm
}

/** The rules of a group, by its number, that are to be evaluated for the host; the others give nothing and had nothing there. */
export type HostRound = (group: number) => readonly AlertRunner[]

const none: readonly AlertRunner[] = []

/**
 * Looks at the rules of all groups together before any is evaluated: nearly always nearly all of them give nothing, and that is told for
 * thousands at a small part of what evaluating each costs. Where nothing can be told, or the look itself fails, all are evaluated.
 */
export class HostRounds {
  readonly #groups: readonly RoundGroup[]
  readonly #look: HostLook | undefined

  constructor(groups: readonly RoundGroup[], queries: RuleQueries) {
    this.#groups = groups
    this.#look = queries.together?.(groups.map(({ byHost }) => byHost.map(({ atOnce }) => atOnce)))
  }

  /** The round of a host now; good until the round of another. */
  of(instance: string, reading: HostReading | undefined, now: Millis): HostRound {
    const look = reading && this.#lookAt(reading, now)
    return (group) => {
      const { byHost, calm } = this.#groups[group]!
      const open = byHost.length === 0 ? [] : look?.(group)
      return open === undefined ? byHost : concerned(instance, open, byHost, calm, now)
    }
  }

  #lookAt(reading: HostReading, now: Millis): (group: number) => readonly number[] | undefined {
    // A rule that cannot be looked at is evaluated, and notes the fault.
    const orNothing = <T>(work: () => T | undefined): T | undefined => {
      try {
        return work()
      } catch {
        return undefined
      }
    }
    const look = orNothing(() => this.#look?.(now + clockToleranceMillis, reading))
    return (group) => look && orNothing(() => look(group))
  }
}

/** Rules that may give something for the host, and those to whom it matters that they do not, in the order of the group. */
function concerned(
  instance: string,
  open: readonly number[],
  byHost: readonly AlertRunner[],
  calm: Calm,
  now: Millis,
): readonly AlertRunner[] {
  const asked = open.length === 0 ? none : open.map((number) => byHost[number]!)
  calm.at = now
  calm.asked = asked
  if (calm.restless.size === 0) return asked
  const all = new Set(asked)
  for (const runner of calm.restless) {
    if (runner.isCalm) calm.restless.delete(runner)
    else if (!all.has(runner) && !runner.passOver(instance)) all.add(runner)
  }
  if (all.size === asked.length) return asked
  calm.asked = byHost.filter((runner) => all.has(runner))
  return calm.asked
}
