import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Who this collector is to the hub; the epoch of its sequences is the spool's. */
export interface Identity {
  /** Random, made at the first start. */
  readonly collector: string
  /** There was a spool: when it is gone, so are the reports in it. */
  readonly hadSpool: boolean
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

/** Reads or makes `identity.json` (mode 0600). Throws FolderError when there is none and none can be made. */
export function keptIdentity(folder: string): Identity {
  try {
    makeFolder(folder)
    const stored = storedIdentity(join(folder, 'identity.json'))
    if (stored !== undefined) return stored
    const made = { collector: randomUUID(), hadSpool: false }
    storeIdentity(folder, made)
    return made
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new FolderError(
      `The collector cannot write to its folder ${folder}: ${reason}. ` +
        'Give its user write permission there, or set CALLWARD_DATA to a folder it owns.',
    )
  }
}

/** Notes that there is a spool now; the reason when that fails, and the loss of the spool would not be noticed. */
export function noteSpool(folder: string, identity: Identity): string | undefined {
  if (identity.hadSpool) return undefined
  try {
    storeIdentity(folder, { ...identity, hadSpool: true })
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function storeIdentity(folder: string, identity: Identity): void {
  const path = join(folder, 'identity.json')
  const draft = `${path}.new`
  writeFileSync(draft, `${JSON.stringify(identity)}\n`, { mode: 0o600 })
  renameSync(draft, path)
}

/** Undefined when there is none yet or the file is damaged; a damaged identity is replaced. */
function storedIdentity(path: string): Identity | undefined {
  try {
    const stored: unknown = JSON.parse(readFileSync(path, 'utf8'))
    const { collector, hadSpool } = (stored ?? {}) as { collector?: unknown; hadSpool?: unknown }
    if (typeof collector !== 'string' || !uuid.test(collector)) return undefined
    return { collector, hadSpool: hadSpool === true }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || error instanceof SyntaxError) return undefined
    throw error
  }
}
