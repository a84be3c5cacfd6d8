import type { Millis } from '../wire/frames.ts'
import type { AttemptFault, JobRecord, Sight } from './evidence.ts'
import type { Job } from './job.ts'
import { isOverdue } from './schedule.ts'

/** How far a backup can be relied on. `protected` only when everything asked for was seen, in time, and was good. */
export type Posture = 'protected' | 'attention' | 'unprotected' | 'unknown'

/** Best first: a host is as its worst job is. */
export const postures: readonly Posture[] = ['protected', 'attention', 'unknown', 'unprotected']

/** Why a posture is not `protected`. Its text has no times that pass and no paths, so that it stays equal while nothing changes. */
export interface Reason {
  readonly code: string
  readonly posture: Exclude<Posture, 'protected'>
  readonly text: string
}

export interface Judgement {
  readonly posture: Posture
  /** Worst first. */
  readonly reasons: readonly Reason[]
}

/** Clocks of a backup host and of this one may differ by this. */
const clockSlackMilliseconds = 5 * 60_000
/** A run may be this late against its cadence. */
const cadenceSlack = 1.25
/** Outside of these, a size against the median of those before is odd. */
const oddSize = { below: 0.5, above: 2, atLeastCopies: 3 } as const

/** The posture of one job from what was seen, what is remembered, and the limits it has. */
export function judge(job: Job, sight: Sight, record: JobRecord, now: Millis): Judgement {
  const reasons = [...sightReasons(job, sight, now), ...proofReasons(job, sight, record, now)]
  if (job.kind === 'snapshot')
    reasons.push(attention('snapshot', 'a snapshot is not a backup: it is lost with its disk'))
  reasons.sort((a, b) => postures.indexOf(b.posture) - postures.indexOf(a.posture))
  return { posture: reasons[0]?.posture ?? 'protected', reasons }
}

/** The worst posture; of no job it is `unknown`. */
export function worst(all: readonly Posture[]): Posture {
  if (all.length === 0) return 'unknown'
  return postures[Math.max(...all.map((one) => postures.indexOf(one)))] ?? 'unknown'
}

/** Middle value; undefined of fewer than three, which tell nothing. */
export function medianOf(bytes: readonly number[]): number | undefined {
  if (bytes.length < oddSize.atLeastCopies) return undefined
  const sorted = [...bytes].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1]! + sorted[middle]!) / 2
}

const attention = (code: string, text: string): Reason => ({ code, posture: 'attention', text })
const unprotected = (code: string, text: string): Reason => ({ code, posture: 'unprotected', text })
const unknown = (code: string, text: string): Reason => ({ code, posture: 'unknown', text })

function sightReasons(job: Job, sight: Sight, now: Millis): Reason[] {
  if (sight.state === 'unseen') {
    const { code, text } = sight.trouble
    return [code === 'damaged' ? unprotected(code, text) : unknown(code, text)]
  }
  const reasons: Reason[] = []
  const { newest, attempt } = sight
  if (attempt !== undefined) reasons.push(...attemptReasons(attempt, newest === undefined))
  if (newest === undefined) {
    reasons.push(unprotected('empty', 'there is no finished backup'))
    return reasons
  }
  const age = (now - newest.at) / 1000
  if (age < -clockSlackMilliseconds / 1000)
    reasons.push(unknown('future', 'the newest backup is dated in the future: a clock is wrong'))
  else if (age > job.rpoSeconds)
    reasons.push(unprotected('old', `the newest backup is older than ${spell(job.rpoSeconds)}`))
  else if (job.cadenceSeconds !== undefined && age > job.cadenceSeconds * cadenceSlack)
    reasons.push(attention('runMissed', `no run for more than ${spell(job.cadenceSeconds)}`))
  reasons.push(...sizeReasons(job, newest.bytes, sight.earlierBytes))
  return reasons
}

const attemptTexts: Readonly<Record<AttemptFault, string>> = {
  truncated: 'the newest file ends early',
  empty: 'the newest file is empty',
  small: 'the newest file is smaller than its minimum',
  unfinished: 'the newest run has not left its mark of completion',
  growing: 'the newest file is still being written',
}

