import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { renameSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { buildApp } from '../../server/app.ts'
import { systemClock } from '../../server/clock.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import { writeRoutes } from '../../server/ingest/write-plugin.ts'
import { StoreUnavailable } from '../../server/store/writer.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken, freePort, until } from '../helpers/hub.ts'
import {
  block,
  encodeSnappy,
  encodeWriteRequest,
  remoteWriteBody,
  type SentSeries,
} from '../helpers/write-encoders.ts'

const required = process.env.CALLWARD_REQUIRE_PEERS === '1'

/** The whole hub in this process. */
async function build(t: Test, data = folderOf(t)): Promise<FastifyInstance> {
  const config = readHubConfig({
    CALLWARD_DATA: data,
    CALLWARD_ADMIN_TOKEN: adminToken,
    CALLWARD_LOG: 'silent',
  })
  prepareDataFolder(config)
  const app = await buildApp(config, systemClock)
  if (!app.hasPlugin('callward-write'))
    await app.register(writeRoutes, { clock: systemClock, otlp: config.otlp })
  t.teardown(() => app.close())
  await app.ready()
  return app
}

type Vector = { metric: Record<string, string>; value: [number, string] }[]

async function query(app: FastifyInstance, expr: string, atMillis?: number): Promise<Vector> {
  const time = atMillis === undefined ? '' : `&time=${atMillis / 1000}`
  const answer = await app.inject({
    url: `/prom/api/v1/query?query=${encodeURIComponent(expr)}${time}`,
    headers: { authorization: `Bearer ${adminToken}` },
  })
  if (answer.statusCode !== 200) throw new Error(answer.body)
  return answer.json().data.result
}

/** Value of a counter at /metrics; 0 when it is not there. */
async function counter(app: FastifyInstance, name: string): Promise<number> {
  const text = await app.telemetry.registry.metrics()
  const line = text.split('\n').find((one) => one.startsWith(`${name} `))
  return Number(line?.slice(name.length + 1) ?? 0)
}

const remoteWriteHeaders = {
  authorization: `Bearer ${adminToken}`,
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
  'x-prometheus-remote-write-version': '0.1.0',
}

type Headers = Readonly<Record<string, string | undefined>>

/** Headers without those that a case takes away. */
function given(headers: Headers): Record<string, string> {
  const present = Object.entries(headers).filter((entry) => entry[1] !== undefined)
  return Object.fromEntries(present) as Record<string, string>
}

const series = (
  labels: Record<string, string>,
  ...samples: [t: number, value: number | 'stale'][]
): SentSeries => ({
  labels: Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)),
  samples: samples.map(([t, value]) => ({ t, value })),
})

