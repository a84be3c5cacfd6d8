import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { trustedPath } from '../trusted-program.ts'
import type { PostgresRun, RestoreAround } from './kind.ts'
import { runTool } from './tool.ts'
import { BackupError, pgBackRestTroubleIn, troubleOf } from './trouble.ts'

/** Where Debian and the PostgreSQL project's RPMs put the programs of a version. */
const roots = ['/usr/lib/postgresql', '/usr'] as const
const socketPathLimit = 90
const stopMilliseconds = 10_000

/** Folder of the programs of `version` (such as `15`), or of the newest. Throws BackupError. */
export function postgresPrograms(version?: string): string {
  const found = roots.flatMap((root) => {
    if (!existsSync(root)) return []
    const names = readdirSync(root).filter((name) => /^(pgsql-)?\d+(\.\d+)?$/.test(name))
    return names.map((name) => ({
      version: Number(name.replace('pgsql-', '')),
      bin: join(root, name, 'bin'),
    }))
  })
  const usable = found
    .filter((one) => existsSync(join(one.bin, 'postgres')) && existsSync(join(one.bin, 'initdb')))
    .filter((one) => version === undefined || one.version === Number(version))
    .sort((a, b) => b.version - a.version)[0]
  if (usable !== undefined) return usable.bin
  const text = `the programs of PostgreSQL ${version ?? ''} are not installed on this host`
  throw new BackupError('toolMissing', text.replace('  ', ' '))
}

function refuseRoot(): void {
  if (process.getuid?.() === 0)
    throw new BackupError(
      'refused',
      'PostgreSQL does not run as root: run the drill as the collector’s user',
    )
}

/** An empty cluster with one database. */
export async function startEmpty(around: RestoreAround): Promise<PostgresRun> {
  refuseRoot()
  const programs = postgresPrograms()
  const data = join(around.target, 'cluster')
  const call = { limitMilliseconds: 120_000, signal: around.signal, folder: around.target }
  const init = ['-D', data, '-U', 'drill', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '-N']
  await runTool({ ...call, program: join(programs, 'initdb'), argv: init })
  const run = await start(programs, data, around, { user: 'drill', database: 'postgres' })
  await psql(run, 'create role restorer login', around)
  await psql(run, 'create database drill owner restorer', around)
  const user = around.plan.superuser ? 'drill' : 'restorer'
  return { ...run, at: { ...run.at, user, database: 'drill' } }
}

/** The cluster that a physical restore left in `data`, recovered to where it is consistent; `environment` is for the tool that fetches its log. */
export async function startRestored(
  data: string,
  around: RestoreAround,
  environment: Readonly<Record<string, string>>,
): Promise<PostgresRun> {
  refuseRoot()
  const version = readFileSync(join(data, 'PG_VERSION'), 'utf8').trim()
  return start(postgresPrograms(version), data, around, around.plan, environment)
}

/** What keeps a copy of a production cluster from reaching anything: no network, no archive, no preloaded code, no replication. */
const alone = {
  listen_addresses: '',
  ssl: 'off',
  fsync: 'off',
  archive_mode: 'off',
  archive_command: '',
  archive_cleanup_command: '',
  recovery_end_command: '',
  shared_preload_libraries: '',
  session_preload_libraries: '',
  local_preload_libraries: '',
  max_logical_replication_workers: '0',
  primary_conninfo: '',
  autovacuum: 'off',
  hot_standby: 'off',
  shared_buffers: '32MB',
  huge_pages: 'off',
  logging_collector: 'off',
  log_destination: 'stderr',
  external_pid_file: '',
  unix_socket_permissions: '0700',
} as const

async function start(
  programs: string,
  data: string,
  around: RestoreAround,
  { user, database }: { readonly user: string; readonly database: string },
  environment: Readonly<Record<string, string>> = {},
): Promise<PostgresRun> {
  const socket = join(around.beside, 's')
  if (socket.length > socketPathLimit)
    throw new BackupError(
      'refused',
      'the path of the scratch folder is too long for a socket: choose a shorter one',
    )
  mkdirSync(socket, { mode: 0o700 })
  const hba = join(around.beside, 'hba')
  const ident = join(around.beside, 'ident')
  const config = join(around.beside, 'postgresql.conf')
  writeFileSync(hba, 'local all all trust\n', { mode: 0o600 })
  for (const empty of [ident, config]) writeFileSync(empty, '', { mode: 0o600 })
  const settings = {
    ...alone,
    config_file: config,
    data_directory: data,
    hba_file: hba,
    ident_file: ident,
    unix_socket_directories: socket,
  }
  const argv = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])
  const server = spawn(join(programs, 'postgres'), ['-D', data, ...argv], {
    stdio: ['ignore', 'ignore', 'pipe'],
    cwd: around.target,
    env: { PATH: trustedPath(), LC_ALL: 'C.UTF-8', ...environment },
  })
  const exited = new Promise<void>((resolve) => server.once('close', () => resolve()))
  const stop = async () => {
    if (server.exitCode === null && server.signalCode === null) server.kill('SIGQUIT')
    const timer = setTimeout(() => server.kill('SIGKILL'), stopMilliseconds)
    await exited
    clearTimeout(timer)
  }
  around.onStop(stop)
  await new Promise<void>((resolve, reject) => {
    let said = ''
    const give = (text: string) =>
      reject(
        new BackupError('failed', `PostgreSQL did not start on what was restored${text}`, said),
      )
    const timer = setTimeout(() => give(' in time'), around.limitMilliseconds)
    const aborted = () => reject(new BackupError('stopped', 'it was stopped'))
    around.signal?.addEventListener('abort', aborted)
    server.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      said = (said + chunk).slice(-8192)
      if (!/database system is ready to accept connections/.test(said)) return
      clearTimeout(timer)
      around.signal?.removeEventListener('abort', aborted)
      resolve()
    })
    server.once('error', (error) => give(`: ${error.message}`))
    exited.then(() => {
      clearTimeout(timer)
      // Its own children killed for want of memory make it end, too; it says so.
      const trouble = troubleOf('postgres', server.exitCode ?? undefined, said)
      if (trouble.trouble.code === 'killed') return reject(trouble)
      // The tool that fetches the log may be what could not work, for a reason of its own.
      const tool = pgBackRestTroubleIn(said)
      if (tool === undefined) give('')
      else reject(tool)
    })
  })
  const version = readFileSync(join(data, 'PG_VERSION'), 'utf8').trim()
  return { version, programs, at: { socket, user, database }, stop }
}

/** Runs one statement; gives what psql prints without frills. */
export async function psql(run: PostgresRun, sql: string, around: RestoreAround): Promise<string> {
  const { socket, user, database } = run.at
  const { output } = await runTool({
    program: join(run.programs, 'psql'),
    argv: ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', socket, '-U', user, '-d', database, '-c', sql],
    limitMilliseconds: around.limitMilliseconds,
    signal: around.signal,
    folder: around.target,
  })
  return output.trim()
}

/** Rows of a table whose name fits the configuration's pattern. */
export async function countRows(
  run: PostgresRun,
  table: string,
  around: RestoreAround,
): Promise<number> {
  const quoted = table
    .split('.')
    .map((part) => `"${part}"`)
    .join('.')
  const text = await psql(run, `select count(*) from ${quoted}`, around)
  const rows = Number(text)
  if (text === '' || !Number.isInteger(rows))
    throw new BackupError('failed', 'the rows could not be counted')
  return rows
}
