import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Registry } from 'prom-client'
import t from 'tap'
import { systemClock } from '../../server/clock.ts'
import { type PromqlOptions, promqlPlugin } from '../../server/promql/plugin.ts'
import type { QueryRequest } from '../../server/promql/workers/query-request.ts'
import { type LossReason, QueryWorkers } from '../../server/promql/workers/query-workers.ts'
import { openEmbeddedStore } from '../../server/store/embedded-store.ts'
import type { Store } from '../../server/store/plugin.ts'
import type { StoreReader } from '../../server/store/reader.ts'
import type { Row } from '../../server/store/writer.ts'
import { folderOf } from '../helpers/folder.ts'
import { MemoryReader } from '../helpers/memory-reader.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute

/** Many series of the same samples, 10 s apart from 0 on; cheap to give, even to another thread. */
function wideReader(count: number, samples: number): StoreReader {
  const times = Float64Array.from({ length: samples }, (_, index) => index * 10 * second)
  const values = Float64Array.from({ length: samples }, (_, index) => (index * 7919) % 1009)
  const staleTimes = new Float64Array()
  const all = Array.from({ length: count }, (_, index) => ({
    labels: { __name__: 'wide_total', instance: `h${index}`, text: `${'a'.repeat(40)}!` },
    times,
    values,
    staleTimes,
  }))
  const give: StoreReader['select'] = async (matchers) => {
    const one = matchers.find(({ name }) => name === 'instance')
    return one === undefined ? all : all.filter(({ labels }) => labels.instance === one.value)
  }
  return Object.assign(new MemoryReader(), { select: give })
}

type Test = Pick<typeof t, 'teardown'>

interface Built {
  readonly app: FastifyInstance
  readonly registry: Registry
}

async function build(t: Test, reader: StoreReader, options: PromqlOptions): Promise<Built> {
  const app = Fastify()
  const registry = new Registry()
  await app.register(
    // The plugin reads only; a reader is all it needs of a store.
    fp(
      async (instance) => {
        instance.decorate('store', reader as unknown as Store)
        instance.decorate('telemetry', { registry } as unknown as FastifyInstance['telemetry'])
      },
      { name: 'callward-store' },
    ),
  )
  await app.register(promqlPlugin, options)
  await app.ready()
  t.teardown(() => app.close())
  return { app, registry }
}

/** Everything that reads a series leaves the hub's own thread. */
const nothingHere = { samples: 0, work: 0, fileSeries: 0 }

async function get(app: FastifyInstance, path: string, parameters: Record<string, string>) {
  const url = `/prom/api/v1/${path}?${new URLSearchParams(parameters)}`
  const { statusCode, body, headers } = await app.inject({ url })
  return { status: statusCode, body, length: headers['content-length'], json: JSON.parse(body) }
}

async function metric(registry: Registry, line: string): Promise<string | undefined> {
  const text = await registry.metrics()
  return text.split('\n').find((one) => one.startsWith(line))
}

function smallReader(): MemoryReader {
  const reader = new MemoryReader()
  for (const instance of ['pbx-1', 'pbx-2', 'sbc-1']) {
    let count = 0
    for (let at = 0; at <= hour; at += 10 * second) {
      count = at === 30 * minute ? 0 : count + (instance.charCodeAt(2) % 5) + 1
      reader.add({ __name__: 'calls_total', instance, site: 'Đà Nẵng' }, at, count)
      if (at % minute > 0 || instance === 'sbc-1')
        reader.add({ __name__: 'load', instance }, at, at / 7e4 - count)
    }
    reader.addStale({ __name__: 'load', instance }, 50 * minute + 1)
  }
  return reader
}

