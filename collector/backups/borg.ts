import { join } from 'node:path'
import type { Sight } from './evidence.ts'
import type { BorgJob } from './job.ts'
import {
  type Around,
  type BackupKind,
  copiesCompared,
  copyId,
  isNamed,
  type KnownSize,
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

const sizesAsked = 2

/** Looking and restoring go past the lock, so that read access is enough; only `borg check` needs to write its lock. */
export const borgKind: BackupKind<BorgJob> = { look, verify, restore }

async function look(job: BorgJob, around: Around): Promise<Sight> {
  const archives = await archivesOf(job, around)
  const compared = archives.slice(-copiesCompared - 1)
  const known = (one: Archive) => around.sizes.get(copyId(one.id))
  const missing = compared.filter((one) => known(one) === undefined).reverse()
  for (const one of missing.slice(0, sizesAsked)) {
    if (!(await inTime(learnSize(job, one, around)))) break
  }
  const newest = archives.at(-1)
  const size = newest && known(newest)
  return {
    state: 'seen',
    copies: archives.length,
    newest: newest && {
      id: copyId(newest.id),
      at: newest.at,
      bytes: size?.bytes,
      seconds: size?.seconds,
    },
    earlierBytes: compared.slice(0, -1).flatMap((one) => known(one)?.bytes ?? []),
    attempt: undefined,
    isCompleteByLook: true, // checkpoints of runs that were cut are not listed
  }
}

interface Archive {
  readonly id: string
  readonly name: string
  readonly at: number
}

async function archivesOf(job: BorgJob, around: Around): Promise<Archive[]> {
  const only = job.archives === undefined ? [] : ['--glob-archives', job.archives]
  const { output } = await borg(job, around, ['list', '--bypass-lock', '--json', ...only, '::'])
  return readArchives(jsonOf('borg', output))
}

/** Oldest first. Throws BackupError for what is no list of archives. */
export function readArchives(answer: unknown): Archive[] {
  const { archives } = recordOf(answer)
  if (!Array.isArray(archives))
    throw new BackupError('failed', 'the answer of borg is not understood')
  const read = archives.map((one) => {
    const { id, name, start, time } = recordOf(one)
    const at = borgTime(start ?? time)
    if (typeof id !== 'string' || typeof name !== 'string' || at === undefined)
      throw new BackupError('failed', 'the answer of borg is not understood')
    return { id, name, at }
  })
  return read.sort((a, b) => a.at - b.at)
}

/** Borg 1 writes local times without a zone; it runs with TZ=UTC here. */
function borgTime(time: unknown): number | undefined {
  const text = String(time)
  const at = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`)
  return Number.isFinite(at) ? at : undefined
}

async function learnSize(
  job: BorgJob,
  { id, name }: Archive,
  around: Around,
): Promise<KnownSize & { files: number }> {
  const { output } = await borg(job, around, ['info', '--bypass-lock', '--json', `::${name}`])
  const one = recordOf(listOf(recordOf(jsonOf('borg', output))['archives'])[0])
  const { original_size, nfiles } = recordOf(one['stats'])
  const bytes = numberOf(original_size)
  if (bytes === undefined) throw new BackupError('failed', 'the answer of borg is not understood')
  const size = { bytes, seconds: numberOf(one['duration']) }
  around.sizes.set(copyId(id), size)
  return { ...size, files: numberOf(nfiles) ?? 0 }
}

async function verify(job: BorgJob, around: Around): Promise<Verified> {
  const newest = (await archivesOf(job, around)).at(-1)
  if (newest === undefined) throw new BackupError('missing', 'there is no finished backup')
  const seconds = Math.max(60, Math.floor(around.limitMilliseconds / 1000) - 30)
  const argv = ['check', '--repository-only', '--max-duration', String(seconds), '::']
  await stored(borg(job, around, argv, { goodCodes: [0] })) // 1: errors were found
  return { copy: copyId(newest.id), detail: 'the checksums of the repository’s segments were read' }
}

async function restore(job: BorgJob, around: RestoreAround): Promise<Restored> {
  const newest = (await archivesOf(job, around)).at(-1)
  if (newest === undefined) throw new BackupError('missing', 'there is no finished backup')
  const version = await runTool({ program: 'borg', argv: ['--version'], limitMilliseconds: 20_000 })
  const of = { copy: copyId(newest.id), copyAt: newest.at, tool: version.output.trim() }
  const extract = ['extract', '--bypass-lock', `::${newest.name}`]
  if (around.plan.mode === 'whole') {
    const { bytes, files } = await stored(learnSize(job, newest, around))
    await around.claim(bytes)
    await stored(borg(job, around, extract))
    return { ...of, bytes, files }
  }
  const chosen = await stored(chooseSample(job, newest, around))
  const bytes = chosen.reduce((sum, one) => sum + one.bytes, 0)
  await around.claim(bytes)
  await stored(borg(job, around, [...extract, ...chosen.map((one) => `pf:${one.path}`)]))
  return { ...of, bytes, files: chosen.length }
}

async function chooseSample(
  job: BorgJob,
  { name }: Archive,
  around: RestoreAround,
): Promise<SampleFile[]> {
  const sample = new Sample<SampleFile>(sampleFiles)
  const named: SampleFile[] = []
  await borg(job, around, ['list', '--bypass-lock', '--json-lines', `::${name}`], {
    onLine: (line) => {
      const { type, path, size } = recordOf(parseLine(line))
      if (type !== '-' || typeof path !== 'string') return
      const file = { path, bytes: numberOf(size) ?? 0 }
      if (isNamed(around.plan, path)) named.push(file)
      else sample.offer(file)
    },
  })
  const chosen = sampleWithin(named, sample.picked, around.plan.maximumBytes)
  if (chosen.length > 0) return chosen
  throw new BackupError('refused', 'no file of the backup fits into the drill’s maxMegabytes')
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function borg(
  job: BorgJob,
  around: Around,
  argv: readonly string[],
  more: Pick<ToolCall, 'onLine' | 'goodCodes'> = {},
): Promise<ToolAnswer> {
  const { environment, secrets, password } = credentialsOf(job.environmentFile, job.passwordFile)
  const own = {
    BORG_REPO: job.repository,
    ...(password === undefined ? {} : { BORG_PASSPHRASE: password }),
    BORG_BASE_DIR: join(around.folder, 'borg'),
    BORG_DISPLAY_PASSPHRASE: 'no',
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
    BORG_EXIT_CODES: 'legacy',
  }
  return runTool({
    program: 'borg',
    argv,
    environment: { ...own, ...environment },
    limitMilliseconds: around.limitMilliseconds,
    signal: around.signal,
    secrets: [...secrets, job.repository],
    goodCodes: [0, 1], // 1: done, with warnings such as an owner that could not be set
    ...more,
    ...('target' in around ? { folder: (around as RestoreAround).target } : {}),
  })
}
