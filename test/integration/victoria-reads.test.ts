import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { fill, type HubPeer, type Peer, startHub } from '../differential/peers.ts'
import { until } from '../helpers/hub.ts'
import { VictoriaPeer, withoutVictoria } from './victoria-peer.ts'
import { VictoriaProxy } from './victoria-proxy.ts'

const skip = withoutVictoria()
const minute = 60_000
const hour = 60 * minute
const now = Math.floor(Date.now() / hour) * hour
/** VictoriaMetrics has five days, up to two hours after the hub's own begin. */
const oldest = now - 120 * hour
const heldFrom = now - 20 * hour
const step = hour

interface Found {
  readonly metric: Record<string, string>
  readonly value?: [number, string]
  readonly values?: [number, string][]
}

interface Answer {
  readonly status: number
  readonly body: {
    readonly data: { readonly resultType: string; readonly result: Found[] } & string[]
    readonly error?: string
    readonly errorType?: string
    readonly warnings?: string[]
    readonly infos?: string[]
  }
}

function gaugeAt(n: number, time: number): number {
  return n * 1000 + ((time / minute) % 97)
}

/** Samples 3 s after each minute. */
function samples(from: number, to: number, value: (time: number) => number) {
  const list: { t: number; value: number }[] = []
  for (let at = from; at < to; at += minute) list.push({ t: at + 3000, value: value(at) })
  return list
}

function seriesBetween(from: number, to: number) {
  const gauge = (n: number) => ({
    labels: [
      ['__name__', 'callward_gauge'],
      ['n', String(n)],
    ] as [string, string][],
    samples: samples(from, to, (at) => gaugeAt(n, at)),
  })
  const total = {
    labels: [['__name__', 'callward_made_total']] as [string, string][],
    samples: samples(from, to, (at) => (3 * (at - oldest)) / minute),
  }
  return [gauge(1), gauge(2), total]
}

async function fillFrom(peer: Peer, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += 10 * hour)
    await fill(peer, [seriesBetween(at, Math.min(to, at + 10 * hour))])
}

