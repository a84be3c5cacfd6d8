import { BackOff, type Ending, longestFailedMilliseconds } from './back-off.ts'
import { canonical, documentHash } from './canonical.ts'
import type { Clock } from './clock.ts'
import { ClockOffset } from './clock-offset.ts'
import { Connection, type ConnectionEnd, type Credentials, type HubAnswer } from './connection.ts'
import { explain, isRefusal } from './endings.ts'
import { type Handshake, HubNotProven, type SessionKey } from './enrolment/handshake.ts'
import {
  type DropReason,
  defaultPendingLimits,
  type OutgoingReport,
  type PendingLimits,
  PendingReports,
  type ReportSpool,
  type SentReport,
} from './pending.ts'
import { retold } from './retold.ts'
import {
  type Ack,
  closeCodes,
  enrolledVersions,
  type FactsFrame,
  type Hello,
  type Lane,
  limits,
  type Millis,
  protocolVersions,
  type Refusal,
  type Section,
  type Welcome,
} from './wire/frames.ts'
import type { Challenge } from './wire/handshake.ts'

const welcomeMilliseconds = 10_000
const flushMilliseconds = 2000
/** Bytes in the socket's buffer beyond which no more is sent; the backlog leaves room for what is live. */
const bufferedBytesLimits: Readonly<Record<Lane, number>> = {
  live: 4 * 1024 * 1024,
  backlog: 256 * 1024,
}
/** Connections closed over what may be the same unreadable report before it is given up. */
const badFramesLimit = 3

export type SessionState = 'connecting' | 'open' | 'waiting' | 'closed'

/** What the session needs of pino. */
export interface SessionLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface SessionOptions {
  /** The hub's base address, ws: or wss:. */
  readonly url: string
  /** Asked at every connection, so that a changed token file is picked up; may wait. */
  readonly token: () => Promise<string>
  /** Of an enrolled collector, which proves itself by its key and has no token. */
  readonly key?: SessionKey | undefined
  readonly hello: Omit<Hello, 'type' | 'protocols' | 'wall'>
  readonly onState?: (state: SessionState, detail: string) => void
  readonly clock: Clock
  readonly logger: SessionLogger
  readonly pending?: PendingLimits
  /** Where reports wait on disk; without it they wait in memory only. */
  readonly spool?: ReportSpool | undefined
  /** Gives [0, 1); for the jitter of the back-off. */
  readonly random?: () => number
}

export interface SessionFigures {
  readonly state: SessionState
  readonly pending: number
  readonly dropped: number
  readonly droppedBy: Readonly<Record<DropReason, number>>
  /** Of the pending ones, those that only memory holds. */
  readonly inMemory: number
  /** When the oldest pending one was read; undefined when none waits. */
  readonly oldestWall: Millis | undefined
  readonly refused: number
  readonly connections: number
  readonly acknowledged: Readonly<Record<Lane, number>>
  /** Collector's clock minus hub's; undefined until measured. */
  readonly clockOffsetSeconds: number | undefined
}

export interface Session {
  send(report: OutgoingReport): void
  /** The present sections; sent when they differ from what the hub was told. */
  sections(sections: readonly Section[]): void
  /** The present document of that name; sent when the hub holds another. */
  facts(name: string, document: unknown): void
  figures(): SessionFigures
  /** Cuts the socket without a word; the session reconnects. For tests and drills. */
  cut(): void
  /** Neither reads nor writes, as a hung host, until `thaw`; for the demo. */
  freeze(): void
  thaw(): void
  /** Waits up to 2 s for acknowledgements, says bye, closes. Resolves to the number of reports left unacknowledged. */
  close(reason: string): Promise<number>
}

/** Opens a session that lives until `close`: it reconnects for ever and loses no report while there is room for them. */
export function openSession(options: SessionOptions): Session {
  const session = new HubSession(options)
  session.connect()
  return session
}

interface Fact {
  readonly hash: string
  readonly document: unknown
}

