import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Sight } from './evidence.ts'
import type { PgBackRestJob } from './job.ts'
import {
  type Around,
  type BackupKind,
  copiesCompared,
  copyId,
  type RestoreAround,
  type Restored,
  type Verified,
} from './kind.ts'
import { startRestored } from './postgres.ts'
import {
  credentialsOf,
  jsonOf,
  listOf,
  numberOf,
  recordOf,
  runTool,
  type ToolAnswer,
} from './tool.ts'
import { BackupError, stored } from './trouble.ts'

/** Locks, spool and logs go to the collector's folder, so that a drill never meets the backup of the database. */
export const pgBackRestKind: BackupKind<PgBackRestJob> = { look, verify, restore }

async function look(job: PgBackRestJob, around: Around): Promise<Sight> {
  const backups = await backupsOf(job, around)
  const newest = backups.at(-1)
  return {
    state: 'seen',
    copies: backups.length,
    newest: newest && {
      id: copyId(newest.label),
      at: newest.at,
      bytes: newest.bytes,
      seconds: newest.seconds,
    },
    earlierBytes: backups.slice(-copiesCompared - 1, -1).map((one) => one.bytes),
    attempt: undefined,
    isCompleteByLook: true, // a backup is listed when its manifest is stored, which is last
  }
}

interface Backup {
  readonly label: string
  readonly at: number
  /** Size of the database. */
  readonly bytes: number
  readonly seconds: number
}

async function backupsOf(job: PgBackRestJob, around: Around): Promise<Backup[]> {
  const { output } = await pgBackRest(job, around, ['info', '--output=json'])
  return readBackups(jsonOf('pgbackrest', output), job.stanza)
}

/** Oldest first, of one stanza. Throws BackupError for a stanza that is not there or whose state is not good. */
export function readBackups(answer: unknown, stanza: string): Backup[] {
  const found = listOf(answer)
    .map(recordOf)
    .find((one) => one['name'] === stanza)
  if (found === undefined) throw new BackupError('missing', 'there is no such stanza')
  const { code } = recordOf(found['status'])
  if (code === 1 || code === 3)
    throw new BackupError('missing', 'there is no such stanza in the repository')
  if (code === 2) return []
  if (code !== 0 && code !== 4)
    throw new BackupError('failed', `pgbackrest reports status ${String(code)}`)
  const backups = listOf(found['backup']).map((one) => {
    const { label, timestamp, info, error } = recordOf(one)
    const { start, stop } = recordOf(timestamp)
    const bytes = numberOf(recordOf(info)['size'])
    if (
      typeof label !== 'string' ||
      typeof start !== 'number' ||
      typeof stop !== 'number' ||
      bytes === undefined
    )
      throw new BackupError('failed', 'the answer of pgbackrest is not understood')
    if (error === true)
      throw new BackupError('damaged', 'pages of the database were damaged when it was backed up')
    return { label, at: stop * 1000, bytes, seconds: stop - start }
  })
  return backups.sort((a, b) => a.at - b.at)
}

async function verify(job: PgBackRestJob, around: Around): Promise<Verified> {
  const newest = (await backupsOf(job, around)).at(-1)
  if (newest === undefined) throw new BackupError('missing', 'there is no finished backup')
  const { output, said } = await stored(
    pgBackRest(job, around, ['verify', '--output=text', '--verbose']),
  )
  const result = `${output}\n${said}`
  if (
    /status: error|checksum invalid: [1-9]|size invalid: [1-9]|missing: [1-9]|checksum mismatch/i.test(
      result,
    )
  )
    throw new BackupError(
      'damaged',
      'what is stored is damaged: its checksums do not fit',
      result.slice(-2048),
    )
  return { copy: copyId(newest.label), detail: 'the checksums of all stored files were read' }
}

async function restore(job: PgBackRestJob, around: RestoreAround): Promise<Restored> {
  const newest = (await backupsOf(job, around)).at(-1)
  if (newest === undefined) throw new BackupError('missing', 'there is no finished backup')
  await around.claim(newest.bytes)
  const data = join(around.target, 'data')
  for (const one of [data, join(around.target, 'tablespaces')]) mkdirSync(one, { mode: 0o700 })
  const argv = [
    'restore',
    `--pg1-path=${data}`,
    `--set=${newest.label}`,
    '--type=immediate',
    '--target-action=promote',
    // Tablespaces and links would go back to the places of the running database.
    `--tablespace-map-all=${join(around.target, 'tablespaces')}`,
    '--no-link-all',
    // What the configuration of the running database says of its own restore would write to its own places, or run programs.
    ...['link-map', 'tablespace-map', 'recovery-option', 'db-include', 'db-exclude'].map(
      (option) => `--reset-${option}`,
    ),
    '--no-delta',
  ]
  await stored(pgBackRest(job, around, argv))
  if (!existsSync(join(data, 'PG_VERSION')))
    throw new BackupError('damaged', 'the restore left no cluster')
  const { output } = await runTool({
    program: 'pgbackrest',
    argv: ['version'],
    limitMilliseconds: 10_000,
  })
  const environment = pgBackRestEnvironment(job, around.folder)
  const cluster = await stored(startRestored(data, around, environment))
  const tool = `${output.trim().toLowerCase()}, postgresql ${cluster.version}`
  return {
    copy: copyId(newest.label),
    copyAt: newest.at,
    tool,
    bytes: newest.bytes,
    files: 0,
    cluster,
  }
}

/** Environment of pgBackRest: every option can be given so, and a restored cluster needs it to fetch its log. */
function pgBackRestEnvironment(job: PgBackRestJob, folder: string): Record<string, string> {
  const work = join(folder, 'pgbackrest')
  const { environment } = credentialsOf(job.environmentFile, undefined)
  return {
    ...environment,
    PGBACKREST_STANZA: job.stanza,
    ...(job.config === undefined ? {} : { PGBACKREST_CONFIG: job.config }),
    PGBACKREST_LOCK_PATH: join(work, 'lock'),
    PGBACKREST_SPOOL_PATH: join(work, 'spool'),
    PGBACKREST_LOG_LEVEL_FILE: 'off',
    PGBACKREST_LOG_LEVEL_CONSOLE: 'off',
    PGBACKREST_LOG_LEVEL_STDERR: 'warn',
  }
}

function pgBackRest(
  job: PgBackRestJob,
  around: Around,
  argv: readonly string[],
): Promise<ToolAnswer> {
  mkdirSync(join(around.folder, 'pgbackrest'), { recursive: true, mode: 0o700 })
  const { secrets } = credentialsOf(job.environmentFile, undefined)
  return runTool({
    program: 'pgbackrest',
    argv,
    environment: pgBackRestEnvironment(job, around.folder),
    limitMilliseconds: around.limitMilliseconds,
    signal: around.signal,
    secrets,
    ...('target' in around ? { folder: (around as RestoreAround).target } : {}),
  })
}
