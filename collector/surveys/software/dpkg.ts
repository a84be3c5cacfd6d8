import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { field, stanzas } from './control-file.ts'
import { piecesOf } from './paths.ts'

export interface InstalledPackage {
  readonly name: string
  readonly architecture: string
  readonly version: string
}

const statusBytesLimit = 64 * 1024 * 1024

/** States of dpkg(1) in which the files of a package are not on the disk. */
const goneStates = new Set(['not-installed', 'config-files'])

/** Installed packages by dpkg's own status file, in its order. Throws the system's error where there is none. */
export function dpkgPackages(rootfs: string): InstalledPackage[] {
  const path = realpathSync(join(rootfs, 'var/lib/dpkg/status'))
  return packagesOf(latin1(piecesOf(path, statusBytesLimit)))
}

/** The text of a control file: the fields that count here are ASCII. */
export function* latin1(pieces: Iterable<Buffer>): Generator<string> {
  for (const piece of pieces) yield piece.toString('latin1')
}

/** Installed packages of a status file. Throws for a stanza without name or version: it is no such file, or damaged. */
export function packagesOf(pieces: Iterable<string>): InstalledPackage[] {
  const found: InstalledPackage[] = []
  for (const stanza of stanzas(pieces)) {
    const name = field(stanza, 'Package')
    const state = field(stanza, 'Status')?.split(' ')[2]
    if (name === undefined || state === undefined)
      throw new Error("dpkg's status file is damaged: a stanza without Package or Status")
    if (goneStates.has(state)) continue
    const version = field(stanza, 'Version')
    if (!version) throw new Error(`dpkg's status file is damaged: ${name} has no version`)
    found.push({ name, architecture: field(stanza, 'Architecture') ?? '', version })
  }
  return found
}
