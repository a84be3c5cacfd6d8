import type { Millis } from '../wire/frames.ts'
import type { JobRecord } from './evidence.ts'
import type { Cadence, Job } from './job.ts'

/** One thing to do beside the surveys. */
export interface Work {
  readonly what: 'drill' | 'verify'
  readonly job: Job
}

/** After a drill or verification that could not be done. */
export const retryMilliseconds = 15 * 60_000
const graceSeconds = 3600
const daySeconds = 86_400

/** The newest planned time at or before `now`, by the host's own time zone; undefined where drills follow the last one. */
function plannedBefore(cadence: Cadence, now: Millis): Millis | undefined {
  if (cadence.kind === 'every') return undefined
  const day = new Date(now)
  for (let back = 0; back <= 8; back++) {
    const { weekday, minutes } = cadence
    const at = new Date(day.getFullYear(), day.getMonth(), day.getDate() - back)
    at.setHours(Math.floor(minutes / 60), minutes % 60)
    if (at.getTime() <= now && (weekday === undefined || at.getDay() === weekday))
      return at.getTime()
  }
  throw new Error(`BUG: no planned time within 8 days of ${now}`)
}

/** What failed is asked again within a day, so that mending it shows. */
function soonerWhenBad(seconds: number, isGood: boolean): number {
  return isGood ? seconds : Math.min(seconds, daySeconds)
}

function periodSeconds(cadence: Cadence): number {
  if (cadence.kind === 'every') return cadence.seconds
  return cadence.weekday === undefined ? daySeconds : 7 * daySeconds
}

/** The end of the last drill that came to a result; one dated in the future counts as none. */
function lastDrillAt({ drill }: JobRecord, now: Millis): Millis | undefined {
  return drill !== undefined && drill.finishedAt <= now + graceSeconds * 1000
    ? drill.finishedAt
    : undefined
}

/** When the next drill is due; before `now` where one was missed. A job seen for the first time is due at once, or at its time. */
export function nextDrillAt(cadence: Cadence, record: JobRecord, now: Millis): Millis {
  const last = lastDrillAt(record, now)
  if (cadence.kind === 'every') {
    if (last === undefined) return record.firstSeenAt ?? now
    return last + soonerWhenBad(cadence.seconds, record.drill?.result === 'passed') * 1000
  }
  const planned = plannedBefore(cadence, now)!
  if (last !== undefined && record.drill?.result === 'failed')
    return last + soonerWhenBad(periodSeconds(cadence), false) * 1000
  if ((last ?? record.firstSeenAt ?? now) < planned) return planned
  // The one after: a period later by the calendar, whatever the clocks do in between.
  const after = new Date(planned)
  after.setDate(after.getDate() + (cadence.weekday === undefined ? 1 : 7))
  return after.getTime()
}

/** No result for longer than the period and its grace (a tenth and an hour). A job that was never seen before is overdue as well. */
export function isOverdue(cadence: Cadence, record: JobRecord, now: Millis): boolean {
  const since = lastDrillAt(record, now) ?? record.firstSeenAt
  if (since === undefined) return true
  return (now - since) / 1000 > periodSeconds(cadence) * 1.1 + graceSeconds
}

/** The work to begin now, longest due first. `newest` names each job's newest copy that only reading it proves; `since` bounds retries. */
export function dueWork(
  jobs: readonly Job[],
  records: ReadonlyMap<string, JobRecord>,
  unproven: ReadonlyMap<string, string>,
  now: Millis,
): Work | undefined {
  const due: { at: Millis; work: Work }[] = []
  for (const job of jobs) {
    const record = records.get(job.name)
    if (record === undefined || job.kind === 'snapshot') continue
    const verifyAt = nextVerifyAt(job, record, unproven.get(job.name), now)
    if (verifyAt <= now && mayTry(record, 'verify', now))
      due.push({ at: verifyAt, work: { what: 'verify', job } })
    const drillAt =
      job.drill === undefined ? undefined : nextDrillAt(job.drill.cadence, record, now)
    if (drillAt !== undefined && drillAt <= now && mayTry(record, 'drill', now))
      due.push({ at: drillAt, work: { what: 'drill', job } })
  }
  due.sort((a, b) => a.at - b.at)
  return due[0]?.work
}

function nextVerifyAt(
  job: Job,
  { verify, firstSeenAt }: JobRecord,
  unproven: string | undefined,
  now: Millis,
): Millis {
  if (verify === undefined || verify.at > now + graceSeconds * 1000) return firstSeenAt ?? now
  if (unproven !== undefined && unproven !== verify.copy) return now
  return verify.at + soonerWhenBad(job.verifyEverySeconds, verify.ok) * 1000
}

function mayTry(record: JobRecord, what: Work['what'], now: Millis): boolean {
  const attempt = what === 'drill' ? record.drillAttempt : record.verifyAttempt
  if (attempt === undefined) return true
  return now - attempt.at >= retryMilliseconds || attempt.at > now
}
