import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import { promqlPlugin } from '../../server/promql/plugin.ts'
import type { Store } from '../../server/store/plugin.ts'
import { end, inRequests, makeSeries, start } from '../differential/data.ts'
import {
  fill,
  type HttpAnswer,
  type HttpRequest,
  type Peer,
  prometheusInstalled,
  startHub,
  startPrometheus,
} from '../differential/peers.ts'
import { until } from '../helpers/hub.ts'
import { MemoryReader } from '../helpers/memory-reader.ts'

/** Every call that Grafana, promtool and other Prometheus servers send, to the hub and to Debian's Prometheus with the same data. */

const at = (millis: number) => String(millis / 1000)
const from = at(start + 3_600_007)
const to = at(end)
const range = `start=${from}&end=${to}`

type Form = readonly (readonly [string, string])[]
const get = (path: string): HttpRequest => ({ path: `/api/v1/${path}` })
const post = (path: string, ...form: Form): HttpRequest => ({
  method: 'POST',
  path: `/api/v1/${path}`,
  form,
})
const q = encodeURIComponent

/** Calls whose answers must be the same to the last character of their data. */
const equal: readonly HttpRequest[] = [
  get(`query?query=1%2B1&time=4`),
  post('query', ['query', '1+1'], ['time', '4']),
  get(`query?query=temp&time=${to}`),
  post('query', ['query', 'temp'], ['time', to], ['timeout', '30s']),
  get(`query?query=${q('temp[1m]')}&time=${to}`),
  get(`query?query=nothing&time=${to}`),
  get(`query?query=${q('"text"')}&time=${to}`),
  get(`query?query=${q('1/0')}&time=${to}`),
  get(`query?query=${q('-0')}&time=1.5`),
  get(`query?query=temp&time=2026-06-01T01:00:07Z`),
  get(`query?query=temp&time=2026-06-01T03:00:07.5%2B02:00`),
  get(`query_range?query=temp&${range}&step=60`),
  get(`query_range?query=nothing&${range}&step=60`),
  get(`query_range?query=${q('sum(temp)')}&${range}&step=1m30s`),
  get(`query_range?query=1&start=0&end=1&step=0.25`),
  post('query_range', ['query', 'temp'], ['start', from], ['end', to], ['step', '15']),
  // What Grafana sends when it loads a data source: milliseconds where seconds belong.
  get('query_exemplars?query=test&start=1735689600000&end=1735693200000'),
  post('query_exemplars', ['query', 'test'], ['start', '1735689600'], ['end', '1735693200']),
  get(`labels?${range}`),
  get(`labels?${range}&match[]=temp&match[]=req_total`),
  post('labels', ['match[]', 'temp'], ['start', from], ['end', to]),
  get(`labels?match[]=nothing`),
  get(`label/instance/values?${range}`),
  get(`label/instance/values?${range}&match[]=${q('{zone="a"}')}&match[]=one`),
  get(`label/__name__/values?${range}`),
  get(`label/nothing/values?${range}`),
  get(`series?match[]=temp&match[]=${q('req_total{code="200"}')}&${range}`),
  get(`series?match[]=${q('{__name__!=""}')}&${range}`),
  post('series', ['match[]', 'temp'], ['start', from], ['end', to]),
  get(`series?match[]=temp&start=0&end=1`),
  get('format_query?query=sum(a)by(b)'),
  post('format_query', ['query', 'a + on ( b ) c']),
  get('alertmanagers'),
  get('metadata?metric=nothing'),
]

/** Wrong calls: status and errorType must be the same. */
const wrong: readonly HttpRequest[] = [
  get('query'),
  get('query?query='),
  get('query?query=sum('),
  get('query?query=1&time=soon'),
  get('query?query=1&timeout=soon'),
  post('query', ['query', 'rate(temp)']),
  get(`query?query=${q('temp * on(job) temp')}&time=${to}`),
  get(`query?query=${q('label_replace(temp, "x", "", "job", "(")')}&time=${to}`),
  get('query_range?query=1'),
  get('query_range?query=1&start=2&end=1&step=1'),
  get('query_range?query=1&start=0&end=1&step=0'),
  get('query_range?query=1&start=0&end=1&step=-1'),
  get('query_range?query=1&start=0&end=1&step=x'),
  get('query_range?query=1&start=0&end=11001&step=1'),
  get(`query_range?query=${q('temp[5m]')}&start=0&end=1&step=1`),
  get('query_exemplars?query=sum('),
  get('labels?match[]=%7B%7D'),
  get('labels?match[]=%7B'),
  get('labels?start=x'),
  get('label/instance/values?match[]=%7B'),
  get('series'),
  get('series?match[]=%7B%7D'),
  get('series?match[]=temp&end=x'),
  get('format_query?query=('),
  get('targets/metadata?match_target=%7B'),
  get('metadata?limit=x'),
]

