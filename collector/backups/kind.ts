import { createHash } from 'node:crypto'
import type { Millis } from '../wire/frames.ts'
import type { Sight } from './evidence.ts'
import type { DrillPlan, Job } from './job.ts'

/** What looking, verifying and restoring get beside the job. */
export interface Around {
  readonly now: Millis
  /** The collector's folder for backups: caches of tools go below it. */
  readonly folder: string
  readonly limitMilliseconds: number
  readonly signal: AbortSignal | undefined
  /** Sizes by id of copies whose size is dear to learn; what is added is kept. */
  readonly sizes: Map<string, KnownSize>
}

export interface KnownSize {
  readonly bytes: number
  readonly seconds?: number | undefined
}

export interface Verified {
  /** Id of the copy that was read. */
  readonly copy: string
  readonly detail: string
}

/** A restore under way: everything is written below `target`, an empty folder. */
export interface RestoreAround extends Around {
  readonly plan: DrillPlan
  readonly target: string
  /** Folder beside `target` for sockets and settings of a throw-away cluster. */
  readonly beside: string
  /** Throws BackupError when `bytes` exceed what the drill may take or the disk has. */
  readonly claim: (bytes: number) => Promise<void>
  /** What is started is ended by this, last first, however the drill ends. */
  readonly onStop: (stop: () => Promise<void>) => void
}

/** A throw-away cluster in the folder of a drill, reached by a socket there alone. */
export interface PostgresRun {
  readonly version: string
  /** Folder of the PostgreSQL programs. */
  readonly programs: string
  /** Host, user and database for the programs. */
  readonly at: { readonly socket: string; readonly user: string; readonly database: string }
  stop(): Promise<void>
}

export interface Restored {
  readonly copy: string
  readonly copyAt: Millis
  readonly tool: string
  readonly bytes: number
  readonly files: number
  /** A cluster that runs on what was restored. */
  readonly cluster?: PostgresRun
  /** Rows by table, where they were counted without a cluster. */
  readonly rows?: ReadonlyMap<string, number>
}

/** How one kind of backup is looked at, verified and restored. Each throws BackupError; `verify` when what is stored is not good. */
export interface BackupKind<Of extends Job> {
  look(job: Of, around: Around): Promise<Sight>
  verify(job: Of, around: Around): Promise<Verified>
  restore(job: Of, around: RestoreAround): Promise<Restored>
}

/** A short hash that tells copies apart and tells nothing about them. */
export function copyId(...parts: readonly (string | number)[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 12)
}

/** Most copies whose sizes are compared. */
export const copiesCompared = 30

/** Picks from a stream: `keep` of all that were offered, each as likely as any other (reservoir sampling). */
export class Sample<T> {
  readonly #keep: number
  readonly #random: () => number
  readonly picked: T[] = []
  offered = 0

  constructor(keep: number, random: () => number = Math.random) {
    this.#keep = keep
    this.#random = random
  }

  offer(one: T): void {
    this.offered++
    if (this.picked.length < this.#keep) this.picked.push(one)
    else {
      const place = Math.floor(this.#random() * this.offered)
      if (place < this.#keep) this.picked[place] = one
    }
  }
}

/** Most files of a sample. */
export const sampleFiles = 50

/** Paths of a sample: those the checks name, then as many of the picked as fit. */
export function sampleWithin(
  named: readonly SampleFile[],
  picked: readonly SampleFile[],
  bytesLimit: number,
): SampleFile[] {
  const chosen = new Map(named.map((one) => [one.path, one]))
  let bytes = named.reduce((sum, one) => sum + one.bytes, 0)
  for (const one of picked) {
    if (chosen.has(one.path) || bytes + one.bytes > bytesLimit) continue
    chosen.set(one.path, one)
    bytes += one.bytes
  }
  return [...chosen.values()]
}

export interface SampleFile {
  readonly path: string
  readonly bytes: number
}

/** Whether a check of the plan names this path (relative to the restored root). */
export function isNamed(plan: DrillPlan, path: string): boolean {
  const relative = path.replace(/^\/+/, '')
  return plan.checks.some(
    (one) => (one.kind === 'file' || one.kind === 'manifest') && one.path === relative,
  )
}
