import { once } from 'node:events'
import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import t from 'tap'
import { CallwardError } from '../../server/errors.ts'
import { type PromqlOptions, promqlPlugin } from '../../server/promql/plugin.ts'
import type { Store } from '../../server/store/plugin.ts'
import type { ReadLimits, StoreReader } from '../../server/store/reader.ts'
import { MemoryReader } from '../helpers/memory-reader.ts'

const minute = 60_000
const now = Date.UTC(2026, 7, 1)

function filledReader(): MemoryReader {
  const reader = new MemoryReader()
  for (const instance of ['pbx-1', 'pbx-2']) {
    const labels = { __name__: 'node_load1', job: 'node', instance }
    for (let at = now - 30 * minute; at <= now; at += 10_000) {
      reader.add(labels, at, instance === 'pbx-1' ? 0.5 : 2)
    }
  }
  reader.add({ __name__: 'huge' }, now, 1e21)
  reader.add({ __name__: 'tiny' }, now, 1e-7)
  return reader
}

interface Built {
  readonly app: FastifyInstance
  readonly reader: MemoryReader
  readonly roles: Map<string, unknown>
}

type Test = Pick<typeof t, 'teardown'>

/** A bare application: a store in memory and a hook that only notes what the routes say of themselves. */
async function build(t: Test, options: PromqlOptions = {}): Promise<Built> {
  const app = Fastify()
  const reader = filledReader()
  const roles = new Map<string, unknown>()
  app.addHook('onRoute', (route) => {
    roles.set(`${String(route.method)} ${route.url}`, route.config?.access)
  })
  await app.register(
    // The plugin reads only; a reader is all it needs of a store.
    fp(async (instance) => void instance.decorate('store', reader as unknown as Store), {
      name: 'callward-store',
    }),
  )
  const clock = { now: () => now, monotonic: () => 0 }
  await app.register(promqlPlugin, { clock, ...options })
  app.get('/*', async (_request, reply) => reply.type('text/html').send('<html></html>'))
  await app.ready()
  t.teardown(() => app.close())
  return { app, reader, roles }
}

async function get(app: FastifyInstance, url: string) {
  const answer = await app.inject({ url: `/prom/api/v1/${url}` })
  return {
    status: answer.statusCode,
    type: answer.headers['content-type'],
    text: answer.body,
    json: answer.json(),
  }
}