/** Calls whose answers must have the same structure. */
const alike: readonly HttpRequest[] = [
  get('query?query=vector(1)&stats=true'),
  get('query_range?query=vector(1)&start=0&end=60&step=30&stats=true'),
  get('status/buildinfo'),
  get('status/runtimeinfo'),
  get('status/tsdb'),
  get('status/walreplay'),
  get('rules'),
  get('rules?type=alert'),
  get('rules?type=record'),
  get('alerts'),
  get('scrape_pools'),
  get('targets'),
  get('targets?state=active'),
  get('targets?state=dropped'),
  get('metadata'),
]

/** What the hub has on top of 2.42, each as in newer versions of Prometheus. */
const newer: ReadonlySet<string> = new Set([
  'data.hostname:string',
  'data.serverTime:string',
  'data.GOMEMLIMIT:number',
  'data.droppedTargetCounts:object',
  'data.groups[].rules[].keepFiringFor:number',
])

/** Objects whose keys are data. */
const freeKeys = /\.(labels|annotations|discoveredLabels|metric|target)$/

/** The paths of a JSON document with the types at their ends; an empty array has no inside. */
function structureOf(value: unknown, path: string, isFree: (path: string) => boolean): string[] {
  if (Array.isArray(value))
    return [`${path}:array`, ...value.flatMap((one) => structureOf(one, `${path}[]`, isFree))]
  if (typeof value !== 'object' || value === null)
    return [`${path}:${value === null ? 'null' : typeof value}`]
  const inner = Object.entries(value).flatMap(([key, one]) =>
    structureOf(one, isFree(path) ? `${path}.*` : `${path}.${key}`, isFree),
  )
  return [`${path}:object`, ...inner]
}

function structure(answer: HttpAnswer, path: string): ReadonlySet<string> {
  const isFree = (place: string) =>
    freeKeys.test(place) || (place === 'data' && path.startsWith('/api/v1/metadata'))
  const { status, data } = JSON.parse(answer.body) as { status: string; data: unknown }
  return new Set([`status ${status}`, ...structureOf(data, 'data', isFree)])
}

/** Data as far as the answer's order means nothing. */
function dataOf(answer: HttpAnswer): unknown {
  const { data } = JSON.parse(answer.body) as { data: unknown }
  const sortedKeys = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(sortedKeys)
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    return Object.fromEntries(entries.map(([key, one]) => [key, sortedKeys(one)]))
  }
  return sortedKeys(data)
}

const shown = ({ method = 'GET', path, form }: HttpRequest) =>
  `${method} ${path} ${form === undefined ? '' : JSON.stringify(form)}`

interface Sides {
  readonly ours: Peer
  readonly theirs: Peer
}

async function ask({ ours, theirs }: Sides, request: HttpRequest) {
  return Promise.all([ours.ask(request), theirs.ask(request)])
}

function sameKind(t: Test, mine: HttpAnswer, other: HttpAnswer, what: string): void {
  t.equal(mine.status, other.status, `status of ${what}: ${mine.body.slice(0, 200)}`)
  const type = (answer: HttpAnswer) => answer.headers['content-type']?.split(';')[0]
  t.equal(type(mine), type(other), `type of ${what}`)
}

const ruleFile = `
groups:
  - name: shape
    interval: 1s
    rules:
      - record: shape:one
        expr: vector(1)
      - alert: Always
        expr: vector(1)
        labels: { severity: info }
        annotations: { summary: always }
`

