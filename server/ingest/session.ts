import { createHash } from 'node:crypto'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { WebSocket } from 'ws'
import {
  type Ack,
  closeCodes,
  commonVersion,
  type ErrorFrame,
  FrameError,
  type HubFrame,
  type Lane,
  lanes,
  limits,
  protocolVersions,
} from '../../collector/wire/frames.ts'
import { type ReceivedReport, ReportDecoder } from '../../collector/wire/report.ts'
import { version } from '../assets.ts'
import type { Clock, Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { type SeriesId, StoreUnavailable, type StreamWriter } from '../store/writer.ts'
import { ClockOffset, storedTime } from './clock-offset.ts'
import type { HostNews, ReportingHost } from './host-news.ts'
import { InFlight } from './in-flight.ts'
import type { IngestMetrics } from './metrics.ts'
import { readTextFrame, type TextFrame } from './schema.ts'

type Hello = Extract<TextFrame, { type: 'hello' }>

const helloWithinMillis = 10_000
/** Reports and their bytes handed to the store and not yet durable; beyond either the socket is paused. */
const reportsInFlight = 256
const bytesInFlight = 1024 * 1024
/** Documents being written to the records; beyond it the socket is paused. */
const documentsInFlight = 8
/** Bytes of answers the collector has not read; beyond it the session is closed. A window's acks are under 10 kB. */
const unreadBytes = 256 * 1024
/** So many durable reports may wait for the ack of later ones that are on their way to the disk. */
const reportsAnAck = 8
/** A collector that does not read does not answer the closing handshake either. */
const closeWithinMillis = 5000
/** Up to here the ids of a dictionary are checked against each other anew when it grows, beyond they are kept. */
const smallDictionary = 1000

interface LaneState {
  readonly name: Lane
  /** Highest sequence handed to the store or refused. */
  accepted: number
  /** Highest sequence that is durable. */
  committed: number
  readonly flight: InFlight
  stream: StreamWriter | undefined
  /** The decoder has read rows since the last append that the store was not given: its journal cannot build on them. */
  skipped: boolean
  /** When the newest report that can be acknowledged was received. */
  receivedAt: Millis
  /** Durable reports since the last ack. */
  unanswered: number
  ackQueued: boolean
}

/** One collector's session: hello, dictionary, reports; acknowledges what is durable. */
export class Session {
  readonly #app: FastifyInstance
  readonly #clock: Clock
  readonly #socket: WebSocket
  readonly #metrics: IngestMetrics
  readonly #news: HostNews
  #log: FastifyBaseLogger
  #hello: Hello | undefined
  #host: ReportingHost | undefined
  #offset = new ClockOffset(0)
  readonly #reports = new ReportDecoder()
  readonly #dictionary: SeriesId[] = []
  #known = new Set<SeriesId>()
  #lanes: Readonly<Record<Lane, LaneState>> | undefined
  #refusals = 0
  /** Frames that came while the hello is being dealt with, which alone takes its time before what follows. */
  #waiting: { readonly data: Buffer; readonly isBinary: boolean; readonly at: Millis }[] | undefined
  /** Facts and sections on their way to the records: reports do not wait for them. */
  #documents: Promise<void> = Promise.resolve()
  #documentsInFlight = 0
  #paused = false
  /** Set once the hub closes the session: nothing that still arrives may count. */
  #ended = false
  #onDrained: (() => void) | undefined
  #greeting: Promise<void> = Promise.resolve()
  readonly #helloTimer: NodeJS.Timeout
  #closeTimer: NodeJS.Timeout | undefined
  /** Resolves when the socket is closed and everything taken from it has been dealt with. */
  readonly closed: Promise<void>
  readonly onHello: (session: Session) => void

  constructor(options: {
    app: FastifyInstance
    clock: Clock
    socket: WebSocket
    metrics: IngestMetrics
    news: HostNews
    onHello: (session: Session) => void
  }) {
    this.#app = options.app
    this.#clock = options.clock
    this.#socket = options.socket
    this.#metrics = options.metrics
    this.#news = options.news
    this.onHello = options.onHello
    this.#log = options.app.log
    this.#helloTimer = setTimeout(
      () => this.#fail(closeCodes.badFrame, 'no_hello', 'no hello within 10 s'),
      helloWithinMillis,
    )
    this.#socket.on('message', (data, isBinary) => this.#take(data as Buffer, isBinary))
    this.#socket.on('error', (err: Error & { code?: string }) => {
      if (err.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH')
        this.#metrics.rejected.labels('too_large').inc()
      this.#log.warn({ err }, 'session socket failed')
    })
    this.closed = new Promise((resolve) => {
      this.#socket.on('close', (code) => {
        clearTimeout(this.#helloTimer)
        clearTimeout(this.#closeTimer)
        if (this.#hello !== undefined) this.#log.info({ code }, 'collector disconnected')
        this.#drained().then(resolve)
      })
    })
  }

  get collector(): string | undefined {
    return this.#hello?.collector
  }

  get instance(): string | undefined {
    return this.#hello?.labels.instance
  }

  /** Ends the session with a close code; the collector keeps what was not acknowledged. */
  close(code: number, reason: string): void {
    this.#ended = true
    this.#socket.close(code, shortened(reason))
    this.#throttle()
  }

  /** Resolves when the store has answered for every report, and the records for every document. */
  async #drained(): Promise<void> {
    await this.#greeting
    await this.#documents
    if (this.#reportsInFlight > 0)
      await new Promise<void>((resolve) => {
        this.#onDrained = resolve
      })
    for (const { stream } of Object.values(this.#lanes ?? {})) stream?.close()
  }

  get #reportsInFlight(): number {
    const lanes = this.#lanes
    return lanes === undefined ? 0 : lanes.live.flight.reports + lanes.backlog.flight.reports
  }

  get #bytesInFlight(): number {
    const lanes = this.#lanes
    return lanes === undefined ? 0 : lanes.live.flight.bytes + lanes.backlog.flight.bytes
  }

  #take(data: Buffer, isBinary: boolean): void {
    if (this.#ended) return
    const at = this.#clock.now()
    if (this.#waiting !== undefined) this.#waiting.push({ data, isBinary, at })
    else this.#handle(data, isBinary, at)
  }

  #handle(data: Buffer, isBinary: boolean, receivedAt: Millis): void {
    try {
      if (isBinary) this.#report(data, receivedAt)
      else this.#text(data, receivedAt)
    } catch (error) {
      this.#refuse(error)
    }
    this.#throttle()
  }

  /** Stops reading while more is taken than the disk has, and goes on when it has caught up. */
  #throttle(): void {
    const full =
      !this.#ended &&
      (this.#waiting !== undefined ||
        this.#documentsInFlight >= documentsInFlight ||
        this.#reportsInFlight >= reportsInFlight ||
        this.#bytesInFlight >= bytesInFlight)
    if (full === this.#paused) return
    this.#paused = full
    if (full) this.#socket.pause()
    else this.#socket.resume()
  }

  #text(data: Buffer, receivedAt: Millis): void {
    const frame = readTextFrame(data.toString('utf8'))
    if ('fault' in frame) {
      if (frame.protocols !== undefined && this.#otherVersion(frame.protocols)) return
      throw new FrameError(frame.fault)
    }
    if (frame.type === 'hello') {
      this.#greetFirst(frame, receivedAt)
      return
    }
    const hello = this.#greeted()
    if (frame.type === 'series') this.#series(hello, frame)
    else if (frame.type === 'bye')
      this.#log.info({ reason: frame.reason }, 'collector says goodbye')
    else this.#save(hello, frame)
  }

  /** Hands a document to the records, one after the other. */
  #save(hello: Hello, frame: Extract<TextFrame, { type: 'facts' | 'sections' }>): void {
    this.#documentsInFlight++
    this.#documents = this.#documents
      .then(() => (this.#ended ? undefined : this.#document(hello, frame)))
      .catch((error: unknown) => this.#refuse(error))
      .finally(() => {
        this.#documentsInFlight--
        this.#throttle()
      })
  }

  #document(
    hello: Hello,
    frame: Extract<TextFrame, { type: 'facts' | 'sections' }>,
  ): Promise<void> {
    if (frame.type === 'facts') return this.#facts(hello, frame)
    const byName = new Map(frame.sections.map((section) => [section.name, section]))
    return this.#app.inventory.sections(hello.collector, [...byName.values()])
  }

  #greeted(): Hello {
    if (this.#hello === undefined) throw new FrameError('the first frame must be hello')
    return this.#hello
  }

  /** True when no version is common, and the session is closed. */
  #otherVersion(theirs: readonly number[]): boolean {
    if (commonVersion(theirs) !== undefined) return false
    const ours = `this hub speaks protocol ${protocolVersions.join(', ')}`
    const message = `${ours}, the collector ${theirs.join(', ')}; install the collector of the hub's version`
    const code = 'unsupported_version'
    this.#metrics.rejected.labels(code).inc()
    this.#fail(closeCodes.unsupportedVersion, code, message, { protocols: protocolVersions })
    return true
  }

  /** What follows the hello waits until it is answered. */
  #greetFirst(hello: Hello, receivedAt: Millis): void {
    if (this.#hello !== undefined) throw new FrameError('hello was already said')
    if (this.#otherVersion(hello.protocols)) return
    clearTimeout(this.#helloTimer)
    this.#waiting = []
    this.#greeting = this.#greet(hello, receivedAt)
      .catch((error: unknown) => this.#refuse(error))
      .then(() => {
        const waiting = this.#waiting ?? []
        this.#waiting = undefined
        for (const { data, isBinary, at } of waiting) {
          // One of them may end the session.
          if (!this.#ended) this.#handle(data, isBinary, at)
        }
        this.#throttle()
      })
  }

  async #greet(hello: Hello, receivedAt: Millis): Promise<void> {
    await this.#app.inventory.connected(hello)
    const { collector, epoch } = hello
    const { instance } = hello.labels
    this.#hello = hello
    this.#host = {
      collector,
      instance,
      heardAt: 0,
      fresh: false,
      toldAt: Number.NEGATIVE_INFINITY,
      waiting: false,
    }
    this.#offset = new ClockOffset(receivedAt - hello.wall)
    this.#log = this.#app.log.child({ instance })
    this.onHello(this)
    const facts = await this.#app.inventory.factHashes(collector)
    // Asked last: what the former session of this collector sent may have become durable meanwhile.
    const [live, backlog] = lanes.map((lane) => this.#laneState(hello, lane, receivedAt))
    this.#lanes = { live: live!, backlog: backlog! }
    this.#send({
      type: 'welcome',
      protocol: commonVersion(hello.protocols)!,
      hub: version,
      committed: { live: live!.committed, backlog: backlog!.committed },
      facts,
      wall: this.#clock.now(),
    })
    this.#log.info({ version: hello.version, epoch }, 'collector connected')
  }

  #laneState({ collector, epoch }: Hello, lane: Lane, receivedAt: Millis): LaneState {
    const position = this.#app.store.position({ collector, epoch, lane })
    return {
      name: lane,
      accepted: position,
      committed: position,
      flight: new InFlight(),
      stream: undefined,
      skipped: false,
      receivedAt,
      unanswered: 0,
      ackQueued: false,
    }
  }

  #series(hello: Hello, frame: Extract<TextFrame, { type: 'series' }>): void {
    if (frame.from !== this.#dictionary.length) {
      throw new FrameError(
        `series from ${frame.from}, but the dictionary holds ${this.#dictionary.length}`,
      )
    }
    if (frame.from + frame.series.length > limits.seriesPerSession) {
      throw new FrameError(`more than ${limits.seriesPerSession} series in one session`)
    }
    if (this.#known.size !== frame.from) this.#known = new Set(this.#dictionary)
    for (const { name, labels } of frame.series) {
      // The session's own labels win: a collector cannot speak for another host.
      const id = this.#app.store.intern({ ...labels, ...hello.labels, __name__: name })
      if (this.#known.has(id)) {
        const at = this.#dictionary.indexOf(id)
        throw new FrameError(`series ${this.#dictionary.length} is series ${at} again: ${name}`)
      }
      this.#known.add(id)
      this.#dictionary.push(id)
    }
    if (this.#dictionary.length <= smallDictionary) this.#known = new Set()
  }

  async #facts(hello: Hello, frame: Extract<TextFrame, { type: 'facts' }>): Promise<void> {
    const body = JSON.stringify(frame.document)
    if (body === undefined || Buffer.byteLength(body) > limits.factsBytes)
      throw new FrameError(`facts "${frame.name}" are over ${limits.factsBytes} bytes`)
    const hash = createHash('sha256').update(body).digest('hex')
    if (hash !== frame.hash) {
      this.#metrics.rejected.labels('facts_hash').inc()
      this.#sendError('facts_hash', `facts "${frame.name}": the hash is not the document's SHA-256`)
      return
    }
    await this.#app.inventory.facts(hello.collector, frame.name, hash, body)
  }

  #report(data: Buffer, receivedAt: Millis): void {
    if (this.#hello === undefined || this.#lanes === undefined)
      throw new FrameError('the first frame must be hello')
    const report = this.#reports.decode(data, this.#dictionary.length)
    const lane = this.#lanes[report.lane]
    const { sequence } = report
    if (report.lane === 'live')
      this.#offset.observe({ wall: report.wall, monotonic: report.monotonic, receivedAt })
    if (sequence <= lane.accepted) {
      lane.skipped = true
      this.#metrics.repeated.inc()
      // One that is on its way to the disk is acknowledged when it is there.
      if (sequence <= lane.committed) this.#queueAck(lane, receivedAt)
      return
    }
    if (sequence > lane.accepted + 1) this.#metrics.gaps.inc(sequence - lane.accepted - 1)
    const time = storedTime(report.wall, this.#offset.millis, receivedAt)
    lane.accepted = sequence
    if (time.kind === 'refused') {
      lane.skipped = true
      this.#refuseReport(report, time.reason, receivedAt)
      return
    }
    if (time.kind === 'corrected') this.#metrics.corrected.inc()
    this.#store(this.#hello, lane, report, data.length, time.t, receivedAt)
  }

  /** A report that will never be taken: it is answered, and the rest goes on. */
  #refuseReport({ lane, sequence }: ReceivedReport, reason: string, receivedAt: Millis): void {
    // Its data cannot be used, but the host does report.
    if (lane === 'live') this.#news.reported(this.#host!, receivedAt, false)
    this.#metrics.rejected.labels('too_far_ahead').inc()
    this.#refusals++
    if (Number.isInteger(Math.log2(this.#refusals)))
      this.#log.warn({ sequence, reason, refusals: this.#refusals }, 'report refused')
    this.#send({ type: 'refused', lane, sequence, reason })
  }

  /** Appends without waiting: the ack follows when the journal has it on disk. */
  #store(
    hello: Hello,
    lane: LaneState,
    report: ReceivedReport,
    bytes: number,
    t: Millis,
    receivedAt: Millis,
  ): void {
    const { sequence, values, absent, stale, row, decoder } = report
    const stream = this.#stream(hello, lane)
    if (lane.skipped) stream.append({ sequence, t, values, absent, stale })
    else stream.append({ sequence, t, values, absent, stale, encoded: { bytes: row, decoder } })
    lane.skipped = false
    const samples = values.length - bitsOf(absent) - bitsOf(stale)
    const late = receivedAt - t > lateAfterIntervals * hello.intervalSeconds * 1000
    lane.flight.push(sequence, bytes, samples, late ? samples : 0, receivedAt)
    // Late data is stored, never paged.
    if (lane.name === 'live') this.#news.reported(this.#host!, receivedAt, !late)
  }

  /** The lane's stream with the whole dictionary as its layout. */
  #stream({ collector, epoch }: Hello, lane: LaneState): StreamWriter {
    if (lane.stream === undefined) {
      lane.stream = this.#app.store.stream(
        { collector, epoch, lane: lane.name },
        {
          committed: (sequence) => this.#committed(lane, sequence),
          failed: (error) => this.#storeFailed(error),
        },
      )
    }
    const { stream } = lane
    if (stream.columns < this.#dictionary.length)
      stream.extend(this.#dictionary.slice(stream.columns))
    return stream
  }

  #committed(lane: LaneState, sequence: number): void {
    if (sequence > lane.committed) lane.committed = sequence
    const { reports, samples, late, receivedAt } = lane.flight.settle(sequence)
    if (reports > 0) {
      this.#metrics.samples.inc(samples)
      this.#metrics.reports[lane.name].inc(reports)
      if (late > 0) this.#metrics.late.inc(late)
      lane.unanswered += reports
      // While more is on its way to the disk, its commit will answer for these too.
      if (lane.flight.reports === 0 || lane.unanswered >= reportsAnAck)
        this.#queueAck(lane, receivedAt)
    }
    this.#throttle()
    if (this.#reportsInFlight === 0) this.#onDrained?.()
  }

  /** The disk refused: nothing in flight is durable, and the collector sends it again. */
  #storeFailed(error: StoreUnavailable): void {
    for (const { flight } of Object.values(this.#lanes ?? {}))
      flight.settle(Number.POSITIVE_INFINITY)
    this.#refuse(error)
    this.#onDrained?.()
  }

  /** One ack answers every report the same commit made durable. */
  #queueAck(lane: LaneState, receivedAt: Millis): void {
    lane.receivedAt = receivedAt
    if (lane.ackQueued) return
    lane.ackQueued = true
    queueMicrotask(() => {
      lane.ackQueued = false
      lane.unanswered = 0
      const ack: Ack = {
        type: 'ack',
        lane: lane.name,
        sequence: lane.committed,
        receivedAt: lane.receivedAt,
        sentAt: this.#clock.now(),
      }
      this.#send(ack)
    })
  }

  #refuse(error: unknown): void {
    if (error instanceof FrameError) {
      this.#metrics.rejected.labels('bad_frame').inc()
      this.#fail(closeCodes.badFrame, 'bad_frame', error.message)
    } else if (
      error instanceof StoreUnavailable ||
      (error as Error).name === 'RecordsError' ||
      (error instanceof CallwardError && error.code === 'storage_unavailable')
    ) {
      this.#metrics.rejected.labels('storage_unavailable').inc()
      this.#fail(
        closeCodes.storageUnavailable,
        'storage_unavailable',
        `nothing was acknowledged: ${(error as Error).message}`,
      )
    } else if (error instanceof CallwardError) {
      this.#metrics.rejected.labels(error.code).inc()
      // Only a conflict is the collector's to mend; from a busy hub it comes back soon.
      const code = error.code === 'conflict' ? closeCodes.forbidden : closeCodes.shuttingDown
      this.#fail(code, error.code, error.message)
    } else {
      this.#metrics.rejected.labels('internal').inc()
      this.#log.error({ err: error }, 'session failed')
      this.#fail(1011, 'internal', 'an internal error; its detail is in the hub’s log')
    }
  }

  #fail(code: number, name: string, message: string, more: Partial<ErrorFrame> = {}): void {
    this.#ended = true
    if (this.#socket.readyState === this.#socket.OPEN) {
      this.#log.warn({ code: name, reason: message }, 'session closed by the hub')
      this.#socket.send(JSON.stringify({ type: 'error', code: name, message, ...more }))
    }
    this.close(code, message)
  }

  #sendError(code: string, message: string): void {
    const frame: ErrorFrame = { type: 'error', code, message }
    this.#send(frame)
  }

  #send(frame: HubFrame): void {
    const socket = this.#socket
    if (socket.readyState !== socket.OPEN) return
    socket.send(JSON.stringify(frame))
    if (this.#ended || socket.bufferedAmount <= unreadBytes) return
    this.#metrics.rejected.labels('not_reading').inc()
    const message = `${socket.bufferedAmount} bytes of answers were not read`
    this.#fail(closeCodes.notReading, 'not_reading', message)
    this.#closeTimer = setTimeout(() => socket.terminate(), closeWithinMillis)
  }
}

/** Older than this many intervals at receipt is late: it was kept back, or its host's clock is wrong. */
const lateAfterIntervals = 3

/** A close reason may take 123 bytes (RFC 6455 §5.5). */
function shortened(reason: string): string {
  let text = reason.slice(0, 120)
  while (Buffer.byteLength(text) > 123) text = text.slice(0, -1)
  return text
}

function bitsOf(bitmap: Uint8Array | undefined): number {
  let bits = 0
  for (let i = 0; bitmap !== undefined && i < bitmap.length; i++) {
    for (let byte = bitmap[i]!; byte !== 0; byte &= byte - 1) bits++
  }
  return bits
}
