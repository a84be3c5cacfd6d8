import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { packageRoot } from '../../server/assets.ts'
import { eventually, FakeHub } from '../helpers/fake-hub.ts'
import { folderOf } from '../helpers/folder.ts'

const compiled = fileURLToPath(new URL('../../', import.meta.url))
const main = join(compiled, 'collector/main.js')
const plainEnvironment = { PATH: process.env['PATH'] ?? '' }

interface Running {
  readonly child: ChildProcess
  readonly lines: string[]
  /** Exit code; -1 when ended by a signal. */
  readonly ended: Promise<number>
}

interface Owner {
  teardown(handler: () => unknown): void
}

function start(t: Owner, file: string, environment: Record<string, string>, cwd = '/'): Running {
  const child = spawn(process.execPath, [file], {
    cwd,
    env: { ...plainEnvironment, ...environment },
  })
  const lines: string[] = []
  const keep = (chunk: Buffer) =>
    void lines.push(
      ...chunk
        .toString()
        .split('\n')
        .filter((line) => line !== ''),
    )
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const ended = new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? -1)))
  t.teardown(() => child.kill('SIGKILL'))
  return { child, lines, ended }
}

t.test(
  'from start to SIGTERM: token from the file, reports, facts, sections, bye, code 0',
  async (t) => {
    const hub = await FakeHub.start({ token: 'secret-token-1' })
    t.teardown(() => hub.stop())
    const data = join(folderOf(t), 'data')
    const config = join(
      folderOf(t, { 'c.yaml': 'labels: {instance: pbx-7, role: pbx, customer: bank-a}\n' }),
      'c.yaml',
    )
    const environment = {
      CALLWARD_HUB: hub.url,
      CALLWARD_DATA: join(data, 'x'),
      CALLWARD_INTERVAL: '1',
      CALLWARD_CONFIG: config,
    }
    mkdirSync(join(data, 'x'), { recursive: true })
    const { child, lines, ended } = start(t, main, environment)
    await eventually('it waits for the token file', () =>
      lines.some((line) => line.includes('waiting for the token file')),
    )
    writeFileSync(join(data, 'x/collector/token'), 'secret-token-1\n')
    await eventually(
      'three reports and all facts',
      () => hub.committed.size >= 3 && hub.facts.length === 4,
      30_000,
    )
    await eventually('the inventory is a section', () => {
      return (
        hub.sections
          .at(-1)
          ?.sections.some((one) => one.name === 'inventory' && one.state !== 'absent') ?? false
      )
    })
    const report = hub.lane('live').at(-1)!
    const keys = [...report.values.keys()]
    t.ok(
      keys.every(
        (key) =>
          key.includes('instance="pbx-7"') &&
          key.includes('job="callward"') &&
          key.includes('site="default"'),
      ),
    )
    const of = (pattern: RegExp) => report.values.get(keys.find((key) => pattern.test(key)) ?? '')
    t.equal(of(/^callward_section_state\{.*section="cpu".*state="ok"/), 1)
    t.ok(of(/^node_memory_MemTotal_bytes/)! > 0)
    t.ok(Math.abs(of(/^callward_clock_offset_seconds/)!) < 0.5)
    t.equal(of(/^callward_collector_reports_dropped_total/), 0)
    t.strictSame(hub.facts.map((frame) => frame.name).sort(), [
      'hardware',
      'os',
      'packages',
      'software',
    ])
    const walls = hub.lane('live').map((one) => one.wall)
    t.ok(
      walls.slice(1).every((wall, i) => wall > walls[i]!),
      'in order',
    )
    child.kill('SIGTERM')
    t.equal(await ended, 0)
    t.match(hub.byes[0]?.reason, /SIGTERM/)
    t.strictSame(hub.faults, [])
    t.notOk(
      lines.some((line) => line.includes('secret-token-1')),
      'the token is in no log line',
    )
    t.ok(
      lines.every((line) => line.startsWith('{')),
      'one line of JSON each',
    )
    t.equal(statSync(join(data, 'x/collector/identity.json')).mode & 0o777, 0o600)
  },
)

t.test(
  'exit codes: 2 with every fault of the configuration, 1 for a folder it cannot write',
  async (t) => {
    const check = (
      environment: Record<string, string>,
      argv: string[],
      code: number,
      said: RegExp,
    ) => {
      const { status, stderr, stdout } = spawnSync(process.execPath, [main, ...argv], {
        encoding: 'utf8',
        cwd: '/',
        env: { ...plainEnvironment, ...environment },
      })
      t.equal(status, code, stderr)
      t.match(stdout + stderr, said)
      t.notMatch(stderr, /\n\s+at /, 'no stack')
    }
    check(
      { CALLWARD_HUB: 'hub', CALLWARD_INTERVAL: '0' },
      [],
      2,
      /2 faults:\n {2}CALLWARD_HUB.*\n {2}CALLWARD_INTERVAL/,
    )
    const blocked = join(folderOf(t, { data: 'a file, not a folder' }), 'data')
    check({ CALLWARD_DATA: blocked }, [], 1, /cannot write to its folder .* set CALLWARD_DATA/)
    check({}, ['--chek'], 2, /Unknown argument "--chek"\. Try --help/)
    check({}, ['--check', '--jsno'], 2, /Unknown argument "--jsno"\. Try --help/)
    check({}, ['--help'], 0, /CALLWARD_TOKEN_FILE[\s\S]*Examples:/)
  },
)

t.test('the hub is away: SIGINT still stops at once with code 0', async (t) => {
  const data = folderOf(t)
  const { child, lines, ended } = start(t, main, {
    CALLWARD_HUB: 'ws://127.0.0.1:1',
    CALLWARD_TOKEN: 'x',
    CALLWARD_DATA: data,
  })
  await eventually('it noticed', () =>
    lines.some((line) => line.includes('no connection to the hub')),
  )
  const asked = performance.now()
  child.kill('SIGINT')
  t.equal(await ended, 0)
  t.ok(performance.now() - asked < 5000)
  t.ok(
    lines.some((line) => line.includes('the hub has not acknowledged')),
    'and says what is lost',
  )
})

t.test('the bundle runs alone in an empty folder and has nothing of the hub', async (t) => {
  const folder = join('/tmp', `callward-bundle-${process.pid}`)
  t.teardown(() => spawnSync('rm', ['-rf', folder]))
  mkdirSync(folder)
  const bundle = join(folder, 'callward-collector.mjs')
  execFileSync(process.execPath, [join(packageRoot, 'bin/bundle-collector.mjs'), bundle, compiled])
  t.strictSame(readdirSync(folder), ['callward-collector.mjs'])
  const text = readFileSync(bundle, 'utf8')
  for (const name of ['fastify', 'kysely', 'libsql', 'node:sqlite'])
    t.notOk(text.includes(`node_modules/${name}/`) || text.includes(`from '${name}'`), name)
  // Whether this machine's package lists are fresh is not what is tested here.
  const config = join(folderOf(t, { 'c.yaml': 'sections: {software: false}\n' }), 'c.yaml')
  const checked = spawnSync(bundle, ['--check'], {
    encoding: 'utf8',
    cwd: folder,
    env: { ...plainEnvironment, CALLWARD_CONFIG: config },
  })
  t.equal(checked.status, 0, checked.stderr)
  t.match(checked.stdout, /Seen[\s\S]* cpu +\d+ figures/)
  t.match(checked.stdout, /inventory +2 documents/)
  t.match(checked.stdout, /\nVerdict: good: \d+ of \d+ sections seen.*\n$/)
  t.notOk(existsSync(join(folder, 'data')), 'a check writes nothing')
  const hub = await FakeHub.start()
  t.teardown(() => hub.stop())
  const environment = {
    CALLWARD_HUB: hub.url,
    CALLWARD_TOKEN: 'right-token',
    CALLWARD_INTERVAL: '1',
  }
  const { child, ended } = start(t, bundle, environment, folder)
  await eventually(
    'reports and facts',
    () => hub.committed.size >= 2 && hub.facts.length === 4,
    30_000,
  )
  child.kill('SIGTERM')
  t.equal(await ended, 0)
  t.strictSame(hub.faults, [])
  chmodSync(bundle, 0o644)
})
