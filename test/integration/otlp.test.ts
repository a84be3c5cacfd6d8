import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { buildApp } from '../../server/app.ts'
import { packageRoot } from '../../server/assets.ts'
import { systemClock } from '../../server/clock.ts'
import { readHubConfig } from '../../server/config.ts'
import { prepareDataFolder } from '../../server/first-start.ts'
import { StoreUnavailable } from '../../server/store/writer.ts'
import { folderOf } from '../helpers/folder.ts'
import { adminToken, TestHub, until } from '../helpers/hub.ts'
import { block, double } from '../helpers/write-encoders.ts'

const fixture = (name: string) => readFileSync(join(packageRoot, 'test/fixtures/otlp', name))

/** The whole hub in this process. */
async function build(t: Test): Promise<FastifyInstance> {
  const config = readHubConfig({
    CALLWARD_DATA: folderOf(t),
    CALLWARD_ADMIN_TOKEN: adminToken,
    CALLWARD_LOG: 'silent',
    CALLWARD_RETENTION: '0',
  })
  prepareDataFolder(config)
  const app = await buildApp(config, systemClock)
  t.teardown(() => app.close())
  await app.ready()
  return app
}

const proto = { 'content-type': 'application/x-protobuf' }
const json = { 'content-type': 'application/json' }

type Headers = Readonly<Record<string, string>>

function sender(app: FastifyInstance) {
  return (payload: string | Buffer, headers: Headers = proto) =>
    app.inject({
      method: 'POST',
      url: '/otlp/v1/metrics',
      headers: { authorization: `Bearer ${adminToken}`, ...headers },
      payload,
    })
}

type Vector = { metric: Record<string, string>; value: [number, string] }[]

async function query(app: FastifyInstance, expr: string, atMillis = Date.now()): Promise<Vector> {
  const answer = await app.inject({
    url: `/prom/api/v1/query?query=${encodeURIComponent(expr)}&time=${atMillis / 1000}`,
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

const rejected = 'callward_ingest_write_rejected_total{protocol="otlp",reason='

/** A fixed 64-bit field. */
function fixed64(field: number, value: bigint): Buffer {
  const bytes = Buffer.alloc(9)
  bytes[0] = field * 8 + 1
  bytes.writeBigUInt64LE(value, 1)
  return bytes
}

/** A request with one point of a gauge of the host pbx-1. */
function gaugeOf(name: string, value: number, atMillis: number): Buffer {
  const point = Buffer.concat([fixed64(3, BigInt(atMillis) * 1_000_000n), double(4, value)])
  const metric = Buffer.concat([block(1, name), block(5, block(1, point))])
  const host = Buffer.concat([block(1, 'service.instance.id'), block(2, block(1, 'pbx-1'))])
  return block(1, Buffer.concat([block(1, block(1, host)), block(2, block(2, metric))]))
}

/** Parts of an answer in protobuf, by number: texts, and numbers below 128. */
function parts(bytes: Buffer): Record<number, Buffer | number> {
  const found: Record<number, Buffer | number> = {}
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at++]!
    if (tag % 8 === 0) found[tag >> 3] = bytes[at++]!
    else {
      let length = 0
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[at++]!
        length += (byte & 0x7f) << shift
        if (byte < 0x80) break
      }
      found[tag >> 3] = bytes.subarray(at, at + length)
      at += length
    }
  }
  return found
}

