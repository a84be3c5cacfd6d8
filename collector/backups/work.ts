import { runDrill } from './drill.ts'
import type { AttemptRecord, DrillRecord, JobRecord, VerifyRecord } from './evidence.ts'
import type { BackupSettings, Job } from './job.ts'
import { kindOf } from './kinds.ts'
import { BackupRecords } from './records.ts'
import type { Work } from './schedule.ts'
import { BackupError, fileTrouble } from './trouble.ts'

/** What one drill or verification came to; `said` is what a tool printed, for this host's terminal. */
export type WorkResult =
  | { readonly state: 'drilled'; readonly drill: DrillRecord; readonly said: string }
  | { readonly state: 'verified'; readonly verify: VerifyRecord; readonly said: string }
  | { readonly state: 'notDone'; readonly attempt: AttemptRecord; readonly said: string }

export interface WorkOptions {
  readonly work: Work
  readonly settings: BackupSettings
  /** The collector's own folder. */
  readonly collectorFolder: string
  readonly now: () => number
  readonly signal: AbortSignal
}

/** Does the work, one at a time on this host, and remembers the result. Never throws. */
export async function doWork(options: WorkOptions): Promise<WorkResult> {
  const { work, collectorFolder, now } = options
  const records = new BackupRecords(collectorFolder)
  let free: (() => void) | undefined
  try {
    free = records.lock()
    const result =
      work.what === 'drill' ? await drill(options, records) : await verify(options, records)
    remember(records, work.job, result)
    return result
  } catch (error) {
    const { trouble, said } = fileTrouble(error)
    const attempt: AttemptRecord = { what: work.what, at: now(), detail: trouble.text }
    const result: WorkResult = { state: 'notDone', attempt, said }
    // Stopped is no failure: it is done again after the next start. Without the lock nothing may be written.
    if (free !== undefined && trouble.code !== 'stopped') remember(records, work.job, result)
    return result
  } finally {
    free?.()
  }
}

/** The record with this drill or verification as the last that could not be done. */
export function withAttempt(record: JobRecord, attempt: AttemptRecord): JobRecord {
  return attempt.what === 'drill'
    ? { ...record, drillAttempt: attempt }
    : { ...record, verifyAttempt: attempt }
}

function remember(records: BackupRecords, { name }: Job, result: WorkResult): void {
  const before = records.read(name)
  if (result.state === 'drilled') records.write(name, { ...before, drill: result.drill })
  else if (result.state === 'verified') records.write(name, { ...before, verify: result.verify })
  else records.write(name, withAttempt(before, result.attempt))
}

async function drill(options: WorkOptions, records: BackupRecords): Promise<WorkResult> {
  const { work, settings, now, signal } = options
  const plan = work.job.drill
  if (plan === undefined)
    throw new BackupError('refused', 'the job has no drill: add drill: {everyHours: 168}')
  const { folder } = records
  const { said, ...record } = {
    said: '',
    ...(await runDrill({ job: work.job, plan, settings, folder, now, signal })),
  }
  return { state: 'drilled', drill: record, said }
}

async function verify(
  { work, now, signal }: WorkOptions,
  records: BackupRecords,
): Promise<WorkResult> {
  const { job } = work
  const limitMilliseconds = job.verifyLimitSeconds * 1000
  const timer = new AbortController()
  const over = setTimeout(() => timer.abort(), limitMilliseconds)
  const either = AbortSignal.any([signal, timer.signal])
  const { folder } = records
  const around = {
    now: now(),
    folder,
    limitMilliseconds,
    signal: either,
    sizes: records.sizes(job.name),
  }
  const made = (ok: boolean, copy: string, detail: string, said = ''): WorkResult => ({
    state: 'verified',
    verify: { at: now(), ok, copy, detail },
    said,
  })
  try {
    const { copy, detail } = await kindOf(job).verify(job, around)
    return made(true, copy, detail)
  } catch (error) {
    const { trouble, said } = fileTrouble(error)
    if (timer.signal.aborted && !signal.aborted)
      throw new BackupError('late', 'it was not verified within verifyMinutes', said)
    if (trouble.code !== 'damaged') throw new BackupError(trouble.code, trouble.text, said)
    const sight = await kindOf(job)
      .look(job, { ...around, signal })
      .catch(() => undefined)
    const copy = sight?.state === 'seen' ? sight.newest?.id : undefined
    return made(false, copy ?? '', trouble.text, said)
  } finally {
    clearTimeout(over)
  }
}
