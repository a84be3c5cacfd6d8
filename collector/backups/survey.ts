import type { CollectorConfig } from '../config.ts'
import type { Findings, Survey } from '../surveys/survey.ts'
import type { Section, SectionState } from '../wire/frames.ts'
import { type Sight, unseen } from './evidence.ts'
import type { Job } from './job.ts'
import { kindOf } from './kinds.ts'
import { judge } from './posture.ts'
import { BackupRecords } from './records.ts'
import { documentOf, figuresOf, type Judged } from './report.ts'
import { BackupError, fileTrouble } from './trouble.ts'

const limitMilliseconds = 280_000
/** Time all jobs may take together; those without any left are not seen. */
const jobsMilliseconds = 270_000
const jobMilliseconds = 60_000

/** Backups of this host and how far they can be relied on. Reads only: drills and verifications are work of their own. */
export const backupsSurvey: Survey = {
  name: 'backups',
  everyMilliseconds: 300_000,
  limitMilliseconds,
  intervalOf: ({ backups }) => backups.everySeconds * 1000,
  take: (config) => takeBackups(config, Date.now),
}

/** What is seen of every job, judged at `now()`. */
export async function takeBackups(config: CollectorConfig, now: () => number): Promise<Findings> {
  const { jobs } = config.backups
  const records = new BackupRecords(config.folder)
  if (jobs.length === 0) return noJobs(records)
  const until = performance.now() + jobsMilliseconds
  const judged: Judged[] = []
  for (const job of jobs) {
    const left = Math.min(jobMilliseconds, until - performance.now())
    const record = records.read(job.name)
    const sight = left > 1000 ? await lookAt(job, records, left, now()) : noTime()
    judged.push({ job, sight, record, judgement: judge(job, sight, record, now()) })
  }
  return {
    sections: [sectionOf(judged)],
    documents: { backups: documentOf(judged, now()) },
    metrics: figuresOf(judged, now()),
  }
}

/** A document that once said `protected` must not stay for ever when its jobs are taken out. */
function noJobs(records: BackupRecords): Findings {
  const detail = 'no backup job is configured: add backups.jobs to the collector’s file'
  const section: Section = { name: 'backups', state: 'absent', detail }
  const documents = records.hasAny() ? { backups: documentOf([], 0) } : {}
  return { sections: [section], documents, metrics: [] }
}

function noTime(): Sight {
  return unseen({ code: 'late', text: 'the jobs before it took all the time there is' })
}

async function lookAt(
  job: Job,
  records: BackupRecords,
  limit: number,
  now: number,
): Promise<Sight> {
  const sizes = records.sizes(job.name)
  const before = sizes.size
  const timer = new AbortController()
  const over = setTimeout(() => timer.abort(), limit)
  const around = {
    now,
    folder: records.folder,
    limitMilliseconds: limit,
    signal: timer.signal,
    sizes,
  }
  try {
    const sight = await kindOf(job).look(job, around)
    records.keepSizes(job.name, sizes, before)
    return sight
  } catch (error) {
    if (timer.signal.aborted) return unseen({ code: 'late', text: 'it did not answer in time' })
    if (error instanceof BackupError) return unseen(error.trouble)
    return unseen(fileTrouble(error).trouble)
  } finally {
    clearTimeout(over)
  }
}

function sectionOf(judged: readonly Judged[]): Section {
  const blind = judged.flatMap(({ job, sight }) =>
    sight.state === 'unseen' && sight.trouble.code !== 'damaged'
      ? [{ job, trouble: sight.trouble }]
      : [],
  )
  const isDenied = blind.every(
    ({ trouble }) => trouble.code === 'denied' || trouble.code === 'wrongPassword',
  )
  const state: SectionState = blind.length === 0 ? 'ok' : isDenied ? 'denied' : 'error'
  const detail = blind.map(({ job, trouble }) => `${job.name}: ${trouble.text}`).join('; ')
  return { name: 'backups', state, detail }
}
