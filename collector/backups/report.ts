import { type Metric, metric } from '../source.ts'
import type { Millis } from '../wire/frames.ts'
import type { DrillRecord, JobRecord, Sight } from './evidence.ts'
import type { Job } from './job.ts'
import { type Judgement, medianOf, type Posture, postures, worst } from './posture.ts'
import { isOverdue, nextDrillAt } from './schedule.ts'

/** A job with all that is known of it. */
export interface Judged {
  readonly job: Job
  readonly sight: Sight
  readonly record: JobRecord
  readonly judgement: Judgement
}

/**
 * The facts document `backups`: no path, no repository, no stanza, no file name. Equal while nothing changes: it holds times, never
 * ages.
 */
export function documentOf(judged: readonly Judged[], now: Millis): unknown {
  const posture: Posture = worst(judged.map((one) => one.judgement.posture))
  return { posture, jobs: judged.map((one) => jobDocument(one, now)) }
}

function jobDocument({ job, sight, record, judgement }: Judged, now: Millis): unknown {
  const seen = sight.state === 'seen' ? sight : undefined
  const { verify, drill, drillAttempt, verifyAttempt } = record
  return {
    name: job.name,
    kind: job.kind,
    posture: judgement.posture,
    reasons: judgement.reasons.map(({ code, posture, text }) => ({ code, posture, text })),
    lastSuccessAt: instant(seen?.newest?.at),
    lastBytes: seen?.newest?.bytes,
    lastSeconds: seen?.newest?.seconds,
    medianBytes: seen && medianOf(seen.earlierBytes),
    copies: seen?.copies,
    copy: seen?.newest?.id,
    unproven: seen?.isCompleteByLook === false ? seen.newest?.id : undefined,
    rpoSeconds: job.rpoSeconds,
    cadenceSeconds: job.cadenceSeconds,
    verify: verify && {
      at: instant(verify.at),
      ok: verify.ok,
      detail: verify.detail,
      copy: verify.copy,
    },
    drill: drill && drillDocument(drill),
    notDone: [drillAttempt, verifyAttempt].flatMap((one) =>
      one === undefined ? [] : [{ what: one.what, at: instant(one.at), detail: one.detail }],
    ),
    rtoSeconds: job.drill?.rtoSeconds,
    nextDrillAt: job.drill && instant(settledNext(job, record, now)),
  }
}

/** When a job was never drilled and is due at once, that moment would change the document each time. */
function settledNext({ drill }: Job, record: JobRecord, now: Millis): Millis | undefined {
  const isFirst = drill?.cadence.kind === 'every' && record.firstSeenAt === undefined
  return drill === undefined || isFirst ? undefined : nextDrillAt(drill.cadence, record, now)
}

function drillDocument(drill: DrillRecord): unknown {
  const { startedAt, finishedAt, copyAt, ...rest } = drill
  return {
    ...rest,
    startedAt: instant(startedAt),
    finishedAt: instant(finishedAt),
    copyAt: copyAt === 0 ? undefined : instant(copyAt),
  }
}

function instant(at: Millis | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString()
}

/** Series of every job; what is not known has none. */
export function figuresOf(judged: readonly Judged[], now: Millis): Metric[] {
  return judged.flatMap((one) => [
    ...postureFigures(one),
    ...copyFigures(one),
    ...proofFigures(one, now),
  ])
}

function postureFigures({ job, judgement }: Judged): Metric[] {
  const backup = job.name
  const reasons = new Map(
    judgement.reasons.map(({ code, posture }) => [`${code} ${posture}`, { code, posture }]),
  )
  return [
    ...postures.map((state) =>
      metric('callward_backup_posture', judgement.posture === state ? 1 : 0, { backup, state }),
    ),
    ...[...reasons.values()].map(({ code, posture }) =>
      metric('callward_backup_reason', 1, { backup, reason: code, state: posture }),
    ),
  ]
}

function some(name: string, value: number | undefined, backup: string): Metric[] {
  return value === undefined ? [] : [metric(name, value, { backup })]
}

function copyFigures({ job, sight }: Judged): Metric[] {
  const { name } = job
  const rpo = some('callward_backup_rpo_seconds', job.rpoSeconds, name)
  if (sight.state === 'unseen') return rpo
  const { newest, copies, earlierBytes } = sight
  return [
    ...rpo,
    ...some('callward_backup_copies', copies, name),
    ...some('callward_backup_last_success_timestamp_seconds', newest && newest.at / 1000, name),
    ...some('callward_backup_size_bytes', newest?.bytes, name),
    ...some('callward_backup_size_median_bytes', medianOf(earlierBytes), name),
    ...some('callward_backup_duration_seconds', newest?.seconds, name),
  ]
}

function proofFigures({ job, record }: Judged, now: Millis): Metric[] {
  const { name } = job
  const { verify, drill } = record
  const plan = job.drill
  const figures = [
    ...some('callward_backup_verify_ok', verify && Number(verify.ok), name),
    ...some('callward_backup_verify_timestamp_seconds', verify && verify.at / 1000, name),
  ]
  if (plan === undefined) return figures
  return [
    ...figures,
    ...some('callward_restore_drill_ok', drill && Number(drill.result === 'passed'), name),
    ...some('callward_restore_drill_timestamp_seconds', drill && drill.finishedAt / 1000, name),
    ...some('callward_restore_drill_duration_seconds', drill?.seconds, name),
    ...some('callward_restore_drill_rto_seconds', plan.rtoSeconds, name),
    ...some('callward_restore_drill_overdue', Number(isOverdue(plan.cadence, record, now)), name),
  ]
}
