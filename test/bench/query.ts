import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '../../server/clock.ts'
import { openEmbeddedStore } from '../../server/store/embedded-store.ts'
import { TestHub } from '../helpers/hub.ts'
import { Fleet, hostShapes } from './fleet.ts'
import {
  type Benchmark,
  callward,
  http,
  inScratch,
  median,
  progress,
  promqlUrl,
  quantile,
  repeats,
  Sheet,
  type Target,
} from './kit.ts'
import { openSessions, sendRounds } from './load-session.ts'
import { Peer, peerTitle, peerVersion } from './peers.ts'
import { fleetLabels, remoteWrite } from './remote-write.ts'
import { hubTarget } from './subjects.ts'

const hosts = 100
const stepMillis = 10_000
const calls = 60
const warmUps = 10
const dayRounds = 24 * 360
const sixHourRounds = 6 * 360

/** Ten of a host's series: what the queries ask for. */
const shapes = hostShapes.filter(
  ({ name, labels }) =>
    name === 'node_load1' || name === 'node_forks_total' || labels['mode'] === 'user',
)

interface Query {
  readonly name: string
  readonly path: 'query' | 'query_range'
  readonly parameters: Readonly<Record<string, string>>
  readonly series: number
  readonly points: number
}

function queries(end: number): Query[] {
  const range = (query: string, hoursBack: number, step: number) => ({
    query,
    start: String(end / 1000 - hoursBack * 3600),
    end: String(end / 1000),
    step: String(step),
  })
  return [
    {
      name: 'range, 1 series, 24 h at 60 s',
      path: 'query_range',
      parameters: range('node_load1{instance="bench-000"}', 24, 60),
      series: 1,
      // The first instant is one step before the data.
      points: 1440,
    },
    {
      name: 'range, avg by (server)(rate(x[5m])), 100 series, 6 h at 30 s',
      path: 'query_range',
      parameters: range('avg by (server) (rate(node_forks_total[5m]))', 6, 30),
      series: hosts,
      points: 721,
    },
    {
      name: 'instant, avg by (server)(x), 800 series',
      path: 'query',
      parameters: {
        query: 'avg by (server) (node_cpu_seconds_total{mode="user"})',
        time: String(end / 1000),
      },
      series: hosts,
      points: 1,
    },
  ]
}

/** The data: one host's ten series for 24 h, all hosts' for the last 6 h. */
class History {
  readonly all = new Fleet(hosts, shapes)
  readonly one = new Fleet(1, shapes)
  readonly end: number

  constructor(end: number) {
    this.end = end
  }

  /** Rounds, oldest first, in blocks; the first host alone until the last six hours. */
  *blocks(length: number): Generator<{ walls: number[]; rounds: Float64Array[][] }> {
    const first = this.end - (dayRounds - 1) * stepMillis
    for (let from = 0; from < dayRounds; from += length) {
      const walls = Array.from({ length }, (_, index) => first + (from + index) * stepMillis)
      const fleet = from < dayRounds - sixHourRounds ? this.one : this.all
      yield { walls, rounds: fleet.rounds(length) }
    }
  }
}

/** Loads the hub through its sessions, has everything sealed as it is by day, and starts it again. */
async function loadedHub(folder: string, end: number): Promise<TestHub> {
  mkdirSync(folder, { recursive: true })
  const hub = await TestHub.start(folder)
  const history = new History(end)
  const sessions = await openSessions(
    hub.url,
    await hub.token('bench', 'collector'),
    history.all,
    60,
  )
  for (const { walls, rounds } of history.blocks(60))
    await sendRounds(sessions.slice(0, rounds[0]!.length), 'backlog', rounds, (at) => walls[at]!)
  for (const session of sessions) session.close()
  await hub.stop()
  const store = await openEmbeddedStore({
    folder: join(folder, 'hub', 'store'),
    clock: systemClock,
    sealGraceMillis: 0,
    maintenanceMillis: 0,
  })
  await store.maintain()
  const { blockFiles } = store.stats()
  await store.close()
  if (blockFiles < 10) throw new Error(`BUG: only ${blockFiles} sealed files`)
  await hub.restart()
  return hub
}

