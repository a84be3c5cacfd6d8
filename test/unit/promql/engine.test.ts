import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { CallwardError } from '../../../server/errors.ts'
import { createEngine, type Engine, type Value } from '../../../server/promql/engine.ts'
import type { SeriesAtHand } from '../../../server/promql/repeated/series-at-hand.ts'
import type { Labels, StoreReader } from '../../../server/store/reader.ts'
import { MemoryReader } from '../../helpers/memory-reader.ts'
import fc from '../../helpers/property.ts'
import { almostEqual } from './script.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute

function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** An instant vector as text and number. */
function samplesOf(value: Value): Map<string, number> {
  if (value.kind !== 'vector') throw new Error(`a ${value.kind}`)
  return new Map(value.samples.map(({ labels, value: number }) => [keyOf(labels), number]))
}

/** What of a range's answer stands at one time. */
function samplesAt(value: Value, time: number): Map<string, number> {
  if (value.kind !== 'matrix') throw new Error(`a ${value.kind}`)
  const found = value.series.flatMap(({ labels, times, values }): [string, number][] => {
    const at = times.indexOf(time)
    return at < 0 ? [] : [[keyOf(labels), values[at] ?? 0]]
  })
  return new Map(found)
}

function same(left: Map<string, number>, right: Map<string, number>): boolean {
  if (left.size !== right.size) return false
  return [...left].every(
    ([key, value]) => right.has(key) && almostEqual(value, right.get(key) ?? 0),
  )
}

interface Fact {
  readonly host: number
  readonly metric: number
  readonly device: number
  readonly at: number
  readonly value: number | 'stale'
}

const facts = fc.array(
  fc.record({
    host: fc.nat(2),
    metric: fc.nat(1),
    device: fc.nat(1),
    at: fc.nat(90).map((count) => count * 10 * second),
    value: fc.oneof(
      { weight: 8, arbitrary: fc.nat(50) },
      { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -1.5) },
      { weight: 1, arbitrary: fc.constant('stale' as const) },
    ),
  }),
  { maxLength: 60 },
)

function readerOf(all: readonly Fact[]): MemoryReader {
  const reader = new MemoryReader()
  for (const { host, metric, device, at, value } of all) {
    const labels = { __name__: `m${metric}_total`, instance: `h${host}`, device: `d${device}` }
    if (value === 'stale') reader.addStale(labels, at)
    else reader.add(labels, at, value)
  }
  return reader
}

const queries = [
  'm0_total',
  'rate(m0_total[1m])',
  'increase(m0_total[5m] offset 30s)',
  'irate(m0_total[2m])',
  'changes(m0_total[3m]) + resets(m0_total[3m])',
  'max_over_time(m0_total[45s]) - min_over_time(m0_total[45s])',
  'avg_over_time(m1_total[2m:20s])',
  'quantile_over_time(0.5, m0_total[3m])',
  'predict_linear(m0_total[5m], 60)',
  'sum by (instance) (m0_total)',
  'avg without (device) (m0_total)',
  'stddev by (instance) (m0_total)',
  'quantile by (instance) (0.3, m0_total)',
  'count by (instance) (m0_total > 10)',
  'm0_total + m1_total',
  'm0_total > bool m1_total',
  'm0_total / on (instance, device) group_left m1_total',
  'm0_total and m1_total or m0_total unless ignoring (device) m1_total',
  'm0_total or m1_total',
  'topk by (instance) (1, m0_total + 0 * m1_total)',
  'clamp(m0_total, 5, 20) * 2 - -m0_total',
  'label_replace(m0_total, "short", "$1", "device", "d(.)")',
  'timestamp(m0_total)',
  'last_over_time(m1_total[2m]) == m1_total',
  'absent(m0_total)',
  'm0_total @ 300',
  'sum(rate(m0_total[1m])) / scalar(sum(m1_total @ end()))',
]

/** The answer, or the failure's text. */
async function outcome<T>(
  work: Promise<{ value: Value }>,
  read: (value: Value) => T,
): Promise<T | string> {
  try {
    return read((await work).value)
  } catch (cause) {
    return (cause as Error).message
  }
}