/** A Prometheus with a target and rules; its clock is ahead of the data that the other one has. */
async function startWatching(t: Test): Promise<Peer> {
  const folder = mkdtempSync(join(tmpdir(), 'callward-shape-'))
  writeFileSync(join(folder, 'rules.yml'), ruleFile)
  const scrape = {
    job_name: 'callward',
    scrape_interval: '1s',
    scrape_timeout: '1s',
    static_configs: [{ targets: ['127.0.0.1:1'] }],
  }
  const peer = await startPrometheus({
    rule_files: [join(folder, 'rules.yml')],
    scrape_configs: [scrape],
  })
  t.teardown(async () => {
    await peer.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  return peer
}

t.test('calls are answered as Prometheus answers them', { timeout: 110_000 }, async (t) => {
  if (!prometheusInstalled()) {
    const missing = 'prometheus is not installed'
    if (process.env['CALLWARD_REQUIRE_PEERS'] === '1') t.fail(missing)
    else t.pass(missing, { skip: missing })
    return
  }
  const [ours, theirs, watching] = [
    await startHub(),
    await startPrometheus(),
    await startWatching(t),
  ]
  t.teardown(async () => {
    await ours.stop()
    await theirs.stop()
  })
  const sides = { ours, theirs }
  const requests = inRequests(makeSeries(1))
  await fill(theirs, requests)
  await fill(ours, requests)

  for (const request of equal) {
    const [mine, other] = await ask(sides, request)
    const what = shown(request)
    sameKind(t, mine, other, what)
    t.strictSame(dataOf(mine), dataOf(other), what)
    t.match(mine.body, /^\{"status":"success","data":/, what)
  }
  for (const request of wrong) {
    const [mine, other] = await ask(sides, request)
    const what = shown(request)
    sameKind(t, mine, other, what)
    const [left, right] = [mine, other].map(({ body }) => JSON.parse(body))
    t.equal(left.errorType, right.errorType, `${what}: ${left.error} against ${right.error}`)
    t.same(Object.keys(left), ['status', 'errorType', 'error'], what)
  }
  await until('the rule of the peer fires', async () =>
    (await watching.ask(get('alerts'))).body.includes('firing'),
  )
  const full = await withTargets(t)
  for (const request of alike) {
    const other = await watching.ask(request)
    const mine = await (request.path.includes('rules') ? ours : full).ask(request)
    const what = shown(request)
    sameKind(t, mine, other, what)
    const [left, right] = [structure(mine, request.path), structure(other, request.path)]
    const lacking = [...right].filter((place) => !left.has(place) && !known(left, place))
    t.same(lacking, [], `${what}: nothing is lacking`)
    const more = [...left].filter((place) => !right.has(place) && !newer.has(place))
    const inside = more.filter((place) => right.has(`${place.replace(/\[\].*|:.*/s, '')}:array`))
    t.same(
      more.filter((place) => !inside.includes(place) && !request.path.includes('metadata')),
      [],
      `${what}: nothing is on top`,
    )
  }
  await differing(t, sides)
})

/** Whether a place lies inside an array that is empty on the hub's side. */
function known(ours: ReadonlySet<string>, place: string): boolean {
  const arrays = [...place.matchAll(/\[\]/g)].map(({ index }) => place.slice(0, index))
  return arrays.some(
    (array) => ours.has(`${array}:array`) && ![...ours].some((one) => one.startsWith(`${array}[]`)),
  )
}

/** Where the hub differs by intention. */
async function differing(t: Test, { ours, theirs }: Sides): Promise<void> {
  const limited = await ours.ask(get(`label/instance/values?${range}&limit=1`))
  t.match(JSON.parse(limited.body), {
    data: ['pbx-1'],
    warnings: ['results truncated due to limit'],
  })
  const flags = await ours.ask(get('status/flags'))
  t.equal(flags.status, 404, 'Grafana would take the hub for something else')
  t.match(JSON.parse(flags.body), { status: 'error', errorType: 'not_found' })
  const [mine, other] = await ask({ ours, theirs }, post('label/instance/values'))
  t.same([mine.status, other.status], [405, 405])
  const read = await ours.ask({
    method: 'POST',
    path: '/api/v1/read',
    headers: { 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy' },
    body: Buffer.from('x'),
  })
  t.equal(read.status, 404)
  t.match(JSON.parse(read.body), { errorType: 'not_found', error: /no remote read/ })
  for (const path of ['/-/healthy', '/-/ready']) {
    const answers = await ask({ ours, theirs }, { path })
    t.same(
      answers.map(({ status }) => status),
      [200, 200],
      path,
    )
  }
}

/** The API over targets and metadata as the hub has them when a collector reports. */
async function withTargets(t: Test): Promise<Peer> {
  const now = Date.UTC(2026, 5, 1)
  const reader = new MemoryReader()
  reader.add({ __name__: 'up', job: 'callward', instance: 'pbx-1' }, now - 1000, 1)
  reader.add({ __name__: 'up', job: 'callward', instance: 'say "hi"\n' }, now - 2000, 0)
  reader.add({ __name__: 'ended', job: 'callward' }, now - 2000, 1)
  reader.addStale({ __name__: 'ended', job: 'callward' }, now - 1000)
  const app = Fastify()
  await app.register(
    fp(async (instance) => void instance.decorate('store', reader as unknown as Store), {
      name: 'callward-store',
    }),
  )
  await app.register(promqlPlugin, {
    clock: { now: () => now, monotonic: () => 0 },
    metadata: { up: { type: 'gauge', help: 'Whether it reports.', unit: '' } },
    alerts: () => ({
      alerts: [
        {
          labels: { a: '1' },
          annotations: { b: '2' },
          state: 'firing',
          activeAt: '',
          value: '1e+00',
        },
      ],
    }),
    targets: () => [
      {
        labels: { job: 'callward', instance: 'pbx-1' },
        health: 'up',
        lastReport: now,
        lastError: '',
        intervalSeconds: 10,
      },
    ],
  })
  t.teardown(() => app.close())
  const asked = async ({ method = 'GET', path }: HttpRequest): Promise<HttpAnswer> => {
    const { statusCode, headers, body } = await app.inject({ method, url: `/prom${path}` })
    return { status: statusCode, headers: headers as Record<string, string>, body }
  }
  const federated = await asked({ path: '/federate?match[]=up&match[]=ended' })
  t.match(federated.headers['content-type'], /^text\/plain; version=0\.0\.4/)
  t.equal(
    federated.body,
    `# TYPE up untyped\nup{instance="pbx-1",job="callward"} 1 ${now - 1000}\nup{instance="say \\"hi\\"\\n",job="callward"} 0 ${now - 2000}\n`,
  )
  const data = async (path: string) => JSON.parse((await asked(get(path))).body).data
  t.match(await data('targets/metadata'), [
    { target: { instance: 'pbx-1' }, metric: 'up', type: 'gauge', help: String, unit: '' },
  ])
  t.same(await data('targets?scrapePool=other'), {
    activeTargets: [],
    droppedTargets: [],
    droppedTargetCounts: {},
  })
  t.same(await data('scrape_pools'), { scrapePools: ['callward'] })
  t.match(await data('status/tsdb?limit=1'), {
    headStats: { numSeries: 3, numLabelPairs: 5 },
    seriesCountByMetricName: [{ name: 'up', value: 2 }],
    seriesCountByLabelValuePair: [{ name: 'job=callward', value: 3 }],
  })
  // The documented answer of newer versions; 2.42 has no such call.
  const selector = (name: string) => ({
    anchored: false,
    matchers: [{ name: '__name__', type: '=', value: name }],
    name,
    offset: 0,
    offsetExpr: null,
    smoothed: false,
    startOrEnd: null,
    timestamp: null,
    type: 'vectorSelector',
  })
  t.strictSame(await data('parse_query?query=foo%2Fbar'), {
    bool: false,
    lhs: selector('foo'),
    matching: {
      card: 'one-to-one',
      fillValues: { lhs: null, rhs: null },
      include: [],
      labels: [],
      on: false,
    },
    op: '/',
    rhs: selector('bar'),
    type: 'binaryExpr',
  })
  const tree = await data(
    `parse_query?query=${q('-topk by (a) (2, (rate(x{b!="c"}[5m] @ 4 offset 1m))) > bool 1 or max_over_time(y[1h:1m] @ end())')}`,
  )
  t.match(tree, {
    op: 'or',
    matching: { card: 'many-to-many' },
    lhs: {
      bool: true,
      matching: null,
      lhs: {
        type: 'unaryExpr',
        op: '-',
        expr: {
          type: 'aggregation',
          op: 'topk',
          grouping: ['a'],
          without: false,
          param: { type: 'numberLiteral', val: '2' },
          expr: {
            type: 'parenExpr',
            expr: {
              type: 'call',
              func: { name: 'rate', argTypes: ['matrix'], variadic: 0, returnType: 'vector' },
              args: [
                {
                  type: 'matrixSelector',
                  range: 300_000,
                  offset: 60_000,
                  timestamp: 4000,
                  matchers: [{ type: '!=' }, { name: '__name__' }],
                },
              ],
            },
          },
        },
      },
      rhs: { val: '1' },
    },
    rhs: { args: [{ type: 'subquery', range: 3_600_000, step: 60_000, startOrEnd: 'end' }] },
  })
  const refused = await asked(get('parse_query?query=sum('))
  t.equal(refused.status, 400)
  return { ask: asked, stop: async () => undefined }
}
