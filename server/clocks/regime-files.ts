import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { readRegimeText } from '../../clocks/read-regime.ts'
import type { Regime } from '../../clocks/regime.ts'
import { textBytesMax } from '../../clocks/yaml-text.ts'
import { packageRoot } from '../assets.ts'

/** A fault of a regime file with its place. */
export interface RegimeFileFault {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** Ends with what to do, or an example. */
  readonly message: string
}

/** A regime as it was read. */
export interface ReadRegime {
  readonly regime: Regime
  readonly file: string
  /** What the file says, as it is. */
  readonly text: string
  /** False for those that ship. */
  readonly own: boolean
}

export interface RegimeFiles {
  readonly byName: ReadonlyMap<string, ReadRegime>
  readonly faults: readonly RegimeFileFault[]
}

/** Regimes that ship. */
export const shippedRegimes = join(packageRoot, 'clocks', 'regimes')

const filesMax = 200

/**
 * Reads the regimes that ship and those of an own folder; an own one takes the place of a shipped one of its name. What is faulty
 * is named and left out; two own files for one name are a fault, and neither holds. Never throws.
 */
export async function readRegimeFiles(ownFolder?: string): Promise<RegimeFiles> {
  const faults: RegimeFileFault[] = []
  const shipped = await readFolder(shippedRegimes, false, faults)
  const own = ownFolder === undefined ? [] : await readFolder(ownFolder, true, faults)
  const byName = new Map(shipped.map((one) => [one.regime.name, one]))
  for (const one of own) {
    const { name } = one.regime
    const twins = own.filter(({ regime }) => regime.name === name)
    if (twins.length === 1) {
      byName.set(name, one)
      continue
    }
    byName.delete(name)
    const files = twins.map(({ file }) => basename(file)).join(', ')
    const message = `regime: "${name}" is in ${twins.length} files (${files}), so none holds; keep one`
    faults.push({ file: one.file, line: 1, message })
  }
  return { byName, faults }
}

async function readFolder(
  folder: string,
  own: boolean,
  faults: RegimeFileFault[],
): Promise<ReadRegime[]> {
  const found: ReadRegime[] = []
  for (const path of await pathsOf(folder, faults)) {
    const { value, faults: wrong, text } = await readOne(path)
    for (const fault of wrong) faults.push({ file: path, ...fault })
    if (value !== undefined) found.push({ regime: value, file: path, text, own })
  }
  return found
}

async function pathsOf(folder: string, faults: RegimeFileFault[]): Promise<string[]> {
  const fault = (message: string) => void faults.push({ file: folder, line: 1, message })
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    const names = entries
      .filter((entry) => !entry.isDirectory() && /^[^.].*\.ya?ml$/.test(entry.name))
      .map(({ name }) => name)
      .sort()
    if (names.length > filesMax) fault(`more than ${filesMax} files; the others are not read`)
    return names.slice(0, filesMax).map((name) => join(folder, name))
  } catch (error) {
    fault(`the folder cannot be read (${codeOf(error)}); make it readable, or change regimesFolder`)
    return []
  }
}

async function readOne(
  path: string,
): Promise<ReturnType<typeof readRegimeText> & { text: string }> {
  const refused = (message: string) => ({
    ...{ value: undefined, text: '' },
    faults: [{ line: 1, message }],
  })
  try {
    const stats = await stat(path)
    if (!stats.isFile()) return refused('is no ordinary file; put a YAML file there')
    if (stats.size > textBytesMax) return refused(`is over ${textBytesMax} bytes; make it smaller`)
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
    return { ...readRegimeText(text), text }
  } catch (error) {
    if (codeOf(error) === 'ERR_ENCODING_INVALID_ENCODED_DATA')
      return refused('is not UTF-8; save it as UTF-8')
    return refused(`cannot be read (${codeOf(error)}); make it readable`)
  }
}

/** What an own folder looks like: as long as it stays the same, nothing has to be read again. Never throws. */
export async function signatureOf(folder: string): Promise<string> {
  try {
    const names = (await readdir(folder)).filter((name) => /^[^.].*\.ya?ml$/.test(name)).sort()
    const lines = names.slice(0, filesMax).map(async (name) => {
      const { mtimeMs, ctimeMs, size, ino } = await stat(join(folder, name))
      return `${name} ${ino} ${size} ${mtimeMs} ${ctimeMs}`
    })
    return (await Promise.all(lines)).join('\n')
  } catch (error) {
    return String(error)
  }
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code)
}
