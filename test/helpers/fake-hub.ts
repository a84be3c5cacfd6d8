import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import {
  type Bye,
  closeCodes,
  type FactsFrame,
  type Hello,
  type Lane,
  limits,
  type SectionsFrame,
  type SeriesFrame,
} from '../../collector/wire/frames.ts'
import { ReportDecoder } from '../../collector/wire/report.ts'

/** A report as the hub understood it. */
export interface HeardReport {
  readonly collector: string
  readonly epoch: string
  readonly lane: Lane
  readonly sequence: number
  readonly wall: number
  /** Value by `name{label="value",...}`, labels sorted. */
  readonly values: ReadonlyMap<string, number>
  readonly stale: readonly string[]
}

export interface FakeHubOptions {
  readonly token?: string
  readonly port?: number
  /** Milliseconds the hub's clock is ahead of this machine's. */
  readonly clockAheadMilliseconds?: number
}

/** What one connection was told: keys in their order, and the rows so far. */
interface Dictionary {
  readonly keys: string[]
  readonly known: Set<string>
  readonly reports: ReportDecoder
}

/** When the cable is cut: before the hub reads a report, after it committed it, after it acknowledged it. */
export type Cut = 'unread' | 'unacknowledged' | 'acknowledged'

type TextFrame = Hello | SeriesFrame | FactsFrame | SectionsFrame | Bye

export const seriesKey = (name: string, labels: Readonly<Record<string, string>>): string => {
  const pairs = Object.keys(labels)
    .sort()
    .map((label) => `${label}=${JSON.stringify(labels[label])}`)
  return `${name}{${pairs.join(',')}}`
}

/**
 * The hub's side of the session in memory: strict about every frame, commits a report once by its
 * identity, acknowledges unless told not to.
 */
export class FakeHub {
  readonly hellos: Hello[] = []
  readonly byes: Bye[] = []
  readonly sections: SectionsFrame[] = []
  readonly facts: FactsFrame[] = []
  /** Every report received, repeats included, in the order of arrival. */
  readonly received: HeardReport[] = []
  /** Faults of the collector: anything the protocol does not allow. */
  readonly faults: string[] = []
  readonly refused = new Set<number>()
  /** Committed reports by identity: (collector, epoch, lane, sequence). */
  readonly committed = new Map<string, HeardReport>()
  /** Highest dictionary length seen on one connection. */
  dictionaryLength = 0
  upgradesRefused = 0
  acknowledging = true
  /** Commits but keeps the acknowledgements to itself. */
  committing = true
  welcoming = true
  /** Asked at every report, its number on its connection counted from 1, whether to cut the cable there. */
  cutAt: (report: number, connection: number) => Cut | undefined = () => undefined
  /** Sequences skipped, both lanes. */
  gaps = 0
  /** What hellos are told the hub speaks. */
  protocol = 1
  /** Highest sequence committed, by (collector, epoch, lane). */
  readonly #positions = new Map<string, number>()
  readonly #server: WebSocketServer
  readonly #ahead: number

