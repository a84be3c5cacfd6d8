import type { Millis } from '../clock.ts'
import { type FinalSegment, gapText, isPlannedGap } from './final.ts'
import { dayMillis } from './zone.ts'

/** What is known of one contact point of a person. */
export interface ContactPointFacts {
  readonly channel: string
  /** When a message through it was last seen to arrive; null: never. */
  readonly testedAt: Millis | null
  readonly disabledAt: Millis | null
}

/** What is known of a person; `contactPoints` undefined: nobody here can tell. */
export interface PersonFacts {
  readonly id: string
  readonly name: string
  readonly enabled: boolean
  readonly contactPoints: readonly ContactPointFacts[] | undefined
}

export const unreadyReasons = [
  'nobody on call',
  'person unknown',
  'person disabled',
  'contact points unknown',
  'too few tested channels',
] as const
export type UnreadyReason = (typeof unreadyReasons)[number]

/** One shift, or gap, that is looked at. */
export interface ShiftReadiness {
  readonly scheduleId: string
  readonly from: Millis
  readonly to: Millis
  readonly principalId: string | null
  readonly name: string | null
  readonly state: 'ready' | 'unready' | 'unknown'
  readonly reason: UnreadyReason | null
  readonly detail: string
}

/** A person needs this many channels that differ, each tested within `testedDays`: one server that fails must not silence both. */
export const channelsNeeded = 2
export const testedDays = 90

/**
 * Whether each shift and gap of a final schedule will reach somebody; gaps that are planned are left out. What cannot be known is
 * `unknown`, never `ready`.
 */
export function readiness(
  { id: scheduleId, plannedGaps }: { readonly id: string; readonly plannedGaps: boolean },
  segments: readonly FinalSegment[],
  people: ReadonlyMap<string, PersonFacts>,
  now: Millis,
): ShiftReadiness[] {
  const looked = segments.filter(
    (one) => one.kind === 'shift' || !isPlannedGap(plannedGaps, one.reasons),
  )
  return looked.map((segment) => {
    const { from, to } = segment
    if (segment.kind === 'gap') {
      const detail = gapText(segment.reasons)
      const nobody = { principalId: null, name: null, state: 'unready' } as const
      return { scheduleId, from, to, ...nobody, reason: 'nobody on call', detail }
    }
    const { principalId } = segment
    const person = people.get(principalId)
    const found = person === undefined ? unknownPerson : judged(person, now)
    return { scheduleId, from, to, principalId, name: person?.name ?? null, ...found }
  })
}

type Judgement = Pick<ShiftReadiness, 'state' | 'reason' | 'detail'>

const unknownPerson: Judgement = {
  state: 'unready',
  reason: 'person unknown',
  detail: 'There is no such account; put somebody else in the rotation.',
}

function judged(person: PersonFacts, now: Millis): Judgement {
  if (!person.enabled)
    return {
      state: 'unready',
      reason: 'person disabled',
      detail: 'The account is disabled; add an override or change the rotation.',
    }
  if (person.contactPoints === undefined)
    return {
      state: 'unknown',
      reason: 'contact points unknown',
      detail: 'The hub cannot tell how this person is reached.',
    }
  const oldest = now - testedDays * dayMillis
  const tested = person.contactPoints.filter(
    ({ disabledAt, testedAt }) => disabledAt === null && testedAt !== null && testedAt >= oldest,
  )
  const channels = new Set(tested.map(({ channel }) => channel))
  if (channels.size >= channelsNeeded)
    return { state: 'ready', reason: null, detail: [...channels].sort().join(', ') }
  return {
    state: 'unready',
    reason: 'too few tested channels',
    detail: `${channels.size} of ${channelsNeeded} channels were tested within ${testedDays} days; add one and press its test button.`,
  }
}

/** Something about how work is shared that somebody should look at. */
export interface Overload {
  readonly kind: 'too long' | 'two schedules'
  readonly principalId: string
  readonly scheduleIds: readonly string[]
  readonly from: Millis
  readonly to: Millis
}

/** Longest time on call without a break before it is told as an overload: a week and the hand-over. */
export const longestMillis = 7 * dayMillis + 2 * 3_600_000

interface Duty {
  readonly scheduleId: string
  readonly from: Millis
  readonly to: Millis
}

/** People on call for longer than `longestMillis` without a break, or for two schedules at once. */
export function overloads(
  schedules: readonly { readonly id: string; readonly final: readonly FinalSegment[] }[],
): Overload[] {
  const duties = new Map<string, Duty[]>()
  for (const { id, final } of schedules)
    for (const segment of final)
      if (segment.kind === 'shift') {
        const own = duties.get(segment.principalId) ?? []
        own.push({ scheduleId: id, from: segment.from, to: segment.to })
        duties.set(segment.principalId, own)
      }
  return [...duties].flatMap(([principalId, own]) => {
    own.sort((a, b) => a.from - b.from || (a.scheduleId < b.scheduleId ? -1 : 1))
    return [...tooLong(principalId, own), ...doubled(principalId, own)]
  })
}

function tooLong(principalId: string, duties: readonly Duty[]): Overload[] {
  const found: Overload[] = []
  let run: { from: Millis; to: Millis; ids: Set<string> } | undefined
  const end = () => {
    if (run === undefined || run.to - run.from <= longestMillis) return
    const { from, to, ids } = run
    found.push({ kind: 'too long', principalId, scheduleIds: [...ids].sort(), from, to })
  }
  for (const { scheduleId, from, to } of duties) {
    if (run !== undefined && from <= run.to) {
      run.to = Math.max(run.to, to)
      run.ids.add(scheduleId)
    } else {
      end()
      run = { from, to, ids: new Set([scheduleId]) }
    }
  }
  end()
  return found
}

function doubled(principalId: string, duties: readonly Duty[]): Overload[] {
  const found: { from: Millis; to: Millis; ids: Set<string> }[] = []
  let open: Duty[] = []
  for (const duty of duties) {
    open = open.filter(({ to }) => to > duty.from)
    for (const other of open) {
      if (other.scheduleId === duty.scheduleId) continue
      const to = Math.min(other.to, duty.to)
      const last = found.at(-1)
      if (last !== undefined && duty.from <= last.to) {
        last.to = Math.max(last.to, to)
        last.ids.add(other.scheduleId).add(duty.scheduleId)
      } else found.push({ from: duty.from, to, ids: new Set([other.scheduleId, duty.scheduleId]) })
    }
    open.push(duty)
  }
  return found.map(({ from, to, ids }) => ({
    kind: 'two schedules',
    principalId,
    scheduleIds: [...ids].sort(),
    from,
    to,
  }))
}
