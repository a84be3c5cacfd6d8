import { createHash } from 'node:crypto'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { WebSocket } from 'ws'
import {
  type Ack,
  closeCodes,
  type ErrorFrame,
  type HubFrame,
  type Lane,
  limits,
  protocolVersion,
  type Report,
} from '../../collector/wire/frames.ts'
import { decodeReport, FrameError } from '../../collector/wire/report.ts'
import { version } from '../assets.ts'
import type { Clock, Millis } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { type SeriesId, StoreUnavailable } from '../store/writer.ts'
import { ClockOffset, storedTime } from './clock-offset.ts'
import type { IngestMetrics } from './metrics.ts'
import { readTextFrame, type TextFrame } from './schema.ts'

type Hello = Extract<TextFrame, { type: 'hello' }>

const helloWithinMillis = 10_000
/** Reports taken from the socket and not yet durable; beyond it the socket is paused. */
const pendingReports = 256

/** One collector's session: hello, dictionary, reports; acknowledges what is durable. */
export class Session {
  readonly #app: FastifyInstance
  readonly #clock: Clock
  readonly #socket: WebSocket
  readonly #metrics: IngestMetrics
  #log: FastifyBaseLogger
  #hello: Hello | undefined
  #offset = new ClockOffset(0)
  #dictionary: SeriesId[] = []
  #pending = 0
  /** Set once the hub closes the session: nothing that still arrives may count. */
  #ended = false
  #work: Promise<void> = Promise.resolve()
  readonly #lanes = new Map<
    Lane,
    { accepted: number; committed: number; receivedAt: Millis; ackQueued: boolean }
  >()
  readonly #helloTimer: NodeJS.Timeout
  /** Resolves when the socket is closed and everything taken from it has been dealt with. */
  readonly closed: Promise<void>
  readonly onHello: (session: Session) => void

