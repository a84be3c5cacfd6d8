import type { Millis } from './facts.ts'

/** What the search for recurrences needs of one incident. */
export interface CausedIncident {
  readonly id: string
  readonly number: number
  readonly state: string
  readonly services: readonly string[]
  readonly at: Millis
  /** Second-level codes of the root cause; none where it is not known. */
  readonly causes: readonly string[]
}

export interface RecurrenceGroup {
  readonly service: string
  readonly cause: string
  /** Oldest first; two at least. */
  readonly incidents: readonly CausedIncident[]
  readonly why: string
}

export interface Recurrences {
  /** Groups to be judged by a person: the law asks for the specific cause, the code is only its kind. */
  readonly groups: readonly RecurrenceGroup[]
  /** Incidents of the window without a coded cause: they may belong to a group, nobody knows. */
  readonly uncoded: readonly CausedIncident[]
  readonly window: { readonly after: Millis; readonly until: Millis }
}

/** Delegated Regulation (EU) 2024/1772 Art. 8(2): at least twice within 6 months, assessed monthly. */
const windowMonths = 6

/** The same day and time some calendar months earlier, UTC; the last day of the month where it has no such day. */
export function monthsBefore(at: Millis, months: number): Millis {
  const date = new Date(at)
  const first = new Date(at)
  first.setUTCDate(1)
  first.setUTCMonth(first.getUTCMonth() - months)
  const days = new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 0)).getUTCDate()
  return first.setUTCDate(Math.min(date.getUTCDate(), days))
}

/** What recurred in the 6 months that end at `until`: same service, same second-level cause, twice or more. */
export function recurrences(incidents: readonly CausedIncident[], until: Millis): Recurrences {
  const after = monthsBefore(until, windowMonths)
  const inWindow = incidents
    .filter(
      ({ at, state }) => at > after && at <= until && state !== 'cancelled' && state !== 'merged',
    )
    .sort((a, b) => a.at - b.at || a.number - b.number)
  const groups = new Map<string, { service: string; cause: string; incidents: CausedIncident[] }>()
  for (const incident of inWindow) {
    for (const service of new Set(incident.services)) {
      for (const cause of new Set(incident.causes)) {
        const key = JSON.stringify([service, cause])
        const group = groups.get(key) ?? { service, cause, incidents: [] }
        group.incidents.push(incident)
        groups.set(key, group)
      }
    }
  }
  return {
    groups: [...groups]
      .filter(([, group]) => group.incidents.length > 1)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, group]) => ({ ...group, why: why(group) })),
    uncoded: inWindow.filter(({ causes }) => causes.length === 0),
    window: { after, until },
  }
}

function why({ service, cause, incidents }: Omit<RecurrenceGroup, 'why'>): string {
  const day = (at: Millis) => new Date(at).toISOString().slice(0, 10)
  const which = incidents.map(({ number, at }) => `${number} (${day(at)})`).join(', ')
  return `${incidents.length} incidents of ${service} within ${windowMonths} months with cause ${cause}: ${which}`
}