async function post(
  app: FastifyInstance,
  url: string,
  fields: readonly (readonly [string, string])[],
) {
  const answer = await app.inject({
    method: 'POST',
    url: `/prom/api/v1/${url}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: fields
      .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
      .join('&'),
  })
  return { status: answer.statusCode, json: answer.json() }
}

t.test('every route states who may use it', async (t) => {
  const { roles } = await build(t)
  const wanted = { owner: 'promql', roles: ['admin', 'operator', 'auditor', 'grafana'] }
  const ours = [...roles].filter(([url]) => url.includes('/prom/'))
  t.ok(ours.length > 15, 'there are routes')
  for (const [url, access] of ours) t.same(access, wanted, url)
})

t.test('an instant query', async (t) => {
  const { app } = await build(t)
  const answer = await get(app, `query?query=node_load1&time=${now / 1000}`)
  t.equal(answer.status, 200)
  t.match(answer.type, /^application\/json/)
  t.ok(answer.text.startsWith('{"status":"success","data":{"resultType":"vector","result":['))
  t.same(answer.json.data.result, [
    {
      metric: { __name__: 'node_load1', instance: 'pbx-1', job: 'node' },
      value: [now / 1000, '0.5'],
    },
    {
      metric: { __name__: 'node_load1', instance: 'pbx-2', job: 'node' },
      value: [now / 1000, '2'],
    },
  ])
  t.notOk('warnings' in answer.json, 'no empty lists of remarks')

  const posted = await post(app, 'query', [
    ['query', 'node_load1'],
    ['time', '2026-08-01T00:00:00Z'],
  ])
  t.same(posted.json, answer.json, 'a form gives the same, RFC 3339 too')
  t.same((await get(app, 'query?query=node_load1')).json, answer.json, 'without a time it is now')
  t.same((await get(app, 'query?query=nothing')).json.data, { resultType: 'vector', result: [] })
})

t.test("Grafana's probes when a data source is saved", async (t) => {
  const { app } = await build(t)
  const probe = await post(app, 'query', [
    ['query', '1+1'],
    ['time', '4'],
  ])
  t.same(probe.json, { status: 'success', data: { resultType: 'scalar', result: [4, '2'] } })
  const exemplars = await post(app, 'query_exemplars', [
    ['query', 'test'],
    ['start', '1735689600000'],
    ['end', '1735693200000'],
  ])
  t.same([exemplars.status, exemplars.json], [200, { status: 'success', data: [] }])
  const build_ = (await get(app, 'status/buildinfo')).json.data
  t.same(Object.keys(build_), [
    'version',
    'revision',
    'branch',
    'buildUser',
    'buildDate',
    'goVersion',
  ])
  for (const path of ['status/flags', 'nonsense', '../other', 'features']) {
    const missing = await app.inject({ url: `/prom/api/v1/${path}` })
    t.equal(missing.statusCode, 404, path)
    t.match(missing.headers['content-type'], /^application\/json/)
    t.same(missing.json().status, 'error')
  }
  t.equal((await app.inject({ url: '/elsewhere' })).headers['content-type'], 'text/html')
})

t.test('values are written as Prometheus writes them', async (t) => {
  const { app } = await build(t)
  const shown = async (query: string): Promise<unknown> =>
    (
      await post(app, 'query', [
        ['query', query],
        ['time', '1785542400.5'],
      ])
    ).json.data.result
  const cases: readonly (readonly [string, unknown])[] = [
    ['1 / 0', '+Inf'],
    ['-1 / 0', '-Inf'],
    ['0 / 0', 'NaN'],
    ['-0', '-0'],
    ['0.1 + 0.2', '0.30000000000000004'],
    ['1e20', '100000000000000000000'],
    ['1e21', '1e+21'],
    ['0.000001', '0.000001'],
    ['1e-7', '1e-07'],
    ['-1.5e-10', '-1.5e-10'],
    ['"text"', 'text'],
  ]
  for (const [query, expected] of cases) t.same(await shown(query), [1785542400.5, expected], query)
})

t.test('a range query', async (t) => {
  const { app } = await build(t)
  const start = now / 1000 - 60
  const fields = [
    ['query', 'sum(node_load1)'],
    ['start', String(start)],
    ['end', String(now / 1000)],
    ['step', '30'],
  ] as const
  const answer = await post(app, 'query_range', fields)
  t.same(answer.json.data, {
    resultType: 'matrix',
    result: [
      {
        metric: {},
        values: [
          [start, '2.5'],
          [start + 30, '2.5'],
          [start + 60, '2.5'],
        ],
      },
    ],
  })
  const url = `query_range?query=sum(node_load1)&start=${start}&end=${now / 1000}&step=30s`
  t.same((await get(app, url)).json, answer.json, 'both ends are included, by GET too')
  const fine = await get(app, `query_range?query=vector(1)&start=0&end=0.5&step=0.25`)
  t.same(fine.json.data.result[0].values, [
    [0, '1'],
    [0.25, '1'],
    [0.5, '1'],
  ])
})

t.test('wrong requests say what is wrong', async (t) => {
  const { app } = await build(t)
  const cases: readonly (readonly [string, number, string, string])[] = [
    [
      'query?query=sum(',
      400,
      'bad_data',
      'invalid parameter "query": 1:5: parse error: unclosed left parenthesis',
    ],
    [
      'query?query=',
      400,
      'bad_data',
      'invalid parameter "query": unknown position: parse error: no expression found in input',
    ],
    [
      'query?query=1&time=constructor',
      400,
      'bad_data',
      'invalid parameter "time": cannot parse "constructor" to a valid timestamp',
    ],
    [
      'query?query=1&timeout=soon',
      400,
      'bad_data',
      'invalid parameter "timeout": cannot parse "soon" to a valid duration',
    ],
    [
      'query?query=1&limit=x',
      400,
      'bad_data',
      'invalid parameter "limit": strconv.Atoi: parsing "x": invalid syntax',
    ],
    [
      'query_range?query=1&start=2&end=1&step=1',
      400,
      'bad_data',
      'invalid parameter "end": end timestamp must not be before start time',
    ],
    [
      'query_range?query=1&start=0&end=1&step=0',
      400,
      'bad_data',
      'invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer',
    ],
    [
      'query_range?query=1&start=0&end=1',
      400,
      'bad_data',
      'invalid parameter "step": cannot parse "" to a valid duration',
    ],
    [
      'query_range?query=1&start=0&end=11001&step=1',
      400,
      'bad_data',
      'exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)',
    ],
    [
      'query_range?query=node_load1[5m]&start=0&end=1&step=1',
      400,
      'bad_data',
      'invalid parameter "query": invalid expression type "range vector" for range query, must be Scalar or instant Vector',
    ],
    [
      'query?query=node_load1%20*%20on(job)%20node_load1',
      422,
      'execution',
      'found duplicate series for the match group {job="node"} on the right hand-side of the operation: [{__name__="node_load1", instance="pbx-1", job="node"}, {__name__="node_load1", instance="pbx-2", job="node"}];many-to-many matching not allowed: matching labels must be unique on one side',
    ],
    ['series', 400, 'bad_data', 'no match[] parameter provided'],
    [
      'series?match[]=%7B%7D',
      400,
      'bad_data',
      'invalid parameter "match[]": match[] must contain at least one non-empty matcher',
    ],
  ]
  for (const [url, status, errorType, error] of cases) {
    const answer = await get(app, url)
    t.equal(answer.status, status, url)
    t.equal(answer.json.status, 'error')
    t.same(answer.json, { status: 'error', errorType, error })
  }
  const refused = await app.inject({ method: 'POST', url: '/prom/api/v1/label/job/values' })
  t.equal(refused.statusCode, 405)
})

t.test('labels, values and series', async (t) => {
  const { app } = await build(t)
  t.same((await get(app, 'labels')).json.data, ['__name__', 'instance', 'job'])
  t.same(
    (
      await post(app, 'labels', [
        ['match[]', 'huge'],
        ['match[]', 'tiny'],
      ])
    ).json.data,
    ['__name__'],
  )
  t.same((await get(app, 'label/__name__/values')).json.data, ['huge', 'node_load1', 'tiny'])
  t.same((await get(app, 'label/__name__/values?match[]=huge&match[]=tiny')).json.data, [
    'huge',
    'tiny',
  ])
  t.same(
    (await get(app, 'label/U______name____/values?match[]=huge')).json.data,
    ['huge'],
    'an escaped name',
  )
  t.same((await get(app, 'label/instance/values?limit=1')).json, {
    status: 'success',
    data: ['pbx-1'],
    warnings: ['results truncated due to limit'],
  })
  t.same(
    (await get(app, `label/instance/values?start=0&end=1`)).json.data,
    [],
    'the interval counts',
  )
  const series = await get(app, 'series?match[]=%7B__name__!=%22%22%7D&limit=2')
  t.equal(series.json.data.length, 2)
  t.same(series.json.warnings, ['results truncated due to limit'])
  const bounds = 'start=-292273086-05-16T16:47:06Z&end=292277025-08-18T07:12:54.999999999Z'
  t.same((await get(app, `series?match[]=huge&${bounds}`)).json.data, [{ __name__: 'huge' }])
  const limited = (await get(app, 'query?query=node_load1&limit=1')).json
  t.equal(limited.data.result.length, 1)
  t.same(limited.warnings, ['results truncated due to limit'])
})

t.test('metadata, rules and alerts come from their owners', async (t) => {
  const load = { type: 'gauge', help: '1m load average.', unit: '' } as const
  const { app } = await build(t, {
    metadata: { node_load1: load, other: { ...load, help: 'Other.' } },
    rules: (parameters) => ({ groups: [], asked: parameters.get('type') ?? [] }),
    alerts: () => ({ alerts: [{ state: 'firing' }] }),
  })
  t.same((await get(app, 'metadata?metric=node_load1')).json.data, { node_load1: [load] })
  t.same(Object.keys((await get(app, 'metadata?limit=1')).json.data), ['node_load1'])
  t.same((await get(app, 'rules?type=alert')).json.data, { groups: [], asked: ['alert'] })
  t.same((await get(app, 'alerts')).json.data, { alerts: [{ state: 'firing' }] })
  const bare = await build(t)
  t.same((await get(bare.app, 'rules')).json.data, { groups: [] })
  t.same((await get(bare.app, 'alerts')).json.data, { alerts: [] })
  t.same((await get(bare.app, 'metadata')).json.data, {})
})

t.test('remarks on the data go with the answer', async (t) => {
  const { app } = await build(t)
  const { json } = await get(app, 'query?query=rate(node_load1[5m])')
  t.same(json.infos, [
    'PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "node_load1" (1:6)',
  ])
  const sorted = await get(app, 'query_range?query=sort(node_load1)&start=0&end=1&step=1')
  t.match(
    sorted.json.warnings[0],
    /^PromQL warning: sort is ineffective for range queries .* \(1:1\)$/,
  )
  t.same((await get(app, 'format_query?query=sum(a)by(b)')).json.data, 'sum by (b) (a)')
})

t.test('limits', async (t) => {
  const { app, reader } = await build(t, {
    limits: { maxSamples: 100 },
    maxConcurrentQueries: 1,
    maxWaitingQueries: 1,
  })
  const large = await get(app, 'query?query=node_load1[30m]')
  t.same(
    [large.status, large.json],
    [
      422,
      {
        status: 'error',
        errorType: 'execution',
        error: 'query processing would load too many samples into memory in query execution',
      },
    ],
  )
  const late = await get(app, 'query?query=huge&timeout=0.000001')
  t.same(
    [late.status, late.json.errorType, late.json.error],
    [503, 'timeout', 'query timed out in expression evaluation'],
  )

  let release = (): void => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const select = reader.select.bind(reader)
  reader.select = async (...args) => {
    await held
    return select(...args)
  }
  const running = get(app, 'query?query=huge')
  const waiting = get(app, 'query?query=huge')
  const refused = await get(app, 'query?query=huge')
  t.equal(refused.status, 503)
  t.match(refused.json.error, /too many queries: 1 run and 1 wait/)
  release()
  t.same([(await running).status, (await waiting).status], [200, 200], 'the others get their turn')
})

t.test('lists and federation: bounded, in their turn, ended when the asker goes', async (t) => {
  const { app, reader } = await build(t, {
    limits: { maxSeries: 2, maxSamples: 300 },
    maxConcurrentQueries: 1,
    maxWaitingQueries: 0,
  })
  const some = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => `match[]=m${from + i}`).join('&')
  const federated = (query: string) => app.inject({ url: `/prom/federate?${query}` })

  for (const path of ['labels', 'series', 'label/job/values']) {
    t.equal((await get(app, `${path}?${some(0, 100)}`)).status, 200)
    const refused = await get(app, `${path}?${some(0, 101)}`)
    t.equal(refused.status, 400)
    t.match(refused.json, { errorType: 'bad_data', error: /"match\[\]": more than 100 selectors/ })
  }
  t.equal((await federated(some(0, 101))).statusCode, 400)
  let asked: readonly unknown[] = []
  const series = reader.series.bind(reader)
  reader.series = async (...query) => {
    asked = query
    return series(...query)
  }
  await get(app, 'series?match[]=huge&match[]=tiny&match[]=huge')
  t.equal((asked[0] as unknown[]).length, 2, 'the same selector twice is one')
  t.match(asked[3], { limit: 3, signal: AbortSignal })

  const all = 'match[]=%7B__name__!=%22%22%7D'
  const tooMany = await get(app, `series?${all}`)
  t.equal(tooMany.status, 422)
  t.match(tooMany.json, { errorType: 'execution', error: /more than 2 series match/ })
  t.same((await get(app, `series?${all}&limit=2`)).json.warnings, [
    'results truncated due to limit',
  ])
  t.same((await get(app, `series?${all}&limit=5`)).status, 422)

  let limits: ReadLimits | undefined
  const select = reader.select.bind(reader)
  const federating: StoreReader['select'] = async (matchers, start, end, given) => {
    limits = given
    if (matchers[0]?.value === 'large') throw new CallwardError('query_too_large')
    return select(matchers, start, end)
  }
  reader.select = federating as typeof reader.select
  t.equal(
    (await federated('match[]=huge')).body,
    `# TYPE huge untyped\nhuge{instance=""} 1e+21 ${now}\n`,
  )
  t.match(limits, { maxSeries: 2, maxSamples: 300, signal: AbortSignal })
  t.equal((await federated('match[]=nothing')).body, '')
  t.equal((await federated('match[]=large')).statusCode, 422)

  let enter = (_: AbortSignal): void => undefined
  const entered = new Promise<AbortSignal>((resolve) => {
    enter = resolve
  })
  const held: StoreReader['labelNames'] = async (_, __, ___, given) => {
    enter(given!.signal!)
    await once(given!.signal!, 'abort')
    given!.signal!.throwIfAborted()
    return []
  }
  reader.labelNames = held as typeof reader.labelNames
  const gone = new AbortController()
  const leaving = app
    .inject({ url: '/prom/api/v1/labels', signal: gone.signal })
    .catch(() => 'gone')
  const signal = await entered
  for (const path of [`series?${all}`, 'label/job/values', 'labels', 'status/tsdb'])
    t.match(await get(app, path), { status: 503, json: { error: /too many queries/ } }, path)
  t.equal((await federated(all)).statusCode, 503)
  gone.abort()
  await leaving
  t.ok(signal.aborted, 'the store is told')
  await new Promise((resolve) => setImmediate(resolve))
  t.equal((await get(app, 'label/job/values')).status, 200, 'the next has its turn')
})

