import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { folderOf } from '../helpers/folder.ts'
import { freePort, Program, TestHub, until } from '../helpers/hub.ts'

t.test(
  'a first start makes what is missing, and keeps secrets to itself',
  { timeout: 90_000 },
  async (t) => {
    const data = join(folderOf(t), 'new', 'data')
    const hub = await TestHub.start(data)
    t.teardown(() => hub.stop())
    for (const file of ['collector/token', 'hub/terminal.token', 'hub/sign-in-link']) {
      t.equal(statSync(join(data, file)).mode & 0o777, 0o600, `${file} is for this user only`)
      t.notOk(
        hub.program.output.includes(readFileSync(join(data, file), 'utf8').trim()),
        `${file} is not in the log`,
      )
    }
    const link = new URL(readFileSync(join(data, 'hub/sign-in-link'), 'utf8').trim())
    t.equal(link.host, `127.0.0.1:${hub.port}`)
    const signedIn = await hub.fetch('/api/v1/sign-in', {
      method: 'POST',
      body: { code: link.hash.slice(1) },
    })
    t.equal(signedIn.status, 200)
    const token = readFileSync(join(data, 'collector/token'), 'utf8')
    t.same(await hub.program.kill('SIGTERM'), { code: 0, signal: null }, 'stops cleanly')
    await hub.restart()
    t.equal(readFileSync(join(data, 'collector/token'), 'utf8'), token, 'the token stays')
    t.notOk(existsSync(join(data, 'hub/sign-in-link')), 'no new link once somebody signed in')
  },
)

t.test('starts that cannot work say why and what to do', { timeout: 90_000 }, async (t) => {
  const folder = folderOf(t, {
    file: 'x',
    broken: {
      hub: { 'records.sqlite': 'this is not a database, just text that is long enough to be read' },
    },
  })
  const hub = await TestHub.start(join(folder, 'running'))
  t.teardown(() => hub.stop())
  const check = async (environment: Record<string, string>, code: number, message: RegExp) => {
    const program = new Program('server/main.js', {
      CALLWARD_LISTEN: `127.0.0.1:${await freePort()}`,
      CALLWARD_DATA: join(folder, `data-${Math.random()}`),
      ...environment,
    })
    t.same(await program.exited, { code, signal: null }, String(message))
    t.match(program.output, message)
    t.notMatch(program.output, /\n\s+at .*\.js:\d+/, 'no stack for a person')
  }
  await check({ CALLWARD_LISTEN: `127.0.0.1:${hub.port}` }, 1, /in use.*\n.*CALLWARD_LISTEN/)
  await check({ CALLWARD_LISTEN: 'x' }, 2, /HOST:PORT/)
  await check({ CALLWARD_LISTEN: '192.0.2.1:9770' }, 1, /no address 192\.0\.2\.1/)
  await check({ CALLWARD_DATA: join(folder, 'file') }, 1, /cannot be written.*\n.*CALLWARD_DATA/)
  await check({ CALLWARD_DATA: '/proc/callward' }, 1, /cannot be written/)
  await check(
    { CALLWARD_DATA: join(folder, 'broken') },
    1,
    /not a database|cannot be (read|opened|used)|corrupt/i,
  )
  await check({ CALLWARD_DATA: hub.data }, 1, /lock|another hub|process \d+/i)
  t.equal((await hub.fetch('/healthz')).status, 200, 'the running hub is unharmed')
})

t.test(
  'an unwritable folder, as a user without rights',
  { skip: process.getuid?.() === 0 ? false : 'needs root to change user' },
  async (t) => {
    const folder = join(folderOf(t), 'locked')
    mkdirSync(folder)
    chmodSync(folder, 0o555)
    const { spawnSync } = await import('node:child_process')
    const result = spawnSync(
      process.execPath,
      ['-e', `process.setuid(65534); import('${join(process.cwd(), 'dist/server/main.js')}')`],
      {
        env: {
          ...process.env,
          CALLWARD_DATA: join(folder, 'data'),
          CALLWARD_LISTEN: `127.0.0.1:${await freePort()}`,
        },
        encoding: 'utf8',
      },
    )
    t.equal(result.status, 1)
    t.match(result.stderr, /cannot be written \(EACCES/)
  },
)

t.test(
  'a broken rule file stops neither the hub nor the other rules',
  { timeout: 90_000 },
  async (t) => {
    const rules = folderOf(t, {
      'broken.yaml': 'groups:\n  - name: x\n    rules: [\n',
      'wrong.yaml': 'groups:\n- name: g\n  rules:\n  - alert: A\n    expr: sum(\n',
    })
    const data = join(rules, 'data')
    writeFileSync(join(rules, 'callward.yaml'), `hub:\n  rulesFolder: ${rules}\n`)
    const hub = await TestHub.start(data, { CALLWARD_CONFIG: join(rules, 'callward.yaml') })
    t.teardown(() => hub.stop())
    const answer = await hub.api<{ faults: unknown[]; groups: unknown[] }>('/api/v1/rules')
    t.ok(answer.groups.length > 3, 'the shipped rules run')
    t.match(JSON.stringify(answer.faults), /broken\.yaml/)
    t.match(JSON.stringify(answer.faults), /wrong\.yaml/)
  },
)

t.test(
  'npm start: builds nothing twice, supervises both, shows this host’s own figures',
  { timeout: 90_000 },
  async (t) => {
    const port = await freePort()
    const data = join(folderOf(t), 'data')
    const startedAt = Date.now()
    const program = new Program(
      '../bin/callward.mjs',
      { CALLWARD_LISTEN: `127.0.0.1:${port}`, CALLWARD_DATA: data },
      ['start'],
    )
    t.teardown(() => program.child.kill('SIGKILL'))
    const token = await until(
      'the terminal token',
      () =>
        existsSync(join(data, 'hub/terminal.token')) &&
        readFileSync(join(data, 'hub/terminal.token'), 'utf8').trim(),
    )
    const hosts = async () => {
      const response = await fetch(`http://127.0.0.1:${port}/api/v1/hosts`, {
        headers: { authorization: `Bearer ${token}` },
      })
      return ((await response.json()) as { hosts: { figures: { load1: number | null } }[] }).hosts
    }
    const [host] = await until(
      'the first figures',
      async () => {
        const list = await hosts()
        return list[0] !== undefined && list[0].figures.load1 !== null && list
      },
      30_000,
    )
    t.ok(Date.now() - startedAt < 20_000, `figures after ${Date.now() - startedAt} ms`)
    t.equal(typeof host?.figures.load1, 'number')
    t.same(await program.kill('SIGTERM'), { code: 0, signal: null })
  },
)
