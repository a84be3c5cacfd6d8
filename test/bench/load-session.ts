import { randomUUID } from 'node:crypto'
import WebSocket from 'ws'
import { type HostLabels, type HubFrame, type Lane, limits } from '../../collector/wire/frames.ts'
import { ReportEncoder } from '../../collector/wire/report.ts'
import type { Fleet, SeriesShape } from './fleet.ts'

/** A session of one host that reports as fast as its window of unacknowledged reports lets it. */
export class LoadSession {
  readonly labels: HostLabels
  readonly #socket: WebSocket
  readonly #encoder = new ReportEncoder()
  readonly #prepared: Record<Lane, number> = { live: 0, backlog: 0 }
  readonly #sent: Record<Lane, number> = { live: 0, backlog: 0 }
  readonly #acknowledged: Record<Lane, number> = { live: 0, backlog: 0 }
  #wake: (() => void) | undefined
  #fault: Error | undefined

  private constructor(labels: HostLabels, socket: WebSocket) {
    this.labels = labels
    this.#socket = socket
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
    const session = new LoadSession(labels, socket)
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
        const hello = { type: 'hello', protocols: [1], collector: randomUUID(), epoch: 'bench' }
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

  /** The frame of the lane's next report; frames must be sent in the order they were prepared. */
  prepare(lane: Lane, wall: number, values: Float64Array): Uint8Array {
    this.#prepared[lane] += 1
    const sequence = this.#prepared[lane]
    // The monotonic clock stands still, so that the hub does not measure this burst as a clock offset.
    const clocks = { wall, monotonic: 0 }
    return this.#encoder.encode({
      lane,
      sequence,
      ...clocks,
      values,
      absent: undefined,
      stale: undefined,
    })
  }

  /** Sends a prepared frame when fewer than the protocol's limit of its lane are unacknowledged; undefined: at once. */
  send(lane: Lane, frame: Uint8Array): Promise<void> | undefined {
    const room = () => this.#sent[lane] - this.#acknowledged[lane] < limits.reportsInFlight
    if (this.#fault !== undefined || !room())
      return this.#until(room).then(() => this.#transmit(lane, frame))
    this.#transmit(lane, frame)
    return undefined
  }

  sendNow(lane: Lane, wall: number, values: Float64Array): void {
    this.#transmit(lane, this.prepare(lane, wall, values))
  }

  #transmit(lane: Lane, frame: Uint8Array): void {
    this.#sent[lane] += 1
    this.#socket.send(frame)
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

/** Rounds encoded before the first of them is sent, so that the client costs little while the hub is measured. */
const roundsPrepared = 100

/** Sends rounds (values by round and session) and resolves when all are acknowledged. */
export async function sendRounds(
  sessions: readonly LoadSession[],
  lane: Lane,
  rounds: readonly (readonly Float64Array[])[],
  wallOf: (round: number) => number,
): Promise<void> {
  for (let from = 0; from < rounds.length; from += roundsPrepared) {
    const piece = rounds.slice(from, from + roundsPrepared)
    const frames = prepareRounds(sessions, lane, piece, (round) => wallOf(from + round))
    await sendPrepared(sessions, lane, frames)
  }
  await Promise.all(sessions.map((session) => session.acknowledged()))
}

/** Frames by round and session, to be sent in this order. */
export function prepareRounds(
  sessions: readonly LoadSession[],
  lane: Lane,
  rounds: readonly (readonly Float64Array[])[],
  wallOf: (round: number) => number,
): Uint8Array[][] {
  return rounds.map((hosts, round) =>
    sessions.map((session, host) => session.prepare(lane, wallOf(round), hosts[host]!)),
  )
}

/** Resolves when all is sent. */
export async function sendPrepared(
  sessions: readonly LoadSession[],
  lane: Lane,
  frames: readonly (readonly Uint8Array[])[],
): Promise<void> {
  for (const round of frames) {
    for (const [host, session] of sessions.entries()) {
      const sent = session.send(lane, round[host]!)
      if (sent !== undefined) await sent
    }
  }
}
