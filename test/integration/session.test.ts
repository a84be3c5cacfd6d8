import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import WebSocket from 'ws'
import { folderOf } from '../helpers/folder.ts'
import { TestHub, until } from '../helpers/hub.ts'
import { Reporter } from '../helpers/reporter.ts'

let hub: TestHub
let token: string

t.before(async () => {
  hub = await TestHub.start(folderOf(t))
  token = await hub.token('reporters', 'collector')
})
t.teardown(() => hub.stop())

t.test('a report is stored under the host’s labels and acknowledged', async (t) => {
  const host = new Reporter('pbx-1')
  await host.connect(hub.url, token)
  t.match(host.frame('welcome'), { committed: { live: 0, backlog: 0 }, protocol: 1, facts: {} })
  host.report(1, [42])
  await host.acknowledgedUpTo(1)
  const [series] = await hub.query('test_value')
  t.match(series, { metric: { __name__: 'test_value', ...host.labels }, value: [Number, '42'] })
  t.match(await hub.query('callward_collector_up{instance="pbx-1"}'), [{ value: [Number, '1'] }])
  host.close()
})

t.test('a repeat has no second effect; the next session goes on where the disk is', async (t) => {
  const host = new Reporter('pbx-2')
  await host.connect(hub.url, token)
  const wall = Date.now() - 5000
  for (let i = 1; i <= 5; i++) host.report(i, [i], { wall: wall + i * 10 })
  for (let i = 1; i <= 5; i++) host.report(i, [100 + i], { wall: wall + i * 10 })
  await host.acknowledgedUpTo(5)
  t.match(await hub.query('sum_over_time(test_value{instance="pbx-2"}[1m])'), [
    { value: [Number, '15'] },
  ])
  t.match(await hub.query('count_over_time(test_value{instance="pbx-2"}[1m])'), [
    { value: [Number, '5'] },
  ])
  host.close()
  await host.untilClosed()
  await host.connect(hub.url, token)
  t.same(host.frame('welcome')?.committed, { live: 5, backlog: 0 })
  const other = new Reporter('pbx-2', { collector: host.collector, epoch: 'e2' })
  await other.connect(hub.url, token)
  t.same(other.frame('welcome')?.committed, { live: 0, backlog: 0 }, 'a new epoch counts from 1')
  t.match(
    await host.untilClosed(),
    { code: 4409 },
    'the former session of the same collector is closed',
  )
  other.close()
})

t.test('a host cannot speak for another', async (t) => {
  const host = new Reporter('pbx-3')
  await host.connect(hub.url, token, { hello: true, series: [] })
  host.sendJson({
    type: 'series',
    from: 0,
    series: [{ name: 'forged', labels: { instance: 'pbx-1', customer: 'other' } }],
  })
  host.report(1, [1])
  await host.acknowledgedUpTo(1)
  t.match(await hub.query('forged'), [{ metric: { instance: 'pbx-3', customer: 'bank' } }])
  const rival = new Reporter('pbx-3')
  await rival.connect(hub.url, token)
  t.match(await rival.untilClosed(), { code: 4403, reason: /pbx-3/ })
  t.match(rival.frame('error'), { code: 'conflict', message: /labels\.instance/ })
  host.close()
})

t.test(
  'bad frames close that session with a reason and harm nobody else',
  { timeout: 60_000 },
  async (t) => {
    const bystander = new Reporter('bystander')
    await bystander.connect(hub.url, token)
    const check = async (
      name: string,
      send: (host: Reporter) => void,
      code: number,
      message: RegExp,
      hello = true,
    ) => {
      const host = new Reporter(`bad-${name.replaceAll(' ', '-')}`)
      await host.connect(hub.url, token, { hello })
      send(host)
      const closed = await host.untilClosed()
      t.equal(closed.code, code, name)
      t.match(host.frame('error')?.message ?? closed.reason, message, name)
    }
    await check('text garbage', (host) => host.socket?.send('{"type":'), 4400, /not JSON/)
    await check(
      'binary garbage',
      (host) => host.socket?.send(Buffer.from('hello')),
      4400,
      /shorter than its header/,
    )
    await check('zeros', (host) => host.socket?.send(Buffer.alloc(1000)), 4400, /frame kind/)
    await check('report before hello', (host) => host.report(1, [1]), 4400, /hello/, false)
    await check(
      'unknown type',
      (host) => host.sendJson({ type: 'reboot' }),
      4400,
      /unknown frame type/,
    )
    await check('hello twice', (host) => host.sendJson(host.hello()), 4400, /already/)
    await check(
      'wrong protocol',
      (host) => host.sendJson({ ...host.hello(), protocols: [99, 7] }),
      4426,
      /speaks protocol 1, the collector 99, 7/,
      false,
    )
    await check(
      'hello without labels',
      (host) => host.sendJson({ type: 'hello', protocols: [1] }),
      4400,
      /hello/,
      false,
    )
    await check(
      'value outside the dictionary',
      (host) => host.report(1, [1, 2, 3]),
      4400,
      /dictionary/,
    )
    await check(
      'hostile label',
      (host) =>
        host.sendJson({
          type: 'series',
          from: 1,
          series: [{ name: 'x', labels: { 'a"} 1\n': 'v' } }],
        }),
      4400,
      /series/,
    )
    await check(
      'gap in the dictionary',
      (host) => host.sendJson({ type: 'series', from: 7, series: [] }),
      4400,
      /dictionary holds 1/,
    )
    for (const frame of [Buffer.alloc(100_000_000), 'x'.repeat(100_000_000)]) {
      const host = new Reporter('bad-large')
      await host.connect(hub.url, token)
      host.socket?.send(frame)
      const { code } = await host.untilClosed()
      // 1009, or 1006 when the sender was still writing as the hub closed.
      t.ok(code === 1009 || code === 1006, `100 MB: ${code}`)
    }

    bystander.report(1, [7])
    await bystander.acknowledgedUpTo(1)
    t.match(await hub.query('test_value{instance="bystander"}'), [{ value: [Number, '7'] }])
    const metrics = await (await hub.fetch('/metrics')).text()
    t.match(metrics, /callward_ingest_rejected_total\{reason="bad_frame"\} [1-9]/)
    t.match(metrics, /callward_ingest_rejected_total\{reason="too_large"\} 2/)
    bystander.close()
  },
)

