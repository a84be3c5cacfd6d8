import { randomUUID } from 'node:crypto'
import WebSocket from 'ws'
import { type HostLabels, type HubFrame, type Lane, limits } from '../../collector/wire/frames.ts'
import { encodeReport } from '../../collector/wire/report.ts'
import type { Fleet, SeriesShape } from './fleet.ts'

/** A session of one host that reports as fast as its window of unacknowledged reports lets it. */
export class LoadSession {
  readonly labels: HostLabels
  readonly #socket: WebSocket
  readonly #indexes: Uint32Array
  readonly #sent: Record<Lane, number> = { live: 0, backlog: 0 }
  readonly #acknowledged: Record<Lane, number> = { live: 0, backlog: 0 }
  #wake: (() => void) | undefined
  #fault: Error | undefined

  private constructor(labels: HostLabels, socket: WebSocket, series: number) {
    this.labels = labels
    this.#socket = socket
    this.#indexes = Uint32Array.from({ length: series }, (_, index) => index)
  }

  /** Opens a session and sends its dictionary; `intervalSeconds` decides what counts as late (three of it). */
  static open(
    hubUrl: string,
    token: string,
    labels: HostLabels,
    shapes: readonly SeriesShape[],
    intervalSeconds: number,
  ): Promise<LoadSession> {
    const socket = new WebSocket(`${hubUrl.replace('http', 'ws')}/session`, {
      headers: { authorization: `Bearer ${token}` },
      perMessageDeflate: false,
    })
    const session = new LoadSession(labels, socket, shapes.length)
    return new Promise((resolve, reject) => {
      const fail = (fault: Error) => {
        session.#fault = fault
        session.#wake?.()
        reject(fault)
      }
      socket.on('error', fail)
      socket.on('close', (code, reason) =>
        fail(new Error(`${labels.instance}: closed with ${code} ${reason.toString()}`)),
      )
      socket.on('open', () => {
        const hello = { type: 'hello', protocol: 1, collector: randomUUID(), epoch: 'bench' }
        const rest = { version: '0.0.0-bench', labels, intervalSeconds, wall: Date.now() }
        socket.send(JSON.stringify({ ...hello, ...rest }))
      })
      socket.on('message', (data) => {
        const frame = JSON.parse(String(data)) as HubFrame
        if (frame.type === 'welcome') {
          const series = shapes.map(({ name, labels: own }) => ({ name, labels: own }))
          socket.send(JSON.stringify({ type: 'series', from: 0, series }))
          resolve(session)
        } else if (frame.type === 'ack') {
          session.#acknowledged[frame.lane] = frame.sequence
          session.#wake?.()
        } else fail(new Error(`${labels.instance}: ${JSON.stringify(frame)}`))
      })
    })
  }

  /** Sends one report, at once if fewer than the protocol's limit are unacknowledged, else when that is so. */
  async send(lane: Lane, wall: number, values: Float64Array): Promise<void> {
    await this.#until(() => this.#sent[lane] - this.#acknowledged[lane] < limits.reportsInFlight)
    this.sendNow(lane, wall, values)
  }

  sendNow(lane: Lane, wall: number, values: Float64Array): void {
    this.#sent[lane] += 1
    const sequence = this.#sent[lane]
    // The monotonic clock stands still, so that the hub does not measure this burst as a clock offset.
    const clocks = { wall, monotonic: 0 }
    const stale = new Uint32Array(0)
    this.#socket.send(
      encodeReport({ lane, sequence, ...clocks, indexes: this.#indexes, values, stale }),
    )
  }

  /** Resolves when the hub has acknowledged everything sent. */
  acknowledged(): Promise<void> {
    return this.#until(
      () =>
        this.#sent.live === this.#acknowledged.live &&
        this.#sent.backlog === this.#acknowledged.backlog,
    )
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#fault !== undefined) throw this.#fault
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  close(): void {
    this.#socket.removeAllListeners('close')
    this.#socket.close()
  }
}

/** A session for every host of a fleet. */
export function openSessions(
  hubUrl: string,
  token: string,
  fleet: Fleet,
  intervalSeconds: number,
): Promise<LoadSession[]> {
  return Promise.all(
    fleet.hosts.map((labels) =>
      LoadSession.open(hubUrl, token, labels, fleet.shapes, intervalSeconds),
    ),
  )
}

/** Sends rounds (values by round and session) and resolves when all are acknowledged. */
export async function sendRounds(
  sessions: readonly LoadSession[],
  lane: Lane,
  rounds: readonly (readonly Float64Array[])[],
  wallOf: (round: number) => number,
): Promise<void> {
  for (const [round, hosts] of rounds.entries()) {
    for (const [host, session] of sessions.entries())
      await session.send(lane, wallOf(round), hosts[host]!)
  }
  await Promise.all(sessions.map((session) => session.acknowledged()))
}
