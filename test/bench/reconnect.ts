import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import WebSocket from 'ws'
import { BacklogPace } from '../../collector/backlog-pace.ts'
import type { HostLabels, HubFrame, Lane } from '../../collector/wire/frames.ts'
import { ReportEncoder } from '../../collector/wire/report.ts'
import { Fleet, hostShapes } from './fleet.ts'
import {
  type Benchmark,
  callward,
  inScratch,
  instantValue,
  progress,
  quantile,
  repeats,
  Sheet,
  sized,
} from './kit.ts'
import { profiled } from './profile.ts'
import { BenchHub } from './subjects.ts'

const collectors = sized(300, 60)
const backlogReports = sized(360, 60)
const intervalMillis = 10_000
/** Live reports that are ready to be sent; more than a drain takes. */
const liveReports = 8

interface Sent {
  readonly sequence: number
  readonly at: number
}

/** A collector that comes back with a backlog; all its frames are encoded before it connects. */
class Returning {
  readonly labels: HostLabels
  /** Milliseconds from each live report until its acknowledgement. */
  readonly acknowledged: number[] = []
  /** Milliseconds from connecting until the first live report was acknowledged. */
  heardAfter = Number.NaN
  #connectedAt = Number.NaN
  readonly #frames: Record<Lane, Uint8Array[]> = { live: [], backlog: [] }
  readonly #encoder = new ReportEncoder()
  #socket: WebSocket | undefined
  #sent: Record<Lane, number> = { live: 0, backlog: 0 }
  #answered: Record<Lane, number> = { live: 0, backlog: 0 }
  #waiting: Sent[] = []
  readonly #pace = new BacklogPace()
  readonly #backlogSentAt: number[] = []
  fault: Error | undefined

  constructor(labels: HostLabels) {
    this.labels = labels
  }

  prepare(lane: Lane, wall: number, values: Float64Array): void {
    const sequence = this.#frames[lane].length + 1
    const rest = { monotonic: 0, absent: undefined, stale: undefined }
    this.#frames[lane].push(this.#encoder.encode({ lane, sequence, wall, values, ...rest }))
  }

  get isDrained(): boolean {
    return this.#answered.backlog === this.#frames.backlog.length
  }

  connect(hubUrl: string, token: string): void {
    this.#connectedAt = performance.now()
    const url = `${hubUrl.replace('http', 'ws')}/session`
    const socket = new WebSocket(url, {
      headers: { authorization: `Bearer ${token}` },
      perMessageDeflate: false,
    })
    this.#socket = socket
    const fail = (fault: Error) => {
      this.fault ??= fault
    }
    socket.on('error', fail)
    socket.on('close', (code) => fail(new Error(`${this.labels.instance}: closed with ${code}`)))
    socket.on('open', () => {
      const hello = { type: 'hello', protocols: [1], collector: randomUUID(), epoch: 'bench' }
      const rest = { version: '0.0.0-bench', labels: this.labels, wall: Date.now() }
      socket.send(JSON.stringify({ ...hello, ...rest, intervalSeconds: intervalMillis / 1000 }))
    })
    socket.on('message', (data) => this.#hear(JSON.parse(String(data)) as HubFrame))
  }

  #hear(frame: HubFrame): void {
    if (frame.type === 'welcome') {
      const series = hostShapes.map(({ name, labels }) => ({ name, labels }))
      this.#socket?.send(JSON.stringify({ type: 'series', from: 0, series }))
      this.live()
    } else if (frame.type === 'ack') {
      this.#answered[frame.lane] = frame.sequence
      const now = performance.now()
      if (frame.lane === 'live') this.#acknowledge(frame.sequence)
      else this.#pace.answered(this.#backlogSentAt[frame.sequence - 1] ?? now, now)
      this.#drain()
    } else this.fault ??= new Error(`${this.labels.instance}: ${JSON.stringify(frame)}`)
  }

  #acknowledge(sequence: number): void {
    const now = performance.now()
    if (Number.isNaN(this.heardAfter)) this.heardAfter = now - this.#connectedAt
    for (const one of this.#waiting) {
      if (one.sequence <= sequence) this.acknowledged.push(now - one.at)
    }
    this.#waiting = this.#waiting.filter((one) => one.sequence > sequence)
  }

  /** Sends the next live report. */
  live(): void {
    const frame = this.#frames.live[this.#sent.live]
    if (frame === undefined || this.#socket?.readyState !== WebSocket.OPEN) return
    this.#sent.live++
    this.#waiting.push({ sequence: this.#sent.live, at: performance.now() })
    this.#socket.send(frame)
  }

  #drain(): void {
    const frames = this.#frames.backlog
    while (
      this.#sent.backlog < frames.length &&
      this.#sent.backlog - this.#answered.backlog < this.#pace.window
    ) {
      this.#backlogSentAt.push(performance.now())
      this.#socket?.send(frames[this.#sent.backlog++]!)
    }
  }

  close(): void {
    this.#socket?.removeAllListeners('close')
    this.#socket?.close()
  }
}