t.test('remote write', async (t) => {
  const app = await build(t)
  const reported: string[] = []
  app.rules.hostReported = (instance) => void reported.push(instance)
  const send = (payload: Buffer, headers: Headers = {}) =>
    app.inject({
      method: 'POST',
      url: '/prom/api/v1/write',
      headers: given({ ...remoteWriteHeaders, ...headers }),
      payload,
    })
  const now = Date.now()
  const one = (name: string, ...samples: [number, number | 'stale'][]) =>
    remoteWriteBody([series({ __name__: name, instance: 'pbx-1', job: 'node' }, ...samples)])

  const good = await send(
    remoteWriteBody([
      series({ __name__: 'rw_a', instance: 'pbx-1' }, [now - 10_000, 1], [now, 2]),
      series({ __name__: 'rw_b', instance: 'pbx-2', Zone: 'ü' }, [now, -0.5]),
      series({ __name__: 'rw_c', instance: 'old' }, [now - 120_000, 7]),
    ]),
  )
  t.equal(good.statusCode, 204, good.body)
  t.same((await query(app, 'rw_a', now))[0]?.value[1], '2')
  t.same((await query(app, 'rw_a', now - 5000))[0]?.value[1], '1')
  t.same((await query(app, 'rw_b', now))[0], {
    metric: { __name__: 'rw_b', instance: 'pbx-2', Zone: 'ü' },
    value: [now / 1000, '-0.5'],
  })
  t.same(reported, ['pbx-1', 'pbx-2'])
  const stored = 'callward_ingest_write_samples_total{protocol="remote_write"}'
  t.equal(await counter(app, stored), 4)

  t.equal((await send(one('rw_a', [now + 1, 'stale']))).statusCode, 204)
  t.same(await query(app, 'rw_a{job="node"}', now + 10), [], 'no sample came before the mark')
  const mark = remoteWriteBody([
    series({ __name__: 'rw_a', instance: 'pbx-1' }, [now + 1, 'stale']),
  ])
  t.equal((await send(mark)).statusCode, 204)
  t.same(await query(app, 'rw_a', now + 10), [], 'the series ended')
  t.same((await query(app, 'rw_a', now))[0]?.value[1], '2')
  t.equal((await send(one('rw_nan', [now, Number.NaN]))).statusCode, 204)
  t.same((await query(app, 'rw_nan', now))[0]?.value[1], 'NaN', 'another NaN is a sample')
  t.equal((await send(encodeSnappy(block(3, 'metadata')))).statusCode, 204)

  const refused = async (
    status: number,
    sentence: RegExp,
    payload: Buffer,
    headers: Headers = {},
  ) => {
    const answer = await send(payload, headers)
    t.equal(answer.statusCode, status, answer.body)
    t.match(answer.body, sentence)
    t.match(answer.headers['content-type'], /^text\/plain/)
  }
  const body = one('rw_refused', [now, 1])
  await refused(400, /not a snappy block/, encodeWriteRequest([]).subarray(0, 0), {})
  await refused(400, /not a snappy block/, Buffer.from('not snappy at all'))
  await refused(400, /not a remote write 1\.0 request/, encodeSnappy(Buffer.from('rw_refused')))
  await refused(400, /Series 1 has no name/, remoteWriteBody([series({ a: 'b' }, [now, 1])]))
  const unsorted = { labels: [['__name__', 'x'] as const, ['A', ''] as const], samples: [] }
  const both = [series({ __name__: 'rw_refused' }, [now, 1]), unsorted]
  await refused(400, /Series 2 has its labels unsorted/, remoteWriteBody(both))
  const v2 = 'application/x-protobuf;proto=io.prometheus.write.v2.Request'
  await refused(415, /1\.0 only/, body, { 'content-type': v2 })
  await refused(415, /1\.0 only/, body, { 'x-prometheus-remote-write-version': '2.0.0' })
  await refused(415, /application\/x-protobuf/, body, { 'content-type': 'application/json' })
  await refused(415, /application\/x-protobuf/, body, { 'content-type': undefined })
  await refused(415, /snappy/, body, { 'content-encoding': 'zstd' })
  await refused(413, /over the limit of 134217728/, Buffer.from('ffffffff0f00', 'hex'))
  await refused(413, /too large/i, Buffer.alloc(33 * 1024 * 1024))
  await refused(401, /Bearer TOKEN/, body, { authorization: 'Bearer wrong' })
  const { token } = await app.access.people.createToken('grafana', 'grafana', '')
  await refused(403, /role grafana/, body, { authorization: `Bearer ${token}` })
  t.same(await query(app, 'rw_refused', now), [], 'nothing of a refused request is kept')

  const ahead = [now + 2 * 3_600_000, 9] as [number, number]
  const partly = await send(
    remoteWriteBody([
      series({ __name__: 'rw_part' }, [now, 3], ahead),
      series({ __name__: 'rw_future' }, ahead),
    ]),
  )
  t.equal(partly.statusCode, 400, 'Prometheus must not send it again')
  t.match(partly.body, /^2 samples not stored: more than 1 h ahead.*The rest is stored\.\n$/)
  t.same((await query(app, 'rw_part', now))[0]?.value[1], '3')
  const rejected = 'callward_ingest_write_rejected_total{protocol="remote_write",reason='
  t.equal(await counter(app, `${rejected}"too_far_ahead"}`), 2)
  t.equal(await counter(app, `${rejected}"metadata"}`), 1)
  t.equal(await counter(app, `${rejected}"malformed"}`), 5)
  t.equal(await counter(app, `${rejected}"unsupported"}`), 5)

  const proto = await send(body, {
    'content-type': 'application/x-protobuf;proto=prometheus.WriteRequest',
  })
  t.equal(proto.statusCode, 204)
})

