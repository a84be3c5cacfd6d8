import type { HostLabels } from '../../collector/wire/frames.ts'
import type { Millis } from '../clock.ts'
import type { ChangeContent, ExpectedChange } from './change.ts'
import { expects, namesHost, type Permit } from './matching.ts'

export const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const
export type Weekday = (typeof weekdays)[number]

/** A part of the day that comes again, such as 23:00 to 04:00; the same `from` and `to` are a whole day. */
export interface Hours {
  /** HH:MM */
  readonly from: string
  readonly to: string
  /** Offset from UTC, such as `+07:00`. */
  readonly zone: string
  /** Days on which it begins; absent: every day. */
  readonly days?: readonly Weekday[]
}

/** What makes a record stand: it covers what it says again and again until its window ends. */
export interface Standing {
  /** Only updates that the host's own package lists announced as security updates. */
  readonly origin?: 'security'
  /** Absent: at any time. */
  readonly hours?: Hours
}

/** Updates of one document that count; the collector tells no more. */
const mostUpdates = 1_000
const minuteMillis = 60_000
const dayMillis = 86_400_000

/** What is wrong with a standing record; undefined when nothing is. */
export function standingFault({
  standing,
  expected,
}: Pick<ChangeContent, 'standing' | 'expected'>): string | undefined {
  if (standing === undefined || standing.origin !== undefined) return undefined
  const isAnything = expected.some(({ subject }) => /^\**$/.test(subject))
  if (expected.length > 0 && !isAnything) return undefined
  return 'standing: this would approve every change for months. Say what it is for: expected with names or patterns, or origin "security".'
}

/** Whether `at` is within the hours, or no more than `graceMillis` after they ended. */
export function isInHours(hours: Hours | undefined, at: Millis, graceMillis: Millis): boolean {
  if (hours === undefined) return true
  const local = at + minutesOf(hours.zone) * minuteMillis
  const [from, to] = [minutesOf(hours.from), minutesOf(hours.to)]
  const length = (to > from ? to - from : to - from + 24 * 60) * minuteMillis
  const today = Math.floor(local / dayMillis)
  const daysBack = Math.ceil((length + graceMillis) / dayMillis)
  for (let day = today - daysBack; day <= today; day++) {
    const start = day * dayMillis + from * minuteMillis
    // 1970-01-01 was a Thursday.
    const weekday = weekdays[(((day + 4) % 7) + 7) % 7]!
    if (hours.days !== undefined && !hours.days.includes(weekday)) continue
    if (start <= local && local <= start + length + graceMillis) return true
  }
  return false
}

/** Minutes of `HH:MM`, also with a sign. */
function minutesOf(text: string): number {
  const [, sign, hours, minutes] = /^([+-]?)(\d{2}):(\d{2})$/.exec(text) ?? []
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes))
}

/**
 * The permits as they are at one moment for one host: standing ones out of their hours are none, and those for an origin cover exactly
 * the versions that were announced (and that they expect, where they say so). `announced` is asked once, and only where it is needed.
 */
export async function permitsNow(
  permits: readonly Permit[],
  labels: HostLabels,
  at: Millis,
  graceMillis: Millis,
  announced: () => Promise<readonly ExpectedChange[]>,
): Promise<Permit[]> {
  const now = permits.filter(
    ({ standing, hosts }) =>
      isInHours(standing?.hours, at, graceMillis) && namesHost(hosts, labels),
  )
  if (!now.some(({ standing }) => standing?.origin !== undefined)) return now
  const updates = await announced()
  return now.flatMap((permit) => {
    if (permit.standing?.origin === undefined) return [permit]
    const fitting = updates.filter(({ subject, to }) => {
      const item = { kind: 'package' as const, subject, from: null, to: to ?? null }
      return (
        permit.expected.length === 0 || permit.expected.some((expected) => expects(expected, item))
      )
    })
    // A permit that expects nothing in particular would cover everything.
    return fitting.length === 0 ? [] : [{ ...permit, expected: fitting }]
  })
}

/** The security updates that a host's document `software` says are waiting; of anything else none. Never throws. */
export function announcedIn(text: string | undefined): ExpectedChange[] {
  const record = (value: unknown) =>
    (typeof value === 'object' && value !== null ? value : {}) as Readonly<Record<string, unknown>>
  let document: unknown
  try {
    document = JSON.parse(text ?? '')
  } catch {
    return []
  }
  const { pending } = record(record(document)['updates'])
  if (!Array.isArray(pending)) return []
  return pending.slice(0, mostUpdates).flatMap((one: unknown): ExpectedChange[] => {
    const { name, to, security } = record(one)
    if (security !== true || typeof name !== 'string' || typeof to !== 'string') return []
    // No pattern: a name with `*` is none of a package.
    return name === '' || to === '' || name.includes('*')
      ? []
      : [{ kind: 'package', subject: name, to }]
  })
}
