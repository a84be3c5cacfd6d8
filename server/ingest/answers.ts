import type { FastifyBaseLogger } from 'fastify'
import type { WebSocket } from 'ws'
import {
  closeCodes,
  type ErrorFrame,
  FrameError,
  type HubFrame,
} from '../../collector/wire/frames.ts'
import { CallwardError } from '../errors.ts'
import { StoreUnavailable } from '../store/writer.ts'
import type { IngestMetrics } from './metrics.ts'

/** Bytes of answers the collector has not read; beyond it the session is closed. A window's acks are under 10 kB. */
const unreadBytes = 256 * 1024
/** A collector that does not read does not answer the closing handshake either. */
const closeWithinMillis = 5000

export interface AnswersOptions {
  readonly socket: WebSocket
  readonly metrics: IngestMetrics
  readonly log: FastifyBaseLogger
  readonly onEnded: () => void
}

/** What the hub says in a session, and how it ends it. */
export class Answers {
  /** Names the host once it is known. */
  log: FastifyBaseLogger
  /** Set once the hub closes the session: nothing that still arrives may count. */
  ended = false
  readonly #socket: WebSocket
  readonly #metrics: IngestMetrics
  readonly #onEnded: () => void
  #closeTimer: NodeJS.Timeout | undefined

  constructor({ socket, metrics, log, onEnded }: AnswersOptions) {
    this.#socket = socket
    this.#metrics = metrics
    this.log = log
    this.#onEnded = onEnded
  }

  send(frame: HubFrame): void {
    const socket = this.#socket
    if (socket.readyState !== socket.OPEN) return
    socket.send(JSON.stringify(frame))
    if (this.ended || socket.bufferedAmount <= unreadBytes) return
    this.#metrics.rejected.labels('not_reading').inc()
    const message = `${socket.bufferedAmount} bytes of answers were not read`
    this.fail(closeCodes.notReading, 'not_reading', message)
    this.#closeTimer = setTimeout(() => socket.terminate(), closeWithinMillis)
  }

  /** Counts what went wrong, tells the collector, and ends the session. */
  refuse(error: unknown): void {
    if (error instanceof FrameError) {
      this.#metrics.rejected.labels('bad_frame').inc()
      this.fail(closeCodes.badFrame, 'bad_frame', error.message)
    } else if (
      error instanceof StoreUnavailable ||
      (error as Error).name === 'RecordsError' ||
      (error instanceof CallwardError && error.code === 'storage_unavailable')
    ) {
      this.#metrics.rejected.labels('storage_unavailable').inc()
      this.fail(
        closeCodes.storageUnavailable,
        'storage_unavailable',
        `nothing was acknowledged: ${(error as Error).message}`,
      )
    } else if (error instanceof CallwardError) {
      this.#metrics.rejected.labels(error.code).inc()
      // Only a conflict is the collector's to mend; from a busy hub it comes back soon.
      const code = error.code === 'conflict' ? closeCodes.forbidden : closeCodes.shuttingDown
      this.fail(code, error.code, error.message)
    } else {
      this.#metrics.rejected.labels('internal').inc()
      this.log.error({ err: error }, 'session failed')
      this.fail(1011, 'internal', 'an internal error; its detail is in the hub’s log')
    }
  }

  /** Ends the session with an error frame before the close code. */
  fail(code: number, name: string, message: string, more: Partial<ErrorFrame> = {}): void {
    this.ended = true
    if (this.#socket.readyState === this.#socket.OPEN) {
      this.log.warn({ code: name, reason: message }, 'session closed by the hub')
      this.#socket.send(JSON.stringify({ type: 'error', code: name, message, ...more }))
    }
    this.close(code, message)
  }

  /** Ends the session with a close code alone. */
  close(code: number, reason: string): void {
    this.ended = true
    this.#socket.close(code, shortened(reason))
    this.#onEnded()
  }

  /** The socket is closed. */
  stop(): void {
    clearTimeout(this.#closeTimer)
  }
}

/** A close reason may take 123 bytes (RFC 6455 §5.5). */
function shortened(reason: string): string {
  let text = reason.slice(0, 120)
  while (Buffer.byteLength(text) > 123) text = text.slice(0, -1)
  return text
}