function prepared(): Returning[] {
  const fleet = new Fleet(collectors, undefined, 'back')
  const hosts = fleet.hosts.map((labels) => new Returning(labels))
  const now = Date.now()
  const round = (lane: Lane, wall: number) => {
    fleet.advance()
    for (const [host, one] of hosts.entries()) one.prepare(lane, wall, fleet.values(host))
  }
  for (let i = backlogReports; i > 0; i--) round('backlog', now - i * intervalMillis)
  for (let i = 0; i < liveReports; i++) round('live', now + i * intervalMillis)
  return hosts
}

/** All connect at once. Seconds until the whole backlog is acknowledged. */
async function comeBack(hosts: readonly Returning[], url: string, token: string): Promise<number> {
  const began = performance.now()
  let turn = 0
  for (const host of hosts) host.connect(url, token)
  // The later live reports come evenly spread, each collector's 10 s apart.
  while (!hosts.every(({ isDrained }) => isDrained)) {
    const fault = hosts.find((one) => one.fault !== undefined)?.fault
    if (fault !== undefined) throw fault
    await wait(5)
    const due = ((performance.now() - began - intervalMillis / 2) / intervalMillis) * hosts.length
    for (; turn < due; turn++) hosts[turn % hosts.length]!.live()
  }
  return (performance.now() - began) / 1000
}

async function measure(folder: string, sheet: Sheet): Promise<void> {
  const server = await BenchHub.start(join(folder, 'hub'))
  const hosts = prepared()
  try {
    const token = await server.hub.token('bench', 'collector')
    const run = () => comeBack(hosts, server.hub.url, token)
    const drained =
      server.inspector === 0 ? await run() : await profiled('reconnect', server.inspector, run)
    await wait(500)
    const acks = hosts.flatMap(({ acknowledged }) => acknowledged)
    const query = `sum(count_over_time(node_load1{instance=~"back.*"}[2h]))`
    const stored = await instantValue(server.target, query, Date.now() + liveReports * 10_000)
    const least = collectors * backlogReports + acks.length
    if (stored < least) throw new Error(`the hub has ${stored} reports of ${least}`)
    const goal = { goal: { reach: { is: 300 }, floor: { is: 1000 } } }
    const millis = { unit: 'ms', better: 'less' } as const
    const name = 'live report until its acknowledgement'
    sheet.add({ name: `${name}: p99`, ...millis, ...goal }, callward, quantile(acks, 0.99))
    sheet.add({ name: `${name}: median`, ...millis }, callward, quantile(acks, 0.5))
    sheet.add({ name: `${name}: longest`, ...millis }, callward, quantile(acks, 1))
    const heard = hosts.map(({ heardAfter }) => heardAfter)
    const whole = 'from connecting until the first live acknowledgement'
    sheet.add({ name: `${whole}: median`, ...millis }, callward, quantile(heard, 0.5))
    sheet.add({ name: `${whole}: longest`, ...millis }, callward, quantile(heard, 1))
    sheet.add({ name: 'until all backlog is in', unit: 's', better: 'less' }, callward, drained)
    progress(
      `reconnect: ${acks.length} live reports, p99 ${quantile(acks, 0.99).toFixed(0)} ms, drained in ${drained.toFixed(1)} s`,
    )
  } finally {
    for (const host of hosts) host.close()
    await server.hub.stop()
  }
}

export const reconnect: Benchmark = {
  name: 'reconnect',
  async run() {
    const sheet = new Sheet()
    for (let repeat = 1; repeat <= repeats; repeat++)
      await inScratch((folder) => measure(folder, sheet))
    const minutes = Math.round((backlogReports * intervalMillis) / 60_000)
    return {
      title: `Reconnect: ${collectors} collectors at once, each with ${minutes} min of backlog, 200 series`,
      subjects: [callward],
      rows: sheet.rows,
      notes: [
        'All connect in the same moment to a hub that does not know them; each sends one live report first, then its backlog at the pace of the collector (collector/backlog-pace.ts), and a live report every 10 s. Frames are encoded beforehand; one process on the other core is all collectors.',
        'From the send of a live report until its acknowledgement is there; opening the connection, the hello and the dictionary are not in it. The rows from connecting have them, and the pace at which the hub lets collectors in.',
      ],
    }
  },
}