class HubSession implements Session {
  readonly #options: SessionOptions
  readonly #pending: PendingReports
  readonly #backOff: BackOff
  readonly #offset: ClockOffset
  readonly #facts = new Map<string, Fact>()
  /** Monotonic milliseconds by sequence. */
  readonly #sentAt: Record<Lane, Map<number, number>> = { live: new Map(), backlog: new Map() }
  readonly #acknowledged: Record<Lane, number> = { live: 0, backlog: 0 }
  #sections: readonly Section[] = []
  #sectionsTold = ''
  #factsTold = new Map<string, string>()
  #connection: Connection | undefined
  #handshake: Handshake | undefined
  /** Whether the hub of this connection has proven itself, where it must. */
  #hubProven = false
  /** What the hub said before it closed: a close reason has room for the beginning only. */
  #lastError = ''
  #welcomedAt: number | undefined
  #helloAt = 0
  #timer: NodeJS.Timeout | undefined
  #state: SessionState = 'connecting'
  #frozen = false
  #renewing = false
  #closing = false
  #connections = 0
  #refused = 0
  #badFrames = 0
  #onIdle: (() => void) | undefined

  constructor(options: SessionOptions) {
    this.#options = options
    this.#pending = new PendingReports(options.pending ?? defaultPendingLimits, options.spool)
    this.#pending.onReady = () => this.#pump()
    this.#backOff = new BackOff(
      longestFailedMilliseconds(options.hello.intervalSeconds),
      options.random,
    )
    this.#offset = new ClockOffset(options.clock)
  }

  connect(): void {
    this.#setState('connecting', '')
    const { key, token } = this.#options
    if (key !== undefined) {
      const handshake = key.begin()
      this.#open({ authorization: handshake.authorization, provenInSession: true }, handshake)
      return
    }
    token().then(
      (text) => this.#open({ authorization: `Bearer ${text}`, provenInSession: false }),
      (error: unknown) => this.#ended({ code: 1006, reason: String(error) }),
    )
  }

  send(report: OutgoingReport): void {
    if (report.series.length + report.stale.length > limits.seriesPerSession) {
      throw new Error(`BUG: ${report.series.length} series in one report`)
    }
    const droppedBefore = this.#pending.dropped
    this.#pending.add(report)
    const { dropped, count } = this.#pending
    if (dropped > droppedBefore && isPowerOfTwo(dropped)) {
      const message =
        'there is no more room for unsent reports: the oldest are dropped until the hub answers'
      const { droppedBy } = this.#pending
      this.#options.logger.error({ dropped, droppedBy, waiting: count }, message)
    }
    this.#pump()
  }

  sections(sections: readonly Section[]): void {
    this.#sections = sections
    this.#tell()
  }

  facts(name: string, document: unknown): void {
    const sorted = canonical(document)
    const bytes = Buffer.byteLength(JSON.stringify(sorted))
    if (bytes > limits.factsBytes) {
      const message = `facts "${name}" are over the limit of ${limits.factsBytes} bytes and are not sent`
      this.#options.logger.error({ bytes }, message)
      return
    }
    this.#facts.set(name, { hash: documentHash(sorted), document: sorted })
    this.#tell()
  }

  figures(): SessionFigures {
    return {
      state: this.#state,
      pending: this.#pending.count,
      dropped: this.#pending.dropped,
      droppedBy: this.#pending.droppedBy,
      inMemory: this.#pending.inMemory,
      oldestWall: this.#pending.oldestWall,
      refused: this.#refused,
      connections: this.#connections,
      acknowledged: { ...this.#acknowledged },
      clockOffsetSeconds: this.#offset.seconds,
    }
  }

  cut(): void {
    this.#connection?.terminate('cut on purpose')
  }

  freeze(): void {
    this.#frozen = true
    if (this.#state === 'waiting') clearTimeout(this.#timer)
    this.#connection?.freeze()
  }

  thaw(): void {
    if (!this.#frozen) return
    this.#frozen = false
    this.#connection?.thaw()
    if (this.#state === 'waiting') this.connect()
    else this.#pump()
  }

  async close(reason: string): Promise<number> {
    this.#closing = true
    if (this.#welcomed && this.#pending.count > 0) await this.#idle(flushMilliseconds)
    clearTimeout(this.#timer)
    const connection = this.#connection
    if (this.#welcomed) connection?.sendFrame({ type: 'bye', reason })
    const left = this.#pending.count
    if (connection !== undefined) await this.#closed(connection)
    this.#setState('closed', reason)
    return left
  }

  get #welcomed(): boolean {
    return this.#welcomedAt !== undefined && !this.#frozen && !this.#renewing
  }

  /** Resolves when nothing waits any more, or after the limit. */
  #idle(limitMilliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMilliseconds)
      this.#onIdle = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #closed(connection: Connection): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => connection.terminate('the hub did not close'), 500)
      this.#onIdle = () => {
        clearTimeout(timer)
        resolve()
      }
      connection.close(1000, 'bye')
    })
  }

  #open(credentials: Credentials, handshake?: Handshake): void {
    if (this.#closing) return
    this.#handshake = handshake
    this.#hubProven = handshake === undefined
    const url = new URL('session', `${this.#options.url.replace(/\/+$/, '')}/`).href
    this.#connection = new Connection(url, credentials, this.#options.hello.intervalSeconds, {
      opened: () => this.#opened(),
      answered: (frame) => this.#answered(frame),
      ended: (end) => this.#ended(end),
    })
    if (this.#frozen) this.#connection.freeze()
  }

  #opened(): void {
    this.#connections++
    this.#timer = setTimeout(() => {
      this.#connection?.terminate(`no welcome within ${welcomeMilliseconds / 1000} s`)
    }, welcomeMilliseconds)
    // An enrolled collector says nothing of its host before the hub has proven itself.
    if (this.#handshake === undefined) this.#connection?.sendText(this.#helloText(protocolVersions))
  }

  #helloText(protocols: readonly number[]): string {
    this.#helloAt = this.#options.clock.now()
    const { hello } = this.#options
    const frame: Hello = { type: 'hello', protocols, ...hello, wall: this.#helloAt }
    return JSON.stringify(frame)
  }

  #prove(challenge: Challenge): void {
    const connection = this.#connection
    if (this.#hubProven || connection?.channel === undefined) return
    const text = this.#helloText(enrolledVersions)
    try {
      const proof = this.#handshake!.prove(challenge, text, connection.channel)
      this.#hubProven = true
      connection.sendText(text)
      connection.sendFrame(proof)
    } catch (error) {
      if (!(error instanceof HubNotProven)) throw error
      connection.distrust(error.message)
    }
  }

  #answered(frame: HubAnswer): void {
    if (frame.type === 'challenge') this.#prove(frame)
    else if (!this.#hubProven && frame.type !== 'error')
      this.#connection?.distrust('who answers has proven nothing')
    else if (frame.type === 'welcome') this.#onWelcome(frame)
    else if (frame.type === 'ack') this.#onAck(frame)
    else if (frame.type === 'refused') this.#onRefusal(frame)
    else {
      this.#lastError = frame.message
      this.#options.logger.warn({ code: frame.code }, `the hub says: ${frame.message}`)
    }
  }

  #onWelcome(welcome: Welcome): void {
    clearTimeout(this.#timer)
    this.#handshake?.welcomed()
    const now = this.#options.clock.now()
    this.#offset.observe({
      sentAt: this.#helloAt,
      hubReceivedAt: welcome.wall,
      hubSentAt: welcome.wall,
      receivedAt: now,
    })
    this.#welcomedAt = this.#options.clock.monotonic()
    this.#pending.connected(welcome.committed)
    this.#sentAt.live.clear()
    this.#sentAt.backlog.clear()
    this.#factsTold = new Map(Object.entries(welcome.facts))
    this.#sectionsTold = ''
    const waiting = this.#pending.count
    this.#options.logger.info(
      { committed: welcome.committed, waiting, clockOffsetSeconds: this.#offset.seconds },
      `connected to hub ${welcome.hub}`,
    )
    this.#setState('open', '')
    this.#tell()
    this.#pump()
  }

  #onAck(ack: Ack): void {
    this.#badFrames = 0
    const sentAt = this.#sentAt[ack.lane].get(ack.sequence)
    if (sentAt !== undefined) {
      const receivedAt = this.#options.clock.now()
      const now = this.#options.clock.monotonic()
      this.#offset.observe({
        sentAt: receivedAt - (now - sentAt),
        hubReceivedAt: ack.receivedAt,
        hubSentAt: ack.sentAt,
        receivedAt,
      })
      if (ack.lane === 'backlog') this.#pending.pace.answered(sentAt, now)
    }
    for (const sequence of this.#sentAt[ack.lane].keys()) {
      if (sequence <= ack.sequence) this.#sentAt[ack.lane].delete(sequence)
    }
    this.#acknowledged[ack.lane] = Math.max(this.#acknowledged[ack.lane], ack.sequence)
    this.#pending.acknowledge(ack.lane, ack.sequence)
    this.#pump()
  }

  #onRefusal(refusal: Refusal): void {
    this.#sentAt[refusal.lane].delete(refusal.sequence)
    if (this.#pending.forget(refusal.lane, refusal.sequence)) this.#refused++
    const { lane, sequence, reason } = refusal
    this.#options.logger.warn({ lane, sequence, reason }, 'the hub refused a report for good')
    this.#pump()
  }

  /** Tells the hub the sections and facts it does not know yet. */
  #tell(): void {
    if (!this.#welcomed) return
    const sections = JSON.stringify(this.#sections)
    if (this.#sections.length > 0 && sections !== this.#sectionsTold) {
      this.#sectionsTold = sections
      this.#connection?.sendFrame({ type: 'sections', sections: this.#sections })
    }
    for (const [name, { hash, document }] of this.#facts) {
      if (this.#factsTold.get(name) === hash) continue
      this.#factsTold.set(name, hash)
      const wall = this.#options.clock.now()
      const frame: FactsFrame = { type: 'facts', name, hash, document, wall }
      this.#connection?.sendFrame(frame)
    }
  }

  #pump(): void {
    if (this.#pending.count === 0) this.#onIdle?.()
    while (this.#welcomed) {
      const report = this.#pending.next()
      const connection = this.#connection
      if (report === undefined || connection === undefined) return
      if (connection.bufferedBytes > bufferedBytesLimits[report.lane]) return
      if (!this.#transmit(connection, report)) return
    }
  }

  #transmit(connection: Connection, report: SentReport): boolean {
    if (!connection.sendReport(retold(report, this.#options.clock))) {
      // Many short-lived series: a new connection starts a new dictionary with those still in use.
      this.#renewing = true
      connection.close(1000, 'the dictionary is full')
      return false
    }
    this.#sentAt[report.lane].set(report.sequence, this.#options.clock.monotonic())
    this.#pending.sent(report)
    return true
  }

  #ended(end: ConnectionEnd): void {
    clearTimeout(this.#timer)
    const now = this.#options.clock.monotonic()
    const lived = this.#welcomedAt === undefined ? undefined : now - this.#welcomedAt
    this.#welcomedAt = undefined
    this.#renewing = false
    this.#connection = undefined
    this.#pending.disconnected()
    this.#onIdle?.()
    if (this.#closing) return
    this.#giveUpUnreadable(end)
    const ending: Ending = isRefusal(end) ? 'refused' : lived === undefined ? 'failed' : 'lost'
    const retryMilliseconds = Math.round(this.#backOff.after(ending, lived))
    const whole = this.#lastError.startsWith(end.reason) ? this.#lastError : end.reason
    this.#lastError = ''
    const isEnrolled = this.#options.key !== undefined
    const { message, severe } = explain({ ...end, reason: whole }, this.#options.url, isEnrolled)
    const fields = { code: end.code, waiting: this.#pending.count, retryMilliseconds }
    this.#options.logger[severe ? 'error' : 'warn'](fields, message)
    this.#setState('waiting', message)
    if (this.#frozen) return
    this.#timer = setTimeout(() => this.connect(), retryMilliseconds)
  }

  /** A frame the hub cannot read would close every new connection again: after three, its likely cause goes. */
  #giveUpUnreadable(end: ConnectionEnd): void {
    if (end.code !== closeCodes.badFrame && end.code !== closeCodes.tooLarge) return
    this.#badFrames++
    if (this.#badFrames < badFramesLimit) return
    this.#badFrames = 0
    const report = this.#pending.dropOldestInFlight()
    if (report === undefined) return
    const { lane, sequence } = report
    this.#options.logger.error(
      { lane, sequence, reason: end.reason },
      'gave up a report the hub cannot read',
    )
  }

  #setState(state: SessionState, detail: string): void {
    this.#state = state
    this.#options.onState?.(state, detail)
  }
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value))
}