t.test('what collectors send can be read', async (t) => {
  const app = await build(t)
  const send = sender(app)
  const reported: string[] = []
  app.rules.hostReported = (instance) => void reported.push(instance)
  const at = 1_700_000_000_123

  const first = await send(fixture('every-kind.bin'))
  t.equal(first.statusCode, 200)
  t.equal(first.headers['content-type'], 'application/x-protobuf')
  const partial = parts(parts(first.rawPayload)[1] as Buffer)
  t.equal(partial[1], 2, 'both points with delta temporality')
  t.match(String(partial[2]), /^2 data points not stored: "calls.delta" has delta temporality; set/)
  t.match(await query(app, 'calls_offered_total', at), [
    {
      metric: {
        instance: 'pbx-7',
        job: 'bank/dialler',
        site: 'hanoi',
        otel_scope_name: 'io.example.lib',
      },
      value: [at / 1000, '41'],
    },
  ])
  const quantile = 'histogram_quantile(0.5, setup_time_seconds_bucket)'
  t.equal((await query(app, quantile, at))[0]?.value[1], '2.5')
  t.equal((await query(app, 'target_info', at))[0]?.metric['host_name'], 'pbx-7.example')
  t.same(await query(app, 'cpu_load_ratio{cpu="gone"}', at), [])
  const stored = 'callward_ingest_write_samples_total{protocol="otlp"}'
  t.equal(await counter(app, stored), 27)
  t.equal(await counter(app, `${rejected}"delta"}`), 2)
  t.equal(await counter(app, `${rejected}"exemplar"}`), 1)
  t.equal(await counter(app, `${rejected}"no_data"}`), 1)

  const again = await send(gzipSync(fixture('every-kind.json')), {
    'content-type': 'application/json; charset=utf-8',
    'content-encoding': 'gzip',
  })
  t.equal(again.statusCode, 200, again.body)
  t.match(again.headers['content-type'], /^application\/json/)
  t.match(again.json(), { partialSuccess: { rejectedDataPoints: '2', errorMessage: String } })
  t.same(
    (await query(app, 'count_over_time(calls_offered_total[1m])', at))[0]?.value[1],
    '1',
    'what is sent twice is kept once',
  )
  t.same(reported, [], 'old samples evaluate nothing')

  const now = Date.now()
  const fresh = await send(gaugeOf('otlp.fresh', 7, now))
  t.equal(fresh.statusCode, 200)
  t.equal(fresh.rawPayload.length, 0, 'all is stored: an empty message')
  t.same(reported, ['pbx-1'], 'the rules of the host are evaluated at once')
  t.equal((await query(app, 'otlp_fresh{instance="pbx-1"}', now))[0]?.value[1], '7')
  t.equal((await send('{}', json)).body, '{}')
  t.equal((await send('')).statusCode, 200, 'an empty message is a good one')
  const ahead = await send(gaugeOf('otlp.ahead', 1, now + 7_200_000))
  t.match(ahead.rawPayload.toString(), /1 data points not stored: more than 1 h ahead/)
  t.equal(await counter(app, `${rejected}"too_far_ahead"}`), 1)
  const both = Buffer.concat([gaugeOf('otlp.twice', 1, now), gaugeOf('otlp.twice', 2, now)])
  t.equal((await send(both)).statusCode, 200, 'one instant twice, with two values')
  t.equal((await query(app, 'otlp_twice', now)).length, 1)
  const { token } = await app.access.people.createToken('otelcol', 'collector', '')
  const authorization = `Bearer ${token}`
  const ofCollector = await send(gaugeOf('otlp.b', 1, now), { ...proto, authorization })
  t.equal(ofCollector.statusCode, 200)
})