t.test('the answer waits for the disk, and other routes stay as they are', async (t) => {
  const app = await build(t)
  const append = app.store.append.bind(app.store)
  const send = () =>
    app.inject({
      method: 'POST',
      url: '/prom/api/v1/write',
      headers: remoteWriteHeaders,
      payload: remoteWriteBody([series({ __name__: 'rw_wait' }, [Date.now(), 1])]),
    })
  const line = () =>
    app.inject({
      method: 'POST',
      url: '/influx/write',
      headers: { authorization: `Bearer ${adminToken}` },
      payload: 'line_wait value=1',
    })
  const stored = 'callward_ingest_write_samples_total{protocol="remote_write"}'

  app.store.append = async () => {
    throw new StoreUnavailable('Samples are refused: the disk is full.')
  }
  for (const answer of [await send(), await line()]) {
    t.equal(answer.statusCode, 503, 'the sender keeps it')
    t.match(answer.body, /Nothing was stored.*disk is full/)
    t.equal(answer.headers['retry-after'], '5')
  }
  t.equal(await counter(app, stored), 0)

  let release = () => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  let entered = 0
  app.store.append = async (batch) => {
    entered++
    await gate
    return append(batch)
  }
  let answered = 0
  const both = [send(), line()].map(async (sent) => {
    const answer = await sent
    answered++
    return answer
  })
  await until('both are in the store', () => entered === 2)
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(answered, 0, 'no answer before the data is durable')
  release()
  for (const answer of await Promise.all(both)) t.equal(answer.statusCode, 204)
  app.store.append = async () => {
    throw new Error('BUG: a secret detail')
  }
  for (const answer of [await send(), await line()]) {
    t.equal(answer.statusCode, 500)
    t.notMatch(answer.body, /secret/)
  }

  const headers = { authorization: `Bearer ${adminToken}` }
  const get = await app.inject({ url: '/prom/api/v1/write', headers })
  t.match(get.json(), { status: 'error', errorType: 'not_found' }, 'GET is not there')
  const form = await app.inject({
    method: 'POST',
    url: '/prom/api/v1/query',
    headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
    payload: 'query=1',
  })
  t.match(form.json(), { status: 'success' })
  const otherType = await app.inject({
    method: 'POST',
    url: '/api/v1/tokens',
    headers: { ...headers, 'content-type': 'application/x-protobuf' },
    payload: 'x',
  })
  t.match(otherType.json(), { error: { code: 'bad_request' } }, 'the parsers are not everywhere')
})

t.test('unfinished bodies together have a limit', async (t) => {
  const app = await build(t)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  /** Declares 33 MB and sends one byte; what is answered, if anything. */
  const hold = () => {
    const socket = connect(port, '127.0.0.1')
    const held = { socket, answer: '' }
    socket.setEncoding('utf8').on('data', (text: string) => {
      held.answer += text
    })
    socket.on('error', () => undefined)
    const lines = Object.entries({ ...remoteWriteHeaders, host: '127.0.0.1' })
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    socket.write(`POST /prom/api/v1/write HTTP/1.1\r\n${head}content-length: 33000000\r\n\r\nx`)
    return held
  }
  const all = Array.from({ length: 20 }, hold)
  t.teardown(() => {
    for (const { socket } of all) socket.destroy()
  })
  const refused = () => all.filter(({ answer }) => answer.includes('HTTP/1.1 503'))
  await until('those over the limit are answered', () => refused().length === 4)
  t.match(refused()[0]?.answer, /retry-after: 5[\s\S]*as many bytes of unfinished writes/)
  const send = () =>
    app.inject({
      method: 'POST',
      url: '/prom/api/v1/write',
      headers: remoteWriteHeaders,
      payload: Buffer.alloc(9_000_000),
    })
  t.equal((await send()).statusCode, 503)
  for (const { socket } of all) socket.destroy()
  await until('what was held is free again', async () => (await send()).statusCode === 400)
  for (let i = 0; i < 70; i++) await send()
  t.equal((await send()).statusCode, 400, 'answered requests hold nothing')
})

