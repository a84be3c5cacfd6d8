import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { AlertAnswer } from '../../server/cli/answers.ts'
import type { Terminal } from '../../server/cli/command.ts'
import { hubUrl } from '../../server/cli/hub.ts'
import { run } from '../../server/cli/main.ts'
import { displayWidth, fit, localTime, plain } from '../../server/cli/render.ts'
import { alertLine } from '../../server/cli/watch-lines.ts'
import {
  chooseNext,
  chosenAlert,
  emptyList,
  isKnown,
  listChanged,
  listLoaded,
  listRefreshed,
  shownNow,
  wasSeen,
} from '../../server/cli/watch-list.ts'
import { type PageBody, pageLine, pagePrinted, pageTaken } from '../../server/cli/watch-pages.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import { folderOf } from '../helpers/folder.ts'
import { addStaff, type LiveHub, startLiveHub } from './live-hub.ts'

process.env.TZ = 'Asia/Ho_Chi_Minh'
const program = fileURLToPath(new URL('../../server/cli/main.js', import.meta.url))
const folder = folderOf(t, {})
const records = await openSqliteRecords({ path: join(folder, 'records.sqlite') })
await addStaff(records)
t.teardown(() => records.close())

function alert(fingerprint: string, more: Partial<AlertAnswer> = {}): AlertAnswer {
  return {
    id: `a-${fingerprint}`,
    fingerprint,
    rule: 'TrunkDown',
    severity: 'critical',
    instance: 'pbx-1',
    labels: {},
    annotations: { summary: `Trunk ${fingerprint} is down` },
    state: 'firing',
    activeAt: '2026-03-02T09:14:00.000Z',
    firedAt: '2026-03-02T09:15:00.000Z',
    acknowledgedAt: null,
    acknowledgedBy: null,
    runbook: '/runbooks/TrunkDown',
    incident: { id: 'i-12', number: 12 },
    ...more,
  }
}

const incident = {
  id: 'i-12',
  number: 12,
  title: 'Trunk lost',
  severity: 'sev1',
  state: 'open',
  workflowState: 'recorded',
  server: 'pbx-1',
  openedAt: '2026-03-02T09:15:00.000Z',
  acknowledgedAt: null,
  acknowledgedBy: null,
  resolvedAt: null,
}

/** REST answers as the hub gives them; what was asked stands in `asked`. */
function answering(firing: AlertAnswer[], asked: string[] = []) {
  return (app: FastifyInstance) => {
    app.addHook('onRequest', async (request, reply) => {
      asked.push(`${request.method} ${request.url}`)
      if (request.headers.authorization === 'Bearer ines-token') return
      await reply
        .code(401)
        .send({ error: { code: 'unauthorized', message: 'Unknown.', requestId: 'r' } })
    })
    app.get('/api/v1/alerts', async () => ({ alerts: firing }))
    app.get('/api/v1/incidents', async () => ({ incidents: [incident] }))
    app.get<{ Params: { id: string } }>('/api/v1/incidents/:id', async (request, reply) => {
      if (request.params.id !== 'i-99') return { incident: whole }
      const error = { code: 'not_found', message: 'There is no incident i-99.', requestId: 'r' }
      return reply.code(404).send({ error })
    })
    const whole = {
      ...incident,
      alerts: [alert('f1')],
      runbook: { name: 'TrunkDown', hash: '0123456789abcdef' },
      facts: [
        {
          id: 'x2',
          sequence: 2,
          kind: 'note',
          certainty: 'estimate',
          occurredAt: '2026-03-02T09:10:00.000Z',
          recordedAt: '2026-03-02T10:00:00.000Z',
          recordedBy: 'ines',
          supersedes: null,
          text: 'Carrier\u001b[2J works on it',
        },
        {
          id: 'x1',
          sequence: 1,
          kind: 'alert_fired',
          certainty: 'actual',
          occurredAt: '2026-03-02T09:15:00.000Z',
          recordedAt: '2026-03-02T09:15:00.000Z',
          recordedBy: 'hub',
          supersedes: null,
          text: 'TrunkDown',
        },
      ],
    }
    app.get('/api/v1/hosts', async () => ({
      hosts: [
        {
          instance: 'pbx-1',
          customer: 'bank',
          site: 'hn',
          role: 'pbx',
          simulated: true,
          state: 'critical',
          connected: false,
          lastReportAt: null,
          version: '0.1.0',
          firing: 1,
        },
      ],
    }))
    app.get('/api/v1/tokens', async () => ({
      tokens: [
        {
          id: 't1',
          name: 'ines',
          role: 'operator',
          label: '',
          createdAt: '2026-03-02T09:00:00.000Z',
          lastUsedAt: null,
          revokedAt: null,
        },
      ],
    }))
    app.post('/api/v1/tokens', async (request, reply) =>
      reply.code(201).send({ id: 't2', token: 'cwt_secret', ...(request.body as object) }),
    )
    app.delete('/api/v1/tokens/:id', async (_request, reply) => reply.code(204).send())
    app.post('/api/v1/sign-in-links', async (_request, reply) =>
      reply.code(201).send({
        url: 'http://127.0.0.1:9770/sign-in#cwl_x',
        expiresAt: '2026-03-02T09:30:00.000Z',
      }),
    )
  }
}

