import { setTimeout as delay } from 'node:timers/promises'
import { historyEnd, keepers, storedSet } from './disk.ts'
import { historyHosts, historyHours } from './history.ts'
import {
  type Benchmark,
  type Bound,
  callward,
  cpuSeconds,
  http,
  median,
  progress,
  prometheusName,
  promqlUrl,
  quantile,
  type Row,
  repeats,
  Sheet,
  sized,
  type Target,
  victoriaName,
} from './kit.ts'
import { Peer, peerTitle } from './peers.ts'
import { profiled } from './profile.ts'
import { BenchHub } from './subjects.ts'

const calls = sized(60, 20)
/**
 * Calls before those that count, for every server alike: V8 compiles what runs often, and a hub behind boards runs all day.
 * In the first three seconds it takes nearly twice the time.
 */
const warmUpMillis = sized(10_000, 300)
/** Two answers are equal within this share of a value. */
const tolerance = 1e-9

interface Query {
  readonly name: string
  readonly path: 'query' | 'query_range'
  readonly parameters: Readonly<Record<string, string>>
  readonly series: number
  readonly reach: Bound
  readonly floor: Bound
}

function queries(): Query[] {
  const end = historyEnd / 1000
  const range = (query: string, hoursBack: number, step: number) => {
    const start = String(end - hoursBack * 3600)
    return { query, start, end: String(end), step: String(step) }
  }
  const victoria = (times: number): Bound => ({ times, peer: victoriaName })
  const prometheus: Bound = { times: 1, peer: prometheusName }
  const rateHours = sized(6, 2)
  return [
    {
      name: `1 series, ${historyHours} h at 60 s`,
      path: 'query_range',
      parameters: range('node_load1{instance="bench-0007"}', historyHours, 60),
      series: 1,
      reach: victoria(1),
      floor: victoria(2),
    },
    {
      name: `avg by (instance)(rate(x[5m])), ${historyHosts} series, ${rateHours} h at 30 s`,
      path: 'query_range',
      parameters: range('avg by (instance) (rate(node_forks_total[5m]))', rateHours, 30),
      series: historyHosts,
      reach: victoria(1),
      floor: prometheus,
    },
    {
      name: `the same, ${historyHosts * 8} series`,
      path: 'query_range',
      parameters: range('avg by (instance) (rate(node_cpu_seconds_total[5m]))', rateHours, 30),
      series: historyHosts,
      reach: victoria(1),
      floor: prometheus,
    },
    {
      name: `instant avg by (instance)(x), ${historyHosts * 8} series`,
      path: 'query',
      parameters: {
        query: 'avg by (instance) (node_cpu_seconds_total)',
        time: String(end),
      },
      series: historyHosts,
      reach: prometheus,
      floor: victoria(1),
    },
  ]
}

interface Server {
  readonly target: Target
  readonly inspector: number
  stop(): Promise<void>
}

/** The servers, started again on the sets they keep. */
async function startServers(running: Server[]): Promise<void> {
  for (const [keeper] of keepers()) {
    const { folder } = await storedSet(keeper, 'hist')
    if (keeper === 'callward') {
      const server = await BenchHub.start(folder)
      const { target, inspector, hub } = server
      running.push({ target, inspector, stop: () => hub.stop() })
    } else {
      const peer = await Peer.start(keeper, folder)
      running.push({ target: peer.target, inspector: 0, stop: () => peer.stop() })
    }
  }
}

/** Values by series and time, as text. */
type Points = ReadonlyMap<string, readonly (readonly [number, string])[]>

async function ask(target: Target, query: Query): Promise<Points> {
  const { status, body } = await http(promqlUrl(target, query.path, query.parameters), {
    headers: target.headers,
  })
  if (status !== 200)
    throw new Error(`${target.name}: ${query.name}: ${status} ${body.toString().slice(0, 300)}`)
  const { data } = JSON.parse(body.toString()) as {
    data: {
      result: {
        metric: Record<string, string>
        value?: [number, string]
        values?: [number, string][]
      }[]
    }
  }
  if (data.result.length !== query.series)
    throw new Error(`${target.name}: ${query.name}: ${data.result.length} series`)
  return new Map(
    data.result.map(({ metric, value, values }) => [
      metric['instance'] ?? '',
      values ?? (value === undefined ? [] : [value]),
    ]),
  )
}