t.test('influx lines', async (t) => {
  const app = await build(t)
  const reported: string[] = []
  app.rules.hostReported = (instance) => void reported.push(instance)
  const send = (
    payload: string | Buffer,
    headers: Headers = {},
    url = '/influx/write?db=telegraf&rp=autogen',
  ) =>
    app.inject({
      method: 'POST',
      url,
      headers: given({
        authorization: `Bearer ${adminToken}`,
        'content-type': 'text/plain; charset=utf-8',
        ...headers,
      }),
      payload,
    })
  const gives = async (name: string, value: string | undefined) =>
    t.equal((await query(app, name))[0]?.value[1], value, name)
  const nanoseconds = `${Date.now()}000000`

  const lines = `cpu,host=a,instance=pbx-1 usage_idle=91.5,name="x" ${nanoseconds}\nmem,host=a value=3i\n`
  t.equal((await send(lines)).statusCode, 204)
  t.same((await query(app, 'cpu_usage_idle'))[0]?.metric, {
    __name__: 'cpu_usage_idle',
    host: 'a',
    instance: 'pbx-1',
  })
  await gives('mem', '3')
  t.same(reported, ['pbx-1'])
  const basic = Buffer.from(`telegraf:${adminToken}`).toString('base64')
  const seconds = Math.floor(Date.now() / 1000)
  const second = await send(
    gzipSync(`zipped value=4 ${seconds}`),
    { 'content-encoding': 'gzip', authorization: `Basic ${basic}` },
    '/influx/api/v2/write?org=o&bucket=b&precision=s',
  )
  t.equal(second.statusCode, 204, second.body)
  await gives('zipped', '4')
  const type = 'application/x-www-form-urlencoded'
  t.equal((await send('curled value=5', { 'content-type': type })).statusCode, 204)
  t.equal((await send('untyped value=6', { 'content-type': undefined })).statusCode, 204)
  t.equal((await send('{}', { 'content-type': 'application/json' })).statusCode, 400)
  t.equal((await send('# nothing')).statusCode, 204)
  await gives('curled', '5')
  await gives('untyped', '6')

  const refused = async (
    status: number,
    sentence: RegExp,
    payload: string | Buffer,
    headers: Headers = {},
    url?: string,
  ) => {
    const answer = await send(payload, headers, url)
    t.equal(answer.statusCode, status, answer.body)
    t.match(answer.json(), { error: sentence, message: sentence, code: String })
  }
  const partly = 'kept value=1\n\nbad,x value=2\nworse\nkept2 value=3'
  await refused(400, /^partial write: line 3: tag "x" has no value\. 2 lines are faulty/, partly)
  await gives('kept', '1')
  await gives('kept2', '3')
  await refused(400, /^unable to parse: line 1: there are no fields/, 'nothing')
  const far = `${Date.now() + 7_200_000}`
  const ahead = `kept3 value=1\nfar value=1 ${far}`
  const inMillis = '/influx/write?precision=ms'
  await refused(400, /^partial write: 1 samples not stored: more than 1 h/, ahead, {}, inMillis)
  await gives('kept3', '1')
  await gives('far', undefined)
  await refused(400, /precision "d"/, 'a value=1', {}, '/influx/write?precision=d')
  await refused(400, /not UTF-8/, Buffer.from([0x61, 0xff]))
  const gzip = { 'content-encoding': 'gzip' }
  await refused(400, /gzip/, 'a value=1', gzip)
  await refused(400, /gzip/, gzipSync('a value=1').subarray(0, 12), gzip)
  await refused(413, /over 67108864 bytes/, gzipSync(Buffer.alloc(65 * 1024 * 1024, 10)), gzip)
  await refused(413, /too large/i, Buffer.alloc(33 * 1024 * 1024, 10))
  await refused(415, /gzip/, 'a value=1', { 'content-encoding': 'br' })
  const noToken = { authorization: undefined }
  const inQuery = `/influx/write?u=admin&p=${adminToken}`
  await refused(401, /Bearer TOKEN.*u= and p= are not taken/, 'a value=1', noToken, inQuery)
  await refused(401, /"Authorization: Token"/, 'a v=1', { authorization: `Token ${adminToken}` })
  const { token } = await app.access.people.createToken('auditor', 'auditor', '')
  await refused(403, /role auditor/, 'a value=1', { authorization: `Bearer ${token}` })
  const rejected = 'callward_ingest_write_rejected_total{protocol="influx",reason='
  t.equal(await counter(app, `${rejected}"faulty_line"}`), 4)
  t.equal(await counter(app, `${rejected}"text_field"}`), 1)
  t.equal(await counter(app, `${rejected}"too_far_ahead"}`), 1)
  const collector = await app.access.people.createToken('telegraf', 'collector', '')
  const authorization = `Bearer ${collector.token}`
  t.equal((await send('by_collector value=1', { authorization })).statusCode, 204)
  for (const method of ['GET', 'HEAD'] as const) {
    const ping = await app.inject({ method, url: '/influx/ping', headers: { authorization } })
    t.equal(ping.statusCode, 204)
  }
  t.equal((await app.inject('/influx/ping')).statusCode, 401)
})