  private constructor(server: WebSocketServer, ahead: number) {
    this.#server = server
    this.#ahead = ahead
    server.on('connection', (socket) => this.#serve(socket))
  }

  static async start(options: FakeHubOptions = {}): Promise<FakeHub> {
    const token = options.token ?? 'right-token'
    let hub: FakeHub | undefined
    const server = new WebSocketServer({
      host: '127.0.0.1',
      port: options.port ?? 0,
      path: '/session',
      maxPayload: limits.frameBytes,
      verifyClient: (
        info: { req: IncomingMessage },
        done: (good: boolean, status?: number, text?: string) => void,
      ) => {
        const good = info.req.headers.authorization === `Bearer ${token}`
        if (!good && hub !== undefined) hub.upgradesRefused++
        done(good, 401, 'Unauthorized')
      },
    })
    await once(server, 'listening')
    hub = new FakeHub(server, options.clockAheadMilliseconds ?? 0)
    return hub
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`
  }

  get connections(): number {
    return this.#server.clients.size
  }

  now(): number {
    return Date.now() + this.#ahead
  }

  /** Committed reports of a lane by rising sequence. */
  lane(lane: Lane): HeardReport[] {
    const reports = [...this.committed.values()].filter((report) => report.lane === lane)
    return reports.sort((a, b) => a.sequence - b.sequence)
  }

  /** Ends every connection: without a code the cable is cut. */
  cut(code?: number): void {
    for (const socket of this.#server.clients) {
      if (code === undefined) socket.terminate()
      else socket.close(code, 'as the test wants')
    }
  }

  async stop(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #serve(socket: WebSocket): void {
    const dictionary: Dictionary = { keys: [], known: new Set(), reports: new ReportDecoder() }
    let hello: Hello | undefined
    let reports = 0
    let cut = false
    const fault = (text: string) => {
      this.faults.push(text)
      socket.close(closeCodes.badFrame, text)
    }
    socket.on('error', () => {})
    socket.on('message', (data, isBinary) => {
      try {
        if (isBinary) {
          if (hello === undefined) throw new Error('a report before hello')
          reports++
          if (cut) return
          const when = this.cutAt(reports, this.hellos.length)
          cut = when !== undefined
          if (when !== 'unread') this.#report(socket, hello, data as Buffer, dictionary, when)
          if (when === 'acknowledged') socket.close()
          else if (cut) socket.terminate()
          return
        }
        const frame = JSON.parse(String(data)) as TextFrame
        if (frame.type !== 'hello' && hello === undefined)
          throw new Error(`${frame.type} before hello`)
        if (frame.type === 'hello') {
          if (hello !== undefined) throw new Error('a second hello')
          hello = frame
        }
        this.#text(socket, frame, dictionary)
      } catch (error) {
        fault(String(error))
      }
    })
  }

  #text(socket: WebSocket, frame: TextFrame, dictionary: Dictionary): void {
    if (frame.type === 'hello') {
      this.hellos.push(frame)
      if (this.welcoming) this.#welcome(socket, frame)
    } else if (frame.type === 'series') {
      if (frame.from !== dictionary.keys.length) {
        throw new Error(`series from ${frame.from}, the dictionary has ${dictionary.keys.length}`)
      }
      for (const { name, labels } of frame.series) {
        const key = seriesKey(name, labels)
        if (dictionary.known.has(key)) throw new Error(`${key} twice in the dictionary`)
        dictionary.known.add(key)
        dictionary.keys.push(key)
      }
      this.dictionaryLength = Math.max(this.dictionaryLength, dictionary.keys.length)
      if (dictionary.keys.length > limits.seriesPerSession)
        throw new Error('the dictionary is over its limit')
    } else if (frame.type === 'facts') this.facts.push(frame)
    else if (frame.type === 'sections') this.sections.push(frame)
    else if (frame.type === 'bye') this.byes.push(frame)
    else throw new Error('an unknown frame')
  }

  #welcome(socket: WebSocket, hello: Hello): void {
    const facts = Object.fromEntries(this.facts.map((frame) => [frame.name, frame.hash]))
    const committed = {
      live: this.#position(hello, 'live'),
      backlog: this.#position(hello, 'backlog'),
    }
    const { protocol } = this
    const frame = { type: 'welcome', protocol, hub: 'fake', committed, facts, wall: this.now() }
    socket.send(JSON.stringify(frame))
  }

  #position({ collector, epoch }: Hello, lane: Lane): number {
    return this.#positions.get([collector, epoch, lane].join(' ')) ?? 0
  }

  #report(
    socket: WebSocket,
    hello: Hello,
    data: Buffer,
    dictionary: Dictionary,
    cut: Cut | undefined,
  ): void {
    const receivedAt = this.now()
    const names = dictionary.keys
    const report = dictionary.reports.decode(data, names.length)
    const { lane, sequence, wall } = report
    const marked = (bits: Uint8Array | undefined, column: number) =>
      bits !== undefined && (bits[column >> 3]! & (1 << (column & 7))) !== 0
    const values = new Map<string, number>()
    const stale: string[] = []
    for (const [column, name] of names.entries()) {
      if (marked(report.stale, column)) stale.push(name)
      else if (!marked(report.absent, column)) values.set(name, report.values[column]!)
    }
    const { collector, epoch } = hello
    const heard: HeardReport = { collector, epoch, lane, sequence, wall, values, stale }
    this.received.push(heard)
    if (this.refused.has(sequence)) {
      const reason = 'as the test wants'
      socket.send(JSON.stringify({ type: 'refused', lane, sequence, reason }))
      return
    }
    if (this.committing) this.#commit(heard)
    if (!this.acknowledging || cut === 'unacknowledged') return
    socket.send(JSON.stringify({ type: 'ack', lane, sequence, receivedAt, sentAt: this.now() }))
  }

  /** As a store does: what is not above the position is in already, what is far above leaves a gap. */
  #commit(heard: HeardReport): void {
    const { collector, epoch, lane, sequence } = heard
    const stream = [collector, epoch, lane].join(' ')
    const identity = `${stream} ${sequence}`
    const position = this.#positions.get(stream) ?? 0
    if (sequence > position) {
      this.gaps += sequence - position - 1
      this.#positions.set(stream, sequence)
      this.committed.set(identity, heard)
      return
    }
    const former = this.committed.get(identity)
    if (former === undefined) throw new Error(`${lane} ${sequence} comes after ${position}`)
    if (former.wall !== heard.wall) throw new Error(`${lane} ${sequence} is another report now`)
  }
}

/** Waits until `condition` holds; fails with `what` after the limit. */
export async function eventually(
  what: string,
  condition: () => boolean,
  limitMilliseconds = 10_000,
): Promise<void> {
  const end = performance.now() + limitMilliseconds
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${limitMilliseconds} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