t.test('a label value is data, whatever it holds', async (t) => {
  const host = new Reporter('hostile')
  await host.connect(hub.url, token, { series: [] })
  const value = '"} or vector(1) # \\ \n <script>alert(1)</script> \u0000 \u{1F4A3}'
  host.sendJson({ type: 'series', from: 0, series: [{ name: 'hostile', labels: { path: value } }] })
  host.report(1, [1])
  await host.acknowledgedUpTo(1)
  t.match(await hub.query('hostile'), [{ metric: { path: value } }])
  host.close()
})

t.test('clocks: far ahead is refused, a little off is corrected', async (t) => {
  const host = new Reporter('clock')
  await host.connect(hub.url, token)
  host.report(1, [1], { wall: Date.now() + 7_200_000 })
  host.report(2, [2])
  await host.acknowledgedUpTo(2)
  t.match(host.frame('refused'), { sequence: 1, reason: /2\.0 h ahead/ })
  t.match(await hub.query('count_over_time(test_value{instance="clock"}[5m])'), [
    { value: [Number, '1'] },
  ])
  host.close()
})

t.test('clocks: one that is set after the hello moves no sample away', async (t) => {
  const greet = async (wall: number) => {
    const host = new Reporter('early')
    await host.connect(hub.url, token, { hello: false })
    host.sendJson({ ...host.hello(), wall })
    return host
  }
  const host = await greet(5000)
  await until('welcome', () => host.frame('welcome'))
  host.sendJson({ type: 'series', from: 0, series: [{ name: 'test_value', labels: {} }] })
  host.report(1, [1])
  await host.acknowledgedUpTo(1)
  t.match(await hub.query('count_over_time(test_value{instance="early"}[5m])'), [
    { value: [Number, '1'] },
  ])
  host.close()
  await host.untilClosed()
  const mad = await greet(-1e308)
  t.match(await mad.untilClosed(), { code: 4400, reason: /hello\/wall/ })
})

t.test('wrong tokens, wrong roles, wrong paths', async (t) => {
  const refused = (path: string, authorization: string) =>
    new Promise<{ status: number; body: string }>((resolve, reject) => {
      const socket = new WebSocket(`${hub.url.replace('http', 'ws')}${path}`, {
        headers: { authorization },
      })
      socket.on('open', () => reject(new Error('it was let in')))
      socket.on('error', () => undefined)
      socket.on('unexpected-response', (_request, response) => {
        let body = ''
        response.on('data', (part) => {
          body += part
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      })
    })
  const auditor = await hub.token('eve', 'auditor')
  t.match(await refused('/session', 'Bearer wrong'), { status: 401, body: /callward token create/ })
  t.match(await refused('/session', `Bearer ${auditor}`), { status: 403, body: /auditor/ })
  t.match(await refused('/nowhere', `Bearer ${token}`), { status: 404, body: /not_found/ })
  t.match(await refused('/live', `Bearer ${token}`), { status: 403 })
  t.match(await refused('/live', 'Bearer wrong'), { status: 401 })
})

t.test('a new host is not called silent before it could report', async (t) => {
  const host = new Reporter('newcomer')
  await host.connect(hub.url, token, { intervalSeconds: 2 })
  t.same(await hub.query('callward_collector_up{instance="newcomer"} == 0'), [])
  const { alerts } = await hub.api<{ alerts: { instance?: string }[] }>('/api/v1/alerts?state=all')
  t.notOk(alerts.some(({ instance }) => instance === 'newcomer'))
  host.close()
})

t.test('silence is noticed by the hub’s own clock', async (t) => {
  const host = new Reporter('silent')
  await host.connect(hub.url, token, { intervalSeconds: 1 })
  host.report(1, [1])
  await host.acknowledgedUpTo(1)
  const heard = Date.now()
  let up = '1'
  while (up === '1' && Date.now() - heard < 6000) {
    await delay(50)
    up = (await hub.query('callward_collector_up{instance="silent"}'))[0]?.value[1] ?? 'none'
  }
  t.equal(up, '0')
  const after = Date.now() - heard
  t.ok(after > 2800, `silent after ${after} ms, due at 3000`)
  const { hosts } = await hub.api<{ hosts: { instance: string; state: string }[] }>('/api/v1/hosts')
  t.equal(hosts.find(({ instance }) => instance === 'silent')?.state, 'silent')
  host.close()
})
