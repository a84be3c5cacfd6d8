import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type Document, isNode, LineCounter, parseDocument } from 'yaml'
import { type Baseline, type BaselineFault, parseBaseline } from './baseline.ts'

/** A fault of a baseline file with its place. */
export interface BaselineFileFault {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** Ends with what to do, or an example. */
  readonly message: string
}

/** A baseline as it was read. */
export interface ReadBaseline {
  readonly baseline: Baseline
  readonly file: string
  /** The file's text, and its SHA-256 in hex. */
  readonly text: string
  readonly hash: string
}

export interface BaselineFiles {
  /** At most one a role: two for one role are a fault, and neither holds. */
  readonly byRole: ReadonlyMap<string, ReadBaseline>
  readonly faults: readonly BaselineFileFault[]
  /** Versions that wait for two people; what was approved before them stays in force. */
  readonly waiting: readonly ReadBaseline[]
}

const maxFiles = 500
const maxFileBytes = 4 * 1024 * 1024
export const noBaselines: BaselineFiles = { byRole: new Map(), faults: [], waiting: [] }

/** What the folder looks like: as long as it stays the same, nothing has to be read again. Never throws. */
export async function signatureOf(folder: string): Promise<string> {
  try {
    const lines = await Promise.all(
      (await filesIn(folder)).map(async (path) => {
        const { mtimeMs, ctimeMs, size, ino } = await stat(path)
        return `${path} ${ino} ${size} ${mtimeMs} ${ctimeMs}`
      }),
    )
    return lines.join('\n')
  } catch (error) {
    return String(error)
  }
}

/** Reads every `*.yaml` and `*.yml` of a folder; what is faulty is named and left out. Never throws. */
export async function readBaselineFiles(folder: string): Promise<BaselineFiles> {
  const faults: BaselineFileFault[] = []
  let paths: string[] = []
  try {
    paths = await filesIn(folder)
  } catch (error) {
    const message = `the folder cannot be read (${codeOf(error)}); make it readable for the hub, or change hub.baselinesFolder`
    faults.push({ file: folder, line: 1, message })
  }
  if (paths.length > maxFiles)
    faults.push({
      file: folder,
      line: 1,
      message: `more than ${maxFiles} files; the others are not read`,
    })
  const found = new Map<string, ReadBaseline[]>()
  for (const path of paths.slice(0, maxFiles)) {
    const read = await readOne(path, faults)
    if (read === undefined) continue
    const { role } = read.baseline
    found.set(role, [...(found.get(role) ?? []), read])
  }
  const byRole = new Map<string, ReadBaseline>()
  for (const [role, all] of found) {
    if (all.length === 1) byRole.set(role, all[0]!)
    else for (const { file } of all) faults.push({ file, line: 1, message: twice(role, all) })
  }
  return { byRole, faults, waiting: [] }
}

function twice(role: string, all: readonly ReadBaseline[]): string {
  const files = all.map(({ file }) => basename(file)).join(', ')
  return `role: "${role}" has ${all.length} baselines (${files}), so none holds; keep one file for it`
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  return entries
    .filter((entry) => !entry.isDirectory() && /^[^.].*\.ya?ml$/.test(entry.name))
    .map((entry) => join(folder, entry.name))
    .sort()
}

async function readOne(
  path: string,
  faults: BaselineFileFault[],
): Promise<ReadBaseline | undefined> {
  const fault = (message: string, line = 1) => {
    faults.push({ file: path, line, message })
    return undefined
  }
  let text: string
  try {
    const { size } = await stat(path)
    if (size > maxFileBytes) return fault(`the file is over ${maxFileBytes} bytes; make it smaller`)
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
  } catch (error) {
    if (codeOf(error) === 'ERR_ENCODING_INVALID_ENCODED_DATA')
      return fault('the file is not UTF-8; save it as UTF-8')
    return fault(`the file cannot be read (${codeOf(error)}); make it readable for the hub`)
  }
  const read = readBaselineText(text)
  for (const { line, message } of read.faults) fault(message, line)
  if (read.baseline === undefined) return undefined
  const hash = createHash('sha256').update(text).digest('hex')
  return { baseline: read.baseline, file: path, text, hash }
}

/** Reads the YAML text of one baseline file; never throws. */
export function readBaselineText(text: string): {
  readonly baseline: Baseline | undefined
  readonly faults: readonly Omit<BaselineFileFault, 'file'>[]
} {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  if (document.errors.length > 0) {
    const faults = document.errors.map((error) => ({
      line: lines.linePos(error.pos[0]).line,
      message: `not readable as YAML: ${error.message}; mend it, the hub reads it again by itself`,
    }))
    return { baseline: undefined, faults }
  }
  let content: unknown
  try {
    content = document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    const message = `not readable as YAML: ${(error as Error).message}; write it without that many aliases`
    return { baseline: undefined, faults: [{ line: 1, message }] }
  }
  const { baseline, faults } = parseBaseline(content)
  return {
    baseline,
    faults: faults.map(({ path, message }) => ({
      line: lineOf(document, lines, path),
      message: path.length === 0 ? message : `${path.join('.')}: ${message}`,
    })),
  }
}

function lineOf(document: Document, lines: LineCounter, path: BaselineFault['path']): number {
  for (let depth = path.length; depth > 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true)
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line
  }
  return 1
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code)
}
