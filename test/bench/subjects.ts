import { mkdirSync } from 'node:fs'
import { Agent } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Lane } from '../../collector/wire/frames.ts'
import { adminToken, TestHub } from '../helpers/hub.ts'
import type { Fleet } from './fleet.ts'
import { InfluxLines } from './influx-lines.ts'
import { answers, callward, instantValue, type Target } from './kit.ts'
import { type LoadSession, openSessions, sendRounds } from './load-session.ts'
import { Peer, peerTitle } from './peers.ts'
import { fleetLabels, inQueues, post, remoteWrite } from './remote-write.ts'

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
  stop(): Promise<void>
  /** kill -9. */
  crash(): Promise<void>
  /** Starts it again on its data; milliseconds until it says it is ready. */
  launch(): Promise<number>
}

/** Sessions report each 60 s as far as the hub knows, so that a load of recent times is not late. */
const intervalSeconds = 60

export class HubSubject implements Subject {
  readonly title = callward
  readonly hub: TestHub
  readonly #lane: Lane
  readonly #sessions: readonly LoadSession[]

  private constructor(hub: TestHub, lane: Lane, sessions: readonly LoadSession[]) {
    this.hub = hub
    this.#lane = lane
    this.#sessions = sessions
  }

  static async start(folder: string, fleet: Fleet, lane: Lane): Promise<HubSubject> {
    mkdirSync(folder, { recursive: true })
    const hub = await TestHub.start(folder)
    const token = await hub.token('bench', 'collector')
    const sessions = await openSessions(hub.url, token, fleet, intervalSeconds)
    return new HubSubject(hub, lane, sessions)
  }

  get target(): Target {
    return hubTarget(this.hub)
  }

  send({ rounds, wallOf }: Load): Promise<void> {
    return sendRounds(this.#sessions, this.#lane, rounds, wallOf)
  }

  report(host: number, values: Float64Array, wall: number): void {
    this.#sessions[host]!.sendNow('live', wall, values)
  }

  async stop(): Promise<void> {
    for (const session of this.#sessions) session.close()
    await this.hub.stop()
  }

  async crash(): Promise<void> {
    for (const session of this.#sessions) session.close()
    await this.hub.program.kill('SIGKILL')
  }

  async launch(): Promise<number> {
    const began = performance.now()
    const restarted = this.hub.restart()
    while (!(await answers(`${this.hub.url}/readyz`))) await delay(5)
    const millis = performance.now() - began
    await restarted
    return millis
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

/** Connections of a peer's load, one request outstanding on each. */
const connections = 4

/** Prometheus by remote write, or VictoriaMetrics by Influx lines. */
export class PeerSubject implements Subject {
  readonly title: string
  readonly #peer: Peer
  readonly #fleet: Fleet
  readonly #hostsPerRequest: number
  readonly #agent = new Agent({ keepAlive: true })
  readonly #body: (
    hosts: readonly number[],
    values: readonly Float64Array[],
    wall: number,
  ) => Sender

  private constructor(peer: Peer, fleet: Fleet, hostsPerRequest: number) {
    this.title = peerTitle(peer.kind)
    this.#peer = peer
    this.#fleet = fleet
    this.#hostsPerRequest = hostsPerRequest
    this.#body = peer.kind === 'prometheus' ? byRemoteWrite(peer, fleet) : byLines(peer, fleet)
  }

  static async start(
    kind: 'prometheus' | 'victoria-metrics',
    folder: string,
    fleet: Fleet,
    hostsPerRequest: number,
  ): Promise<PeerSubject> {
    return new PeerSubject(await Peer.start(kind, folder), fleet, hostsPerRequest)
  }

  get target(): Target {
    return this.#peer.target
  }

  async send({ rounds, wallOf }: Load): Promise<void> {
    await inQueues(connections, this.#jobs(rounds, wallOf))
  }

  report(host: number, values: Float64Array, wall: number): void {
    const byHost: Float64Array[] = []
    byHost[host] = values
    void this.#body([host], byHost, wall)(this.#agent)
  }

  *#jobs(rounds: Load['rounds'], wallOf: Load['wallOf']) {
    const step = this.#hostsPerRequest
    for (const [round, values] of rounds.entries()) {
      for (let from = 0; from < this.#fleet.hosts.length; from += step) {
        const hosts = Array.from({ length: step }, (_, index) => from + index)
        const send = this.#body(hosts, values, wallOf(round))
        yield { queue: from / step, run: send }
      }
    }
  }

  stop(): Promise<void> {
    this.#agent.destroy()
    return this.#peer.stop()
  }

  crash(): Promise<void> {
    return this.#peer.stop('SIGKILL')
  }

  async launch(): Promise<number> {
    const began = performance.now()
    await this.#peer.launch()
    return performance.now() - began
  }
}

type Sender =
  Parameters<typeof inQueues>[1] extends Iterable<infer Job>
    ? Job extends { run: infer Run }
      ? Run
      : never
    : never

function byRemoteWrite(peer: Peer, fleet: Fleet) {
  const labels = fleetLabels(fleet)
  return (hosts: readonly number[], values: readonly Float64Array[], wall: number): Sender =>
    (agent) => {
      const series = hosts.flatMap((host) =>
        labels[host]!.map((encoded, shape) => ({
          labels: encoded,
          times: [wall],
          values: [values[host]![shape]!],
        })),
      )
      return remoteWrite(`${peer.url}/api/v1/write`, series, agent)
    }
}

function byLines(peer: Peer, fleet: Fleet) {
  const lines = new InfluxLines(fleet)
  return (hosts: readonly number[], values: readonly Float64Array[], wall: number): Sender =>
    (agent) => {
      const text = hosts.map((host) => lines.host(host, values[host]!, wall)).join('')
      return post(`${peer.url}/write?precision=ms`, Buffer.from(text), {}, agent)
    }
}

/** Counts by queries how many samples of a fleet a subject holds in the hour before `at`. */
export async function storedSamples(target: Target, fleet: Fleet, at: number): Promise<number> {
  let count = 0
  for (const name of new Set(fleet.shapes.map((shape) => shape.name))) {
    const query = `sum(count_over_time(${name}{job="callward"}[1h]))`
    count += await instantValue(target, query, at)
  }
  return count
}