/** A peer program as a child; ended with the test. */
function start(t: Test, program: string, args: readonly string[]): ChildProcess {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  t.teardown(async () => {
    if (!t.passing()) t.comment(output.slice(-4000))
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
  })
  return child
}

/** Says why a test of a peer does not run; fails where peers are required. */
function missing(t: Test, program: string, versionFlag = '--version'): boolean {
  if (spawnSync(program, [versionFlag]).status === 0) return false
  if (required) t.fail(`${program} is not installed`)
  else t.comment(`${program} is not installed`)
  return true
}

t.test('what a real Prometheus sends reads as it does there', { timeout: 90_000 }, async (t) => {
  if (missing(t, 'prometheus')) return
  const folder = folderOf(t, { data: {}, hub: {} })
  const app = await build(t, join(folder, 'hub'))
  await app.listen({ host: '127.0.0.1', port: 0 })
  const hub = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const { token } = await app.access.people.createToken('prometheus', 'collector', '')
  const port = await freePort()
  const targets = (list: readonly string[]) => {
    const text = JSON.stringify([{ targets: list, labels: { customer: 'bank-a' } }])
    writeFileSync(join(folder, 'targets.new'), text)
    renameSync(join(folder, 'targets.new'), join(folder, 'targets.json'))
  }
  targets([`127.0.0.1:${port}`])
  writeFileSync(
    join(folder, 'prometheus.yml'),
    JSON.stringify({
      global: { scrape_interval: '1s', external_labels: { site: 'north' } },
      scrape_configs: [
        {
          job_name: 'prometheus',
          file_sd_configs: [{ files: [join(folder, 'targets.json')], refresh_interval: '1s' }],
        },
      ],
      remote_write: [
        {
          url: `${hub}/prom/api/v1/write`,
          authorization: { credentials: token },
          queue_config: { batch_send_deadline: '1s', max_samples_per_send: 300 },
          metadata_config: { send_interval: '1s' },
        },
      ],
    }),
  )
  const peer = start(t, 'prometheus', [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=warn',
  ])
  const ask = async (expr: string, atMillis: number): Promise<Vector> => {
    const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expr)}`
    const response = await fetch(`${url}&time=${atMillis / 1000}`)
    return ((await response.json()) as { data: { result: Vector } }).data.result
  }
  /** Values by labels; the hub's have the external label too. */
  const byLabels = (vector: Vector) =>
    Object.fromEntries(
      vector
        .map(({ metric: { site: _, ...metric }, value }) => [
          JSON.stringify(Object.entries(metric).sort()),
          value[1],
        ])
        .sort(),
    )
  const all = '{job="prometheus"}'
  const first = await until('samples in the hub', async () => {
    const [up] = await query(app, 'timestamp(up{job="prometheus",site="north"} == 1)')
    return up === undefined ? undefined : Number(up.value[1]) * 1000
  })
  const at = Math.round(first) + 2000
  await until('later samples in the hub', async () => {
    const [up] = await query(app, 'timestamp(up{job="prometheus"})')
    return Number(up?.value[1]) * 1000 > at
  })
  const theirs = byLabels(await ask(all, at))
  const count = Object.keys(theirs).length
  t.ok(count > 300, `${count} series`)
  // Each shard sends at its own time: the last series may come a second later.
  await until('every series in the hub', async () => {
    const ours = byLabels(await query(app, all, at))
    return JSON.stringify(ours) === JSON.stringify(theirs)
  }).catch(() => undefined)
  t.strictSame(byLabels(await query(app, all, at)), theirs, 'every value is the same')
  const changes = 'max by (handler) (changes(prometheus_http_requests_total[3s]))'
  const changed = byLabels(await query(app, changes, at + 400))
  t.strictSame(changed, byLabels(await ask(changes, at + 400)), 'over a range too')

  /** Every sample by labels, as promtool reads it. */
  const readBack = async (server: string) => {
    const bounds = [`--start=${(at - 3000) / 1000}`, `--end=${at / 1000}`, '--step=100ms']
    const asked = ['query', '-o', 'json', 'range', ...bounds, server, all]
    const { stdout } = await promisify(execFile)('promtool', asked, { maxBuffer: 1 << 28 })
    const found = JSON.parse(stdout) as { metric: Vector[0]['metric']; values: unknown }[]
    const sorted = found.map(({ metric: { site: _, ...metric }, values }) => [
      JSON.stringify(Object.entries(metric).sort()),
      values,
    ])
    return Object.fromEntries(sorted.sort()) as Record<string, unknown>
  }
  const { token: reading } = await app.access.people.createToken('promtool', 'grafana', '')
  const here = await readBack(`${hub.replace('//', `//promtool:${reading}@`)}/prom`)
  t.ok(Object.keys(here).length > 300, 'promtool reads the series')
  t.strictSame(here, await readBack(`http://127.0.0.1:${port}`), 'sample by sample')

  targets([])
  await until('the target is gone', async () => (await query(app, all)).length === 0, 30_000)
  t.pass('stale marks came: five minutes would have passed without')
  t.ok((await query(app, 'count_over_time(up{job="prometheus"}[1m])')).length > 0)
  const stored = 'callward_ingest_write_samples_total{protocol="remote_write"}'
  t.ok((await counter(app, stored)) > count)
  const text = await app.telemetry.registry.metrics()
  const rejected = text.split('\n').filter((line) => /^callward_ingest_write_rejected/.test(line))
  t.ok(
    rejected.every((line) => /reason="metadata"/.test(line)),
    rejected.join(', '),
  )
  t.equal(peer.exitCode, null)
})