t.test('a range gives at each step what an instant gives there', async (t) => {
  const start = 60 * second
  const step = 70 * second
  const end = start + 11 * step
  for (const query of queries.filter((text) => !text.includes('end()'))) {
    await fc.assert(
      fc.asyncProperty(facts, async (all) => {
        const engine = createEngine({ reader: readerOf(all) })
        const range = await outcome(engine.range(query, start, end, step), (value) => value)
        for (let time = start; time <= end; time += step) {
          const instant = await outcome(engine.instant(query, time), samplesOf)
          // A range fails when any of its steps does.
          if (typeof range === 'string') return
          if (typeof instant === 'string') throw new Error(`${instant} only at ${time}`)
          if (!same(instant, samplesAt(range, time))) throw new Error(`they differ at ${time}`)
        }
      }),
      { numRuns: 25 },
    )
  }
  t.pass(`${queries.length} queries over random series agree`)
})

t.test('what keepsInstance allows gives the same host by host', async (t) => {
  let allowed = 0
  for (const query of queries) {
    const { parse, keepsInstance, withMatcher } = createEngine({ reader: readerOf([]) })
    const expr = parse(query)
    if (!keepsInstance(expr)) continue
    allowed += 1
    await fc.assert(
      fc.asyncProperty(facts, async (all) => {
        const engine = createEngine({ reader: readerOf(all) })
        const whole = await outcome(engine.instant(expr, 10 * minute), samplesOf)
        if (typeof whole === 'string') return
        const joined = new Map<string, number>()
        for (const value of ['h0', 'h1', 'h2']) {
          const one = withMatcher(expr, { name: 'instance', op: '=', value })
          for (const [key, number] of samplesOf((await engine.instant(one, 10 * minute)).value))
            joined.set(key, number)
        }
        if (!same(whole, joined)) throw new Error(`${[...whole]} is not ${[...joined]}`)
      }),
      { numRuns: 40 },
    )
  }
  t.ok(allowed > 15, `${allowed} of ${queries.length} queries may be asked host by host`)
})

t.test('a range query reads each selector once', async (t) => {
  const reader = readerOf([{ host: 0, metric: 0, device: 0, at: 0, value: 1 }])
  const engine = createEngine({ reader })
  await engine.range('rate(m0_total[1m]) + rate(m0_total[1m])', 0, 10_000 * second, second)
  t.equal(reader.selects, 1, 'equal selectors share one read')
  await engine.range(
    'max_over_time(rate(m0_total[1m])[5m:10s]) / m1_total',
    0,
    1000 * second,
    second,
  )
  t.equal(reader.selects, 3)
})

/** Many long series, cheap to give. */
function wideReader(count: number, samples: number): StoreReader {
  const times = Float64Array.from({ length: samples }, (_, index) => index * 10 * second)
  const values = Float64Array.from({ length: samples }, (_, index) => index)
  const all = Array.from({ length: count }, (_, index) => ({
    labels: { __name__: 'wide_total', instance: `h${index}` },
    times,
    values,
    staleTimes: new Float64Array(),
  }))
  return { ...new MemoryReader(), select: async () => all } as unknown as StoreReader
}

async function rejection(work: Promise<unknown>): Promise<{ kind: string; message: string }> {
  return work.then(
    () => ({ kind: 'none', message: 'it succeeded' }),
    (cause) => ({ kind: cause.kind, message: cause.message }),
  )
}

t.test('a long query lets others run and can be stopped', async (t) => {
  const engine = createEngine({ reader: wideReader(300, 8000) })
  const query = 'sum(quantile_over_time(0.5, wide_total[1h]))'
  const ask = (chosen: Parameters<Engine['range']>[4] = {}): Promise<unknown> =>
    engine.range(query, 60 * minute, 1200 * minute, minute, chosen)
  let turns = 0
  const ticking = setInterval(() => {
    turns += 1
  }, 1)
  t.teardown(() => clearInterval(ticking))
  const controller = new AbortController()
  const stopped = rejection(ask({ signal: controller.signal }))
  const deadline = performance.now() + 20_000
  while (turns < 5 && performance.now() < deadline) await nextTurn()
  t.equal(turns >= 5, true, 'timers run meanwhile')
  controller.abort()
  t.same(await stopped, {
    kind: 'canceled',
    message: 'query was canceled in expression evaluation',
  })
  const late = rejection(ask({ timeoutMilliseconds: 60 }))
  t.same(await late, { kind: 'timeout', message: 'query timed out in expression evaluation' })
})

