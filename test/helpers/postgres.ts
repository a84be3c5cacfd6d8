import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { chown, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A throw-away PostgreSQL cluster. */
export interface PostgresCluster {
  /** Makes an empty UTF-8 database and gives its connection string. */
  database(name: string): Promise<string>
  /** Runs one statement in a database as its owner, past every pool; gives psql's output. */
  psql(database: string, sql: string): Promise<string>
  stop(): Promise<void>
}

/** Newest installed PostgreSQL (Debian's folders), undefined when there is none. */
export function postgresPrograms(root = '/usr/lib/postgresql'): string | undefined {
  if (!existsSync(root)) return undefined
  const versions = readdirSync(root).filter((name) => existsSync(join(root, name, 'bin', 'initdb')))
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0]
  return newest === undefined ? undefined : join(root, newest, 'bin')
}

/**
 * Starts a cluster on a free loopback port; as user `postgres` when we are root, which PostgreSQL refuses. `durable`: commits reach the
 * disk, for measurements. `kept`: a folder whose cluster outlives `stop`, and is used again when it is there.
 */
export async function startPostgres(
  programs: string,
  { durable = false, kept }: { durable?: boolean; kept?: string | undefined } = {},
): Promise<PostgresCluster> {
  if (kept !== undefined) await mkdir(kept, { recursive: true })
  const folder = kept ?? (await mkdtemp(join(tmpdir(), 'callward-postgres-')))
  const asRoot = process.getuid?.() === 0
  const ids = asRoot ? await postgresIds() : undefined
  const own = (program: string, ...rest: string[]): [string, string[]] => {
    const path = join(programs, program)
    if (ids === undefined) return [path, rest]
    return [
      'setpriv',
      [`--reuid=${ids.user}`, `--regid=${ids.group}`, '--clear-groups', '--', path, ...rest],
    ]
  }
  if (ids !== undefined) await chown(folder, ids.user, ids.group)
  const data = join(folder, 'data')
  const user = asRoot ? 'postgres' : userInfo().username
  const make = ['-U', user, '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '-N']
  if (!existsSync(data)) await run(...own('initdb', '-D', data, ...make))
  const port = await freePort()
  const server = spawn(
    // Without fsync: tests kill clients, never the machine.
    ...own(
      'postgres',
      ...(durable ? [] : ['-F']),
      '-D',
      data,
      '-p',
      String(port),
      '-h',
      '127.0.0.1',
      '-k',
      folder,
    ),
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  process.once('exit', () => server.kill('SIGQUIT'))
  await ready(server)
  const url = (database: string) => `postgres://${user}@127.0.0.1:${port}/${database}`
  const psql = async (database: string, sql: string) => {
    const { stdout } = await run(...own('psql', '-AtqX', '-d', url(database), '-c', sql))
    return stdout.trim()
  }
  return {
    psql,
    async database(name) {
      const there = `select 1 from pg_database where datname = '${name}'`
      if ((await psql('postgres', there)) === '')
        await psql('postgres', `create database "${name}"`)
      return url(name)
    },
    async stop() {
      const ended = new Promise((resolve) => server.once('exit', resolve))
      server.kill('SIGINT')
      await ended
      if (kept === undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}

async function postgresIds(): Promise<{ user: number; group: number }> {
  const [user, group] = await Promise.all([
    run('id', ['-u', 'postgres']),
    run('id', ['-g', 'postgres']),
  ])
  return { user: Number(user.stdout), group: Number(group.stdout) }
}

/** Resolves when the server says that it takes connections; rejects with what it wrote when it ends first. */
function ready(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let written = ''
    server.stderr?.on('data', (chunk: Buffer) => {
      written += chunk.toString()
      if (written.includes('ready to accept connections')) resolve()
    })
    server.once('error', reject)
    server.once('exit', (code) => reject(new Error(`postgres ended with ${code}: ${written}`)))
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        resolve(typeof address === 'object' && address !== null ? address.port : 0),
      )
    })
  })
}
