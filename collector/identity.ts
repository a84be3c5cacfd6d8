import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Who this collector is to the hub. */
export interface Identity {
  /** Random, made at the first start. */
  readonly collector: string
  /** New at every start: unsent reports live in memory and are lost with the process. */
  readonly epoch: string
}

/** The folder for the collector's own files cannot be written. */
export class FolderError extends Error {}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/**
 * Makes a folder and those above it, for this user only. Not `mkdirSync(recursive)`: Node loops for ever where
 * the system says ENOENT to a mkdir in an existing folder, as /proc does.
 */
export function makeFolder(path: string): void {
  if (existsSync(path)) return
  if (dirname(path) !== path) makeFolder(dirname(path))
  mkdirSync(path, { mode: 0o700 })
}

/** Reads or makes `identity.json` (mode 0600) and begins a new epoch. Throws FolderError. */
export function beginEpoch(folder: string): Identity {
  const path = join(folder, 'identity.json')
  try {
    makeFolder(folder)
    const identity = { collector: storedCollector(path) ?? randomUUID(), epoch: randomUUID() }
    const draft = `${path}.new`
    writeFileSync(draft, `${JSON.stringify(identity)}\n`, { mode: 0o600 })
    renameSync(draft, path)
    return identity
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new FolderError(
      `The collector cannot write to its folder ${folder}: ${reason}. ` +
        'Give its user write permission there, or set CALLWARD_DATA to a folder it owns.',
    )
  }
}

/** Undefined when there is none yet or the file is damaged; a damaged identity is replaced. */
function storedCollector(path: string): string | undefined {
  try {
    const stored: unknown = JSON.parse(readFileSync(path, 'utf8'))
    const id = (stored as { collector?: unknown } | null)?.collector
    return typeof id === 'string' && uuid.test(id) ? id : undefined
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || error instanceof SyntaxError) return undefined
    throw error
  }
}
