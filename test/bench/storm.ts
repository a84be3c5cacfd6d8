import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type TestHub, until } from '../helpers/hub.ts'
import { Fleet, type SeriesShape } from './fleet.ts'
import {
  type Benchmark,
  callward,
  cpuSeconds,
  inScratch,
  progress,
  repeats,
  Sheet,
  sized,
} from './kit.ts'
import { type LoadSession, openSessions, sendRounds } from './load-session.ts'
import { profiled } from './profile.ts'
import { BenchHub } from './subjects.ts'

const alerts = sized(10_000, 1_000)
/** Systems that break at the same moment. */
const systems = 31
const circuits = Math.ceil(alerts / systems)
/** From the storm until the other system breaks, which is then in the middle of it. */
const laterMillis = 500
const waitMillis = 90_000

const rules = `
groups:
  - name: circuits
    rules:
      - alert: CircuitDown
        expr: bench_circuit_down > 0
        labels: {severity: critical}
        annotations: {summary: 'Circuits of {{ $labels.instance }} are down'}
`

/** A receiver of webhooks: when each system's page came first, and how many words came. */
class Receiver {
  readonly firstAt = new Map<string, number>()
  readonly keys = new Set<string>()
  requests = 0
  readonly #server = createServer((request, response) => void this.#take(request, response))

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/pages`
  }

  /** When the last of these systems' pages came; undefined: not all have come. */
  last(instances: readonly string[]): number | undefined {
    const times = instances.map((instance) => this.firstAt.get(instance) ?? Number.NaN)
    const at = Math.max(...times)
    return Number.isNaN(at) ? undefined : at
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const { title } = JSON.parse(Buffer.concat(parts).toString()) as { title: string }
    response.end('taken')
    // The hub may page for itself, too.
    // A page that others have joined by then says how many.
    const instance = /^Circuits of (\S+) are down/.exec(title)?.[1]
    if (instance === undefined) {
      progress(`storm: also a page "${title}"`)
      return
    }
    this.requests += 1
    this.keys.add(String(request.headers['idempotency-key']))
    if (!this.firstAt.has(instance)) this.firstAt.set(instance, performance.now())
  }
}

function shapes(): SeriesShape[] {
  return Array.from({ length: circuits }, (_, circuit) => ({
    name: 'bench_circuit_down',
    labels: { circuit: String(circuit) },
    first: () => 0,
    next: () => 0,
  }))
}

/** Host `host` of the storm: all of them together break `alerts` circuits. */
function broken(host: number): Float64Array {
  const fewer = circuits * systems - alerts
  const count = host >= systems - fewer ? circuits - 1 : circuits
  return new Float64Array(circuits).fill(1, 0, count)
}

async function startHub(folder: string): Promise<BenchHub> {
  const rulesFolder = join(folder, 'rules')
  mkdirSync(rulesFolder, { recursive: true })
  writeFileSync(join(rulesFolder, 'circuits.yaml'), rules)
  const config = join(folder, 'callward.yaml')
  writeFileSync(config, JSON.stringify({ hub: { notifyAllow: ['127.0.0.1'], rulesFolder } }))
  return BenchHub.start(join(folder, 'data'), { CALLWARD_CONFIG: config })
}

/** Everybody on staff who may act gets the pages; here that is the administrator, by webhook. */
async function addReceiver(hub: TestHub, url: string): Promise<void> {
  const { people } = await hub.api<{ people: { id: string; name: string }[] }>(
    '/api/v1/oncall/people',
  )
  const id = people.find(({ name }) => name === 'admin')?.id ?? ''
  await hub.api('/api/v1/contact-points', {
    method: 'POST',
    body: {
      channel: 'webhook',
      label: 'desk',
      owner: { kind: 'person', id },
      settings: { url, secret: '0123456789abcdef0123456789abcdef' },
    },
  })
}

interface Measured {
  readonly other: number
  readonly all: number
  readonly recorded: number
  readonly cpu: number
}

async function measure(folder: string): Promise<Measured> {
  const receiver = new Receiver()
  const server = await startHub(folder)
  const { hub } = server
  try {
    await addReceiver(hub, await receiver.start())
    const fleet = new Fleet(systems + 1, shapes(), 'storm')
    const sessions = await openSessions(hub.url, await hub.token('bench', 'collector'), fleet, 60)
    await sendRounds(sessions, 'live', fleet.rounds(1), () => Date.now())
    await delay(3000)
    const work = () => strike(hub, receiver, fleet, sessions)
    const measured = await (server.inspector === 0
      ? work()
      : profiled('storm', server.inspector, work))
    await check(hub, receiver)
    for (const session of sessions) session.close()
    return measured
  } finally {
    await hub.stop()
    receiver.stop()
  }
}

/** The storm, until the last of its alerts is in the records. */
async function strike(
  hub: TestHub,
  receiver: Receiver,
  fleet: Fleet,
  sessions: readonly LoadSession[],
): Promise<Measured> {
  const pid = hub.program.child.pid ?? 0
  const cpuBefore = cpuSeconds(pid).own
  const came = (instances: readonly string[]) =>
    until(`pages of ${instances.length} systems`, () => receiver.last(instances), waitMillis)
  const began = performance.now()
  for (const [host, session] of sessions.slice(0, systems).entries())
    session.sendNow('live', Date.now(), broken(host))
  await delay(laterMillis)
  const otherBegan = performance.now()
  sessions[systems]!.sendNow('live', Date.now(), new Float64Array(circuits).fill(1, 0, 1))
  const instances = fleet.hosts.map(({ instance }) => instance)
  const other = (await came(instances.slice(systems))) - otherBegan
  const all = (await came(instances)) - began
  const joined = async () => (await joinedAlerts(hub)) === alerts + 1
  await until('every alert is in the records', joined, waitMillis)
  const recorded = performance.now() - began
  const cpu = cpuSeconds(pid).own - cpuBefore
  return { other: other / 1000, all: all / 1000, recorded: recorded / 1000, cpu }
}

/** Alerts that the pages hold. */
async function joinedAlerts(hub: TestHub): Promise<number> {
  let count = 0
  for (let number = 1; number <= systems + 1; number++) {
    const { page } = await hub.api<{ page: { alerts: unknown[] } }>(`/api/v1/pages/${number}`)
    count += page.alerts.length
  }
  return count
}

/** Nothing is lost, nothing came twice. */
async function check(hub: TestHub, receiver: Receiver): Promise<void> {
  const { lost } = await hub.api<{ lost: unknown[] }>('/api/v1/obligations/lost')
  if (lost.length > 0) throw new Error(`lost: ${JSON.stringify(lost)}`)
  if (receiver.firstAt.size !== systems + 1)
    throw new Error(`pages of ${receiver.firstAt.size} systems`)
  if (receiver.requests > receiver.keys.size)
    progress(`storm: ${receiver.requests} requests for ${receiver.keys.size} messages`)
}

export const storm: Benchmark = {
  name: 'storm',
  async run() {
    const sheet = new Sheet()
    const seconds = { unit: 's', better: 'less' as const }
    for (let repeat = 1; repeat <= repeats; repeat++) {
      progress(`storm: ${repeat} of ${repeats}`)
      const { other, all, recorded, cpu } = await inScratch(measure)
      progress(
        `storm: other ${other.toFixed(2)} s, all ${all.toFixed(2)} s, recorded ${recorded.toFixed(2)} s, CPU ${cpu.toFixed(1)} s`,
      )
      const goal = (reach: number, floor: number) => ({
        goal: { reach: { is: reach }, floor: { is: floor } },
      })
      sheet.add(
        { name: 'first page of the other system', ...seconds, ...goal(1, 3) },
        callward,
        other,
      )
      sheet.add({ name: 'pages of all systems', ...seconds, ...goal(20, 60) }, callward, all)
      sheet.add({ name: 'until every alert is recorded', ...seconds }, callward, recorded)
      sheet.add({ name: 'CPU of the hub until then', unit: 'CPU-s', better: 'less' }, callward, cpu)
    }
    return {
      title: `Storm: ${alerts} alerts of ${systems} systems at once`,
      subjects: [callward],
      rows: sheet.rows,
      notes: [
        `Each system reports that its ${circuits} circuits are down, all in the same moment; ${laterMillis} ms later one circuit of another system. One incident and one page a system, sent to a webhook receiver by HTTP; the time ends when the receiver has read the request.`,
        'Every alert, its incident, its page and its entry of the ledger are on disk; the pages are counted at the receiver, their alerts in the hub, and the watchdog must find nothing lost.',
      ],
    }
  },
}