/** A running `callward`; `out` and `err` grow. */
interface Run {
  readonly child: ChildProcess
  out: string
  err: string
  readonly code: Promise<number | null>
  say(line: string): void
  shows(expected: string | RegExp): Promise<void>
}

function callward(args: string[], environment: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, TZ: 'Asia/Ho_Chi_Minh', ...environment },
  })
  const code = new Promise<number | null>((resolve) => child.on('close', resolve))
  const one: Run = {
    child,
    out: '',
    err: '',
    code,
    say: (line) => void child.stdin.write(`${line}\n`),
    async shows(expected) {
      const deadline = Date.now() + 15_000
      const found = () =>
        typeof expected === 'string' ? one.out.includes(expected) : expected.test(one.out)
      while (!found()) {
        if (Date.now() > deadline || child.exitCode !== null) {
          throw new Error(
            `not shown: ${String(expected)}\n--- out\n${one.out}\n--- err\n${one.err}`,
          )
        }
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
  }
  child.stdout.on('data', (part) => {
    one.out += String(part)
  })
  child.stderr.on('data', (part) => {
    one.err += String(part)
  })
  return one
}

function reaching(hub: Pick<LiveHub, 'port'>, token = 'ines-token'): Record<string, string> {
  return { CALLWARD_HUB: `ws://127.0.0.1:${hub.port}/session`, CALLWARD_TOKEN: token }
}

t.test('watch: what fires, what happens, acknowledging, a hub that restarts', async (t) => {
  const asked: string[] = []
  const routes = answering(
    [
      alert('f1'),
      alert('f0', {
        severity: 'warning',
        acknowledgedAt: '2026-03-02T09:16:00.000Z',
        acknowledgedBy: 'carl',
        firedAt: '2026-03-02T09:00:00.000Z',
      }),
    ],
    asked,
  )
  const first = await startLiveHub(records, { simulated: true, routes })
  const watch = callward(['watch'], reaching(first))
  t.teardown(() => watch.child.kill('SIGKILL'))
  await watch.shows('Trunk f1 is down')
  t.match(
    watch.out,
    /^ines \(operator\) at http:\/\/127\.0\.0\.1:\d+, hub [\d.]+, SIMULATED DATA\n2 firing, 1 not acknowledged:\n/,
  )
  t.match(
    watch.out,
    '2026-03-02 16:00:00 +07:00  WARNING       pbx-1  Trunk f0 is down  #12  http://127.0.0.1:',
  )
  t.match(
    watch.out,
    /acknowledged by carl\n.*CRITICAL {6}pbx-1 {2}Trunk f1 is down {2}#12 {2}http:\/\/127\.0\.0\.1:\d+\/runbooks\/TrunkDown\n$/,
    'the newest stands last',
  )
  t.notMatch(watch.out, '\x1b', 'no colour in a pipe')

  await first.publish({ change: 'firing', alert: alert('f1') })
  await first.publish({
    change: 'firing',
    alert: alert('f2', {
      annotations: { summary: 'Trunk \u001b]0;owned\u0007f2 断线' },
      incident: null,
    }),
  })
  await first.publish({ change: 'opened', incident }, 'incident')
  await first.publish({
    change: 'acknowledged',
    alert: alert('f1', { acknowledgedAt: '2026-03-02T09:20:00.000Z', acknowledgedBy: 'ines' }),
  })
  await first.publish({ change: 'resolved', alert: alert('f1', { state: 'resolved' }) })
  await watch.shows('RESOLVED')
  t.equal(
    watch.out.match(/CRITICAL {6}pbx-1 {2}Trunk f1/g)?.length,
    1,
    'what the list showed is not told twice',
  )
  t.match(
    watch.out,
    /\+07:00 {2}CRITICAL {6}pbx-1 {2}Trunk \]0;owned f2 断线 {2}http/,
    'escape sequences are taken out',
  )
  t.match(watch.out, /INCIDENT {6}pbx-1 {2}#12 SEV1 opened: Trunk lost\n/)
  t.match(watch.out, /ACKNOWLEDGED {2}pbx-1 {2}Trunk f1 is down {2}by ines {2}#12\n/)

  watch.say('ack f2')
  watch.say('ack-incident i-12')
  watch.say('ack missing')
  watch.say('dance')
  await watch.shows('the hub says: No such alert is firing.')
  t.same(first.acknowledged, ['alert f2 by ines', 'incident i-12 by ines'])
  t.match(
    watch.out,
    'recorded: alert f2 is acknowledged\nrecorded: incident i-12 is acknowledged\n',
  )
  t.match(watch.err, '"dance" is no command')
  const end = first.app.live.listeners()[0]?.sent
  await until(() => first.app.live.listeners()[0]?.received === end)

  await first.close()
  await watch.shows('connection lost')
  watch.say('ack f2')
  await watch.shows('Not connected now')
  const second = await startLiveHub(records, { port: first.port, routes })
  t.teardown(() => second.close())
  for (const name of ['f3', 'f4', 'f5'])
    await second.publish({ change: 'firing', alert: alert(name) })
  await watch.shows(/connection is back after \d+ s, 3 missed messages caught up/)
  t.match(watch.out, /Trunk f3[\s\S]*Trunk f4[\s\S]*Trunk f5[\s\S]*is back/)
  t.equal(watch.out.match(/Trunk f4/g)?.length, 1, 'each once')
  t.equal(asked.filter((one) => one.endsWith(' /live')).length, 0)
  watch.child.kill('SIGTERM')
  t.equal(await watch.code, 0)
  t.equal(watch.err.split('\n').length, 2, 'nothing else on standard error')
})

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`not in 10 s: ${holds.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

t.test(
  'watch --json, SIGINT, end of input, revoked and refused tokens, restored hub',
  async (t) => {
    const hub = await startLiveHub(records, {
      routes: answering([alert('f1')]),
      times: { recheckMs: 50 },
    })
    t.teardown(() => hub.close())
    const json = callward(['watch', '--json'], reaching(hub))
    json.child.stdin?.end()
    await json.shows('"firing"')
    await hub.publish({ change: 'firing', alert: alert('f9') })
    await json.shows('"kind":"alert"')
    const lines = json.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    t.match(lines, [
      { type: 'welcome', name: 'ines' },
      { type: 'firing', alerts: [{ fingerprint: 'f1' }] },
      { type: 'message', body: { change: 'firing' } },
    ])
    json.child.kill('SIGINT')
    t.equal(await json.code, 0)

    const quits = callward(['watch'], reaching(hub))
    await quits.shows('1 firing')
    quits.say('quit')
    t.equal(await quits.code, 0)

    // A hub restored from an older copy: the queue ends before what was seen.
    const restored = callward(['watch'], reaching(hub))
    await restored.shows('1 firing')
    await hub.publish({ change: 'firing', alert: alert('f10') })
    await restored.shows('Trunk f10')
    await records.write((tx) =>
      tx
        .deleteFrom('live_messages')
        .where('principal_id', '=', 'p-ines')
        .where('sequence', '>', 2)
        .execute(),
    )
    await hub.close()
    const older = await startLiveHub(records, {
      port: hub.port,
      routes: answering([alert('f11')]),
      times: { recheckMs: 50 },
    })
    t.teardown(() => older.close())
    await restored.shows(/the hub was restored[\s\S]*1 firing[\s\S]*Trunk f11/)
    await older.publish({ change: 'firing', alert: alert('f12') })
    await restored.shows('Trunk f12')
    older.tokens.delete('ines-token')
    t.equal(await restored.code, 1)
    t.match(restored.err, 'callward watch: The hub ended the session')

    const wrong = callward(['watch', '--token', 'nonsense'], reaching(older))
    t.equal(await wrong.code, 1)
    t.match(wrong.err, /refuses the token from --token[\s\S]*callward token create/)
    const service = callward(['watch'], reaching(older, 'grafana-token'))
    t.equal(await service.code, 1)
    t.match(service.err, 'The role grafana may not follow alerts')
  },
)

t.test('the other commands', async (t) => {
  const asked: string[] = []
  const hub = await startLiveHub(records, { routes: answering([alert('f1')], asked) })
  t.teardown(() => hub.close())
  async function check(
    args: string[],
    expected: { out?: RegExp | string; err?: RegExp | string; code?: number },
    environment = reaching(hub),
  ) {
    const texts = { out: '', err: '' }
    const stream = (name: 'out' | 'err') => ({
      on() {},
      write(text: string) {
        texts[name] += text
        return true
      },
    })
    // The commands other than watch use no more of a terminal than this.
    const terminal = {
      environment,
      stdin: new PassThrough(),
      stdout: stream('out'),
      stderr: stream('err'),
    } as unknown as Terminal
    t.equal(
      await run(args, terminal),
      expected.code ?? 0,
      `callward ${args.join(' ')}: ${texts.err}`,
    )
    if (expected.out !== undefined) t.match(texts.out, expected.out)
    if (expected.err !== undefined) t.match(texts.err, expected.err)
  }
  mkdirSync(join(folder, 'data-demo/hub'), { recursive: true })
  writeFileSync(join(folder, 'data-demo/hub/terminal.token'), 'ines-token\n')
  await Promise.all([
    check(
      ['alerts'],
      {
        out: /CRITICAL {2}firing {2}pbx-1 {2}Trunk f1 is down {2}2026-03-02 16:15:00 \+07:00 {2}- {16}#12/,
      },
      {
        CALLWARD_HUB: `http://127.0.0.1:${hub.port}/`,
        CALLWARD_DATA: join(folder, 'data-demo'),
      },
    ),
    check(['incidents', '--open'], {
      out: /#12 {5}SEV1 {6}OPEN {3}recorded {3}pbx-1 {3}Trunk lost/,
    }),
    check(['incident', '12'], {
      out: /#12 {2}Trunk lost\n[\s\S]*acknowledged {2}-\n[\s\S]*\/runbooks\/TrunkDown {2}\(as of 0123456789ab\)[\s\S]*Timeline\n.*16:10:00 \+07:00 {2}note {15}Carrier \[2J works on it {2}\[ines\] {2}\(estimate; written down 2026-03-02 17:00:00 \+07:00\)\n.*alert fired/,
    }),
    check(['incident', 'i-99'], { code: 1, err: 'There is no incident i-99' }),
  ])
  await Promise.all([
    check(['hosts'], {
      out: /pbx-1 \(simulated\) {2}CRITICAL {2}pbx {3}bank\/hn {8}1 {7}- \(not connected\) {2}0\.1\.0/,
    }),
    check(['hosts', '--json'], { out: /^\{\n {2}"hosts"/ }),
    check(['sign-in'], {
      out: /^http:\/\/127\.0\.0\.1:9770\/sign-in#cwl_x\n$/,
      err: /once, until 2026-03-02 16:30:00/,
    }),
    check(['token', 'create', '--name', 'bo', '--role', 'operator'], {
      out: /^cwt_secret\n$/,
      err: 'shown once',
    }),
  ])
  await Promise.all([
    check(['token', 'list'], { out: /t1 {2}ines {2}operator {2}in use/ }),
    check(['token', 'revoke', 't/1'], { out: 'is revoked' }),
    check(['token', 'create', '--name', 'bo', '--role', 'king'], {
      code: 2,
      err: /--role admin \| operator[\s\S]*Usage: callward token/,
    }),
    check(['alerts', '--colour'], { code: 2, err: /--colour[\s\S]*Usage: callward alerts/ }),
  ])
  t.ok(asked.includes('DELETE /api/v1/tokens/t%2F1'))
  const nowhere = await freePort()
  await Promise.all([
    check(['start', '--port', '1'], { code: 2, err: /--port[\s\S]*Usage: callward start/ }),
    check(['help', 'start'], { out: 'callward start [--demo]' }),
    check(['dance'], { code: 2, err: 'there is no command "dance"' }),
    check([], { code: 2, err: 'Usage: callward COMMAND' }),
    check(['watch', '--help'], { out: /Usage: callward watch[\s\S]*Examples:[\s\S]*CALLWARD_HUB/ }),
    check(['version'], { out: /^callward \d+\.\d+\.\d+ \(Node \d+/ }),
  ])
  await Promise.all([
    check(
      ['watch'],
      {
        code: 1,
        err: new RegExp(
          `does not answer at http://127.0.0.1:${nowhere} \\(ECONNREFUSED\\): is it running\\? Start it with: npm start`,
        ),
      },
      reaching({ port: nowhere }),
    ),
    check(
      ['hosts'],
      { code: 1, err: /does not answer at .*ECONNREFUSED.*npm start/ },
      reaching({ port: nowhere }),
    ),
    check(['hosts', '--hub', 'ftp://x'], { code: 2, err: 'http:// or https://' }),
    check(
      ['hosts'],
      { code: 1, err: /No token\. Set CALLWARD_TOKEN.*elsewhere/ },
      { CALLWARD_DATA: 'elsewhere' },
    ),
  ])
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

t.test('lines, widths, addresses, the choice', (t) => {
  t.equal(hubUrl('ws://10.0.0.1:9770/session'), 'http://10.0.0.1:9770')
  t.equal(hubUrl('wss://hub.example/call/session'), 'https://hub.example/call')
  t.equal(hubUrl('http://127.0.0.1:9770/'), 'http://127.0.0.1:9770')
  t.throws(() => hubUrl('127.0.0.1:9770'), /http:\/\/ or|no address/)
  t.equal(plain('a\u001b[31m\nb\u202ec\u0000'), 'a [31m b c')
  t.equal(displayWidth('中继 down'), 9)
  t.equal(fit('中继 down', 9), '中继 down')
  t.equal(fit('中继 down', 4), '中…')
  t.equal(fit('abc', 0), '')
  t.equal(localTime(null), '-')
  t.match(localTime('2026-03-02T09:15:00.000Z'), /^2026-03-0[123] \d\d:\d\d:00 [+-]\d\d:\d\d$/)
  const coloured = alertLine({ change: 'firing', alert: alert('f1') }, '2026-03-02T09:15:00.000Z', {
    paint: (word, text = word) => `<${word}|${text}>`,
    hubUrl: 'http://h',
  })
  t.match(coloured, '  <CRITICAL|CRITICAL    >  pbx-1  ')

  const at = (minute: number) => ({ firedAt: `2026-03-02T09:${minute}:00.000Z` })
  let list = listLoaded(emptyList, [alert('f1', at(11)), alert('f2', at(12)), alert('f3', at(13))])
  const chosen = () => chosenAlert(list)?.alert.fingerprint
  t.equal(chosen(), 'f3', 'the newest by default')
  const linked = alert('f1', { ...at(11), incident: { id: 'i-9', number: 9 } })
  const refreshed = listRefreshed(list, [linked, alert('f9', at(19))])
  t.equal(refreshed.firing.get('f1')?.incident?.number, 9)
  t.same(
    [...refreshed.firing.keys()],
    ['f1', 'f2', 'f3'],
    'f9 comes by its message, and is printed',
  )
  list = chooseNext(list, 1)
  t.equal(chosen(), 'f2')
  list = listChanged(list, { change: 'firing', alert: alert('f4', at(14)) })
  t.equal(chosen(), 'f2', 'a new alert does not move the choice')
  t.same({ ...chosenAlert(list), alert: undefined }, { place: 3, of: 4, alert: undefined })
  list = chooseNext(chooseNext(list, 1), 1)
  t.equal(chosen(), 'f1', 'stays at the end')
  list = listChanged(list, {
    change: 'acknowledged',
    alert: alert('f1', { ...at(11), acknowledgedAt: '2026-03-02T09:20:00.000Z' }),
  })
  t.equal(chosen(), 'f4', 'what is acknowledged gives way to the newest')
  list = listChanged(list, { change: 'resolved', alert: alert('f4') })
  t.equal(chosen(), 'f3')
  t.ok(isKnown(list, { change: 'firing', alert: alert('f3') }))
  t.notOk(isKnown(list, { change: 'firing', alert: alert('f3', { id: 'another life' }) }))
  t.equal(chosenAlert(chooseNext(emptyList, 1)), undefined)

  // A new alert becomes the choice just as a key is pressed: it was not read yet.
  let shown = shownNow({ fingerprint: undefined, since: 0 }, list, 1000, false)
  t.ok(wasSeen(shown, 1700))
  list = listChanged(
    { ...list, chosen: undefined },
    { change: 'firing', alert: alert('f9', at(30)) },
  )
  shown = shownNow(shown, list, 2000, false)
  t.notOk(wasSeen(shown, 2300))
  t.ok(wasSeen(shownNow(shown, list, 2600, false), 2700))
  t.ok(
    wasSeen(shownNow(shown, chooseNext(list, 1), 2300, true), 2300),
    'what was chosen by key was seen',
  )
  t.end()
})

t.test('watch: pages, missed ones first; displayed when written; taken by number', async (t) => {
  const asked: string[] = []
  const open: { id: string; state: string }[] = []
  const routes = (app: FastifyInstance) => {
    answering([], asked)(app)
    app.get('/api/v1/pages', async () => ({ pages: open }))
    app.post('/api/v1/pages/:id/acknowledge', async (request, reply) => {
      const { id } = request.params as { id: string }
      if (id === 'page-72') return { page: {} }
      return reply
        .code(409)
        .send({ error: { code: 'conflict', message: 'carl has taken it.', requestId: 'r' } })
    })
  }
  const hub = await startLiveHub(records, { routes })
  t.teardown(() => hub.close())
  await hub.page(['p-ines'], 70)
  await hub.page(['p-ines'], 71)
  // 70 was taken meanwhile; 71 waits.
  open.push({ id: 'page-70', state: 'acknowledged' }, { id: 'page-71', state: 'open' })
  const displayed = async () => {
    const rows = await records.read
      .selectFrom('live_messages')
      .select('body')
      .where('principal_id', '=', 'p-ines')
      .where('kind', '=', 'page')
      .where('displayed_at', 'is not', null)
      .orderBy('sequence')
      .execute()
    return rows.map(({ body }) => (JSON.parse(body) as { attempt: string }).attempt)
  }
  const untilDisplayed = async (count: number) => {
    const deadline = Date.now() + 10_000
    while ((await displayed()).length < count) {
      if (Date.now() > deadline) throw new Error(`not displayed: ${await displayed()}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  const watch = callward(['watch'], reaching(hub))
  t.teardown(() => watch.child.kill('SIGKILL'))
  await watch.shows(/PAGE {10}#71 CRITICAL {2}Trunk 71 lost {2}\(take 71\)\n/)
  await hub.page(['p-ines'], 72)
  await watch.shows('Trunk 72 lost')
  await untilDisplayed(2)
  t.same(await displayed(), ['attempt-71', 'attempt-72'], 'the one that is over was not shown')
  t.notMatch(watch.out, 'Trunk 70')
  watch.say('take #72')
  await watch.shows('recorded: page #72 is taken')
  watch.say('take 71')
  await watch.shows(/page #71 is not taken: .*carl has taken it/)
  t.ok(asked.includes('POST /api/v1/pages/page-72/acknowledge'))
  await hub.publish({ n: 1 }, 'novelty' as never)
  watch.say('quit')
  t.equal(await watch.code, 0)

  const json = callward(['watch', '--json'], reaching(hub))
  t.teardown(() => json.child.kill('SIGKILL'))
  await json.shows('"firing"')
  await hub.page(['p-ines'], 73)
  await json.shows('"attempt":"attempt-73"')
  await untilDisplayed(3)
  json.say('take 73')
  await json.shows('{"type":"page","state":"not_taken","number":73')
  json.child.kill('SIGTERM')
  t.equal(await json.code, 0)
})

t.test('pages on the screen: the newest is taken first', (t) => {
  const body = (number: number): PageBody => ({
    page: { id: `page-${number}`, number, title: 'Trunk \u001b[2Jlost', severity: 'critical' },
    attempt: 'a',
    key: 'k',
  })
  const two = pagePrinted(pagePrinted([], body(1), 0), body(2), 5)
  t.same(
    two.map(({ number }) => number),
    [1, 2],
  )
  t.same(
    pagePrinted(two, body(1), 9).map(({ number, since }) => [number, since]),
    [
      [2, 5],
      [1, 9],
    ],
  )
  t.same(
    pageTaken(two, 2).map(({ number }) => number),
    [1],
  )
  const style = { paint: (_word: string, text?: string) => text ?? _word, hubUrl: '' }
  t.notMatch(pageLine(body(1), '2026-03-02T09:15:00.000Z', style), '\u001b')
  t.end()
})
