import { mkdirSync } from 'node:fs'
import { Agent } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Lane } from '../../collector/wire/frames.ts'
import { adminToken, freePort, TestHub } from '../helpers/hub.ts'
import type { Fleet } from './fleet.ts'
import { InfluxLines } from './influx-lines.ts'
import {
  answers,
  callward,
  endWithUs,
  http,
  instantValue,
  serverLauncher,
  settings,
  type Target,
} from './kit.ts'
import { type LoadSession, openSessions, sendRounds } from './load-session.ts'
import { Peer, peerTitle } from './peers.ts'
import {
  fleetLabels,
  type HostLabelling,
  hostLabelsOf,
  inQueues,
  type Job,
  post,
  remoteWrite,
} from './remote-write.ts'

/** Values by round and host, and when each round was. */
export interface Load {
  readonly rounds: readonly (readonly Float64Array[])[]
  wallOf(round: number): number
}

/** What is measured: the hub or a peer, freshly started. */
export interface Subject {
  readonly title: string
  readonly target: Target
  /** Resolves when everything is acknowledged. */
  send(load: Load): Promise<void>
  /** One report of one host as it happens; does not wait for its acknowledgement. */
  report(host: number, values: Float64Array, wall: number): void
  /** Name under which it keeps the series of a shape. */
  nameOf(shape: number): string
  stop(): Promise<void>
  /** kill -9. */
  crash(): Promise<void>
  /** Starts it again on its data; milliseconds from the start of the process until it says it is ready. */
  launch(): Promise<number>
}

/** So that a load of up to 15 minutes of the past is not late: three intervals of a session. */
const intervalSeconds = 300

/** A hub on the servers' core that ends with this process. `inspector`: port of its inspector with --profile. */
export class BenchHub {
  readonly hub: TestHub
  readonly inspector: number

  private constructor(hub: TestHub, inspector: number) {
    this.hub = hub
    this.inspector = inspector
    endWithUs(hub.program.child)
  }

  static async start(folder: string, more: Record<string, string> = {}): Promise<BenchHub> {
    mkdirSync(folder, { recursive: true })
    const inspector = settings.profile ? await freePort() : 0
    const options = `--inspect=127.0.0.1:${inspector}`
    const environment = { ...more, ...(settings.profile ? { NODE_OPTIONS: options } : {}) }
    return new BenchHub(await TestHub.start(folder, environment, serverLauncher), inspector)
  }

  /** Milliseconds until it is ready again, asked each 5 ms. */
  async launch(): Promise<number> {
    const began = performance.now()
    const restarted = this.hub.restart()
    endWithUs(this.hub.program.child)
    const ended = this.hub.program.exited.then(() => 'ended' as const)
    while (!(await answers(`${this.hub.url}/readyz`))) {
      if ((await Promise.race([ended, delay(5)])) === 'ended') break
    }
    const millis = performance.now() - began
    await restarted
    return millis
  }

  get target(): Target {
    return hubTarget(this.hub)
  }
}

export function hubTarget(hub: TestHub): Target {
  return {
    name: callward,
    pid: hub.program.child.pid ?? 0,
    prometheusApi: `${hub.url}/prom/api/v1`,
    headers: { authorization: `Bearer ${adminToken}` },
    parameters: {},
  }
}

