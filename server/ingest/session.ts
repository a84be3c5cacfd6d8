import type { FastifyInstance } from 'fastify'
import type { WebSocket } from 'ws'
import { type Ack, FrameError } from '../../collector/wire/frames.ts'
import { type ReceivedReport, ReportDecoder } from '../../collector/wire/report.ts'
import type { Clock, Millis } from '../clock.ts'
import type { StoreUnavailable, StreamWriter } from '../store/writer.ts'
import { Answers } from './answers.ts'
import { Arrivals } from './arrivals.ts'
import { ClockOffset, storedTime } from './clock-offset.ts'
import { Dictionary } from './dictionary.ts'
import { Documents } from './documents.ts'
import { type Admission, Greeting, type Hello, plainAdmission } from './greeting.ts'
import type { HostNews, ReportingHost } from './host-news.ts'
import type { LaneState, Lanes } from './lane.ts'
import type { IngestMetrics } from './metrics.ts'
import { readTextFrame } from './schema.ts'

/** Reports handed to the store and not yet durable, and the bytes the journal took for them; beyond either the socket is paused. */
const reportsInFlight = 256
const bytesInFlight = 1024 * 1024
/** So many durable reports may wait for the ack of later ones that are on their way to the disk. */
const reportsAnAck = 8
/** Older than this many intervals at receipt is late: it was kept back, or its host's clock is wrong. */
const lateAfterIntervals = 3

export interface SessionOptions {
  readonly app: FastifyInstance
  readonly clock: Clock
  readonly socket: WebSocket
  readonly metrics: IngestMetrics
  readonly news: HostNews
  /** The collector is known, and may report for its host. */
  readonly onHello: (session: Session) => void
  readonly admission?: Admission
  /** When the collector could begin to say hello; now when left out. */
  readonly openedAt?: Millis
  /** Shared by all sessions of a hub. */
  readonly arrivals?: Arrivals
}

/** One collector's session: takes its frames in order, hands reports to the store, acknowledges what is durable. */
export class Session {
  readonly #app: FastifyInstance
  readonly #clock: Clock
  readonly #socket: WebSocket
  readonly #metrics: IngestMetrics
  readonly #news: HostNews
  readonly #onHello: (session: Session) => void
  readonly #answers: Answers
  readonly #greeting: Greeting
  readonly #arrivals: Arrivals
  readonly #documents: Documents
  readonly #dictionary = new Dictionary()
  readonly #reports = new ReportDecoder()
  #hello: Hello | undefined
  #host: ReportingHost | undefined
  #offset = new ClockOffset(0)
  readonly #openedAt: Millis
  #lanes: Lanes | undefined
  #refusals = 0
  /** Refused reports whose sequence is on its way to the disk. */
  #passing = 0
  #paused = false
  #onDrained: (() => void) | undefined
  /** Resolves when the socket is closed and everything taken from it has been dealt with. */
  readonly closed: Promise<void>

