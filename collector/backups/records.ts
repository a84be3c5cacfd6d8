import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type JobRecord, noRecord } from './evidence.ts'
import type { KnownSize } from './kind.ts'
import { BackupError } from './trouble.ts'

const sizesKept = 100

/** What is remembered of each job, one file a job in the collector's folder: written whole, then renamed. */
export class BackupRecords {
  readonly folder: string

  /** `collectorFolder` is the collector's own. */
  constructor(collectorFolder: string) {
    this.folder = join(collectorFolder, 'backups')
  }

  /** A file that is not there or not readable as JSON is no record: then nothing is proven. */
  read(job: string): JobRecord {
    return { ...noRecord, ...this.#json(`${job}.json`) }
  }

  write(job: string, record: JobRecord): void {
    this.#put(`${job}.json`, record)
  }

  /** Whether there ever was a job here. */
  hasAny(): boolean {
    return existsSync(this.folder)
  }

  sizes(job: string): Map<string, KnownSize> {
    return new Map(Object.entries(this.#json(`${job}.sizes`) as Record<string, KnownSize>))
  }

  /** Keeps the newest; written only when it changed. */
  keepSizes(job: string, sizes: ReadonlyMap<string, KnownSize>, before: number): void {
    if (sizes.size !== before)
      this.#put(`${job}.sizes`, Object.fromEntries([...sizes].slice(-sizesKept)))
  }

  #json(name: string): Record<string, unknown> {
    try {
      const value: unknown = JSON.parse(readFileSync(join(this.folder, name), 'utf8'))
      return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      if (code === 'ENOENT' || code === 'ENOTDIR' || error instanceof SyntaxError) return {}
      throw error
    }
  }

  #put(name: string, value: unknown): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
    const path = join(this.folder, name)
    const draft = `${path}.${process.pid}.new`
    writeFileSync(draft, `${JSON.stringify(value)}\n`, { mode: 0o600 })
    renameSync(draft, path)
  }

  /**
   * Takes the lock that one drill or verification at a time has; gives what frees it. A lock of a process that is gone is taken
   * over. Throws BackupError `locked`, or `refused` where the folder is another user's.
   */
  lock(): () => void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
    const { uid } = statSync(this.folder)
    if (uid !== process.getuid?.())
      throw new BackupError(
        'refused',
        'the collector’s folder belongs to another user: run this as the collector’s user',
      )
    const path = join(this.folder, 'working')
    const draft = `${path}.${process.pid}`
    writeFileSync(draft, `${process.pid} ${startOf(process.pid) ?? ''}\n`, { mode: 0o600 })
    try {
      for (let tries = 0; tries < 3; tries++) {
        try {
          linkSync(draft, path) // fails where it exists, and is never seen half written
          return () => rmSync(path, { force: true })
        } catch {
          if (isHeld(path))
            throw new BackupError('locked', 'another drill or verification is under way')
          rmSync(path, { force: true })
        }
      }
      throw new BackupError('locked', 'another drill or verification is under way')
    } finally {
      rmSync(draft, { force: true })
    }
  }
}

function isHeld(path: string): boolean {
  try {
    const [pid, start] = readFileSync(path, 'utf8').trim().split(' ')
    return start !== undefined && startOf(Number(pid)) === start
  } catch {
    return false
  }
}

/**
 * When a process started, in the kernel's ticks: tells it from a later one of the same id. Undefined for one that is gone, or dead
 * and not yet reaped. Fields 3 and 22 of /proc/PID/stat (proc(5)).
 */
function startOf(pid: number): string | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')
    return /^[ZX]/.test(fields?.[0] ?? 'X') ? undefined : fields?.[19]
  } catch {
    return undefined
  }
}
