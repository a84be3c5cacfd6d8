import { join } from 'node:path'
import type { Copy, Sight } from './evidence.ts'
import type { ResticJob } from './job.ts'
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
import {
  credentialsOf,
  jsonOf,
  listOf,
  numberOf,
  recordOf,
  runTool,
  type ToolAnswer,
  type ToolCall,
} from './tool.ts'
import { BackupError, inTime, stored } from './trouble.ts'

/** Sizes asked for in one survey, for restic before 0.17 does not list them. */
const sizesAsked = 3

/** Reads only: `--no-lock` leaves nothing in the repository, so read access is enough. */
export const resticKind: BackupKind<ResticJob> = { look, verify, restore }

async function look(job: ResticJob, around: Around): Promise<Sight> {
  const snapshots = await snapshotsOf(job, around)
  const newest = snapshots.at(-1)
  if (newest === undefined) return nothing
  const compared = snapshots.slice(-copiesCompared - 1)
  const missing = compared.filter((one) => sizeOf(one, around) === undefined).reverse()
  for (const one of missing.slice(0, sizesAsked)) {
    if (!(await inTime(learnSize(job, one.full, around)))) break
  }
  const bytes = compared.map((one) => sizeOf(one, around))
  return {
    state: 'seen',
    copies: snapshots.length,
    newest: {
      id: copyId(newest.full),
      at: newest.at,
      bytes: bytes.at(-1),
      seconds: newest.seconds,
    },
    earlierBytes: bytes.slice(0, -1).filter((one) => one !== undefined),
    attempt: undefined,
    isCompleteByLook: true, // a snapshot is written last, when all it names is stored
  }
}

const nothing: Sight = {
  state: 'seen',
  copies: 0,
  newest: undefined,
  earlierBytes: [],
  attempt: undefined,
  isCompleteByLook: true,
}

interface Snapshot extends Omit<Copy, 'id'> {
  readonly full: string
}

async function snapshotsOf(job: ResticJob, around: Around): Promise<Snapshot[]> {
  const only = [
    ...(job.host === undefined ? [] : ['--host', job.host]),
    ...(job.tag === undefined ? [] : ['--tag', job.tag]),
  ]
  const { output } = await restic(job, around, ['snapshots', '--json', ...only])
  return readSnapshots(jsonOf('restic', output))
}

/** Oldest first. Throws BackupError for what is no list of snapshots. */
export function readSnapshots(answer: unknown): Snapshot[] {
  if (answer !== null && !Array.isArray(answer))
    throw new BackupError('failed', 'the answer of restic is not understood')
  const snapshots = listOf(answer).map((one) => {
    const { time, id, summary } = recordOf(one)
    const at = Date.parse(String(time))
    if (typeof id !== 'string' || !Number.isFinite(at))
      throw new BackupError('failed', 'the answer of restic is not understood')
    const { total_bytes_processed, backup_start, backup_end } = recordOf(summary) // since 0.17
    const took = (Date.parse(String(backup_end)) - Date.parse(String(backup_start))) / 1000
    return { full: id, at, bytes: numberOf(total_bytes_processed), seconds: numberOf(took) }
  })
  return snapshots.sort((a, b) => a.at - b.at)
}

function sizeOf({ bytes, full }: Snapshot, { sizes }: Around): number | undefined {
  return bytes ?? sizes.get(copyId(full))?.bytes
}

async function learnSize(
  job: ResticJob,
  id: string,
  around: Around,
): Promise<{ files: number; bytes: number }> {
  const { output } = await restic(job, around, ['stats', '--json', '--mode', 'restore-size', id])
  const { total_size, total_file_count } = recordOf(jsonOf('restic', output))
  const bytes = numberOf(total_size)
  if (bytes === undefined) throw new BackupError('failed', 'the answer of restic is not understood')
  around.sizes.set(copyId(id), { bytes })
  return { bytes, files: numberOf(total_file_count) ?? 0 }
}