t.test('a worker answers as the hub itself does', async (t) => {
  const here = await build(t, smallReader(), { workers: 0 })
  const there = await build(t, smallReader(), { workers: 1, allowance: nothingHere })
  const queries = [
    'load',
    'calls_total',
    'rate(calls_total[5m])',
    'sum by (site) (increase(calls_total[7m]))',
    'avg(load) / scalar(count(load))',
    'topk(2, calls_total)',
    'sort_desc(load)',
    'calls_total[3m]',
    'load offset 5m > 0 or calls_total',
    'max_over_time(rate(calls_total[1m])[10m:20s])',
    'quantile(1.5, load)',
    'label_replace(load, "short", "$1", "instance", "(.*)-.")',
    'calls_total * on (site) calls_total',
    'absent(nothing)',
    'rate(load[5m])',
    '1 + 1',
    '"text"',
    'sum(',
  ]
  for (const query of queries) {
    const instant = { query, time: '2400', limit: '2' }
    t.equal(
      (await get(there.app, 'query', instant)).body,
      (await get(here.app, 'query', instant)).body,
      query,
    )
    const range = { query, start: '0', end: '3600', step: '45' }
    const answer = await get(there.app, 'query_range', range)
    t.equal(answer.body, (await get(here.app, 'query_range', range)).body, `${query}, a range`)
  }
  const count = 'callward_query_duration_seconds_count{kind="range",place="worker"}'
  t.match(await metric(there.registry, count), / 1\d$/, 'most went to the worker')
  t.equal(await metric(here.registry, count), undefined, 'and none here')
  t.match(await metric(there.registry, 'callward_query_workers '), / 1$/)
})

t.test('statistics', async (t) => {
  const reader = smallReader()
  const { app } = await build(t, reader, { workers: 0 })
  const range = { start: '1000', end: '1060', step: '30' }
  const ask = async (query: string, stats: string) =>
    (await get(app, 'query_range', { query, ...range, stats })).json.data.stats
  t.equal((await get(app, 'query', { query: 'load', time: '1000' })).json.data.stats, undefined)
  const summary = await ask('calls_total', 'true')
  t.same(Object.keys(summary.timings), [
    'evalTotalTime',
    'resultSortTime',
    'queryPreparationTime',
    'innerEvalTime',
    'execQueueTime',
    'execTotalTime',
  ])
  t.same(Object.keys(summary.samples), ['totalQueryableSamples', 'peakSamples'])
  t.equal(summary.samples.totalQueryableSamples, 9, 'three series on three steps')
  t.ok(summary.samples.peakSamples >= 9)
  t.same((await ask('sum(rate(calls_total[1m]))', 'all')).samples.totalQueryableSamplesPerStep, [
    [1000, 18],
    [1030, 18],
    [1060, 18],
  ])
  t.equal(
    (await ask('sum_over_time(rate(calls_total[5m])[1m:10s])', 'all')).samples
      .totalQueryableSamples,
    3 * 3 * 6,
    'of a subquery the windows over it count, not what it read',
  )
  t.equal((await ask('calls_total @ 1000', 'all')).samples.totalQueryableSamples, 9)
})

