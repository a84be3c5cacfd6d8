import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { ReadStream, WriteStream } from 'node:tty'
import t, { type Test } from 'tap'
import { packageRoot } from '../../server/assets.ts'
import { run } from '../../server/cli/main.ts'
import { selfSigned } from '../helpers/certificates.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken, until } from '../helpers/hub.ts'
import { ListeningHub } from './enrolment-hub.ts'

const withoutCurl = spawnSync('curl', ['--version']).status !== 0
if (withoutCurl && process.env['CALLWARD_REQUIRE_PEERS'] === '1')
  throw new Error('curl is not installed')

const bundle = join(packageRoot, 'dist/bundle/callward-collector.mjs')

t.before(() => {
  if (!existsSync(bundle))
    execFileSync(process.execPath, [join(packageRoot, 'bin/bundle-collector.mjs')], {
      stdio: 'pipe',
    })
})

/** `callward ARGUMENTS` against a hub of this machine whose certificate is of its public name. */
async function callward(hub: ListeningHub, ...args: string[]) {
  const said = { out: '', err: '' }
  const sink = (name: 'out' | 'err') =>
    new PassThrough().on('data', (part) => {
      said[name] += String(part)
    }) as unknown as WriteStream
  const code = await run(args, {
    environment: { CALLWARD_HUB: hub.url, CALLWARD_TOKEN: adminToken, NO_COLOR: '1' },
    stdin: process.stdin as ReadStream,
    stdout: sink('out'),
    stderr: sink('err'),
  })
  return { code, ...said }
}

async function tlsHub(t: Test, folder: string): Promise<ListeningHub> {
  const { certificate, key } = selfSigned(folder)
  const hub = await ListeningHub.start(join(folder, 'hub'), {
    CALLWARD_TLS_CERTIFICATE: certificate,
    CALLWARD_TLS_KEY: key,
  })
  t.teardown(() => hub.stop())
  return hub
}