t.test('a long list is written with turns for others, and whole', async (t) => {
  const { app, reader } = await build(t)
  const count = 12_000
  for (let i = 0; i < count; i++)
    reader.add({ __name__: 'many', zone: 'z', instance: `h${(i * 7919) % count}` }, now, i)
  const turnsOf = async <T>(work: Promise<T>): Promise<[T, number]> => {
    let turns = 0
    let done = false
    const end = work.finally(() => {
      done = true
    })
    for (; !done; turns++) await new Promise((resolve) => setImmediate(resolve))
    return [await end, turns]
  }
  const names = Array.from({ length: count }, (_, i) => `h${i}`).sort()
  const [listed, listTurns] = await turnsOf(get(app, 'series?match[]=many'))
  const expected = names.map((instance) => ({ __name__: 'many', instance, zone: 'z' }))
  t.equal(listed.text, JSON.stringify({ status: 'success', data: expected }))
  t.ok(listTurns > 1, `${listTurns} turns`)
  const [values] = await turnsOf(get(app, 'label/instance/values?match[]=many'))
  t.equal(values.text, JSON.stringify({ status: 'success', data: names }))
  const [federated, turns] = await turnsOf(app.inject({ url: '/prom/federate?match[]=many' }))
  t.equal(Number(federated.headers['content-length']), Buffer.byteLength(federated.body))
  t.equal(federated.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  const lines = federated.body.split('\n')
  t.equal(lines[0], '# TYPE many untyped')
  t.same(lines.slice(1, -1), [...lines.slice(1, -1)].sort())
  t.equal(lines.length, count + 2)
  t.ok(turns > 1, `${turns} turns`)
  const short = await build(t, { maxAnswerBytes: 20 })
  for (const path of ['api/v1/series?match[]=huge', 'api/v1/labels', 'federate?match[]=huge'])
    t.equal((await short.app.inject({ url: `/prom/${path}` })).statusCode, 422, path)
})

t.test('faults outside the language keep the shape', async (t) => {
  const { app, reader } = await build(t)
  reader.select = async () => {
    throw new CallwardError('query_too_large')
  }
  t.equal((await get(app, 'query?query=huge')).status, 422)
  reader.select = async () => {
    throw new Error('a secret detail')
  }
  const broken = await get(app, 'query?query=huge')
  t.equal(broken.status, 500)
  t.equal(broken.json.errorType, 'internal')
  t.notMatch(broken.json.error, /secret/)
  const body = await app.inject({
    method: 'POST',
    url: '/prom/api/v1/query',
    headers: { 'content-type': 'text/csv' },
    payload: 'a',
  })
  t.equal(body.statusCode, 415)
  t.equal(body.json().errorType, 'bad_data')
})

t.test('a large answer is sent in pieces and reads whole', async (t) => {
  const { app } = await build(t)
  const fields = [
    ['query', 'vector(time()) or on(n) label_replace(vector(1), "n", "1", "", "")'],
    ['start', '0'],
    ['end', '11000'],
    ['step', '1'],
  ] as const
  const small = await post(app, 'query_range', fields)
  t.equal(small.json.data.result.length, 2)
  const many = Array.from(
    { length: 12 },
    (_, index) => `label_replace(vector(${index}), "n", "${index}", "", "")`,
  )
  const large = await post(app, 'query_range', [
    ['query', many.join(' or ')],
    ['start', '0'],
    ['end', '11000'],
    ['step', '1'],
  ])
  t.equal(large.json.data.result.length, 12)
  for (const { metric, values } of large.json.data.result) {
    t.equal(values.length, 11_001)
    t.same(values.at(-1), [11_000, metric.n])
  }
})
