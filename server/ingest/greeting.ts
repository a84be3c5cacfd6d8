import type { FastifyInstance } from 'fastify'
import {
  closeCodes,
  commonVersion,
  FrameError,
  type Lane,
  protocolVersions,
} from '../../collector/wire/frames.ts'
import { version } from '../assets.ts'
import type { Clock, Millis } from '../clock.ts'
import { areHubLabels } from '../hub-labels.ts'
import type { Answers } from './answers.ts'
import type { Arrivals, Place } from './arrivals.ts'
import { type Lanes, laneFrom } from './lane.ts'
import type { IngestMetrics } from './metrics.ts'
import type { TextFrame } from './schema.ts'

export type Hello = Extract<TextFrame, { type: 'hello' }>

const helloWithinMillis = 10_000

/** How a session was let in. */
export interface Admission {
  /** Versions it may have. */
  readonly protocols: readonly number[]
  /** Throws CallwardError when who was let in may not say this hello. */
  check(hello: Hello): void
}

/** By a token, with nothing known of hosts that are enrolled. */
export const plainAdmission: Admission = { protocols: protocolVersions, check: () => undefined }

/** What a greeting tells its session, in this order. */
export interface GreetingEvents {
  /** The collector may report for its host. */
  admitted(hello: Hello, receivedAt: Millis): void
  /** Where its lanes go on; the welcome follows. */
  lanes(lanes: Lanes): void
  /** A frame that waited for the welcome. */
  frame(data: Buffer, isBinary: boolean, receivedAt: Millis): void
  /** Nothing waits any more. */
  finished(): void
}

export interface GreetingOptions {
  readonly app: FastifyInstance
  readonly clock: Clock
  readonly metrics: IngestMetrics
  readonly answers: Answers
  readonly events: GreetingEvents
  readonly admission: Admission
  readonly arrivals: Arrivals
}

/** The beginning of a session: the hello, the welcome, and what came between them. */
export class Greeting {
  readonly #options: GreetingOptions
  readonly #timer: NodeJS.Timeout
  #said = false
  #place: Place | undefined
  #gone = false
  /** Frames that came while the hello is being dealt with, which alone takes its time before what follows. */
  #waiting: { readonly data: Buffer; readonly isBinary: boolean; readonly at: Millis }[] | undefined
  /** Resolves when the hello, if one came, and what waited for it have been dealt with. */
  done: Promise<void> = Promise.resolve()

  constructor(options: GreetingOptions) {
    this.#options = options
    this.#timer = setTimeout(
      () => options.answers.fail(closeCodes.badFrame, 'no_hello', 'no hello within 10 s'),
      helloWithinMillis,
    )
  }

  get isUnderWay(): boolean {
    return this.#waiting !== undefined
  }

  /** True when the frame was put behind the hello that is being dealt with. */
  keepsWaiting(data: Buffer, isBinary: boolean, at: Millis): boolean {
    if (this.#waiting === undefined) return false
    this.#waiting.push({ data, isBinary, at })
    return true
  }

  /** True when no version is common, and the session is closed. */
  otherVersion(theirs: readonly number[]): boolean {
    const { metrics, answers, admission } = this.#options
    const { protocols } = admission
    if (commonVersion(theirs, protocols) !== undefined) return false
    const ours = `this hub speaks protocol ${protocols.join(', ')}`
    const message = `${ours}, the collector ${theirs.join(', ')}; install the collector of the hub's version`
    const code = 'unsupported_version'
    metrics.rejected.labels(code).inc()
    answers.fail(closeCodes.unsupportedVersion, code, message, { protocols })
    return true
  }

  /** What follows the hello waits until it is answered. Throws FrameError for a second hello. */
  begin(hello: Hello, receivedAt: Millis): void {
    if (this.#said) throw new FrameError('hello was already said')
    if (this.otherVersion(hello.protocols)) return
    this.#said = true
    clearTimeout(this.#timer)
    this.#waiting = []
    const { answers, events } = this.#options
    this.done = this.#greet(hello, receivedAt)
      .catch((error: unknown) => answers.refuse(error))
      .then(() => {
        this.#place?.welcomed()
        const waiting = this.#waiting ?? []
        this.#waiting = undefined
        for (const { data, isBinary, at } of waiting) {
          // One of them may end the session.
          if (!answers.ended) events.frame(data, isBinary, at)
        }
        events.finished()
      })
  }

  async #greet(hello: Hello, receivedAt: Millis): Promise<void> {
    const { app, clock, answers, events, admission, arrivals } = this.#options
    const { collector, epoch } = hello
    this.#place = arrivals.arrive()
    await this.#place.turn
    // Nobody waits for the answer any more.
    if (this.#gone || answers.ended) return
    admission.check(hello)
    if (areHubLabels({ ...hello.labels }))
      throw new FrameError('hello: these labels are those of the hub’s own series')
    await app.inventory.connected(hello)
    events.admitted(hello, receivedAt)
    const facts = await app.inventory.factHashes(collector)
    // The former session of this collector takes nothing any more. What it took is waited for: a collector that was killed before it
    // wrote a report down gives that sequence again, unless it is told that it is in.
    const laneOf = async (lane: Lane) =>
      laneFrom(lane, await app.store.settled({ collector, epoch, lane }), receivedAt)
    const lanes = { live: await laneOf('live'), backlog: await laneOf('backlog') }
    events.lanes(lanes)
    answers.send({
      type: 'welcome',
      protocol: commonVersion(hello.protocols, admission.protocols)!,
      hub: version,
      committed: { live: lanes.live.committed, backlog: lanes.backlog.committed },
      facts,
      wall: clock.now(),
    })
    answers.log.info({ version: hello.version, epoch }, 'collector connected')
  }

  /** The collector's first report is durable: who waits behind it may come in. */
  reported(): void {
    this.#place?.leave()
  }

  /** The collector is gone. */
  stop(): void {
    this.#gone = true
    clearTimeout(this.#timer)
    this.#place?.leave()
  }
}