/** The hub's own figures: read, and begun anew. */
export async function hubMetrics(target: Target): Promise<(name: string) => number> {
  const base = new URL('/metrics', target.prometheusApi).href
  const { body } = await http(base, { headers: target.headers })
  const text = body.toString()
  return (name) => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (.+)$`, 'm').exec(text)?.[1])
}

/** The monitor's timer runs each 10 ms; what it measures beyond that is delay. */
export const monitorMillis = 10

/** The hub, loaded by sessions. */
export class HubSubject implements Subject {
  readonly title = callward
  readonly server: BenchHub
  readonly #fleet: Fleet
  readonly #lane: Lane
  readonly #sessions: readonly LoadSession[]

  private constructor(
    server: BenchHub,
    fleet: Fleet,
    lane: Lane,
    sessions: readonly LoadSession[],
  ) {
    this.server = server
    this.#fleet = fleet
    this.#lane = lane
    this.#sessions = sessions
  }

  static async start(folder: string, fleet: Fleet, lane: Lane): Promise<HubSubject> {
    const server = await BenchHub.start(folder)
    const token = await server.hub.token('bench', 'collector')
    const sessions = await openSessions(server.hub.url, token, fleet, intervalSeconds)
    return new HubSubject(server, fleet, lane, sessions)
  }

  get hub(): TestHub {
    return this.server.hub
  }

  get target(): Target {
    return this.server.target
  }

  send({ rounds, wallOf }: Load): Promise<void> {
    return sendRounds(this.#sessions, this.#lane, rounds, wallOf)
  }

  report(host: number, values: Float64Array, wall: number): void {
    this.#sessions[host]!.sendNow('live', wall, values)
  }

  nameOf(shape: number): string {
    return this.#fleet.shapes[shape]!.name
  }

  async stop(): Promise<void> {
    for (const session of this.#sessions) session.close()
    await this.hub.stop()
  }

  async crash(): Promise<void> {
    await this.hub.program.kill('SIGKILL')
    for (const session of this.#sessions) session.close()
  }

  launch(): Promise<number> {
    return this.server.launch()
  }
}

/** Connections of a load by requests, one request outstanding on each. */
const connections = 4

export type Protocol = 'remote-write' | 'lines'

/** A server that is loaded by requests: Prometheus, VictoriaMetrics, or the hub by remote write. */
interface RequestServer {
  readonly title: string
  readonly target: Target
  readonly writeUrl: string
  readonly authorization?: string
  stop(signal?: NodeJS.Signals): Promise<void>
  launch(): Promise<number>
}

/** Makes the sender of some hosts' values. */
type Body = (hosts: readonly number[], values: readonly Float64Array[], wall: number) => Job['run']

export interface RequestOptions {
  readonly fleet: Fleet
  readonly hostsPerRequest: number
  readonly protocol: Protocol
  readonly labelling: HostLabelling
}

export class RequestSubject implements Subject {
  readonly #server: RequestServer
  readonly #options: RequestOptions
  readonly #agent = new Agent({ keepAlive: true })
  readonly #body: Body
  readonly nameOf: (shape: number) => string

  private constructor(server: RequestServer, options: RequestOptions) {
    this.#server = server
    this.#options = options
    const { fleet, labelling } = options
    if (options.protocol === 'lines') {
      const lines = new InfluxLines(fleet, (host) => hostLabelsOf(fleet, labelling, host))
      this.#body = byLines(server, lines)
      this.nameOf = (shape) => lines.names[shape]!
    } else {
      this.#body = byRemoteWrite(server, fleetLabels(fleet, labelling))
      this.nameOf = (shape) => fleet.shapes[shape]!.name
    }
  }

  static async startPeer(
    kind: 'prometheus' | 'victoria-metrics',
    folder: string,
    options: RequestOptions,
  ): Promise<RequestSubject> {
    const peer = await Peer.start(kind, folder)
    const path = options.protocol === 'lines' ? '/write?precision=ms' : '/api/v1/write'
    const server: RequestServer = {
      title: peerTitle(kind),
      get target() {
        return peer.target
      },
      writeUrl: `${peer.url}${path}`,
      stop: (signal) => peer.stop(signal),
      async launch() {
        const began = performance.now()
        await peer.launch()
        return performance.now() - began
      },
    }
    return new RequestSubject(server, options)
  }

  /** The hub by remote write. */
  static async startHub(folder: string, options: RequestOptions): Promise<RequestSubject> {
    const bench = await BenchHub.start(folder)
    const { hub } = bench
    const server = {
      title: callward,
      get target() {
        return bench.target
      },
      inspector: bench.inspector,
      writeUrl: `${hub.url}/prom/api/v1/write`,
      authorization: `Bearer ${await hub.token('bench', 'collector')}`,
      stop: async (signal: NodeJS.Signals = 'SIGTERM') => {
        if (signal === 'SIGKILL') await hub.program.kill(signal)
        else await hub.stop()
      },
      launch: () => bench.launch(),
    }
    return new RequestSubject(server, options)
  }

  get title(): string {
    return this.#server.title
  }

  get target(): Target {
    return this.#server.target
  }

  get inspector(): number {
    return (this.#server as { inspector?: number }).inspector ?? 0
  }

  async send({ rounds, wallOf }: Load): Promise<void> {
    await inQueues(connections, this.#jobs(rounds, wallOf))
  }

  report(host: number, values: Float64Array, wall: number): void {
    const byHost: Float64Array[] = []
    byHost[host] = values
    void this.#body([host], byHost, wall)(this.#agent)
  }

  *#jobs(rounds: Load['rounds'], wallOf: Load['wallOf']): Generator<Job> {
    const { hostsPerRequest, fleet } = this.#options
    for (const [round, values] of rounds.entries()) {
      for (let from = 0; from < fleet.hosts.length; from += hostsPerRequest) {
        const length = Math.min(hostsPerRequest, fleet.hosts.length - from)
        const hosts = Array.from({ length }, (_, index) => from + index)
        const run = this.#body(hosts, values, wallOf(round))
        yield { queue: from / hostsPerRequest, run }
      }
    }
  }

  stop(): Promise<void> {
    this.#agent.destroy()
    return this.#server.stop()
  }

  crash(): Promise<void> {
    return this.#server.stop('SIGKILL')
  }

  launch(): Promise<number> {
    return this.#server.launch()
  }
}

function byRemoteWrite({ writeUrl, authorization }: RequestServer, labels: Buffer[][]): Body {
  return (hosts, values, wall) => (agent) => {
    const series = hosts.flatMap((host) =>
      labels[host]!.map((encoded, shape) => ({
        labels: encoded,
        times: [wall],
        values: [values[host]![shape]!],
      })),
    )
    return remoteWrite(writeUrl, series, {
      agent,
      ...(authorization === undefined ? {} : { authorization }),
    })
  }
}

function byLines({ writeUrl }: RequestServer, lines: InfluxLines): Body {
  return (hosts, values, wall) => (agent) => {
    const text = hosts.map((host) => lines.host(host, values[host]!, wall)).join('')
    return post(writeUrl, Buffer.from(text, 'latin1'), {}, agent)
  }
}

/** What a subject holds of a load against what was sent; throws when a count or a sum differs. */
export async function verify(
  subject: Subject,
  shapes: number,
  rounds: readonly (readonly Float64Array[])[],
  at: number,
): Promise<void> {
  const expected = new Map<string, { count: number; sum: number }>()
  for (let shape = 0; shape < shapes; shape++) {
    const name = subject.nameOf(shape)
    const entry = expected.get(name) ?? { count: 0, sum: 0 }
    expected.set(name, entry)
    for (const hosts of rounds) {
      entry.count += hosts.length
      for (const values of hosts) entry.sum += values[shape]!
    }
  }
  const { target } = subject
  if (target.name.startsWith('VictoriaMetrics'))
    await http(new URL('/internal/force_flush', target.prometheusApi).href)
  for (const [name, { count, sum }] of expected) {
    const ask = (fn: string) => instantValue(target, `sum(${fn}_over_time(${name}[1h]))`, at)
    const [counted, summed] = [await ask('count'), await ask('sum')]
    if (counted !== count)
      throw new Error(`${target.name} holds ${counted} samples of ${count} of ${name}`)
    if (Math.abs(summed - sum) > Math.abs(sum) * 1e-9)
      throw new Error(`${target.name}: the samples of ${name} add up to ${summed}, not ${sum}`)
  }
}

/** How many samples of a fleet a subject holds in the hour before `at`, counted by queries. */
export async function storedSamples(subject: Subject, shapes: number, at: number): Promise<number> {
  const names = new Set(Array.from({ length: shapes }, (_, shape) => subject.nameOf(shape)))
  let count = 0
  for (const name of names)
    count += await instantValue(subject.target, `sum(count_over_time(${name}[1h]))`, at)
  return count
}