async function scene(t: Test) {
  const peer = await VictoriaPeer.prepare(t)
  await peer.launch()
  const proxy = await VictoriaProxy.start(t, peer.url)
  const folder = mkdtempSync(join(tmpdir(), 'callward-config-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'callward.yaml')
  const store = { engine: 'victoriametrics', write: proxy.url, username: 'hub', password: 's3cret' }
  writeFileSync(path, JSON.stringify({ hub: { store } }))
  const hub = await startHub({ CALLWARD_CONFIG: path, CALLWARD_RETENTION: '2' })
  t.teardown(() => hub.stop())
  const victoria: Peer = {
    async ask({ method = 'GET', path, headers = {}, body = Buffer.alloc(0) }) {
      const answer = await fetch(`${peer.url}${path}`, {
        method,
        headers,
        body: new Uint8Array(body),
      })
      return { status: answer.status, headers: {}, body: await answer.text() }
    },
    stop: async () => undefined,
  }
  await fillFrom(victoria, oldest, heldFrom + 2 * hour)
  await fillFrom(hub, heldFrom, now)
  await until(
    'what was written can be read',
    async () => (await peer.count('callward_gauge', 120 * 3600, now)) === 2 * 102 * 60,
    30_000,
  )
  // What the forwarder asks stands among the questions too.
  const questions = () => proxy.asked.filter(({ fields }) => fields.has('max_lookback'))
  return { peer, proxy, hub, questions, ask: askOf(hub) }
}

function askOf(hub: HubPeer) {
  return async (path: string, fields: Record<string, string | number | string[]>) => {
    const form = Object.entries(fields).flatMap(([name, value]): [string, string][] =>
      (Array.isArray(value) ? value : [String(value)]).map((one) => [name, one]),
    )
    const answer = await hub.ask({ path: `/api/v1/${path}?${new URLSearchParams(form)}` })
    return { status: answer.status, body: JSON.parse(answer.body) } as Answer
  }
}

const whole = { start: (oldest + hour) / 1000, end: now / 1000, step: step / 1000 }

t.test('one answer of what VictoriaMetrics and the hub hold', { skip }, async (t) => {
  const { ask, questions } = await scene(t)
  const grid = Array.from({ length: 120 }, (_, at) => oldest + hour + at * step)

  await t.test('every value, once, on the grid that was asked for', async (t) => {
    const { status, body } = await ask('query_range', { query: 'callward_gauge{n="1"}', ...whole })
    t.equal(status, 200)
    t.equal(body.data.result.length, 1, 'one series across the seam')
    const [{ metric, values = [] } = { metric: {} }] = body.data.result
    t.same(metric, { __name__: 'callward_gauge', n: '1' })
    t.same(
      values,
      grid.map((at) => [at / 1000, String(gaugeAt(1, at - minute))]),
    )
    t.match(body.infos, [/computed by VictoriaMetrics/])
    const [asked] = questions().slice(-1)
    t.equal(asked?.path, '/api/v1/query_range')
    t.equal(Number(asked?.fields.get('end')) * 1000, heldFrom, 'only what the hub has not')
  })

  await t.test('names as PromQL has them, where MetricsQL keeps them', async (t) => {
    const query = 'avg_over_time(callward_gauge[2h])'
    const { body } = await ask('query_range', { query, ...whole, start: whole.start + 7200 })
    t.same(
      body.data.result.map(({ metric }) => metric),
      [{ n: '1' }, { n: '2' }],
    )
    const [first] = body.data.result
    for (const [seconds, value] of first?.values ?? []) {
      const times = Array.from({ length: 120 }, (_, i) => seconds * 1000 - (i + 1) * minute)
      const mean = times.reduce((sum, at) => sum + gaugeAt(1, at), 0) / 120
      if (Math.abs(Number(value) - mean) > 1e-9) t.fail(`${seconds}: ${value} is not ${mean}`)
    }
    t.equal(first?.values?.length, 118)
  })

  await t.test('rates within 2 %, sums, comparisons, subqueries, @', async (t) => {
    const rate = await ask('query_range', { query: 'rate(callward_made_total[10m])', ...whole })
    const rates = rate.body.data.result[0]?.values ?? []
    t.equal(rates.length, 120)
    t.ok(rates.every(([, value]) => Math.abs(Number(value) / 0.05 - 1) < 0.02))
    const sum = await ask('query_range', { query: 'sum(callward_gauge) > bool 0', ...whole })
    t.same(
      sum.body.data.result.map(({ metric, values = [] }) => [metric, values.length]),
      [[{}, 120]],
    )
    const query = 'max_over_time(callward_gauge{n="2"}[1h:]) and callward_gauge @ start()'
    const both = await ask('query_range', { query, ...whole })
    t.equal(both.body.data.result[0]?.values?.length, 102, 'all by VictoriaMetrics, which has 102')
    t.match(both.body.warnings, [/known to hold samples up to 20.*newer ones may be missing/])
    t.notOk(rate.body.warnings)
    t.match(questions().at(-1)?.fields.get('query'), /\[1h:1m\].* @ \d+/)
  })

  await t.test('instants: vector, scalar, matrix, and days of one range', async (t) => {
    const time = (oldest + 5 * hour) / 1000
    const vector = await ask('query', { query: 'callward_gauge{n="2"}', time })
    t.same(vector.body.data.result, [
      {
        metric: { __name__: 'callward_gauge', n: '2' },
        value: [time, String(gaugeAt(2, time * 1000 - minute))],
      },
    ])
    const scalar = await ask('query', { query: 'scalar(callward_gauge{n="2"})', time })
    t.equal(scalar.body.data.resultType, 'scalar')
    const matrix = await ask('query', { query: 'callward_gauge{n="2"}[10m]', time })
    t.equal(matrix.body.data.resultType, 'matrix')
    t.equal(matrix.body.data.result[0]?.values?.length, 10)
    const days = await ask('query', {
      query: 'count_over_time(callward_gauge[4d])',
      time: heldFrom / 1000,
    })
    t.same(
      days.body.data.result.map(({ value }) => value?.[1]),
      ['5760', '5760'],
    )
  })

  await t.test('what the hub holds goes out to nobody', async (t) => {
    const before = questions().length
    const range = { start: heldFrom / 1000 + 600, end: now / 1000, step: 60 }
    const { body } = await ask('query_range', { query: 'callward_gauge{n="1"}', ...range })
    t.ok((body.data.result[0]?.values?.length ?? 0) > 1000)
    t.notOk(body.infos)
    t.equal((await ask('query', { query: '1 + 1', time: 0 })).status, 200)
    t.equal(questions().length, before)
  })

  await t.test('lists are those of both', async (t) => {
    const range = { start: oldest / 1000, end: (oldest + hour) / 1000 }
    const values = await ask('label/n/values', range)
    t.same(values.body.data, ['1', '2'])
    const series = await ask('series', { 'match[]': 'callward_gauge', ...range })
    t.same(series.body.data, [
      { __name__: 'callward_gauge', n: '1' },
      { __name__: 'callward_gauge', n: '2' },
    ])
    const names = await ask('labels', { 'match[]': 'callward_gauge' })
    t.same(names.body.data, ['__name__', 'n'])
    t.notOk(names.body.warnings)
  })
})

t.test('nothing of an asker’s reaches VictoriaMetrics but its query', { skip }, async (t) => {
  const { ask, proxy, questions } = await scene(t)
  const time = (oldest + 5 * hour) / 1000
  const extras = {
    extra_label: 'n=1',
    'extra_filters[]': '{n="1"}',
    extra_filters: '{n="1"}',
    nocache: '0',
    trace: '1',
    max_lookback: '50d',
    round_digits: '1',
  }

  await t.test('fields of its own are left behind', async (t) => {
    const { body } = await ask('query', { query: 'callward_gauge', time, ...extras })
    t.equal(body.data.result.length, 2)
    const [asked] = questions().slice(-1)
    t.same([...(asked?.fields.keys() ?? [])].sort(), [
      'max_lookback',
      'nocache',
      'query',
      'time',
      'timeout',
    ])
    t.equal(asked?.fields.get('max_lookback'), '300000ms')
    t.equal(asked?.authorization, `Basic ${Buffer.from('hub:s3cret').toString('base64')}`)
    const range = { start: oldest / 1000, end: oldest / 1000 + 60 }
    await ask('series', { 'match[]': 'callward_gauge', ...range, ...extras })
    const list = proxy.asked.filter(({ path }) => path === '/api/v1/series').at(-1)
    t.same([...(list?.fields.keys() ?? [])].sort(), ['end', 'match[]', 'start'])
  })

  await t.test('MetricsQL is refused before anything is asked', async (t) => {
    const before = questions().length
    for (const query of [
      'keep_last_value(callward_gauge)',
      'callward_gauge default 0',
      'WITH (x = callward_gauge) x',
      '{n="1" or n="2"}',
      'callward_gauge[5m] keep_metric_names',
      'rate(callward_gauge)',
      'callward_gauge{n="1"}} or {n="2"',
    ]) {
      const { status, body } = await ask('query', { query, time })
      t.equal(status, 400, query)
      t.equal(body.errorType, 'bad_data')
    }
    t.equal(questions().length, before)
  })

  await t.test('a label’s name cannot end its selector', async (t) => {
    const range = { start: oldest / 1000, end: oldest / 1000 + 60 }
    for (const name of ['n"} or {x', 'n="1"} or {__name__!="",x', 'a\\', 'é.x', 'n,x'])
      for (const path of ['series', 'labels', 'label/n/values']) {
        const { status, body } = await ask(path, {
          'match[]': `{${JSON.stringify(name)}="1"}`,
          ...range,
        })
        t.ok(
          status === 422 || (status === 200 && !body.data.some((one) => one !== '__name__')),
          `${path} ${name}: ${status} ${JSON.stringify(body)}`,
        )
      }
    const query = `{${JSON.stringify('n"} or {__name__!="')}="1"}`
    const { status, body } = await ask('query', { query, time })
    t.ok(status === 422 || body.data.result.length === 0)
  })

  await t.test('everything at every step: an answer or a refusal, never the memory', async (t) => {
    const all = { query: '{__name__=~".*"}', ...whole }
    t.match((await ask('query_range', all)).body.error, /at least one non-empty matcher/)
    const most = await ask('query_range', { ...all, query: '{__name__=~".+"}', step: 1 })
    t.match(most.body.error, /exceeded maximum resolution/)
    proxy.conduct = 'endless'
    const before = proxy.brokenOff
    for (const [path, fields] of [
      ['query', { query: '{__name__=~".+"}', time }],
      ['series', { 'match[]': '{__name__=~".+"}' }],
    ] as const) {
      const { status, body } = await ask(path, fields)
      t.equal(status, 422)
      t.match(body.error, /longer than 16 MiB; ask for a shorter time/)
    }
    await until('both were broken off', async () => proxy.brokenOff === before + 2, 30_000)
  })

  await t.test('what VictoriaMetrics says in its own way is said in Prometheus’s', async (t) => {
    const old = { query: 'callward_gauge', time }
    const refusal = JSON.stringify({ status: 'error', errorType: '422', error: 'cannot do that' })
    const answers: [number, string, number, string, RegExp][] = [
      [422, refusal, 422, 'execution', /does not answer this: cannot do that$/],
      [400, 'plain words', 422, 'execution', /plain words/],
      [200, 'no json', 503, 'unavailable', /gave no whole answer.*ask for times after 20/],
      [200, '{"data":{}}', 503, 'unavailable', /gave no whole answer/],
      [401, 'who are you', 503, 'unavailable', /answered a question with 401/],
      [500, 'oh', 503, 'unavailable', /answered a question with 500/],
    ]
    for (const [given, text, status, errorType, words] of answers) {
      proxy.conduct = { status: given, body: text }
      const answer = await ask('query', old)
      t.equal(answer.status, status, text)
      t.equal(answer.body.errorType, errorType)
      t.match(answer.body.error, words)
      t.notMatch(JSON.stringify(answer.body), /s3cret|127\.0\.0\.1/)
    }
    proxy.conduct = 'silent'
    const late = await ask('query', { ...old, timeout: '1' })
    t.equal(late.status, 503)
    t.equal(late.body.errorType, 'timeout')
  })
})

t.test('VictoriaMetrics away: the hub’s own days, lists and rules go on', { skip }, async (t) => {
  const { ask, peer } = await scene(t)
  await peer.kill()
  const { status, body } = await ask('query_range', { query: 'callward_gauge', ...whole })
  t.equal(status, 503)
  t.equal(body.errorType, 'unavailable')
  const since = new Date(heldFrom + 3000).toISOString()
  t.match(body.error, `ask for times after ${since}, which the hub answers by itself`)
  const range = { start: heldFrom / 1000 + 600, end: now / 1000, step: 60 }
  const held = await ask('query_range', { query: 'callward_gauge', ...range })
  t.equal(held.status, 200)
  t.equal(held.body.data.result.length, 2)
  const names = await ask('label/n/values', {})
  t.same(names.body.data, ['1', '2'])
  t.match(names.body.warnings, [new RegExp(`only what the hub holds since ${since}`)])
  const rules = await ask('rules', {})
  t.equal(rules.status, 200)
  await until(
    'the hub’s own rules see it',
    async () => {
      const up = await ask('query', { query: 'callward_store_engine_up' })
      return up.body.data.result[0]?.value?.[1] === '0'
    },
    90_000,
  )
  await peer.launch()
  const again = await ask('query_range', { query: 'callward_gauge', ...whole })
  t.equal(again.status, 200)
})
