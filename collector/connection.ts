import { WebSocket } from 'ws'
import type { Series } from './pending.ts'
import {
  type Ack,
  type HubFrame,
  limits,
  type Refusal,
  type SeriesFrame,
  type Welcome,
} from './wire/frames.ts'

/** Most series of one frame: about 600 kB of JSON with usual labels. */
const seriesPerFrame = 2000
/** A hub whose machine is gone gives no answer at all: one interval, so that it is asked again before it calls this host silent. */
const handshakeMilliseconds = { least: 2000, most: 10_000 }
const pingMilliseconds = 15_000
const missedPingsLimit = 2

export type HubAnswer = Welcome | Ack | Refusal | { type: 'error'; code: string; message: string }

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
  readonly #known = new Map<Series, number>()
  #pings: NodeJS.Timeout | undefined
  #missedPings = 0
  #httpStatus: number | undefined
  #failure = ''

  constructor(url: string, token: string, intervalSeconds: number, events: ConnectionEvents) {
    this.#events = events
    const { least, most } = handshakeMilliseconds
    this.#socket = new WebSocket(url, {
      headers: { authorization: `Bearer ${token}` },
      handshakeTimeout: Math.min(most, Math.max(least, intervalSeconds * 1000)),
      perMessageDeflate: false,
      maxPayload: limits.frameBytes,
    })
    this.#listen()
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount
  }

  /** Series the hub knows on this connection. */
  get dictionaryLength(): number {
    return this.#known.size
  }

  sendFrame(frame: object): void {
    this.#socket.send(JSON.stringify(frame), ignoreSendError)
  }

  sendReport(frame: Buffer): void {
    this.#socket.send(frame, ignoreSendError)
  }

  /** Indexes of `series`, telling the hub those it does not know; undefined when its dictionary would overflow. */
  indexes(series: readonly Series[]): Uint32Array | undefined {
    const unknown = [...new Set(series.filter((one) => !this.#known.has(one)))]
    if (this.#known.size + unknown.length > limits.seriesPerSession) return undefined
    for (let from = 0; from < unknown.length; ) {
      const text = this.#seriesText(unknown, from, seriesPerFrame)
      this.#socket.send(text.frame, ignoreSendError)
      const end = from + text.count
      for (; from < end; from++) this.#known.set(unknown[from]!, this.#known.size)
    }
    return Uint32Array.from(series, (one) => this.#known.get(one)!)
  }

  /** A frame of at most `most` series from `from` on; fewer where their labels are long. */
  #seriesText(
    series: readonly Series[],
    from: number,
    most: number,
  ): { frame: string; count: number } {
    const part = series.slice(from, from + most)
    const frame: SeriesFrame = { type: 'series', from: this.#known.size, series: part }
    const text = JSON.stringify(frame)
    if (part.length === 1 || Buffer.byteLength(text) <= limits.frameBytes / 2) {
      return { frame: text, count: part.length }
    }
    return this.#seriesText(series, from, Math.floor(part.length / 2))
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
      this.#events.ended({ code, reason: text, ...status })
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
  if (frame.type === 'welcome') {
    return (
      Number.isSafeInteger(frame.committed) &&
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

/** A send on a socket that just closed: `close` follows and the session sends again on the next connection. */
function ignoreSendError(): void {}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}
