import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import { type Channel, channelOf, isLocalName } from './enrolment/channel.ts'
import type { SentReport, Series } from './pending.ts'
import {
  type Ack,
  closeCodes,
  enrolledVersions,
  type HubFrame,
  limits,
  protocolVersions,
  type Refusal,
  type SeriesFrame,
  type Welcome,
} from './wire/frames.ts'
import type { Challenge } from './wire/handshake.ts'
import { ReportEncoder } from './wire/report.ts'

/** Most series of one frame: about 600 kB of JSON with usual labels. */
const seriesPerFrame = 2000
/** A hub whose machine is gone gives no answer at all: one interval, so that it is asked again before it calls this host silent. */
const handshakeMilliseconds = { least: 2000, most: 10_000 }
const pingMilliseconds = 15_000
const missedPingsLimit = 2

export type HubAnswer =
  | Challenge
  | Welcome
  | Ack
  | Refusal
  | { type: 'error'; code: string; message: string }

/** How a connection says who it is. */
export interface Credentials {
  /** The `Authorization` header. */
  readonly authorization: string
  /** The hub proves itself by its key in the session: its certificate need not be trusted. */
  readonly provenInSession: boolean
}

/** How a connection ended. `httpStatus` is set when the hub refused the upgrade. */
export interface ConnectionEnd {
  readonly code: number
  readonly reason: string
  readonly httpStatus?: number
}

export interface ConnectionEvents {
  opened(): void
  answered(frame: HubAnswer): void
  /** Called exactly once, last. */
  ended(end: ConnectionEnd): void
}

/** One WebSocket to the hub with the dictionary of series it has been told. Never reconnects: the session makes a new one. */
export class Connection {
  readonly #socket: WebSocket
  readonly #events: ConnectionEvents
  readonly #encoder = new ReportEncoder()
  readonly #known = new WeakMap<Series, number>()
  /** Index by what names a series: one that ended and came back is a new object with its old index. */
  readonly #indexByKey = new Map<string, number>()
  /** The last report's series and their indexes: most reports hold the same. */
  #lastSeries: readonly Series[] = []
  #lastIndexes: Uint32Array = new Uint32Array(0)
  #row = new Float64Array(0)
  #pings: NodeJS.Timeout | undefined
  #missedPings = 0
  #httpStatus: number | undefined
  #failure = ''
  #channel: Channel | undefined
  /** Why this side ended the connection, whatever the hub answers to that. */
  #ownEnd: ConnectionEnd | undefined

