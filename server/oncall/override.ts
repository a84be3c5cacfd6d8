import type { Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import type { FinalSegment } from './final.ts'
import { scheduleLimits } from './schedule.ts'
import { dayMillis, midnights } from './zone.ts'

interface Span {
  readonly from: Millis
  readonly to: Millis
}

/** An override's times: what was cannot be changed, so one that begins earlier begins now. Throws bad_request. */
export function overrideSpan(from: Millis, to: Millis, now: Millis): Span {
  const begins = Math.max(from, now)
  if (to <= begins)
    throw new CallwardError('bad_request', 'The override is over before it begins, or in the past.')
  if (to - begins > scheduleLimits.overrideDays * dayMillis) {
    const message = `An override lasts ${scheduleLimits.overrideDays} days at most; change the layers instead.`
    throw new CallwardError('bad_request', message)
  }
  return { from: begins, to }
}

/** Throws forbidden unless the whole of these segments is the person's own shift. */
export function requireOwnShift(final: readonly FinalSegment[], principalId: string): void {
  const own = (one: FinalSegment) => one.kind === 'shift' && one.principalId === principalId
  if (final.length > 0 && final.every(own)) return
  throw new CallwardError(
    'forbidden',
    'An operator may give away their own shift only; ask who is on call then, or an administrator.',
  )
}

/** What is shown of a schedule: by default a week from this midnight. Throws bad_request. */
export function spanOf(
  from: Millis | undefined,
  to: Millis | undefined,
  now: Millis,
  zone: string,
): Span {
  const begins = from ?? midnights(now, now, zone)[0]!
  const ends = to ?? midnights(begins, begins + 7 * dayMillis, zone).findLast(isWithin(begins))!
  if (ends <= begins || ends - begins > 92 * dayMillis)
    throw new CallwardError('bad_request', 'Show between a moment and 92 days: give from and to.')
  return { from: begins, to: ends }
}

/** A week that loses an hour still ends at its midnight; one that wins an hour, too. */
function isWithin(begins: Millis): (at: Millis) => boolean {
  return (at) => at <= begins + 7 * dayMillis + dayMillis / 4
}
