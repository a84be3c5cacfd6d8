import { runChecks } from './checks.ts'
import type { CheckResult, DrillRecord } from './evidence.ts'
import type { BackupSettings, DrillPlan, Job } from './job.ts'
import type { Around, RestoreAround, Restored } from './kind.ts'
import { kindOf } from './kinds.ts'
import { cleanScratch, drillFolderIn, freeBytes, openScratch, removeDrill } from './scratch.ts'
import { filesBelow } from './tree.ts'
import { BackupError, fileTrouble, type TroubleCode } from './trouble.ts'

/** These say something about the backup; any other trouble says that the drill could not be done. */
const backupTroubles: ReadonlySet<TroubleCode> = new Set(['damaged', 'tooSlow'])
const watchMilliseconds = 500

export interface DrillOptions {
  readonly job: Job
  readonly plan: DrillPlan
  readonly settings: BackupSettings
  /** The collector's folder for backups. */
  readonly folder: string
  readonly now: () => number
  readonly signal: AbortSignal
}

/**
 * Restores into a new folder below the scratch folder, asks the checks, removes the folder. Throws BackupError when the drill
 * could not be done; a backup that does not restore, or not as it should, is a result: `failed`.
 */
export async function runDrill(options: DrillOptions): Promise<DrillRecord> {
  const { job, plan, settings, now } = options
  const scratch = await openScratch(plan.scratch, settings.jobs)
  await cleanScratch(scratch)
  const { folder, target } = await drillFolderIn(scratch)
  const budget = new Budget(options, scratch, target)
  const stops: (() => Promise<void>)[] = []
  const startedAt = now()
  const began = performance.now()
  const around: RestoreAround = {
    ...aroundOf(options, budget.signal),
    plan,
    target,
    beside: folder,
    claim: (bytes) => budget.claim(bytes),
    onStop: (stop) => void stops.push(stop),
  }
  try {
    const { restored, checks } = await restoreAndCheck(job, around)
    const seconds = (performance.now() - began) / 1000
    return recordOfDrill(options, startedAt, seconds, restored, checks)
  } catch (error) {
    const trouble = budget.broken ?? fileTrouble(error)
    if (!backupTroubles.has(trouble.trouble.code)) throw trouble
    return failedDrill(options, startedAt, (performance.now() - began) / 1000, trouble)
  } finally {
    budget.end()
    for (const stop of stops.reverse()) await stop()
    await removeDrill(folder)
  }
}

function aroundOf({ plan, folder, now }: DrillOptions, signal: AbortSignal): Around {
  const limitMilliseconds = plan.maximumSeconds * 1000
  return { now: now(), folder, limitMilliseconds, signal, sizes: new Map() }
}

async function restoreAndCheck(
  job: Job,
  around: RestoreAround,
): Promise<{ restored: Restored; checks: CheckResult[] }> {
  const told = await kindOf(job).restore(job, around)
  const restored = job.kind === 'dump' ? told : { ...told, ...(await totalsBelow(around.target)) }
  return { restored, checks: await runChecks(restored, around) }
}

/** What is really there: tools count folders as well, or what they would have restored. */
async function totalsBelow(target: string): Promise<{ files: number; bytes: number }> {
  let files = 0
  let bytes = 0
  for await (const file of filesBelow(target)) {
    files++
    bytes += file.bytes
  }
  return { files, bytes }
}

function recordOfDrill(
  { plan, now }: DrillOptions,
  startedAt: number,
  seconds: number,
  { copy, copyAt, tool, files, bytes }: Restored,
  checks: readonly CheckResult[],
): DrillRecord {
  const wrong = checks.find((one) => !one.ok)
  return {
    startedAt,
    finishedAt: now(),
    result: wrong === undefined ? 'passed' : 'failed',
    detail:
      wrong === undefined
        ? 'all checks passed'
        : `the drill failed: ${wrong.check}: ${wrong.found}`,
    copy,
    copyAt,
    mode: plan.mode,
    files,
    bytes,
    seconds,
    checks,
    tool,
  }
}

function failedDrill(
  { plan, now }: DrillOptions,
  startedAt: number,
  seconds: number,
  { trouble, said }: BackupError,
): DrillRecord & { readonly said: string } {
  return {
    startedAt,
    finishedAt: now(),
    result: 'failed',
    detail: `it did not restore: ${trouble.text}`,
    copy: '',
    copyAt: 0,
    mode: plan.mode,
    files: 0,
    bytes: 0,
    seconds,
    checks: [],
    tool: '',
    said,
  }
}

/** Ends a drill that takes more room or time than it may. */
class Budget {
  readonly signal: AbortSignal
  /** The trouble it was ended for. */
  broken: BackupError | undefined
  readonly #options: DrillOptions
  readonly #scratch: string
  readonly #target: string
  readonly #abort = new AbortController()
  readonly #stopped: () => void
  readonly #timers: NodeJS.Timeout[]
  #isMeasuring = false

  constructor(options: DrillOptions, scratch: string, target: string) {
    this.#options = options
    this.#scratch = scratch
    this.#target = target
    this.signal = this.#abort.signal
    this.#stopped = () => this.#break(new BackupError('stopped', 'it was stopped'))
    if (options.signal.aborted) this.#stopped()
    options.signal.addEventListener('abort', this.#stopped)
    const late = new BackupError('tooSlow', 'it was not done within the drill’s maxMinutes')
    const limit = setTimeout(() => this.#break(late), options.plan.maximumSeconds * 1000)
    const watch = setInterval(() => void this.#measure(), watchMilliseconds)
    this.#timers = [limit, watch]
  }

  async claim(bytes: number): Promise<void> {
    const { plan, settings } = this.#options
    if (bytes > plan.maximumBytes)
      throw new BackupError(
        'refused',
        'it is larger than the drill’s maxMegabytes: raise that, or drill a sample',
      )
    if ((await freeBytes(this.#scratch)) - bytes < settings.reserveBytes)
      throw new BackupError(
        'noRoom',
        'the disk of the scratch folder has no room for it beside the reserve',
      )
  }

  async #measure(): Promise<void> {
    if (this.#isMeasuring) return
    this.#isMeasuring = true
    const { plan, settings } = this.#options
    try {
      if ((await freeBytes(this.#scratch)) < settings.reserveBytes)
        return this.#break(
          new BackupError('noRoom', 'the disk of the scratch folder ran down to the reserve'),
        )
      let bytes = 0
      for await (const file of filesBelow(this.#target)) bytes += file.bytes
      // A cluster has a log and its system tables besides.
      if (bytes > plan.maximumBytes + 512 * 1024 * 1024)
        this.#break(new BackupError('refused', 'it grew larger than the drill’s maxMegabytes'))
    } catch {
      // Files come and go while tools write; the next look tells.
    } finally {
      this.#isMeasuring = false
    }
  }

  #break(reason: BackupError): void {
    this.broken ??= reason
    this.#abort.abort()
  }

  end(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#options.signal.removeEventListener('abort', this.#stopped)
  }
}
