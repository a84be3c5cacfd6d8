import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../assets.ts'
import { type Runbook, readRunbookFile, runbookName } from './runbook.ts'

/** Folder of the runbooks that ship with the program. */
export const ownRunbooksFolder = join(packageRoot, 'runbooks')

interface Read {
  readonly stamp: string
  readonly runbook: Runbook | undefined
}

/**
 * The runbooks of a folder. A file that changes on disk is read again when it is asked for; one that cannot be
 * used is reported to `onFault` and its last good version stays. `onSeen` hears each version that is read.
 */
export class RunbookFiles {
  readonly #folder: string
  readonly #onFault: (file: string, error: unknown) => void
  readonly #onSeen: (runbook: Runbook) => void
  readonly #read = new Map<string, Read>()

  constructor(
    folder: string,
    onFault: (file: string, error: unknown) => void,
    onSeen: (runbook: Runbook) => void = () => undefined,
  ) {
    this.#folder = folder
    this.#onFault = onFault
    this.#onSeen = onSeen
  }

  /** The runbook of that name; undefined for any other text. Costs one `stat`. */
  find(name: string): Runbook | undefined {
    if (!runbookName.test(name)) return undefined
    const path = join(this.#folder, `${name}.md`)
    const before = this.#read.get(name)
    const stamp = stampOf(path)
    if (stamp === undefined || stamp === before?.stamp) return before?.runbook
    let runbook = before?.runbook
    try {
      runbook = readRunbookFile(name, readFileSync(path))
      this.#onSeen(runbook)
    } catch (error) {
      this.#onFault(path, error)
    }
    this.#read.set(name, { stamp, runbook })
    return runbook
  }

  /** All runbooks by name. */
  list(): Runbook[] {
    return this.names().flatMap((name) => this.find(name) ?? [])
  }

  /** Names of the files, sorted; whether one can be used tells `find`. */
  names(): string[] {
    let files: string[]
    try {
      files = readdirSync(this.#folder)
    } catch (error) {
      this.#onFault(this.#folder, error)
      return []
    }
    return files
      .filter((file) => file.endsWith('.md') && file !== 'README.md')
      .map((file) => file.slice(0, -3))
      .sort()
  }
}

function stampOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat?.isFile() ? `${stat.mtimeMs}:${stat.size}:${stat.ino}` : undefined
}
