import { spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import type { CollectorConfig } from '../config.ts'
import type { SessionLogger } from '../session.ts'
import { noRecord } from './evidence.ts'
import { BackupRecords } from './records.ts'
import { dueWork, type Work } from './schedule.ts'
import { cleanScratch, openScratch } from './scratch.ts'
import { type WorkResult, withAttempt } from './work.ts'

const turnMilliseconds = 30_000
/** A child that was asked to stop gets this long to clean up. */
const stopMilliseconds = 8000
const outputCharactersLimit = 1_000_000

export interface BackupWatchOptions {
  /** The collector's main file. */
  readonly entry: string
  readonly config: CollectorConfig
  readonly logger: SessionLogger
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** A drill or verification has come to a result. */
  readonly onResult: () => void
}

/** Starts drills and verifications when they are due, one at a time, each in a child process; cleans up after killed ones. */
export class BackupWatch {
  readonly #options: BackupWatchOptions
  readonly #records: BackupRecords
  /** By job: the newest copy that only reading it proves. */
  readonly #unproven = new Map<string, string>()
  readonly #stopping = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(options: BackupWatchOptions) {
    this.#options = options
    this.#records = new BackupRecords(options.config.folder)
  }

  /** Takes what a survey found; anything else is ignored. */
  seen(document: unknown): void {
    const { jobs } = document as { jobs?: readonly { name: string; unproven?: string }[] } // our own survey wrote it
    for (const { name, unproven } of jobs ?? []) {
      if (unproven === undefined) this.#unproven.delete(name)
      else this.#unproven.set(name, unproven)
    }
  }

  start(): void {
    if (this.#options.config.backups.jobs.length > 0) this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { logger } = this.#options
    const { signal } = this.#stopping
    await this.#clean()
    while (!signal.aborted) {
      try {
        const work = this.#due()
        if (work !== undefined && (await this.#do(work))) continue // there may be more
      } catch (error) {
        logger.error({ err: error }, 'restore drills cannot be planned; tried again in 30 s')
      }
      await delay(turnMilliseconds, undefined, { signal }).catch(() => {})
    }
  }

  #due(): Work | undefined {
    const { config, now } = this.#options
    const { jobs } = config.backups
    const records = new Map(
      jobs.map(({ name }) => {
        const record = this.#records.read(name)
        if (record.firstSeenAt !== undefined) return [name, record]
        const begun = { ...noRecord, ...record, firstSeenAt: now() }
        this.#records.write(name, begun)
        return [name, begun]
      }),
    )
    return dueWork(jobs, records, this.#unproven, now())
  }

  /** What a killed drill left is removed at the start, not at the next drill. */
  async #clean(): Promise<void> {
    const { config, logger } = this.#options
    const { jobs } = config.backups
    const places = new Set(jobs.flatMap(({ drill }) => drill?.scratch ?? []))
    for (const place of places) {
      try {
        const free = this.#records.lock()
        try {
          const left = await cleanScratch(await openScratch(place, jobs))
          if (left > 0) logger.warn({ left }, 'removed what restore drills left that were killed')
        } finally {
          free()
        }
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        logger.warn({ reason }, 'the scratch folder of the restore drills cannot be used')
      }
    }
  }

  /** Whether it came to a result. */
  async #do({ what, job }: Work): Promise<boolean> {
    const { entry, logger, onResult } = this.#options
    const of = { what, backup: job.name }
    logger.info(of, 'backup work begins')
    const result = await runWork(entry, what, job.name, this.#stopping.signal)
    if (this.#stopping.signal.aborted) return false
    if (result === undefined) {
      const attempt = {
        what,
        at: this.#options.now(),
        detail: 'its process ended without a result',
      }
      this.#records.write(job.name, withAttempt(this.#records.read(job.name), attempt))
      logger.warn(of, 'backup work ended without a result; tried again in 15 min')
    } else logger.info({ ...of, ...summaryOf(result) }, 'backup work is done')
    onResult()
    return result !== undefined && result.state !== 'notDone'
  }
}

function summaryOf(result: WorkResult): { readonly result: string; readonly detail: string } {
  if (result.state === 'drilled') {
    const { result: word, detail } = result.drill
    return { result: word, detail }
  }
  if (result.state === 'notDone') return { result: 'not done', detail: result.attempt.detail }
  return { result: result.verify.ok ? 'passed' : 'failed', detail: result.verify.detail }
}

/** Undefined where the child ended without a result. Its standard input ends when this process does, and it then cleans up. */
function runWork(
  entry: string,
  what: Work['what'],
  name: string,
  signal: AbortSignal,
): Promise<WorkResult | undefined> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [entry, '--backup-work', `${what}:${name}`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdin.on('error', () => {}) // it has ended already
    const stop = () => {
      child.stdin.end()
      setTimeout(() => child.kill('SIGKILL'), stopMilliseconds).unref()
    }
    signal.addEventListener('abort', stop)
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      if (output.length < outputCharactersLimit) output += chunk
    })
    child.on('error', () => resolve(undefined))
    child.on('close', () => {
      signal.removeEventListener('abort', stop)
      try {
        resolve(JSON.parse(output) as WorkResult) // our own child wrote it
      } catch {
        resolve(undefined)
      }
    })
  })
}