/** A shell on another host, in an empty folder, where a line is pasted. */
function paste(t: Test, cwd: string, line: string, path = process.env['PATH'] ?? '') {
  mkdirSync(cwd, { recursive: true })
  const child: ChildProcess = spawn('/bin/sh', ['-c', line], {
    cwd,
    env: { PATH: path },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (part) => {
      output += String(part)
    })
  t.teardown(() => {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  })
  return { child, output: () => output }
}

for (const means of ['curl', 'node'] as const) {
  const options = {
    timeout: 60_000,
    skip: means === 'curl' && withoutCurl ? 'curl is not installed' : false,
  }
  t.test(`one line with ${means}: pasted, enrolled, reporting`, options, async (t) => {
    const folder = folderOf(t)
    const hub = await tlsHub(t, folder)
    const made = await callward(
      hub,
      ...['enrol', '--host', 'pbx-2', '--role', 'pbx', '--with', means, '--address', hub.url],
    )
    t.equal(made.code, 0, made.err)
    t.equal(made.out.trim().split('\n').length, 1, 'one line')
    t.match(made.out, /--hub-key SHA256:[A-Za-z0-9_-]{43} --start/)
    t.match(made.err, /"pbx-2"; works once/)
    const cwd = join(folder, 'there')
    const { child, output } = paste(t, cwd, made.out)
    await until(
      `the host reports (${output()})`,
      async () => {
        if (child.exitCode !== null) throw new Error(output())
        const { hosts } = await hub.api<{ hosts: { instance: string; lastReportAt: string }[] }>(
          'GET',
          '/api/v1/hosts',
        )
        return hosts.some(({ instance, lastReportAt }) => instance === 'pbx-2' && lastReportAt)
      },
      40_000,
    )
    t.match(output(), /This host is enrolled as "pbx-2".*\n.*its key .*\n.*proven/)
    const folderThere = join(cwd, 'data/collector')
    for (const file of ['enrolment.json', 'session-count'])
      t.equal(statSync(join(folderThere, file)).mode & 0o777, 0o600, file)
    t.equal(statSync(join(hub.data, 'hub/identity.key')).mode & 0o777, 0o600)
    t.notOk(output().includes('cwe_'), 'the token is in no output')
    const list = await callward(hub, 'collectors', 'list')
    t.match(list.out, /pbx-2 +connected +1 /)
    const revoked = await callward(hub, 'collectors', 'revoke', 'pbx-2')
    t.match(revoked.out, /its session has ended/)
    await until('the collector says why', () => output().includes('was revoked'))
    t.match((await callward(hub, 'collectors', 'list', '--all')).out, /pbx-2 +revoked/)
    child.kill('SIGTERM')
    process.kill(-child.pid!, 'SIGTERM')
    await once(child, 'exit')
    const again = paste(t, join(folder, 'again'), made.out)
    const [code] = (await once(again.child, 'exit')) as [number]
    t.not(code, 0, 'the line is used up')
    t.equal(await hub.metric('callward_enrolment_token_refusals_total', '{reason="used"}'), 1)
    t.match((await callward(hub, 'collectors', 'list')).out, /pbx-2 +used +.* 1 +from 127\.0\.0\.1/)
  })
}

t.test('a line for another hub is of no use: nothing but its greeting is sent', async (t) => {
  const folder = folderOf(t, { a: {}, b: {} })
  const hub = await tlsHub(t, join(folder, 'a'))
  const other = await tlsHub(t, join(folder, 'b'))
  for (const means of withoutCurl ? ['node', 'deb'] : ['curl', 'node', 'deb']) {
    const { out } = await callward(hub, 'enrol', '--with', means, '--address', other.url)
    const line = out.replace('sudo callward-collector', `node ${bundle}`)
    const { child, output } = paste(t, join(folder, means), line)
    const [code] = (await once(child, 'exit')) as [number]
    t.not(code, 0, means)
    t.match(output(), /pinned|another hub answers|Stopped, nothing was sent/, means)
  }
  const { tokens } = await hub.api<{ tokens: object[] }>('GET', '/api/v1/enrolments')
  t.ok(tokens.length >= 2)
  for (const token of tokens) t.match(token, { state: 'waiting', misuses: 0 })
  for (const name of ['unknown', 'used', 'expired'])
    t.equal(
      await other.metric('callward_enrolment_token_refusals_total', `{reason="${name}"}`),
      0,
      'no token came to it',
    )
})

t.test('the terminal says what is missing', async (t) => {
  const folder = folderOf(t)
  const hub = await ListeningHub.start(join(folder, 'hub'))
  t.teardown(() => hub.stop())
  const check = async (args: string[], code: number, message: RegExp) => {
    const said = await callward(hub, ...args)
    t.equal(said.code, code, args.join(' '))
    t.match(said.out + said.err, message, args.join(' '))
  }
  await check(['enrol'], 0, /this machine only.*CALLWARD_PUBLIC_URL/)
  await check(['enrol', '--address', 'http://10.0.0.1:9770'], 0, /Without TLS the host will refuse/)
  await check(['enrol', '--replace'], 2, /--host NAME --replace/)
  await check(['enrol', '--with', 'wget'], 2, /curl, node, deb/)
  await check(['enrol', '--address', 'there'], 2, /is no address/)
  await check(['collectors', 'list'], 0, /No collector is enrolled/)
  await check(['collectors', 'revoke', 'pbx-9'], 1, /no active enrolment of "pbx-9"/)
  await check(['collectors', 'accept'], 2, /Say what to do/)
  const json = await callward(hub, 'enrol', '--json', '--host', 'pbx-3')
  t.match(JSON.parse(json.out), { token: /^cwe_/, tlsPin: null, instance: 'pbx-3' })
  const token = (JSON.parse(json.out) as { token: string }).token
  const take = (authorization: string) =>
    hub.app.inject({ url: '/enrol/callward-collector.mjs', headers: { authorization } })
  t.equal((await take(`Bearer ${token}`)).statusCode, 200)
  t.equal((await take(`Bearer ${token}`)).body, readFileSync(bundle, 'utf8'), 'not used up by it')
  t.equal((await take(`Bearer ${adminToken}`)).statusCode, 200)
  t.equal((await take('Bearer cwe_wrong')).statusCode, 401)
  hub.clock.moved += 16 * 60_000
  t.equal((await take(`Bearer ${token}`)).statusCode, 410, 'too old')
})