t.test('a heavy query leaves the hub free', { timeout: 100_000 }, async (t) => {
  const { app, registry } = await build(t, wideReader(2000, 8640), { workers: 1 })
  const query = 'sum by (instance) (stddev_over_time(wide_total[20h:1m])) + 0 * wide_total'
  const began = performance.now()
  let ended = 0
  const heavy = get(app, 'query', { query, time: String(24 * 3600) }).then((answer) => {
    ended = performance.now()
    return answer
  })
  let before = performance.now()
  let worst = 0
  let turns = 0
  const ticking = setInterval(() => {
    const now = performance.now()
    worst = Math.max(worst, now - before)
    before = now
    turns += 1
  }, 5)
  t.teardown(() => clearInterval(ticking))
  let answered = 0
  while (ended === 0) {
    const light = { query: 'sum(wide_total{instance="h1"})', time: '3600' }
    t.equal((await get(app, 'query', light)).status, 200)
    answered += 1
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const answer = await heavy
  t.equal(answer.status, 200)
  t.equal(answer.json.data.result.length, 0, 'the sides do not match')
  const took = ended - began
  t.comment(`${took.toFixed(0)} ms, worst delay ${worst.toFixed(0)} ms, ${answered} light queries`)
  t.ok(turns > 5 && worst < took / 2, `worst delay ${worst} of ${took} ms`)
  t.match(
    await metric(registry, 'callward_query_duration_seconds_count{kind="instant",place="worker"}'),
    / 1$/,
  )
})

t.test('beside the real store', { timeout: 100_000 }, async (t) => {
  const store = await openEmbeddedStore({
    folder: folderOf(t),
    clock: systemClock,
    retentionDays: 0,
    reserveBytes: 0,
    maintenanceMillis: 0,
  })
  t.teardown(() => store.close())
  const ids = Uint32Array.from({ length: 200 }, (_, index) =>
    store.intern({ __name__: 'real_total', instance: `h${index}`, site: `s${index % 7}` }),
  )
  const rounds = 1500
  const row = (round: number): Row => {
    const values = Float64Array.from(ids, (_, index) => ((round * (index + 3)) % 701) / 8)
    return { t: round * 10 * second, ids, values }
  }
  await store.append({ rows: Array.from({ length: rounds }, (_, round) => row(round)) })
  await store.compact()
  await store.append({ rows: [row(rounds), row(rounds + 1)] })

  const here = await build(t, store, { workers: 0 })
  const there = await build(t, store, { workers: 1, allowance: nothingHere })
  const end = String(rounds * 10 + 10)
  for (const query of ['real_total', 'sum by (site) (rate(real_total[5m]))', 'real_total[1h]']) {
    const parameters = query.endsWith(']')
      ? { query, time: end }
      : { query, start: '0', end, step: '30' }
    const path = query.endsWith(']') ? 'query' : 'query_range'
    const answer = await get(there.app, path, parameters)
    t.equal(answer.body, (await get(here.app, path, parameters)).body, query)
    t.ok(answer.json.data.result.length >= 7)
  }

  let ended = 0
  const began = performance.now()
  const query = 'sum(quantile_over_time(0.5, real_total[1h]))'
  const heavy = get(there.app, 'query_range', { query, start: '0', end, step: '60' }).then(
    (answer) => {
      ended = performance.now()
      return answer
    },
  )
  let worst = 0
  let acks = 0
  for (let round = rounds + 2; ended === 0; round += 1) {
    const asked = performance.now()
    await store.append({ rows: [row(round)] })
    worst = Math.max(worst, performance.now() - asked)
    acks += 1
  }
  t.equal((await heavy).status, 200)
  const took = ended - began
  t.comment(`${took.toFixed(0)} ms, ${acks} acknowledged, the slowest after ${worst.toFixed(0)} ms`)
  t.ok(acks > 2 && worst < took / 2, `${acks} acknowledged, the slowest after ${worst} of ${took}`)
})

t.test('limits hold in workers', { timeout: 100_000 }, async (t) => {
  const reader = wideReader(50, 8640)
  const { app } = await build(t, reader, {
    workers: 1,
    allowance: nothingHere,
    limits: { maxSamples: 500_000, maxSeries: 60 },
    maxAnswerBytes: 100_000,
  })
  const tooMany = 'query processing would load too many samples into memory in query execution'
  const fault = async (parameters: Record<string, string>) => {
    const { status, json } = await get(app, 'query_range', {
      start: '0',
      step: '10',
      ...parameters,
    })
    return [status, json.errorType, json.error]
  }
  const day = { query: 'wide_total', end: '80000' }
  t.same(await fault(day), [422, 'execution', tooMany])
  t.match(await fault({ query: 'wide_total', end: '10000' }), [
    422,
    'execution',
    /answer is longer/,
  ])
  const slow = 'sum(quantile_over_time(0.5, wide_total[12h]))'
  t.same(await fault({ query: slow, end: '80000', timeout: '0.2' }), [
    503,
    'timeout',
    'query timed out in expression evaluation',
  ])
  const narrow = await build(t, reader, { workers: 1, limits: { maxSeries: 10 } })
  const refused = await get(narrow.app, 'query', { query: 'wide_total', time: '100' })
  t.match([refused.status, refused.json.error], [422, /more than 10 series/])
})

t.test('a long answer comes in pieces, whole', async (t) => {
  const { app } = await build(t, wideReader(40, 8640), { workers: 1 })
  const range = { query: 'wide_total', start: '0', end: '80000', step: '10' }
  const answer = await get(app, 'query_range', range)
  t.equal(answer.json.data.result.length, 40)
  for (const { values } of answer.json.data.result) t.equal(values.length, 8001)
  t.equal(Number(answer.length), Buffer.byteLength(answer.body))
})

function request(text: string, more: Partial<QueryRequest> = {}): QueryRequest {
  const end = 24 * hour
  return {
    ...{
      kind: 'range',
      text,
      start: 12 * hour,
      end,
      step: minute,
      lookbackMilliseconds: undefined,
    },
    ...{
      timeoutMilliseconds: 60_000,
      limit: 0,
      statistics: 'none',
      queueSeconds: 0,
      maxBytes: 1e8,
    },
    ...more,
  }
}

interface Pool {
  readonly workers: QueryWorkers
  readonly lost: LossReason[]
}

function pool(t: Test, reader: StoreReader, heapMebibytes = 256, graceMilliseconds = 20_000): Pool {
  const lost: LossReason[] = []
  const workers = new QueryWorkers({
    ...{ reader, settings: {}, size: 1, heapMebibytes, graceMilliseconds },
    idleMilliseconds: 60_000,
    onLost: (reason) => lost.push(reason),
  })
  t.teardown(() => workers.close())
  return { workers, lost }
}

async function failureOf(work: Promise<unknown>): Promise<{ kind: string; message: string }> {
  return work.then(
    () => ({ kind: 'none', message: 'it succeeded' }),
    (cause) => ({ kind: cause.kind, message: cause.message }),
  )
}

const slow = 'sum(quantile_over_time(0.5, wide_total[11h]))'
const quick = 'sum(wide_total)'

t.test('a query can be stopped, and its worker goes on', { timeout: 100_000 }, async (t) => {
  const { workers, lost } = pool(t, wideReader(200, 8640))
  await workers.run(request(quick))
  const controller = new AbortController()
  const stopped = failureOf(workers.run(request(slow), controller.signal))
  const queued = failureOf(workers.run(request(quick, { timeoutMilliseconds: 60_000 })))
  const waiting = new AbortController()
  const dropped = failureOf(workers.run(request(slow), waiting.signal))
  waiting.abort()
  t.equal((await dropped).kind, 'canceled', 'in the queue')
  setTimeout(() => controller.abort(), 100)
  t.equal((await stopped).kind, 'canceled', 'at work')
  t.equal((await queued).kind, 'none', 'the next has its turn')
  t.same([workers.size, lost], [1, []], 'by the same worker')
  const gone = AbortSignal.abort()
  t.equal((await failureOf(workers.run(request(quick), gone))).kind, 'canceled')
})

t.test('a read that is never answered is given up', { timeout: 60_000 }, async (t) => {
  let asked = (): void => undefined
  const reading = new Promise<void>((resolve) => {
    asked = resolve
  })
  const silent = Object.assign(new MemoryReader(), {
    select: () => {
      asked()
      return new Promise<never>(() => undefined)
    },
  })
  const { workers, lost } = pool(t, silent)
  const controller = new AbortController()
  const stopped = failureOf(workers.run(request(quick), controller.signal))
  await reading
  controller.abort()
  t.equal((await stopped).kind, 'canceled')
  const next = failureOf(workers.run(request('1 + 1')))
  t.same([(await next).kind, lost], ['none', []], 'the worker is free again')
})

t.test('a worker that dies costs its own query only', { timeout: 100_000 }, async (t) => {
  const many = Array.from({ length: 120_000 }, (_, index) => ({
    labels: { __name__: 'many', a: `a${index}`, b: `b${index}`, c: `c${index}` },
    times: Float64Array.of(0),
    values: Float64Array.of(1),
    staleTimes: new Float64Array(),
  }))
  const reader = Object.assign(new MemoryReader(), {
    select: async (matchers: readonly { value: string }[]) =>
      matchers.some(({ value }) => value === 'many') ? many : many.slice(0, 1),
  })
  const { workers, lost } = pool(t, reader, 48)
  const at = { kind: 'instant', start: 0, end: 0, step: 0 } as const
  const hungry = failureOf(workers.run(request('label_join(many, "d", "-", "a", "b", "c")', at)))
  const next = failureOf(workers.run(request('one', at)))
  const { kind, message } = await hungry
  t.equal(kind, 'execution')
  t.match(message, /more than the 48 MiB of memory/)
  t.equal((await next).kind, 'none', 'the next query has a new worker')
  t.same(lost, ['memory'])
})

t.test('a worker that does not stop is replaced', { timeout: 100_000 }, async (t) => {
  const { app, registry } = await build(t, wideReader(3, 100), {
    workers: 1,
    workerGraceMilliseconds: 50,
  })
  // Backtracks for years.
  const query = 'label_replace(wide_total, "x", "$1", "text", "(a+)+b")'
  const stuck = await get(app, 'query', { query, time: '900', timeout: '0.5' })
  t.same(
    [stuck.status, stuck.json],
    [
      503,
      {
        status: 'error',
        errorType: 'timeout',
        error: 'query timed out in expression evaluation',
      },
    ],
  )
  const after = 'count(label_replace(wide_total, "x", "$1", "instance", "h(.)"))'
  const answer = await get(app, 'query', { query: after, time: '900' })
  t.equal(answer.json.data.result[0].value[1], '3')
  t.match(await metric(registry, 'callward_query_workers_lost_total{reason="stuck"}'), / 1$/)
})