t.test('refusals are a status in the encoding of the request', async (t) => {
  const app = await build(t)
  const send = sender(app)
  const body = gaugeOf('otlp.refused', 1, Date.now())
  const refused = async (
    status: number,
    sentence: RegExp,
    payload: Buffer | string,
    headers: Headers = proto,
  ) => {
    const answer = await send(payload, headers)
    t.equal(answer.statusCode, status, answer.body)
    const binary = headers['content-type'] === proto['content-type']
    t.match(answer.headers['content-type'], binary ? /x-protobuf/ : /json/)
    const said = binary ? String(parts(answer.rawPayload)[2]) : answer.json().message
    t.match(said, sentence)
    return answer
  }
  await refused(400, /not an OTLP metrics request/, body.subarray(0, -1))
  await refused(400, /not an OTLP metrics request/, 'hello')
  await refused(400, /not JSON/, '{"resourceMetrics":', json)
  await refused(400, /not whole gzip data/, 'x', { ...proto, 'content-encoding': 'gzip' })
  const half = gzipSync(body).subarray(0, 20)
  await refused(400, /not whole gzip data/, half, { ...proto, 'content-encoding': 'gzip' })
  const bomb = gzipSync(Buffer.alloc(33 * 1024 * 1024))
  await refused(413, /over 33554432 bytes/, bomb, { ...proto, 'content-encoding': 'gzip' })
  await refused(413, /too large/i, Buffer.alloc(33 * 1024 * 1024))
  await refused(413, /128 levels/, '['.repeat(5_000_000), json)
  await refused(415, /gzip/, body, { ...proto, 'content-encoding': 'zstd' })
  await refused(415, /x-protobuf or application\/json/, body, { 'content-type': 'text/plain' })
  await refused(401, /Bearer TOKEN/, body, { ...proto, authorization: 'Bearer wrong' })
  const { token } = await app.access.people.createToken('auditor', 'auditor', '')
  await refused(403, /role auditor/, body, { ...proto, authorization: `Bearer ${token}` })
  t.equal(await counter(app, `${rejected}"malformed"}`), 5)
  t.equal(await counter(app, `${rejected}"unsupported"}`), 2)
  t.same(await query(app, 'otlp_refused'), [], 'nothing of a refused request is kept')

  const append = app.store.append.bind(app.store)
  app.store.append = async () => {
    throw new StoreUnavailable('Samples are refused: the disk is full.')
  }
  const full = await refused(503, /Nothing was stored.*disk is full/, body)
  t.equal(full.headers['retry-after'], '5')
  t.equal(parts(full.rawPayload)[1], 14)

  let release = () => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  let entered = false
  app.store.append = async (batch) => {
    entered = true
    await gate
    return append(batch)
  }
  let answered = false
  const sent = send(body).then((answer) => {
    answered = true
    return answer
  })
  await until('the points are in the store', () => entered)
  await new Promise((resolve) => setImmediate(resolve))
  t.notOk(answered, 'no answer before the points are durable')
  release()
  t.equal((await sent).statusCode, 200)

  app.store.append = async () => {
    throw new Error('BUG: a secret detail')
  }
  const internal = await send(body)
  t.equal(internal.statusCode, 500)
  t.notMatch(internal.body, /secret/)
})

t.test('kill -9 between answers: all that was answered is there, once', async (t) => {
  const hub = await TestHub.start(folderOf(t))
  t.teardown(() => hub.stop())
  const begin = Date.now() - 60_000
  const attributes = [{ key: 'host.name', value: { stringValue: 'pbx-1' } }]
  const request = (n: number) => {
    const point = { timeUnixNano: `${begin + n * 10}000000`, asInt: String(n) }
    const sum = { aggregationTemporality: 2, isMonotonic: true, dataPoints: [point] }
    const scopeMetrics = [{ metrics: [{ name: 'calls', sum }] }]
    return { resourceMetrics: [{ resource: { attributes }, scopeMetrics }] }
  }
  const send = (n: number) =>
    hub.fetch('/otlp/v1/metrics', { method: 'POST', body: request(n) }).then(({ ok }) => ok)
  let answered = 0
  for (let round = 0; round < 3; round++) {
    const end = answered + 40
    const kill = end - 3
    while (answered < end) {
      // The last ones are under way when the hub dies; the sender sends them again.
      const results = [answered + 1, answered + 2].map(send)
      if (answered >= kill) void hub.program.kill('SIGKILL')
      const good = await Promise.all(results.map((one) => one.catch(() => false)))
      if (!good.every(Boolean)) break
      answered += 2
    }
    await hub.program.kill('SIGKILL')
    await hub.restart()
    const count = await hub.query('count_over_time(calls_total{instance="pbx-1"}[10m])')
    const kept = Number(count[0]?.value[1])
    t.ok(kept >= answered && kept <= answered + 2, `${kept} kept, ${answered} answered`)
  }
  t.equal(await send(answered + 1), true)
  t.equal(await send(answered + 2), true)
  const all = `sum_over_time(calls_total{instance="pbx-1"}[10m])`
  const n = answered + 2
  t.equal((await hub.query(all))[0]?.value[1], String((n * (n + 1)) / 2), 'each once')
})