function attemptReasons(attempt: AttemptFault, isOnly: boolean): Reason[] {
  if (attempt === 'growing') return isOnly ? [attention('growing', attemptTexts.growing)] : []
  const text = attemptTexts[attempt]
  return [
    isOnly ? unprotected(attempt, text) : attention(attempt, `${text}; the one before counts`),
  ]
}

function sizeReasons(job: Job, bytes: number | undefined, earlier: readonly number[]): Reason[] {
  if (bytes === undefined) return []
  if (bytes < job.minimumBytes) {
    return [unprotected('small', `the newest backup is smaller than ${job.minimumBytes} bytes`)]
  }
  const median = medianOf(earlier)
  if (median === undefined || median === 0) return []
  const ratio = bytes / median
  if (ratio < oddSize.below)
    return [attention('sizeOdd', 'the newest backup is less than half of the usual size')]
  if (ratio > oddSize.above)
    return [attention('sizeOdd', 'the newest backup is more than twice the usual size')]
  return []
}

function proofReasons(job: Job, sight: Sight, record: JobRecord, now: Millis): Reason[] {
  if (job.kind === 'snapshot') return []
  return [...verifyReasons(job, sight, record, now), ...drillReasons(job, record, now)]
}

function verifyReasons(
  job: Job,
  sight: Sight,
  { verify, verifyAttempt }: JobRecord,
  now: Millis,
): Reason[] {
  const why = verifyAttempt === undefined ? '' : `: ${verifyAttempt.detail}`
  if (verify === undefined)
    return [attention('notVerified', `what is stored has never been verified${why}`)]
  if (!verify.ok) return [unprotected('verifyFailed', verify.detail)]
  const newest = sight.state === 'seen' ? sight.newest : undefined
  const needsRead = sight.state === 'seen' && !sight.isCompleteByLook
  if (needsRead && newest !== undefined && newest.id !== verify.copy)
    return [attention('newestNotVerified', 'the newest backup has not been read in whole yet')]
  const age = (now - verify.at) / 1000
  if (age > job.verifyEverySeconds * 1.1 + 3600 || age < -clockSlackMilliseconds / 1000)
    return [attention('verifyOld', `not verified for ${spell(job.verifyEverySeconds)}${why}`)]
  return []
}

function drillReasons(job: Job, record: JobRecord, now: Millis): Reason[] {
  const { drill: plan } = job
  if (plan === undefined)
    return [
      attention('noDrill', 'no restore drill is configured: nobody knows whether it restores'),
    ]
  const { drill, drillAttempt } = record
  if (drill?.result === 'failed') return [unprotected('drillFailed', drill.detail)]
  const reasons: Reason[] = []
  if (drill === undefined)
    reasons.push(attention('neverDrilled', 'it has never been restored in a drill'))
  else if (isOverdue(plan.cadence, record, now))
    reasons.push(attention('drillOverdue', 'the restore drill is overdue'))
  else if (drill.finishedAt > now + clockSlackMilliseconds)
    reasons.push(
      attention('drillFuture', 'the last drill is dated in the future: a clock is wrong'),
    )
  if (drill !== undefined && plan.rtoSeconds !== undefined && drill.seconds > plan.rtoSeconds)
    reasons.push(attention('drillSlow', `the restore took longer than ${spell(plan.rtoSeconds)}`))
  if (drillAttempt !== undefined && drillAttempt.at > (drill?.finishedAt ?? 0))
    reasons.push(
      attention('drillNotDone', `the last drill could not be done: ${drillAttempt.detail}`),
    )
  return reasons
}

/** A duration for a person: `26 hours`, `7 days`. */
export function spell(seconds: number): string {
  const steps: readonly (readonly [number, string])[] = [
    [86_400, 'day'],
    [3600, 'hour'],
    [60, 'minute'],
    [1, 'second'],
  ]
  const [length, name] = steps.find(([one]) => seconds >= one * 2 || seconds === one) ?? [
    1,
    'second',
  ]
  const count = Math.round((seconds / length) * 10) / 10
  return `${count} ${name}${count === 1 ? '' : 's'}`
}