  constructor(
    url: string,
    credentials: Credentials,
    intervalSeconds: number,
    events: ConnectionEvents,
  ) {
    this.#events = events
    const { least, most } = handshakeMilliseconds
    this.#socket = new WebSocket(url, {
      headers: { authorization: credentials.authorization },
      // Nothing secret is sent before the hub's proof, which is tied to this very connection; within a machine nobody listens.
      ...(credentials.provenInSession || isLocalName(new URL(url).hostname)
        ? { rejectUnauthorized: false }
        : {}),
      handshakeTimeout: Math.min(most, Math.max(least, intervalSeconds * 1000)),
      perMessageDeflate: false,
      maxPayload: limits.frameBytes,
    })
    this.#listen()
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount
  }

  /** What is known of the connection; undefined before it is open. */
  get channel(): Channel | undefined {
    return this.#channel
  }

  sendFrame(frame: object): void {
    this.sendText(JSON.stringify(frame))
  }

  sendText(text: string): void {
    this.#socket.send(text, ignoreSendError)
  }

  /** Who answers is not the right hub: tells it and hangs up. */
  distrust(reason: string): void {
    this.#ownEnd = { code: closeCodes.hubNotProven, reason }
    this.#socket.close(closeCodes.hubNotProven, 'the hub is not proven')
    setTimeout(() => this.#socket.terminate(), 500).unref()
  }

  /** Sends a report, before it the series the hub does not know; false when its dictionary would overflow. */
  sendReport({ lane, sequence, report }: Omit<SentReport, 'readAt'>): boolean {
    const indexes = this.#indexes(report.series)
    const ended = indexes && this.#indexes(report.stale)
    if (indexes === undefined || ended === undefined) return false
    this.#lastSeries = report.series
    this.#lastIndexes = indexes
    const columns = this.#indexByKey.size
    if (this.#row.length !== columns) this.#row = new Float64Array(columns)
    const absent = bitmap(columns, indexes)
    const stale = ended.length === 0 ? undefined : bitmap(columns, ended)
    for (let i = 0; i < indexes.length; i++) this.#row[indexes[i]!] = report.values[i]!
    invert(absent, columns)
    for (const index of ended) absent[index >> 3]! &= ~(1 << (index & 7))
    const frame = this.#encoder.encode({
      lane,
      sequence,
      wall: report.wall,
      monotonic: report.monotonic,
      values: this.#row,
      absent: absent.some((byte) => byte !== 0) ? absent : undefined,
      stale,
    })
    this.#socket.send(frame, ignoreSendError)
    return true
  }

  /** Indexes of `series`, telling the hub those it does not know; undefined when its dictionary would overflow. */
  #indexes(series: readonly Series[]): Uint32Array | undefined {
    if (series === this.#lastSeries) return this.#lastIndexes
    const unknown = new Map<string, Series[]>()
    for (const one of series) {
      if (this.#known.has(one)) continue
      const key = seriesKey(one)
      const index = this.#indexByKey.get(key)
      if (index !== undefined) this.#known.set(one, index)
      else unknown.set(key, [...(unknown.get(key) ?? []), one])
    }
    if (this.#indexByKey.size + unknown.size > limits.seriesPerSession) return undefined
    this.#tellSeries([...unknown.values()].map(([first]) => first!))
    for (const [key, objects] of unknown) {
      for (const one of objects) this.#known.set(one, this.#indexByKey.size)
      this.#indexByKey.set(key, this.#indexByKey.size)
    }
    return Uint32Array.from(series, (one) => this.#known.get(one)!)
  }

  #tellSeries(series: readonly Series[]): void {
    for (let at = 0; at < series.length; ) {
      const { frame, count } = this.#seriesText(series, at, seriesPerFrame)
      this.#socket.send(frame, ignoreSendError)
      at += count
    }
  }

  /** A frame of at most `most` series from `from` on; fewer where their labels are long. */
  #seriesText(
    series: readonly Series[],
    at: number,
    most: number,
  ): { frame: string; count: number } {
    const part = series.slice(at, at + most)
    const frame: SeriesFrame = { type: 'series', from: this.#indexByKey.size + at, series: part }
    const text = JSON.stringify(frame)
    if (part.length === 1 || Buffer.byteLength(text) <= limits.frameBytes / 2) {
      return { frame: text, count: part.length }
    }
    return this.#seriesText(series, at, Math.floor(part.length / 2))
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason)
  }

  terminate(reason: string): void {
    this.#failure ||= reason
    this.#socket.terminate()
  }

  /** Stops reading, as a hung host would: pings of the hub stay unanswered, the socket stays open. */
  freeze(): void {
    clearInterval(this.#pings)
    this.#socket.pause()
  }

  thaw(): void {
    this.#socket.resume()
    this.#startPings()
  }

  #listen(): void {
    const socket = this.#socket
    socket.on('upgrade', (response) => {
      this.#channel = channelOf(response.socket as Socket)
    })
    socket.on('open', () => {
      this.#startPings()
      this.#events.opened()
    })
    socket.on('pong', () => {
      this.#missedPings = 0
    })
    socket.on('message', (data, isBinary) => this.#read(String(data), isBinary))
    socket.on('unexpected-response', (request, response) => {
      this.#httpStatus = response.statusCode
      response.resume()
      request.destroy()
      this.#failure = `HTTP ${response.statusCode}`
      socket.terminate()
    })
    socket.on('error', (error) => {
      this.#failure ||= messageOf(error)
    })
    socket.on('close', (code, reason) => {
      clearInterval(this.#pings)
      const text = reason.toString() || this.#failure
      const status = this.#httpStatus === undefined ? {} : { httpStatus: this.#httpStatus }
      this.#events.ended(this.#ownEnd ?? { code, reason: text, ...status })
    })
  }

  #startPings(): void {
    clearInterval(this.#pings)
    this.#missedPings = 0
    this.#pings = setInterval(() => {
      if (this.#missedPings >= missedPingsLimit) {
        this.terminate(`the hub has not answered ${missedPingsLimit} pings`)
        return
      }
      this.#missedPings++
      this.#socket.ping(undefined, undefined, ignoreSendError)
    }, pingMilliseconds)
    this.#pings.unref()
  }

  #read(text: string, isBinary: boolean): void {
    try {
      if (isBinary) throw new Error('a binary frame')
      // The cast is checked by `isHubFrame`; a newer hub's unknown frames are left alone.
      const frame = JSON.parse(text) as HubFrame
      if (isHubFrame(frame)) this.#events.answered(frame)
    } catch (error) {
      this.terminate(`the hub sent what is no frame: ${messageOf(error)}`)
    }
  }
}

function isHubFrame(frame: HubFrame | null): frame is HubAnswer {
  if (frame === null || typeof frame !== 'object') return false
  if (frame.type === 'challenge') return isChallenge(frame)
  if (frame.type === 'welcome') {
    return (
      [...protocolVersions, ...enrolledVersions].includes(frame.protocol) &&
      Number.isSafeInteger(frame.committed?.live) &&
      Number.isSafeInteger(frame.committed?.backlog) &&
      typeof frame.facts === 'object' &&
      frame.facts !== null
    )
  }
  if (frame.type === 'ack' || frame.type === 'refused') {
    return (
      Number.isSafeInteger(frame.sequence) && (frame.lane === 'live' || frame.lane === 'backlog')
    )
  }
  return frame.type === 'error'
}

function isChallenge(frame: Challenge): boolean {
  const texts = [frame.nonce, frame.hubKey, frame.link, frame.signature, frame.binding]
  return (
    texts.every((text) => typeof text === 'string' && text.length <= 100) &&
    enrolledVersions.includes(frame.protocol) &&
    Number.isSafeInteger(frame.counter) &&
    frame.counter >= 0 &&
    typeof frame.resync === 'boolean'
  )
}

/** What names a series for the hub, which drops empty labels. */
function seriesKey({ name, labels }: Series): string {
  let key = name
  for (const label of Object.keys(labels).sort()) {
    if (labels[label] !== '') key += `\u0000${label}\u0001${labels[label]}`
  }
  return key
}

/** Bits of `columns` columns, those of `indexes` set. */
function bitmap(columns: number, indexes: Uint32Array): Uint8Array {
  const bits = new Uint8Array((columns + 7) >> 3)
  for (const index of indexes) bits[index >> 3]! |= 1 << (index & 7)
  return bits
}

function invert(bits: Uint8Array, columns: number): void {
  for (let i = 0; i < bits.length; i++) bits[i] = ~bits[i]!
  if ((columns & 7) !== 0) bits[bits.length - 1]! &= (1 << (columns & 7)) - 1
}

/** A send on a socket that just closed: `close` follows and the session sends again on the next connection. */
function ignoreSendError(): void {}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}
