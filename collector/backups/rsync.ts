import { copyFile, lstat, mkdir, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { AttemptFault, Sight } from './evidence.ts'
import { patternOf, reach } from './files.ts'
import type { RsyncJob } from './job.ts'
import {
  type Around,
  type BackupKind,
  copiesCompared,
  copyId,
  isNamed,
  type RestoreAround,
  type Restored,
  Sample,
  type SampleFile,
  sampleFiles,
  sampleWithin,
  type Verified,
} from './kind.ts'
import { numberOf } from './tool.ts'
import { filesBelow, readManifest, sha256Below } from './tree.ts'
import { BackupError, fileTrouble } from './trouble.ts'

/** Entries of a mirror whose sizes are summed; a larger one has no size. */
const entriesSummed = 100_000
/** Kept in place of a size that is not summed again. */
const tooMany = -1
/** A run under way may be without its mark for this. */
const runMilliseconds = 12 * 3_600_000

/** Mirrors: when a run ended is told by a file the backup writes last, for the times of a mirror's files are those of the originals. */
export const rsyncKind: BackupKind<RsyncJob> = { look, verify, restore }

interface Mirror {
  readonly path: string
  readonly name: string
  readonly at: number
}

async function mirrorsOf(
  job: RsyncJob,
  around: Around,
): Promise<{ marked: readonly Mirror[]; attempt: AttemptFault | undefined }> {
  await reach(job.folder, around.signal)
  try {
    const fits = job.pattern === undefined ? undefined : patternOf(job.pattern)
    const entries = fits === undefined ? [] : await readdir(job.folder, { withFileTypes: true })
    const names =
      fits === undefined
        ? ['']
        : entries.filter((one) => one.isDirectory() && fits.test(one.name)).map((one) => one.name)
    const marked: Mirror[] = []
    let unmarkedAt = 0
    for (const name of names) {
      const path = join(job.folder, name)
      const mark = await lstat(join(path, job.marker)).catch((error: unknown) => {
        if (fileTrouble(error).trouble.code === 'missing') return undefined
        throw error
      })
      if (mark?.isFile() === true) marked.push({ path, name, at: mark.mtimeMs })
      else unmarkedAt = Math.max(unmarkedAt, (await lstat(path)).mtimeMs)
    }
    marked.sort((a, b) => a.at - b.at)
    return { marked, attempt: attemptOf(unmarkedAt, marked.at(-1)?.at ?? 0, around.now) }
  } catch (error) {
    throw fileTrouble(error)
  }
}

function attemptOf(unmarkedAt: number, newestAt: number, now: number): AttemptFault | undefined {
  if (unmarkedAt <= newestAt) return undefined
  return now - unmarkedAt < runMilliseconds ? 'growing' : 'unfinished'
}

const idOf = ({ name, at }: Mirror) => copyId(name, Math.round(at))

async function look(job: RsyncJob, around: Around): Promise<Sight> {
  const { marked, attempt } = await mirrorsOf(job, around)
  const newest = marked.at(-1)
  for (const mirror of marked.slice(-3)) await learnSize(mirror, around)
  const size = (one: Mirror) => numberOf(around.sizes.get(idOf(one))?.bytes)
  return {
    state: 'seen',
    copies: marked.length,
    newest: newest && { id: idOf(newest), at: newest.at, bytes: size(newest), seconds: undefined },
    earlierBytes: marked.slice(-copiesCompared - 1, -1).flatMap((one) => size(one) ?? []),
    attempt,
    isCompleteByLook: true,
  }
}

async function learnSize(mirror: Mirror, around: Around): Promise<void> {
  if (around.sizes.has(idOf(mirror))) return
  let bytes = 0
  let entries = 0
  for await (const file of filesBelow(mirror.path)) {
    bytes += file.bytes
    if (++entries > entriesSummed) {
      bytes = tooMany
      break
    }
  }
  around.sizes.set(idOf(mirror), { bytes })
}

async function newestOf(job: RsyncJob, around: Around): Promise<Mirror> {
  const newest = (await mirrorsOf(job, around)).marked.at(-1)
  if (newest === undefined) throw new BackupError('missing', 'there is no finished backup')
  return newest
}

async function verify(job: RsyncJob, around: Around): Promise<Verified> {
  const newest = await newestOf(job, around)
  if (job.manifest === undefined)
    throw new BackupError('refused', 'a mirror is verified by a list of SHA-256 sums: set manifest')
  const lines = await readManifest(newest.path, job.manifest)
  const until = performance.now() + around.limitMilliseconds
  let read = 0
  for (const { path, sha256 } of lines) {
    if (performance.now() > until) break
    if ((await sha256Below(newest.path, path, around.signal)) !== sha256)
      throw new BackupError('damaged', 'a file of the mirror is not what its SHA-256 sum says')
    read++
  }
  if (read === 0) throw new BackupError('damaged', 'the list of SHA-256 sums is empty')
  return { copy: idOf(newest), detail: `${read} of ${lines.length} files fit their SHA-256 sums` }
}

async function restore(job: RsyncJob, around: RestoreAround): Promise<Restored> {
  const { plan, target, signal } = around
  const newest = await newestOf(job, around)
  const sample = new Sample<SampleFile>(
    plan.mode === 'whole' ? Number.POSITIVE_INFINITY : sampleFiles,
  )
  const named: SampleFile[] = []
  for await (const file of filesBelow(newest.path)) {
    if (isNamed(plan, file.path)) named.push(file)
    else sample.offer(file)
  }
  const chosen =
    plan.mode === 'whole'
      ? [...named, ...sample.picked]
      : sampleWithin(named, sample.picked, plan.maximumBytes)
  const bytes = chosen.reduce((sum, one) => sum + one.bytes, 0)
  await around.claim(bytes)
  for (const { path } of chosen) {
    if (signal?.aborted === true) throw new BackupError('stopped', 'it was stopped')
    await copyInto(newest.path, target, path)
  }
  return {
    copy: idOf(newest),
    copyAt: newest.at,
    tool: 'callward-collector',
    files: chosen.length,
    bytes,
  }
}

async function copyInto(from: string, to: string, path: string): Promise<void> {
  try {
    await mkdir(dirname(join(to, path)), { recursive: true, mode: 0o700 })
    await copyFile(join(from, path), join(to, path))
  } catch (error) {
    throw fileTrouble(error)
  }
}
