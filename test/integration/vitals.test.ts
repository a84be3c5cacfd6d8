import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { buildApp } from '../../server/app.ts'
import type { CanaryRun } from '../../server/canary/plugin.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import { adminToken, until } from '../helpers/hub.ts'

/** The machine's time, which a test may set forward. */
class ShiftedClock {
  ahead = 0

  now = () => Date.now() + this.ahead
  monotonic = () => performance.now() + this.ahead
}

/** Takes what is sent to it. */
async function receiver(t: Test) {
  const got: { path: string; method: string; body: string }[] = []
  const answers = { status: 200 }
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const body = Buffer.concat(parts).toString()
    got.push({ path: request.url!, method: request.method!, body })
    response.writeHead(answers.status).end('ok')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { got, answers, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

/** The whole hub in this process, without a port. */
async function start(folder: string, hub: object, clock: ShiftedClock): Promise<FastifyInstance> {
  const file = join(folder, 'callward.yaml')
  writeFileSync(file, JSON.stringify({ hub: { notifyAllow: ['127.0.0.1'], ...hub } }))
  const config = readHubConfig({
    CALLWARD_CONFIG: file,
    CALLWARD_DATA: join(folder, 'data'),
    CALLWARD_ADMIN_TOKEN: adminToken,
    CALLWARD_LOG: 'silent',
  })
  prepareDataFolder(config)
  const app = await buildApp(config, clock)
  await app.ready()
  return app
}

function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'callward-vitals-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function call<T>(
  app: FastifyInstance,
  method: 'GET' | 'POST',
  url: string,
  payload?: object,
) {
  const headers = { authorization: `Bearer ${adminToken}`, host: '127.0.0.1:9770' }
  const answer = await app.inject({ method, url, headers, ...(payload && { payload }) })
  if (answer.statusCode > 299) throw new Error(answer.body)
  return answer.json<T>()
}

function firing(app: FastifyInstance, rule: string): boolean {
  return app.rules.activeAlerts().some((one) => one.rule === rule && one.state === 'firing')
}

/** One group that asks for what a test holds up. */
const slowRules = `
groups:
  - name: slow
    interval: 10s
    rules: [{record: held_up_count, expr: count(held_up)}]
`

t.test('each part that stalls raises its alert, and the word outward stops', async (t) => {
  const outside = await receiver(t)
  const clock = new ShiftedClock()
  const heartbeat = { url: `${outside.url}/ping/secret`, intervalSeconds: 86_400 }
  const rulesFolder = folderOf(t)
  writeFileSync(join(rulesFolder, 'slow.yaml'), slowRules)
  const app = await start(folderOf(t), { heartbeat, rulesFolder }, clock)
  const { records } = app
  await until('the first word', () => outside.got.length === 1)
  t.match(outside.got[0], { path: '/ping/secret', method: 'GET', body: '' })
  // In the first minute after a start nothing resolves without news.
  clock.ahead += 100_000
  await until('all is well', () => app.heartbeat.faults().length === 0)
  t.same(app.heartbeat.faults(), [])

  await t.test('the records refuse writes', async (t) => {
    const write = records.write
    const refuse = () => Promise.reject(new Error('disk I/O error'))
    Object.defineProperty(records, 'write', { value: refuse, configurable: true, writable: true })
    await app.heartbeat.look()
    clock.ahead += 31_000
    await until('RecordsRefusing', () => firing(app, 'RecordsRefusing'))
    t.match(app.heartbeat.faults(), [{ part: 'records', because: /refuse writes for 3\d s/ }])
    await app.heartbeat.beat()
    t.equal(outside.got.length, 1, 'nothing is said outside')
    t.match(await call(app, 'GET', '/api/v1/heartbeat'), { well: false, outward: { refusals: 0 } })
    Object.defineProperty(records, 'write', { value: write, configurable: true, writable: true })
    await app.heartbeat.look()
    await until('it is over', () => !firing(app, 'RecordsRefusing'))
    await until('well again', () => app.heartbeat.faults().length === 0)
    await app.heartbeat.beat()
    t.equal(outside.got.length, 2, 'and is heard again')
  })

  await t.test('the worker of obligations cannot look', async () => {
    const { read } = records
    let looks = 0
    const blind = new Proxy(read, {
      get(target, key) {
        const value = Reflect.get(target, key)
        if (key !== 'selectFrom') return typeof value === 'function' ? value.bind(target) : value
        return (table: string) => {
          if (table === 'obligations') {
            looks++
            throw new Error('no such table')
          }
          return (value as (name: string) => unknown).call(target, table)
        }
      },
    })
    Object.defineProperty(records, 'read', { value: blind, configurable: true })
    app.obligations.wake()
    // A look that had begun before may still end well, and would count for the minute that comes.
    await until('it looked and saw nothing', () => looks > 0)
    clock.ahead += 61_000
    await until('ObligationWorkerStalled', () => firing(app, 'ObligationWorkerStalled'))
    Object.defineProperty(records, 'read', { value: read, configurable: true })
    app.obligations.wake()
    await until('it is over', () => !firing(app, 'ObligationWorkerStalled'))
  })

  await t.test('one rule group waits for an answer that does not come', async (t) => {
    const { promql } = app
    const { instant } = promql
    const ends: (() => void)[] = []
    const held: typeof instant = async (expr, ...rest) => {
      const text = typeof expr === 'string' ? expr : promql.printExpr(expr)
      if (text.includes('held_up')) await new Promise<void>((resolve) => ends.push(resolve))
      return instant(expr, ...rest)
    }
    Object.defineProperty(promql, 'instant', { value: held, configurable: true, writable: true })
    clock.ahead += 10_000
    await until('the group asks', () => ends.length > 0)
    clock.ahead += 75_000
    await until('its lateness is seen', () =>
      app.rules.activeAlerts().some(({ rule }) => rule === 'RulesStalled'),
    )
    clock.ahead += 11_000
    await until('RulesStalled fires', () => firing(app, 'RulesStalled'))
    t.equal(ends.length, 1, 'a group that waits takes no second turn')
    t.match(
      app.heartbeat.faults().filter(({ part }) => part === 'rules'),
      [{ because: /a rule group was not evaluated for \d\d s/ }],
    )
    await app.heartbeat.beat()
    t.equal(outside.got.length, 2, 'nothing is said outside')
    Object.defineProperty(promql, 'instant', { value: instant, configurable: true, writable: true })
    for (const end of ends) end()
    await until('it is over', () => !firing(app, 'RulesStalled'))
  })

  await t.test('the event loop stands still', async () => {
    const end = performance.now() + 2_300
    while (performance.now() < end) Math.sqrt(end)
    await until('EventLoopStalled', () => firing(app, 'EventLoopStalled'))
  })

  await t.test('the address outside refuses', async (t) => {
    await until('well again', () => app.heartbeat.faults().length === 0, 60_000)
    outside.answers.status = 404
    for (let i = 0; i < 3; i++) await app.heartbeat.beat()
    await until('HeartbeatRefused', () => firing(app, 'HeartbeatRefused'))
    t.match(await call(app, 'GET', '/api/v1/heartbeat'), {
      outward: { refusals: 3, reason: 'answered with 404' },
    })
    outside.answers.status = 200
    await app.heartbeat.beat()
    await until('it is over', () => !firing(app, 'HeartbeatRefused'))
  })
  await app.close()
})

t.test(
  'a heartbeat goes only where the hub may connect, and a fail address is told why',
  async (t) => {
    const outside = await receiver(t)
    const clock = new ShiftedClock()
    const folder = folderOf(t)
    const closed = await start(folder, { heartbeat: { url: outside.url }, notifyAllow: [] }, clock)
    await until('it is refused', () => closed.heartbeat.state()!.refusals > 0)
    t.match(closed.heartbeat.state()!.reason, /loopback/)
    t.notMatch(closed.heartbeat.state()!.reason, outside.url)
    await closed.close()

    const heartbeat = {
      url: outside.url,
      failUrl: `${outside.url}/fail`,
      method: 'POST',
      body: 'well',
    }
    const app = await start(folder, { heartbeat }, clock)
    await until('the first word', () => outside.got.length === 1)
    t.match(outside.got[0], { method: 'POST', body: 'well' })
    const { stats } = app.store
    const full = () => ({ ...stats.call(app.store), refusal: 'disk full' })
    Object.defineProperty(app.store, 'stats', { value: full, configurable: true, writable: true })
    await app.heartbeat.beat()
    t.match(outside.got[1], { path: '/fail', body: /^disk: .*disk full/ })
    await app.close()
  },
)

t.test(
  'the canary flies through rules, records and a contact point, and a missed one is named',
  async (t) => {
    const outside = await receiver(t)
    const clock = new ShiftedClock()
    const folder = folderOf(t)
    const first = await start(folder, {}, clock)
    const flying = call<CanaryRun>(first, 'POST', '/api/v1/canary/run', {})
    await until('it fires', () => firing(first, 'CanaryTest'))
    // In the first minute after a start nothing resolves without news.
    clock.ahead += 100_000
    const alone = await flying
    t.equal(alone.ok, false, 'whom it did not reach it does not vouch for')
    t.match(
      alone.stages.map(({ stage, ok }) => [stage, ok]),
      [
        ['fired', true],
        ['recorded', true],
        ['received', true],
        ['sent', false],
        ['resolved', true],
      ],
    )
    t.match(alone.stages[3]!.reason, /reached nobody.*hub\.canary\.contactPoint/)
    await until('CanaryFailed', () => firing(first, 'CanaryFailed'))
    const made = await call<{ contactPoint: { id: string } }>(
      first,
      'POST',
      '/api/v1/contact-points',
      {
        channel: 'webhook',
        label: 'canary',
        owner: { kind: 'shared', id: 'canary' },
        settings: { url: outside.url, secret: '0123456789abcdef0123456789abcdef' },
      },
    )
    await first.close()

    const contactPoint = made.contactPoint.id
    const at = new Date(clock.now() + 3_600_000).toISOString().slice(11, 16)
    const canary = { at, contactPoint }
    const app = await start(folder, { canary, timeZone: 'UTC' }, clock)
    await until('the failure of before is known', () => firing(app, 'CanaryFailed'))
    clock.ahead += 100_000
    const run = await app.canary.run('ines')
    t.same(
      run.stages.filter(({ ok }) => !ok),
      [],
    )
    t.ok(run.stages.every(({ seconds }) => seconds !== undefined))
    t.match(JSON.parse(outside.got[0]!.body), { kind: 'canary' })
    await until('CanaryFailed is over', () => !firing(app, 'CanaryFailed'))
    const metrics = await app.telemetry.registry.metrics()
    t.match(metrics, /callward_canary_seconds\{stage="fired"\} [\d.]+/)
    // A busy machine may make alerts of its own meanwhile, of the hub that waits for it.
    const titles = async (table: 'incidents' | 'pages') =>
      (await app.records.read.selectFrom(table).select('title').execute())
        .map(({ title }) => title)
        .filter((title) => /test alert|test of the way|canary/i.test(title))
    t.same(
      [await titles('incidents'), await titles('pages')],
      [[], []],
      'no incident, nobody paged',
    )

    const owed = () =>
      app.records.read
        .selectFrom('obligations')
        .select(['subject', 'due_at'])
        .where('kind', '=', 'canary')
        .where('state', '=', 'waiting')
        .execute()
    const [planned] = await owed()
    t.equal(new Date(Number(planned!.due_at)).toISOString().slice(11, 16), at)
    await app.records.write((tx) =>
      tx.deleteFrom('obligations').where('kind', '=', 'canary').execute(),
    )
    t.match(await app.obligations.watch(), [{ kind: 'canary', subject: 'daily' }], 'named')
    t.same(await owed(), [planned], 'and opened anew')

    clock.ahead += 3_700_000
    app.obligations.wake()
    await until(
      'it has flown by plan',
      async () => (await app.canary.runs(1))[0]?.startedBy === 'the plan',
    )
    t.match(await app.canary.runs(1), [{ ok: true, plannedFor: Number(planned!.due_at) }])
    await until('the next is planned', () => app.canary.dueAt()! > clock.now())
    t.equal(app.canary.dueAt(), Number(planned!.due_at) + 86_400_000)
    t.match(await call(app, 'GET', '/api/v1/canary'), { runs: [{}, {}, {}] })
    await app.close()
  },
)
