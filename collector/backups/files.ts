import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { AttemptFault, Sight } from './evidence.ts'
import { endingOf, formOf } from './file-form.ts'
import type { FileJob } from './job.ts'
import { type Around, copiesCompared, copyId } from './kind.ts'
import { runTool } from './tool.ts'
import { BackupError, fileTrouble } from './trouble.ts'

/** Entries of a folder looked at; a folder of more is not one of backups. */
const entriesLimit = 20_000
/** Newest files whose ends are read until one is complete. */
const endingsRead = 5
/** A file changed within this is taken to be written still, when it is not complete. */
const settledMilliseconds = 120_000
/** Between the two looks that show a file growing. */
const growthMilliseconds = 300
const statSeconds = 5

export interface FoundFile {
  readonly path: string
  readonly name: string
  readonly bytes: number
  readonly modifiedAt: number
}

/** Asks a program, which can be ended, whether the folder answers: reading a dead mount here would hang for ever. Throws BackupError. */
export async function reach(folder: string, signal: AbortSignal | undefined): Promise<void> {
  const argv = ['-L', '-c', '%F', '--', folder]
  await runTool({ program: 'stat', argv, limitMilliseconds: statSeconds * 1000, signal })
}

/** `*` and `?` of a file name, as a shell reads them. */
export function patternOf(glob: string): RegExp {
  const escaped = glob
    .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replace(/\*/g, '.*')
    .replace(/\?/g, '.')
  return new RegExp(`^${escaped}$`, 's')
}

/** Regular files (no links) whose name fits, oldest first. Throws BackupError. */
export async function filesIn(folder: string, pattern: string): Promise<FoundFile[]> {
  const fits = patternOf(pattern)
  try {
    const names = (await readdir(folder)).filter((name) => fits.test(name))
    if (names.length > entriesLimit)
      throw new BackupError('refused', `its pattern fits more than ${entriesLimit} files`)
    const found: FoundFile[] = []
    for (const name of names) {
      const path = join(folder, name)
      const stats = await lstat(path)
      if (stats.isFile()) found.push({ path, name, bytes: stats.size, modifiedAt: stats.mtimeMs })
    }
    return found.sort((a, b) => a.modifiedAt - b.modifiedAt || (a.name < b.name ? -1 : 1))
  } catch (error) {
    throw fileTrouble(error)
  }
}

export function fileId({ name, bytes, modifiedAt }: FoundFile): string {
  return copyId(name, bytes, Math.round(modifiedAt))
}

/** The newest file that is whole as far as its ends tell. */
export async function newestWhole(
  job: FileJob,
  now: number,
): Promise<{
  readonly files: readonly FoundFile[]
  readonly newest: FoundFile | undefined
  readonly attempt: AttemptFault | undefined
  readonly isSure: boolean
}> {
  const files = await filesIn(job.folder, job.pattern)
  let attempt: AttemptFault | undefined
  for (const file of files.slice(-endingsRead).reverse()) {
    const fault = await faultOf(file, job.minimumBytes, now)
    if (fault === undefined || fault === 'unsure')
      return { files, newest: file, attempt, isSure: fault === undefined }
    attempt ??= fault
  }
  return { files, newest: undefined, attempt, isSure: false }
}

async function faultOf(
  file: FoundFile,
  minimumBytes: number,
  now: number,
): Promise<AttemptFault | 'unsure' | undefined> {
  const isFresh = Math.abs(now - file.modifiedAt) < settledMilliseconds
  if (isFresh && (await isGrowing(file))) return 'growing'
  if (file.bytes === 0) return isFresh ? 'growing' : 'empty'
  let ending: Awaited<ReturnType<typeof endingOf>>
  try {
    ending = await endingOf(file.path, formOf(file.name))
  } catch (error) {
    throw fileTrouble(error)
  }
  if (ending === 'truncated') return isFresh ? 'growing' : 'truncated'
  if (file.bytes < minimumBytes) return 'small'
  return ending === 'unsure' ? 'unsure' : undefined
}

async function isGrowing(file: FoundFile): Promise<boolean> {
  await delay(growthMilliseconds)
  try {
    const { size, mtimeMs } = await lstat(file.path)
    return size !== file.bytes || mtimeMs !== file.modifiedAt
  } catch {
    return true // moved away meanwhile, as a rotation does
  }
}

/** What the folder shows of dumps or archives. */
export async function lookAtFiles(job: FileJob, around: Around): Promise<Sight> {
  await reach(job.folder, around.signal)
  const { files, newest, attempt, isSure } = await newestWhole(job, around.now)
  const earlier = newest === undefined ? [] : files.slice(0, files.indexOf(newest))
  return {
    state: 'seen',
    copies: newest === undefined ? 0 : earlier.length + 1,
    newest: newest && {
      id: fileId(newest),
      at: newest.modifiedAt,
      bytes: newest.bytes,
      seconds: undefined,
    },
    earlierBytes: earlier.slice(-copiesCompared).map((one) => one.bytes),
    attempt,
    isCompleteByLook: isSure,
  }
}

/** The newest whole file, to be verified or restored. Throws BackupError where there is none. */
export async function newestOf(job: FileJob, around: Around): Promise<FoundFile> {
  await reach(job.folder, around.signal)
  const { newest } = await newestWhole(job, around.now)
  if (newest === undefined) throw new BackupError('missing', 'there is no finished backup')
  return newest
}
