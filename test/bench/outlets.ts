import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Fleet, hostShapes } from './fleet.ts'
import {
  type Benchmark,
  callward,
  inScratch,
  instantValue,
  progress,
  repeats,
  Sheet,
  sized,
} from './kit.ts'
import { openSessions, prepareRounds, sendPrepared, sendRounds } from './load-session.ts'
import { Peer, peerTitle, peerVersion } from './peers.ts'
import { profiled } from './profile.ts'
import { BenchHub, hubMetrics } from './subjects.ts'

const hosts = sized(1000, 100)
/** What the outlet has to send while the load runs: more than it can. */
const historyRounds = 60
/** Encoded before they are timed. */
const roundsAtOnce = 60
const repeatsOfLoad = sized(5, 1)
const roundMillis = 1000
/** So that nothing is late. */
const intervalSeconds = 300
const without = 'without an outlet'

interface OutletCase {
  readonly name: string
  readonly kind: 'influxd' | 'victoria-metrics'
  /** The hub's setting. */
  hub(url: string): object
  /** Pattern of the counter of what was sent. */
  readonly sentMetric: string
}

const cases: readonly OutletCase[] = [
  {
    name: 'InfluxDB',
    kind: 'influxd',
    hub: (url) => ({ influx: { url } }),
    sentMetric: 'callward_influx_samples_total\\{outcome="sent"\\}',
  },
  {
    name: 'VictoriaMetrics',
    kind: 'victoria-metrics',
    hub: (write) => ({ store: { engine: 'victoriametrics', write } }),
    sentMetric: 'callward_store_forward_samples_total\\{outcome="sent"\\}',
  },
]

/** Acknowledged and sent on, a second of the load. */
interface Figures {
  readonly acknowledged: number
  readonly sentOn: number
}

/** A hub with a history that is to be sent on is loaded as fast as it acknowledges. */
async function measure(folder: string, outlet?: OutletCase): Promise<Figures> {
  const peer = outlet && (await Peer.start(outlet.kind, join(folder, 'peer'), { besideLoad: true }))
  const config = join(folder, 'callward.yaml')
  writeFileSync(config, JSON.stringify({ hub: peer ? outlet.hub(peer.url) : {} }))
  const server = await BenchHub.start(join(folder, 'hub'), { CALLWARD_CONFIG: config })
  try {
    return await loaded(server, outlet)
  } finally {
    await server.hub.stop()
    await peer?.stop()
  }
}

async function loaded(server: BenchHub, outlet: OutletCase | undefined): Promise<Figures> {
  const fleet = new Fleet(hosts)
  const { hub } = server
  const token = await hub.token('bench', 'collector')
  const sessions = await openSessions(hub.url, token, fleet, intervalSeconds)
  const loadRounds = roundsAtOnce * repeatsOfLoad
  const begin = Date.now() - (historyRounds + loadRounds) * roundMillis
  const wallOf = (round: number) => begin + round * roundMillis
  await sendRounds(sessions, 'live', fleet.rounds(historyRounds), wallOf)
  const sealed = await hub.fetch('/api/v1/store/compact', { method: 'POST', body: {} })
  if (!sealed.ok) throw new Error(`compaction: ${sealed.status} ${await sealed.text()}`)
  const sentOn = async () =>
    outlet === undefined ? 0 : (await hubMetrics(server.target))(outlet.sentMetric)
  while (outlet !== undefined && (await sentOn()) === 0) await delay(200)

  let seconds = 0
  let sent = 0
  const values = fleet.rounds(roundsAtOnce)
  for (let repeat = 0; repeat < repeatsOfLoad; repeat++) {
    const from = historyRounds + repeat * roundsAtOnce
    const frames = prepareRounds(sessions, 'live', values, (round) => wallOf(from + round))
    const before = await sentOn()
    const send = async () => {
      await sendPrepared(sessions, 'live', frames)
      await Promise.all(sessions.map((session) => session.acknowledged()))
    }
    const began = performance.now()
    if (server.inspector && repeat === repeatsOfLoad - 1)
      await profiled(`outlets-${outlet?.name ?? 'none'}`, server.inspector, send)
    else await send()
    seconds += (performance.now() - began) / 1000
    sent += (await sentOn()) - before
  }
  for (const session of sessions) session.close()
  await checked(server, loadRounds, wallOf(historyRounds + loadRounds - 1))
  const samples = hosts * hostShapes.length * loadRounds
  return { acknowledged: samples / seconds, sentOn: sent / seconds }
}

/** Throws when the hub does not hold what it acknowledged of the load, whose last round was at `end`. */
async function checked({ target }: BenchHub, rounds: number, end: number): Promise<void> {
  // What is older is counted by an archive, which may not have it yet.
  const range = rounds * roundMillis - roundMillis / 2
  const counted = await instantValue(target, `sum(count_over_time(node_load1[${range}ms]))`, end)
  if (counted !== hosts * rounds)
    throw new Error(`the hub holds ${counted} of ${hosts * rounds} samples of node_load1`)
}

const faster = { better: 'more' } as const

function add(sheet: Sheet, { name }: OutletCase, off: Figures, on: Figures): void {
  const row = {
    name: `acknowledged, sending to ${name}`,
    unit: 'k samples/s',
    ...faster,
    goal: { reach: { times: 0.97, peer: without }, floor: { times: 0.9, peer: without } },
  }
  sheet.add(row, callward, on.acknowledged / 1000)
  sheet.add(row, without, off.acknowledged / 1000)
  const meanwhile = { name: `meanwhile sent to ${name}`, unit: 'k samples/s', ...faster }
  sheet.add(meanwhile, callward, on.sentOn / 1000)
}

export const outlets: Benchmark = {
  name: 'outlets',
  async run() {
    const sheet = new Sheet()
    const present = cases.filter(({ kind }) => peerVersion(kind) !== undefined)
    for (let repeat = 1; repeat <= repeats; repeat++) {
      const off = await inScratch((folder) => measure(folder))
      for (const one of present) {
        const on = await inScratch((folder) => measure(folder, one))
        progress(
          `outlets, ${repeat}: ${Math.round(off.acknowledged / 1000)} k samples/s without, ${Math.round(on.acknowledged / 1000)} k with ${one.name}, which got ${Math.round(on.sentOn / 1000)} k`,
        )
        add(sheet, one, off, on)
      }
    }
    const missing = cases.filter((one) => !present.includes(one)).map(({ name }) => name)
    return {
      title: `Ingest with an outlet on: ${hosts} hosts x ${hostShapes.length} series x ${roundsAtOnce * repeatsOfLoad} rounds, acknowledged a second`,
      subjects: [callward, without],
      rows: sheet.rows,
      notes: [
        `Time from the first report until the last acknowledgement, after fdatasync. Before it ${historyRounds} rounds are sealed, and the load begins when the first of them went on: the outlet has more to send than it can in that time. ${present.map(({ kind }) => peerTitle(kind)).join(' and ')} share the core of the load, the hub has its own.`,
        ...(missing.length === 0 ? [] : [`Not installed: ${missing.join(', ')}.`]),
      ],
    }
  },
}