async function verify(job: ResticJob, around: Around): Promise<Verified> {
  const newest = (await snapshotsOf(job, around)).at(-1)
  if (newest === undefined) throw new BackupError('missing', 'there is no finished backup')
  await stored(restic(job, around, ['check', '--read-data-subset', job.verifySubset]))
  return {
    copy: copyId(newest.full),
    detail: `structure and ${job.verifySubset} of the data were read`,
  }
}

async function restore(job: ResticJob, around: RestoreAround): Promise<Restored> {
  const { plan, target } = around
  const newest = (await snapshotsOf(job, around)).at(-1)
  if (newest === undefined) throw new BackupError('missing', 'there is no finished backup')
  const to = ['restore', newest.full, '--target', target, '--verify']
  const of = { copy: copyId(newest.full), copyAt: newest.at, tool: await toolVersion() }
  if (plan.mode === 'whole') {
    const size = await stored(learnSize(job, newest.full, around))
    await around.claim(size.bytes)
    await stored(restic(job, around, to))
    return { ...of, ...size }
  }
  const chosen = await stored(chooseSample(job, newest.full, around))
  const bytes = chosen.reduce((sum, one) => sum + one.bytes, 0)
  await around.claim(bytes)
  const only = chosen.flatMap((one) => ['--include', literal(one.path)])
  await stored(restic(job, around, [...to, ...only]))
  return { ...of, bytes, files: chosen.length }
}

async function chooseSample(
  job: ResticJob,
  id: string,
  around: RestoreAround,
): Promise<SampleFile[]> {
  const sample = new Sample<SampleFile>(sampleFiles)
  const named: SampleFile[] = []
  await restic(job, around, ['ls', '--json', id], (line) => {
    const { type, path, size } = recordOf(parseLine(line))
    if (type !== 'file' || typeof path !== 'string') return
    const file = { path, bytes: numberOf(size) ?? 0 }
    if (isNamed(around.plan, path)) named.push(file)
    else sample.offer(file)
  })
  const chosen = sampleWithin(named, sample.picked, around.plan.maximumBytes)
  if (chosen.length > 0) return chosen
  throw new BackupError('refused', 'no file of the backup fits into the drill’s maxMegabytes')
}

/** The path as a pattern that means only itself. */
function literal(path: string): string {
  return path.replace(/[\\*?[\]]/g, '\\$&')
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

async function toolVersion(): Promise<string> {
  const { output } = await runTool({
    program: 'restic',
    argv: ['version'],
    limitMilliseconds: 10_000,
  })
  return output.split(' ').slice(0, 2).join(' ').trim()
}

/** On a disk of this host, what could not be read twice will not be read by trying for half a minute. */
function isHopeless(said: string): boolean {
  const tries = said.match(
    /^Load\(.*retrying after .*(unexpected EOF|invalid data|hash|ciphertext).*$/gm,
  )
  return (tries?.length ?? 0) >= 2
}

function restic(
  job: ResticJob,
  around: Around,
  argv: readonly string[],
  onLine?: ToolCall['onLine'],
): Promise<ToolAnswer> {
  const { environment, secrets } = credentialsOf(job.environmentFile, undefined)
  const own = {
    ...(job.repository === undefined ? {} : { RESTIC_REPOSITORY: job.repository }),
    ...(job.passwordFile === undefined ? {} : { RESTIC_PASSWORD_FILE: job.passwordFile }),
    RESTIC_CACHE_DIR: join(around.folder, 'restic-cache'),
    RESTIC_PROGRESS_FPS: '0.01',
  }
  return runTool({
    program: 'restic',
    argv: ['--no-lock', '--quiet', ...argv],
    environment: { ...environment, ...own },
    limitMilliseconds: around.limitMilliseconds,
    signal: around.signal,
    secrets: [...secrets, ...(job.repository === undefined ? [] : [job.repository])],
    ...(onLine === undefined ? {} : { onLine }),
    ...(job.repository?.startsWith('/') === true ? { isHopeless } : {}),
    ...('target' in around ? { folder: (around as RestoreAround).target } : {}),
  })
}
