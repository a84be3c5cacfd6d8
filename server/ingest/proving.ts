import type { Duplex } from 'node:stream'
import type { FastifyBaseLogger } from 'fastify'
import type { WebSocket } from 'ws'
import { closeCodes } from '../../collector/wire/frames.ts'
import { handshakeLimits } from '../../collector/wire/handshake.ts'
import type { Knock, RefusalReason } from '../enrolment/plugin.ts'
import type { Hello } from './greeting.ts'
import { readTextFrame } from './schema.ts'

/** A collector that has proven itself; its socket is paused until its session begins. */
export interface Proven {
  /** The hello as it came. */
  readonly hello: Buffer
  /** Tells when its enrolment ends. Returns how to stop. */
  readonly onEnded: (listener: (reason: string) => void) => () => void
}

/**
 * Sends the challenge and reads hello and proof, within 5 s and 64 KiB; whatever else comes is a refusal. Resolves to undefined
 * when it was refused or went away, with the socket closing; never rejects.
 */
export async function proveCollector(
  webSocket: WebSocket,
  socket: Duplex,
  knock: Knock,
  log: FastifyBaseLogger,
): Promise<Proven | undefined> {
  try {
    const proven = await new UnprovenConnection(webSocket, socket, knock, log).outcome
    return webSocket.readyState === webSocket.OPEN ? proven : undefined
  } finally {
    knock.leave()
  }
}

class UnprovenConnection {
  readonly outcome: Promise<Proven | undefined>
  readonly #webSocket: WebSocket
  readonly #socket: Duplex
  readonly #knock: Knock
  readonly #log: FastifyBaseLogger
  readonly #timer: NodeJS.Timeout
  #settle: (proven: Proven | undefined) => void = () => undefined
  #hello: { readonly frame: Hello; readonly bytes: Buffer } | undefined
  #bytes = 0
  #over = false

  constructor(webSocket: WebSocket, socket: Duplex, knock: Knock, log: FastifyBaseLogger) {
    this.#webSocket = webSocket
    this.#socket = socket
    this.#knock = knock
    this.#log = log
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve
    })
    webSocket.on('message', this.#onMessage)
    webSocket.on('close', this.#onClose)
    webSocket.on('error', this.#onError)
    socket.on('data', this.#onData)
    this.#timer = setTimeout(
      () => this.#refuse('no_proof', closeCodes.badFrame, 'no proof within 5 s'),
      handshakeLimits.withinMilliseconds,
    )
    webSocket.send(JSON.stringify(knock.challenge))
    knock.onOvertaken(this.#onOvertaken)
  }

  readonly #onMessage = (data: unknown, isBinary: boolean) => {
    // Without fragments and array buffers a message is a Buffer.
    const bytes = data as Buffer
    if (this.#over) return
    const frame = isBinary ? undefined : readTextFrame(bytes.toString('utf8'))
    if (frame === undefined || 'fault' in frame) {
      const fault = frame === undefined ? 'a binary frame before the proof' : frame.fault
      this.#refuse('bad_frame', closeCodes.badFrame, fault)
    } else if (frame.type === 'hello' && this.#hello === undefined) {
      this.#hello = { frame, bytes }
    } else if (frame.type === 'proof' && this.#hello !== undefined) {
      const { frame: hello, bytes: helloBytes } = this.#hello
      this.#over = true
      this.#webSocket.pause()
      this.#knock.answer({ hello, bytes: helloBytes, proof: frame }).then(
        (answer) => {
          if (answer.kind === 'refused') this.#tell(answer.reason, answer.message)
          else
            this.#finish({
              hello: helloBytes,
              onEnded: (listener) => this.#knock.connected(listener),
            })
        },
        (err: unknown) => {
          this.#log.error({ err }, 'a proof could not be judged')
          this.#tell('internal', 'an internal error; its detail is in the hub’s log', 1011)
        },
      )
    } else
      this.#refuse('bad_frame', closeCodes.badFrame, 'hello comes first, then the proof, once each')
  }

  /** What a stranger sends is not kept: the limit of a session's frames is for those who are known. */
  readonly #onData = (chunk: Buffer) => {
    this.#bytes += chunk.length
    if (this.#bytes <= handshakeLimits.unprovenBytes || this.#over) return
    this.#knock.failed('bad_frame')
    this.#over = true
    this.#webSocket.terminate()
  }

  /** Its place is another's now, so that it may not linger. */
  readonly #onOvertaken = () => {
    if (this.#over) return
    this.#knock.failed('no_proof')
    this.#over = true
    this.#webSocket.terminate()
    this.#finish(undefined)
  }

  readonly #onClose = (code: number) => {
    if (!this.#over) {
      this.#knock.failed(code === closeCodes.hubNotProven ? 'hub_not_trusted' : 'no_proof')
      this.#over = true
    }
    this.#finish(undefined)
  }

  readonly #onError = (err: Error) => this.#log.warn({ err }, 'a socket failed before its proof')

  #refuse(reason: RefusalReason, code: number, message: string): void {
    if (this.#over) return
    this.#over = true
    this.#knock.failed(reason)
    this.#tell(reason, message, code)
  }

  #tell(reason: string, message: string, code?: number): void {
    const socket = this.#webSocket
    if (socket.readyState === socket.OPEN)
      socket.send(JSON.stringify({ type: 'error', code: reason, message }))
    const isWrongProof = reason === 'bad_proof' || reason === 'replayed'
    socket.close(
      code ?? (isWrongProof ? closeCodes.unauthorized : closeCodes.forbidden),
      shortened(message),
    )
    socket.resume()
    this.#finish(undefined)
  }

  #finish(proven: Proven | undefined): void {
    clearTimeout(this.#timer)
    this.#webSocket.off('message', this.#onMessage)
    this.#socket.off('data', this.#onData)
    if (proven !== undefined) {
      this.#webSocket.off('close', this.#onClose)
      this.#webSocket.off('error', this.#onError)
    }
    this.#settle(proven)
  }
}

/** A close reason may take 123 bytes (RFC 6455 §5.5). */
function shortened(reason: string): string {
  let text = reason.slice(0, 120)
  while (Buffer.byteLength(text) > 123) text = text.slice(0, -1)
  return text
}