t.test('what vmagent sends', { timeout: 60_000 }, async (t) => {
  if (missing(t, 'vmagent', '-version')) return
  const folder = folderOf(t, { queue: {}, hub: {} })
  const app = await build(t, join(folder, 'hub'))
  await app.listen({ host: '127.0.0.1', port: 0 })
  const hub = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const { token } = await app.access.people.createToken('vmagent', 'collector', '')
  const port = await freePort()
  const scrape = {
    job_name: 'vmagent',
    scrape_interval: '1s',
    static_configs: [{ targets: [`127.0.0.1:${port}`], labels: { A_zone: 'x', zone: 'y' } }],
  }
  writeFileSync(join(folder, 'scrape.yml'), JSON.stringify({ scrape_configs: [scrape] }))
  start(t, 'vmagent', [
    `-promscrape.config=${join(folder, 'scrape.yml')}`,
    `-remoteWrite.url=${hub}/prom/api/v1/write`,
    `-remoteWrite.bearerToken=${token}`,
    `-remoteWrite.tmpDataPath=${join(folder, 'queue')}`,
    `-httpListenAddr=127.0.0.1:${port}`,
  ])
  await until('its series are in the hub', async () => {
    return (await query(app, 'up{job="vmagent",A_zone="x",zone="y"} == 1')).length === 1
  })
  t.ok((await query(app, '{job="vmagent"}')).length > 50)
  const text = await app.telemetry.registry.metrics()
  t.notMatch(text, /^callward_ingest_write_rejected_total\{/m)
})
