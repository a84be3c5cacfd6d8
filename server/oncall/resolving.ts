import type { Millis } from '../clock.ts'
import type { Calendar, ScheduleVersion } from './calendar.ts'
import type { Directory } from './directory.ts'
import type { Recipient, Resolution, ResolveTarget } from './escalation.ts'
import { gapText } from './final.ts'
import type { Target } from './policy.ts'

/** Who stands behind a team or a contact, told by whoever keeps them; undefined: there is no such thing. */
export type Resolver = (id: string, at: Millis) => readonly Recipient[] | undefined

export interface Resolvers {
  readonly team?: Resolver | undefined
  readonly contact?: Resolver | undefined
}

/** Answers for every target at one instant: people who may not sign in any more are nobody, and said so. */
export function resolverAt(
  calendar: Calendar,
  schedules: readonly ScheduleVersion[],
  people: Directory,
  others: Resolvers,
  at: Millis,
): ResolveTarget {
  const byId = new Map(schedules.map((schedule) => [schedule.id, schedule]))
  const person = (id: string, through: string): Resolution => {
    const found = people.find(id)
    if (found === undefined) return nobody(`${through}the person ${id} has no account`)
    if (!found.enabled) return nobody(`${through}the account of ${found.name} is disabled`)
    return { recipients: [{ kind: 'person', id }] }
  }
  const schedule = (id: string): Resolution => {
    const found = byId.get(id)
    if (found === undefined) return nobody(`there is no schedule ${id}`)
    const segment = calendar.at(found, at)
    if (segment.kind === 'gap')
      return nobody(`nobody is on call in ${id} (${gapText(segment.reasons)})`)
    return person(segment.principalId, `on call in ${id}: `)
  }
  const other = ({ kind, id }: Target, resolver: Resolver | undefined): Resolution => {
    const recipients = resolver?.(id, at)
    if (recipients === undefined) return nobody(`there is no ${kind} ${id}`)
    if (recipients.length === 0) return nobody(`the ${kind} ${id} has nobody`)
    return { recipients }
  }
  return (target) => {
    switch (target.kind) {
      case 'person':
        return person(target.id, '')
      case 'schedule':
        return schedule(target.id)
      case 'team':
        return other(target, others.team)
      case 'contact':
        // Until somebody keeps contact points, one is passed on as it is named: the sender says what is wrong with it.
        if (others.contact === undefined)
          return { recipients: [{ kind: 'contact', id: target.id }] }
        return other(target, others.contact)
    }
  }
}

function nobody(reason: string): Resolution {
  return { recipients: [], reason }
}