t.test('what is asked again and again is answered at once', async (t) => {
  const whole = new MemoryReader()
  for (let at = 0; at <= 20 * minute; at += 10 * second) {
    whole.add({ __name__: 'a_total', x: '1' }, at, at)
    whole.add({ __name__: 'a_total', x: '2' }, at, 2 * at)
  }
  const found = await whole.select([{ name: '__name__', op: '=', value: 'a_total' }], 0, hour)
  const read: SeriesAtHand['read'] = (_, start, end) => {
    if (start < 10 * minute) return undefined
    return found.map((series) => {
      const inside = series.times.map((time) => Number(time >= start && time <= end))
      const from = inside.indexOf(1)
      const to = inside.lastIndexOf(1) + 1
      const times = series.times.subarray(from, to)
      return { ...series, times, values: series.values.subarray(from, to) }
    })
  }
  const engine = createEngine({ reader: whole })
  const at = 20 * minute
  const now = (query: string) => engine.repeated(engine.parse(query))(at, { read })
  for (const query of [
    'a_total',
    'sum(rate(a_total[5m]))',
    'max_over_time(a_total[2m:10s])',
    '1',
  ]) {
    t.ok(now(query), query)
    t.same(now(query), (await engine.instant(query, at)).value, query)
  }
  t.equal(now('rate(a_total[15m])'), undefined, 'a part lies outside memory')
  t.equal(now('a_total + a_total offset 1h'), undefined)
  t.throws(() => now('a_total * on () a_total'), /many-to-many/)
})

t.test('limits', async (t) => {
  const limits = { maxSamples: 5000 }
  const engine = createEngine({ reader: wideReader(10, 100), limits })
  const message = 'query processing would load too many samples into memory in query execution'
  t.equal((await rejection(engine.instant('wide_total', 1000 * second))).kind, 'none')
  t.same(await rejection(engine.range('wide_total', 0, 1000 * second, second)), {
    kind: 'execution',
    message,
  })
  const none = createEngine({ reader: wideReader(10, 1000), limits })
  t.same(await rejection(none.instant('wide_total', 1000 * second)), { kind: 'execution', message })
  t.match(
    (await rejection(engine.range('1', 0, 11_001 * second, second))).message,
    /11,000 points per timeseries/,
  )
  t.equal((await rejection(engine.range('1', 0, 11_000 * second, second))).kind, 'none')
  const refusing = {
    ...new MemoryReader(),
    select: () => Promise.reject(new CallwardError('query_too_large')),
  }
  const refused = createEngine({ reader: refusing as unknown as StoreReader })
  t.same(await rejection(refused.instant('a', 0)), { kind: 'execution', message })
})

t.test('settings', async (t) => {
  const reader = new MemoryReader()
  reader.add({ __name__: 'a_total', x: '1' }, 0, 1)
  reader.add({ __name__: 'b_total', x: '1' }, 0, 2)
  const engine = createEngine({ reader })
  const duplicate = /vector cannot contain metrics with the same labelset/
  t.match((await rejection(engine.instant('abs({x="1"})', 0))).message, duplicate)
  const delayed = createEngine({ reader, delayedNames: true })
  const query = 'label_replace(abs({x="1"}), "was", "$1", "__name__", "(.*)_total")'
  t.match((await rejection(engine.instant(query, 0))).message, duplicate)
  const kept = samplesOf((await delayed.instant(query, 0)).value)
  t.same(
    [...kept],
    [
      [keyOf({ was: 'a', x: '1' }), 1],
      [keyOf({ was: 'b', x: '1' }), 2],
    ],
    'names are there until the query ends',
  )
  const short = createEngine({ reader, lookbackMilliseconds: second })
  t.equal(
    samplesOf((await short.instant('a_total', second)).value).size,
    0,
    'the lookback is open on the left',
  )
  t.equal(samplesOf((await short.instant('a_total', second - 1)).value).size, 1)
  t.equal(
    samplesOf((await short.instant('a_total', second, { lookbackMilliseconds: 2 * second })).value)
      .size,
    1,
  )
})