async function loadedPeer(
  kind: 'prometheus' | 'victoria-metrics',
  folder: string,
  end: number,
): Promise<Peer> {
  const peer = await Peer.start(kind, folder)
  const history = new History(end)
  const labels = fleetLabels(history.all)
  for (const { walls, rounds } of history.blocks(60)) {
    const series = rounds[0]!.flatMap((_, host) =>
      shapes.map((_, shape) => ({
        labels: labels[host]![shape]!,
        times: walls,
        values: rounds.map((values) => values[host]![shape]!),
      })),
    )
    await remoteWrite(`${peer.url}/api/v1/write`, series)
  }
  return peer
}

/** Milliseconds of each of 60 calls, one after the other. */
async function timeCalls(target: Target, query: Query): Promise<number[]> {
  const url = promqlUrl(target, query.path, query.parameters)
  const millis = []
  for (let call = -warmUps; call < calls; call++) {
    const began = performance.now()
    const { status, body } = await http(url, { headers: target.headers })
    if (call >= 0) millis.push(performance.now() - began)
    if (call > -warmUps) continue
    const { data } = JSON.parse(body.toString()) as {
      data?: { result: { values?: unknown[] }[] }
    }
    const points = data?.result[0]?.values?.length ?? 1
    if (status !== 200 || data?.result.length !== query.series || points !== query.points)
      throw new Error(`${target.name}: ${query.name}: ${status} ${body.toString().slice(0, 300)}`)
    progress(
      `query: ${target.name}: ${query.name}: ${data.result.length} series of ${points} points, ${body.length} bytes`,
    )
  }
  return millis
}

export const query: Benchmark = {
  name: 'query',
  run: () =>
    inScratch(async (folder) => {
      const end = Math.floor(Date.now() / stepMillis) * stepMillis
      const running: { target: Target; stop(): Promise<void> }[] = []
      const sheet = new Sheet()
      try {
        const hub = await loadedHub(join(folder, 'hub'), end)
        running.push({ target: hubTarget(hub), stop: () => hub.stop() })
        progress('query: the hub is loaded')
        for (const kind of ['prometheus', 'victoria-metrics'] as const) {
          if (peerVersion(kind) === undefined) continue
          const peer = await loadedPeer(kind, join(folder, kind), end)
          running.push({ target: peer.target, stop: () => peer.stop() })
          progress(`query: ${kind} is loaded`)
        }
        // VictoriaMetrics shows the newest samples after a second or two.
        await delay(5000)
        for (const one of queries(end)) {
          for (let repeat = 1; repeat <= repeats; repeat++) {
            for (const { target } of running) {
              const millis = await timeCalls(target, one)
              const row = { unit: 'ms', better: 'less' as const }
              sheet.add({ ...row, name: `${one.name}: median` }, target.name, median(millis))
              sheet.add({ ...row, name: `${one.name}: p99` }, target.name, quantile(millis, 0.99))
            }
          }
        }
      } finally {
        for (const { stop } of running) await stop()
      }
      return {
        title: `Query latency, ${calls} calls one after the other on a kept connection`,
        subjects: [callward, peerTitle('prometheus'), peerTitle('victoria-metrics')],
        rows: sheet.rows,
        notes: [
          `Data: 10 series a host, 10 s apart; 100 hosts for 6 h, one of them for 24 h (2.2 M samples). ${warmUps} calls before each 60 are not counted. The servers take turns.`,
          'Callward was loaded by sessions (lane backlog), stopped, its store sealed, and started again: it answers from sealed files. The peers were loaded by remote write and answer from where they put it. VictoriaMetrics is asked with nocache=1.',
        ],
      }
    }),
}