  constructor(options: SessionOptions) {
    const { app, clock, socket, metrics, news, onHello, admission } = options
    this.#openedAt = options.openedAt ?? clock.now()
    this.#app = app
    this.#clock = clock
    this.#socket = socket
    this.#metrics = metrics
    this.#news = news
    this.#onHello = onHello
    this.#arrivals = options.arrivals ?? new Arrivals()
    const onChange = () => this.#throttle()
    const answers = new Answers({ socket, metrics, log: app.log, onEnded: onChange })
    this.#answers = answers
    this.#documents = new Documents({ app, metrics, answers, onSettled: onChange })
    this.#greeting = new Greeting({
      app,
      clock,
      metrics,
      answers,
      admission: admission ?? plainAdmission,
      arrivals: this.#arrivals,
      events: {
        admitted: (hello, receivedAt) => this.#admitted(hello, receivedAt),
        lanes: (lanes) => {
          this.#lanes = lanes
        },
        frame: (data, isBinary, receivedAt) => this.#handle(data, isBinary, receivedAt),
        finished: onChange,
      },
    })
    this.closed = this.#listen()
  }

  #listen(): Promise<void> {
    this.#socket.on('message', (data, isBinary) => this.#take(data as Buffer, isBinary))
    this.#socket.on('error', (err: Error & { code?: string }) => {
      if (err.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH')
        this.#metrics.rejected.labels('too_large').inc()
      this.#answers.log.warn({ err }, 'session socket failed')
    })
    return new Promise((resolve) => {
      this.#socket.on('close', (code) => {
        this.#greeting.stop()
        this.#answers.stop()
        if (this.#hello !== undefined) this.#answers.log.info({ code }, 'collector disconnected')
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

  /** Takes a hello that was read before the session began. */
  begin(hello: Buffer): void {
    this.#take(hello, false)
  }

  /** Ends the session with a close code; the collector keeps what was not acknowledged. */
  close(code: number, reason: string): void {
    this.#answers.close(code, reason)
  }

  /** Resolves when the store has answered for every report, and the records for every document. */
  async #drained(): Promise<void> {
    await this.#greeting.done
    await this.#documents.settled
    if (this.#reportsInFlight > 0)
      await new Promise<void>((resolve) => {
        this.#onDrained = resolve
      })
    for (const { stream } of Object.values(this.#lanes ?? {})) stream?.close()
  }

  get #reportsInFlight(): number {
    const lanes = this.#lanes
    if (lanes === undefined) return 0
    return lanes.live.flight.reports + lanes.backlog.flight.reports + this.#passing
  }

  get #bytesInFlight(): number {
    const lanes = this.#lanes
    return lanes === undefined ? 0 : lanes.live.flight.bytes + lanes.backlog.flight.bytes
  }

  #take(data: Buffer, isBinary: boolean): void {
    if (this.#answers.ended) return
    const at = this.#clock.now()
    if (!this.#greeting.keepsWaiting(data, isBinary, at)) this.#handle(data, isBinary, at)
  }

  #handle(data: Buffer, isBinary: boolean, receivedAt: Millis): void {
    try {
      if (isBinary) this.#report(data, receivedAt)
      else this.#text(data, receivedAt)
    } catch (error) {
      this.#answers.refuse(error)
    }
    this.#throttle()
  }

  /** Stops reading while more is taken than the disk has, and goes on when it has caught up. */
  #throttle(): void {
    const full =
      !this.#answers.ended &&
      (this.#greeting.isUnderWay ||
        this.#documents.isFull ||
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
      if (frame.protocols !== undefined && this.#greeting.otherVersion(frame.protocols)) return
      throw new FrameError(frame.fault)
    }
    if (frame.type === 'hello') {
      this.#greeting.begin(frame, receivedAt)
      return
    }
    const hello = this.#hello
    if (hello === undefined) throw new FrameError('the first frame must be hello')
    if (frame.type === 'proof') throw new FrameError('nothing was asked that this proof answers')
    if (frame.type === 'series')
      this.#dictionary.extend(frame, hello.labels, (labels) => this.#app.store.intern(labels))
    else if (frame.type === 'bye')
      this.#answers.log.info({ reason: frame.reason }, 'collector says goodbye')
    else this.#documents.save(hello.collector, frame)
  }

  #admitted(hello: Hello, receivedAt: Millis): void {
    const { collector, labels } = hello
    const { instance } = labels
    this.#hello = hello
    this.#host = {
      collector,
      instance,
      heardAt: 0,
      fresh: false,
      toldAt: Number.NEGATIVE_INFINITY,
      waiting: false,
    }
    this.#offset = new ClockOffset(receivedAt - hello.wall, receivedAt - this.#openedAt)
    this.#answers.log = this.#app.log.child({ instance })
    this.#onHello(this)
  }

  #report(data: Buffer, receivedAt: Millis): void {
    if (this.#hello === undefined || this.#lanes === undefined)
      throw new FrameError('the first frame must be hello')
    const report = this.#reports.decode(data, this.#dictionary.ids.length)
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
    lane.gap += sequence - lane.accepted - 1
    const time = storedTime(report.wall, this.#offset.millis, receivedAt)
    lane.accepted = sequence
    if (time.kind === 'refused') {
      lane.skipped = true
      this.#refuseReport(report, time.reason, receivedAt)
      this.#passOver(this.#hello, lane, sequence)
      return
    }
    if (time.kind === 'corrected') this.#metrics.corrected.inc()
    this.#store(this.#hello, lane, report, time.t, receivedAt)
  }

  /** A refused report is answered for good: the next session must not count it as missing. */
  #passOver({ collector, epoch }: Hello, lane: LaneState, sequence: number): void {
    const { gap } = lane
    lane.gap = 0
    const origin = { collector, epoch, lane: lane.name, sequence }
    this.#passing++
    this.#app.store
      .append({ origin, rows: [] })
      .then(
        () => this.#metrics.gaps.inc(gap),
        (error: unknown) => this.#answers.refuse(error),
      )
      .then(() => {
        this.#passing--
        this.#throttle()
        if (this.#reportsInFlight === 0) this.#onDrained?.()
      })
  }

  /** A report that will never be taken: it is answered, and the rest goes on. */
  #refuseReport({ lane, sequence }: ReceivedReport, reason: string, receivedAt: Millis): void {
    // Its data cannot be used, but the host does report.
    if (lane === 'live') this.#news.reported(this.#host!, receivedAt, false)
    this.#metrics.rejected.labels('too_far_ahead').inc()
    this.#refusals++
    if (Number.isInteger(Math.log2(this.#refusals)))
      this.#answers.log.warn({ sequence, reason, refusals: this.#refusals }, 'report refused')
    this.#answers.send({ type: 'refused', lane, sequence, reason })
  }

  /** Appends without waiting: the ack follows when the journal has it on disk. */
  #store(
    hello: Hello,
    lane: LaneState,
    report: ReceivedReport,
    t: Millis,
    receivedAt: Millis,
  ): void {
    const { sequence, values, absent, stale, row, decoder } = report
    const stream = this.#stream(hello, lane)
    const bytes = lane.skipped
      ? stream.append({ sequence, t, values, absent, stale })
      : stream.append({ sequence, t, values, absent, stale, encoded: { bytes: row, decoder } })
    lane.skipped = false
    const samples = values.length - bitsOf(absent) - bitsOf(stale)
    const late = receivedAt - t > lateAfterIntervals * hello.intervalSeconds * 1000
    // Not written: another session's commit had it. It is answered with that, and counted by it.
    const isRepeated = bytes === 0
    if (isRepeated) this.#metrics.repeated.inc()
    const counted = isRepeated ? 0 : samples
    lane.flight.push(sequence, bytes, counted, late ? counted : 0, receivedAt, lane.gap, isRepeated)
    lane.gap = 0
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
    if (stream.columns < this.#dictionary.ids.length)
      stream.extend(this.#dictionary.ids.slice(stream.columns))
    return stream
  }

  #committed(lane: LaneState, sequence: number): void {
    if (sequence > lane.committed) lane.committed = sequence
    const { reports, repeated, samples, late, receivedAt, gap } = lane.flight.settle(sequence)
    if (reports > 0) {
      this.#greeting.reported()
      this.#metrics.samples.inc(samples)
      this.#metrics.reports[lane.name].inc(reports - repeated)
      if (late > 0) this.#metrics.late.inc(late)
      if (gap > 0) this.#metrics.gaps.inc(gap)
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
    this.#answers.refuse(error)
    this.#onDrained?.()
  }

  /** One ack answers every report the same commit made durable. */
  #queueAck(lane: LaneState, receivedAt: Millis): void {
    lane.receivedAt = receivedAt
    if (lane.ackQueued) return
    lane.ackQueued = true
    const send = () => queueMicrotask(() => this.#ack(lane))
    if (lane.name === 'live') send()
    else this.#arrivals.whenQuiet(send)
  }

  #ack(lane: LaneState): void {
    lane.ackQueued = false
    lane.unanswered = 0
    const ack: Ack = {
      type: 'ack',
      lane: lane.name,
      sequence: lane.committed,
      receivedAt: lane.receivedAt,
      sentAt: this.#clock.now(),
    }
    this.#answers.send(ack)
  }
}

function bitsOf(bitmap: Uint8Array | undefined): number {
  let bits = 0
  for (let i = 0; bitmap !== undefined && i < bitmap.length; i++) {
    for (let byte = bitmap[i]!; byte !== 0; byte &= byte - 1) bits++
  }
  return bits
}