/** Points of two answers that differ: absent on one side, or further apart than the tolerance. */
function differences(mine: Points, theirs: Points): { points: number; different: number } {
  let points = 0
  let different = 0
  for (const [series, values] of theirs) {
    const own = new Map(mine.get(series)?.map(([t, value]) => [t, Number(value)]))
    for (const [t, text] of values) {
      points++
      const expected = Number(text)
      const found = own.get(t)
      own.delete(t)
      if (found === undefined || Math.abs(found - expected) > Math.abs(expected) * tolerance)
        different++
    }
    different += own.size
  }
  return { points, different }
}

/** Milliseconds of calls one after the other, and the server's CPU for each. */
async function timeCalls(target: Target, query: Query): Promise<{ millis: number[]; cpu: number }> {
  const url = promqlUrl(target, query.path, query.parameters)
  const millis = []
  const warmBy = performance.now() + warmUpMillis
  while (performance.now() < warmBy) await http(url, { headers: target.headers })
  const before = cpuSeconds(target.pid).own
  for (let call = 0; call < calls; call++) {
    const began = performance.now()
    await http(url, { headers: target.headers })
    millis.push(performance.now() - began)
  }
  return { millis, cpu: ((cpuSeconds(target.pid).own - before) * 1000) / calls }
}

/** Compares one query's answers with those of Prometheus, then times it in turns. */
async function measure(query: Query, running: readonly Server[], sheet: Sheet): Promise<string> {
  const { name, reach, floor } = query
  const row: Omit<Row, 'figures' | 'name'> = { unit: 'ms', better: 'less' }
  const own = running.find(({ target }) => target.name === callward)!
  const reference = running.find(({ target }) => target.name.startsWith(prometheusName))
  let compared = ''
  const answer = await ask(own.target, query)
  if (reference !== undefined) {
    const { points, different } = differences(answer, await ask(reference.target, query))
    compared = `${points.toLocaleString('en')} points, ${different} differ`
    progress(`query: ${name}: ${compared} from ${reference.target.name}`)
    sheet.add(
      {
        name: `${name}: points that differ from Prometheus's`,
        unit: 'points',
        better: 'less',
        goal: { reach: { is: 0 }, floor: { is: 0 } },
      },
      callward,
      different,
    )
  }
  for (let repeat = 1; repeat <= repeats; repeat++) {
    for (const { target, inspector } of running) {
      const time = () => timeCalls(target, query)
      const { millis, cpu } =
        inspector === 0
          ? await time()
          : await profiled(`query-${name.replace(/\W+/g, '-')}`, inspector, time)
      const [p50, p99] = [median(millis), quantile(millis, 0.99)]
      progress(
        `query: ${target.name}: ${name}: ${p50.toFixed(2)} ms, p99 ${p99.toFixed(1)}, CPU ${cpu.toFixed(1)} ms a call`,
      )
      sheet.add({ ...row, name: `${name}: median`, goal: { reach, floor } }, target.name, p50)
      sheet.add({ ...row, name: `${name}: p99` }, target.name, p99)
      sheet.add({ ...row, name: `${name}: CPU of all threads a call` }, target.name, cpu)
    }
  }
  return compared
}

export const query: Benchmark = {
  name: 'query',
  async run() {
    const running: Server[] = []
    const sheet = new Sheet()
    try {
      await startServers(running)
      // VictoriaMetrics shows the newest samples after a second or two.
      await delay(3000)
      for (const one of queries()) await measure(one, running, sheet)
    } finally {
      for (const { stop } of running) await stop()
    }
    return {
      title: `Query latency, ${calls} calls one after the other on a kept connection`,
      subjects: [callward, peerTitle('victoria-metrics'), peerTitle('prometheus')],
      rows: sheet.rows,
      notes: [
        `The set hist of the disk benchmark: ${historyHosts} hosts x 20 series x ${historyHours} h, compacted, servers started again. Before each ${calls} calls the same is asked for ${warmUpMillis / 1000} s, which is not counted. The servers take turns, each on the same core, the client on the other. VictoriaMetrics is asked with nocache=1.`,
        `p99 of ${calls} calls is the slowest. Samples lie 3 s off the steps: Prometheus 2.42 takes ranges closed on the left, Callward as Prometheus 3 does. Equal: the same times, values within 1e-9 of each other.`,
      ],
    }
  },
}
