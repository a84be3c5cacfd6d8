import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { packageRoot } from '../../server/assets.ts'
import { until } from '../helpers/hub.ts'
import { postgresPrograms } from '../helpers/postgres.ts'

const compiled = fileURLToPath(new URL('../../', import.meta.url))
const programs = postgresPrograms()
export const required = process.env['CALLWARD_REQUIRE_PEERS'] === '1'
export const has = (program: string) => spawnSync('which', [program]).status === 0
export const skip = programs === undefined && !required ? 'postgresql is not installed' : false
const isRoot = process.getuid?.() === 0
/** PostgreSQL refuses root, and so do drills with it: everything here runs as its user when we are root. */
const asUser = isRoot
  ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups', '--']
  : []

/** As PostgreSQL's user, whatever comes of it. */
function run(argv: readonly string[], environment: Record<string, string> = {}, cwd = '/') {
  const [program, ...rest] = [...asUser, ...argv]
  const env = { PATH: `${programs}:${process.env['PATH']}`, LC_ALL: 'C.UTF-8', ...environment }
  return spawnSync(program!, rest, { encoding: 'utf8', env, cwd })
}
/** As PostgreSQL's user; throws where it fails. Gives the output. */
export function good(argv: readonly string[], environment: Record<string, string> = {}): string {
  const { status, stdout, stderr } = run(argv, environment)
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`)
  return stdout
}

/** A host with the collector as one file, a PostgreSQL cluster with calls in it, and jobs. */
export class Scene {
  /** Short: a socket's path has 107 bytes. */
  readonly folder = mkdtempSync('/tmp/cwb-')
  readonly jobs: object[] = []
  readonly server: ChildProcess

  constructor(t: Test, settings: readonly string[] = [], walFolder?: string) {
    chmodSync(this.folder, 0o755)
    if (isRoot) execFileSync('chown', ['postgres:postgres', this.folder])
    const bundle = join(packageRoot, 'bin/bundle-collector.mjs')
    execFileSync(process.execPath, [bundle, this.at('collector.mjs'), compiled])
    good([
      'initdb',
      '-D',
      this.at('cluster'),
      '-U',
      'admin',
      '-A',
      'trust',
      '-N',
      '--locale=C.UTF-8',
      ...(walFolder === undefined ? [] : ['--waldir', this.at(walFolder)]),
    ])
    const options = [
      '-F',
      '-D',
      this.at('cluster'),
      '-k',
      this.folder,
      '-c',
      'listen_addresses=',
      ...settings,
    ]
    const [program, ...rest] = [...asUser, join(programs!, 'postgres'), ...options]
    this.server = spawn(program!, rest, { stdio: 'ignore' })
    t.teardown(async () => {
      const ended = new Promise((resolve) => this.server.once('exit', resolve))
      if (this.server.exitCode === null) this.server.kill('SIGQUIT')
      await ended
      spawnSync('rm', ['-rf', this.folder])
    })
  }

  at(...parts: string[]): string {
    return join(this.folder, ...parts)
  }

  async fill(): Promise<void> {
    await until(
      'the cluster is up',
      () =>
        run(['psql', '-h', this.folder, '-U', 'admin', '-c', 'select 1', 'postgres']).status === 0,
    )
    const sql =
      'create table cdr (id int primary key, note text); insert into cdr select n, md5(n::text) from generate_series(1, 5000) n'
    good(['psql', '-qX', '-h', this.folder, '-U', 'admin', '-c', sql, 'postgres'])
  }

  get environment(): Record<string, string> {
    const config = this.at('collector.yaml')
    const backups = { jobs: this.jobs, reserveMegabytes: 1, everyMinutes: 60 }
    writeFileSync(
      config,
      JSON.stringify({ data: this.at('data'), interval: 1, hub: 'ws://127.0.0.1:1', backups }),
    )
    return { CALLWARD_CONFIG: config, CALLWARD_TOKEN: 'x' }
  }

  drill(name: string) {
    return run([process.execPath, this.at('collector.mjs'), 'drill', name], this.environment)
  }

  check(): string {
    return run([process.execPath, this.at('collector.mjs'), '--check'], this.environment).stdout
  }

  /** The collector itself, its group its own. */
  start(): ChildProcess {
    const [program, ...rest] = [...asUser, process.execPath, this.at('collector.mjs')]
    const env = { PATH: process.env['PATH'] ?? '', ...this.environment }
    return spawn(program!, rest, { env, stdio: 'ignore', detached: true })
  }

  /** One verification, as the collector starts it. */
  verify(name: string): Promise<string> {
    const [program, ...rest] = [...asUser, process.execPath, this.at('collector.mjs')]
    const env = { PATH: process.env['PATH'] ?? '', ...this.environment }
    const child = spawn(program!, [...rest, '--backup-work', `verify:${name}`], { env })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
    })
    return new Promise((resolve) => child.once('close', () => resolve(output)))
  }

  left(): string[] {
    const scratch = this.at('data', 'collector', 'backups', 'scratch')
    return existsSync(scratch)
      ? readdirSync(scratch).filter((name) => name !== '.callward-scratch')
      : []
  }
}

/** Processes that work below a folder. */
export function processesIn(folder: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`).startsWith(folder)
    } catch {
      return false
    }
  })
}

/** Why a test of pgBackRest is left out. */
export const noPgBackRest =
  skip === false && !has('pgbackrest') && !required ? 'pgbackrest is not installed' : skip