  constructor(options: {
    app: FastifyInstance
    clock: Clock
    socket: WebSocket
    metrics: IngestMetrics
    onHello: (session: Session) => void
  }) {
    this.#app = options.app
    this.#clock = options.clock
    this.#socket = options.socket
    this.#metrics = options.metrics
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
        if (this.#hello !== undefined) this.#log.info({ code }, 'collector disconnected')
        this.#work.then(resolve)
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
    this.#socket.close(code, reason.slice(0, 120))
  }

  #take(data: Buffer, isBinary: boolean): void {
    const receivedAt = this.#clock.now()
    this.#pending += 1
    if (this.#pending >= pendingReports) this.#socket.pause()
    // Frames are handled strictly in order; what waits for the disk (acks) does not hold up the next frame.
    this.#work = this.#work
      .then(() => {
        if (this.#ended) return undefined
        return isBinary ? this.#report(data, receivedAt) : this.#text(data, receivedAt)
      })
      .catch((error: unknown) => this.#refuse(error))
      .finally(() => {
        this.#pending -= 1
        if (this.#pending < pendingReports && this.#socket.isPaused) this.#socket.resume()
      })
  }

  async #text(data: Buffer, receivedAt: Millis): Promise<void> {
    const frame = readTextFrame(data.toString('utf8'))
    if ('fault' in frame) throw new FrameError(frame.fault)
    if (frame.type === 'hello') return this.#greet(frame, receivedAt)
    const hello = this.#greeted()
    if (frame.type === 'series') return this.#series(frame)
    if (frame.type === 'sections')
      return this.#app.inventory.sections(hello.collector, [
        ...new Map(frame.sections.map((section) => [section.name, section])).values(),
      ])
    if (frame.type === 'facts') return this.#facts(hello, frame)
    this.#log.info({ reason: frame.reason }, 'collector says goodbye')
    return undefined
  }

  #greeted(): Hello {
    if (this.#hello === undefined) throw new FrameError('the first frame must be hello')
    return this.#hello
  }

  async #greet(hello: Hello, receivedAt: Millis): Promise<void> {
    if (this.#hello !== undefined) throw new FrameError('hello was already said')
    if (hello.protocol !== protocolVersion) {
      this.#fail(
        closeCodes.unsupportedVersion,
        'unsupported_version',
        `this hub speaks protocol ${protocolVersion}, not ${hello.protocol}; install the collector of the hub's version`,
      )
      return
    }
    clearTimeout(this.#helloTimer)
    await this.#app.inventory.connected(hello)
    this.#hello = hello
    this.#offset = new ClockOffset(receivedAt - hello.wall)
    this.#log = this.#app.log.child({ instance: hello.labels.instance })
    this.onHello(this)
    for (const lane of ['live', 'backlog'] as const) {
      const position = this.#app.store.position({
        collector: hello.collector,
        epoch: hello.epoch,
        lane,
      })
      this.#lanes.set(lane, {
        accepted: position,
        committed: position,
        receivedAt,
        ackQueued: false,
      })
    }
    this.#send({
      type: 'welcome',
      protocol: protocolVersion,
      hub: version,
      committed: this.#lanes.get('live')?.committed ?? 0,
      facts: await this.#app.inventory.factHashes(hello.collector),
      wall: this.#clock.now(),
    })
    this.#log.info({ version: hello.version, epoch: hello.epoch }, 'collector connected')
  }

  #series(frame: Extract<TextFrame, { type: 'series' }>): void {
    const hello = this.#greeted()
    if (frame.from !== this.#dictionary.length) {
      throw new FrameError(
        `series from ${frame.from}, but the dictionary holds ${this.#dictionary.length}`,
      )
    }
    if (frame.from + frame.series.length > limits.seriesPerSession) {
      throw new FrameError(`more than ${limits.seriesPerSession} series in one session`)
    }
    for (const { name, labels } of frame.series) {
      // The session's own labels win: a collector cannot speak for another host.
      this.#dictionary.push(this.#app.store.intern({ ...labels, ...hello.labels, __name__: name }))
    }
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

  async #report(data: Buffer, receivedAt: Millis): Promise<void> {
    const hello = this.#greeted()
    const report = decodeReport(data, this.#dictionary.length)
    const lane = this.#lanes.get(report.lane)
    if (lane === undefined) throw new Error(`BUG: lane ${report.lane} without a position`)
    if (report.lane === 'live')
      this.#offset.observe({ wall: report.wall, monotonic: report.monotonic, receivedAt })
    if (report.sequence <= lane.accepted) return this.#repeated(report, receivedAt)
    if (report.sequence > lane.accepted + 1)
      this.#metrics.gaps.inc(report.sequence - lane.accepted - 1)
    const time = storedTime(report.wall, this.#offset.millis, receivedAt)
    lane.accepted = report.sequence
    if (time.kind === 'refused') {
      // Its data cannot be used, but the host does report.
      if (report.lane === 'live') this.#app.inventory.reported(hello.collector, receivedAt)
      this.#metrics.rejected.labels('too_far_ahead').inc()
      this.#log.warn({ sequence: report.sequence, reason: time.reason }, 'report refused')
      this.#send({
        type: 'refused',
        lane: report.lane,
        sequence: report.sequence,
        reason: time.reason,
      })
      return
    }
    if (time.kind === 'corrected') this.#metrics.corrected.inc()
    this.#store(hello, report, time.t, receivedAt)
  }

  /** Appends without waiting: the ack follows when the journal has it on disk. */
  #store(hello: Hello, report: Report, t: Millis, receivedAt: Millis): void {
    const stale = Uint32Array.from(report.stale, (index) => this.#dictionary[index]!)
    const ids = Uint32Array.from(report.indexes, (index) => this.#dictionary[index]!)
    const { collector, epoch } = hello
    const committed = this.#app.store.append({
      origin: { collector, epoch, lane: report.lane, sequence: report.sequence },
      rows: [{ t, ids, values: report.values, stale }],
    })
    if (report.lane === 'live') this.#app.inventory.reported(collector, receivedAt)
    const late = receivedAt - t > lateAfterIntervals * hello.intervalSeconds * 1000
    if (late) this.#metrics.late.inc(ids.length)
    // Late data is stored, never paged.
    if (report.lane === 'live' && !late) this.#app.rules.hostReported(hello.labels.instance)
    committed.then(
      () => this.#committed(report, receivedAt),
      (error: unknown) => this.#refuse(error),
    )
  }

  #repeated(report: Report, receivedAt: Millis): void {
    this.#metrics.repeated.inc()
    const lane = this.#lanes.get(report.lane)!
    if (report.sequence <= lane.committed) this.#queueAck(report.lane, receivedAt)
  }

  #committed(report: Report, receivedAt: Millis): void {
    const lane = this.#lanes.get(report.lane)!
    lane.committed = Math.max(lane.committed, report.sequence)
    this.#metrics.samples.inc(report.values.length)
    this.#metrics.reports.labels(report.lane).inc()
    this.#queueAck(report.lane, receivedAt)
  }

  /** One ack answers every report the same commit made durable. */
  #queueAck(name: Lane, receivedAt: Millis): void {
    const lane = this.#lanes.get(name)!
    lane.receivedAt = receivedAt
    if (lane.ackQueued) return
    lane.ackQueued = true
    setImmediate(() => {
      lane.ackQueued = false
      const ack: Ack = {
        type: 'ack',
        lane: name,
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

  #fail(code: number, name: string, message: string): void {
    this.#ended = true
    if (this.#socket.readyState !== this.#socket.OPEN) return
    this.#log.warn({ code: name, reason: message }, 'session closed by the hub')
    this.#sendError(name, message)
    this.close(code, message)
  }

  #sendError(code: string, message: string): void {
    const frame: ErrorFrame = { type: 'error', code, message }
    this.#send(frame)
  }

  #send(frame: HubFrame): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(frame))
  }
}

/** Older than this many intervals at receipt is late: it was kept back, or its host's clock is wrong. */
const lateAfterIntervals = 3
