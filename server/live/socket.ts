import type { Duplex } from 'node:stream'
import type { FastifyBaseLogger } from 'fastify'
import { type RawData, WebSocket } from 'ws'
import type { Clock, Millis } from '../clock.ts'
import { step } from './connection.ts'
import type { Connection, LiveAction, LiveInput } from './connection-state.ts'
import type { LiveMetrics } from './live-metrics.ts'
import type { WaitingReceipt } from './receipts.ts'
import type { AcknowledgeTarget, QueuedMessage } from './schema.ts'

/** What a socket needs of the hub. */
export interface SocketDuties {
  readonly clock: Clock
  readonly log: FastifyBaseLogger
  readonly metrics: LiveMetrics
  read(personId: string, after: number, limit: number): Promise<QueuedMessage[]>
  readHead(personId: string): Promise<number>
  /** Takes a receipt to be written soon. */
  receipt(receipt: WaitingReceipt): void
  /** Resolves when it is committed. */
  acknowledge(target: AcknowledgeTarget, person: Connection['person']): Promise<void>
  /** What of an error the client may see. */
  shown(error: unknown): { readonly code: string; readonly message: string }
}

/** The thin edge of one socket: hands what happens to the pure state machine and does what it says. */
export class LiveSocket {
  readonly openedAt: Millis
  readonly #socket: WebSocket
  readonly #wire: Pick<Duplex, 'cork' | 'uncork'>
  readonly #duties: SocketDuties
  #connection: Connection

  /** `wire`: what the frames are written to. */
  constructor(
    socket: WebSocket,
    wire: Pick<Duplex, 'cork' | 'uncork'>,
    connection: Connection,
    duties: SocketDuties,
  ) {
    this.#socket = socket
    this.#wire = wire
    this.#connection = connection
    this.#duties = duties
    this.openedAt = duties.clock.now()
    socket.on('message', (data, binary) => this.#arrived(data, binary))
    socket.on('pong', () => this.offer({ kind: 'pong' }))
    socket.on('error', (error: NodeJS.ErrnoException) => this.#failed(error))
  }

  /** The connection as it is now. */
  get connection(): Connection {
    return this.#connection
  }

  /** Sends a text outside the state machine: the welcome. */
  greet(text: string): void {
    this.#socket.send(text)
  }

  /** Feeds one input; never throws. */
  offer(input: LiveInput): void {
    try {
      const [connection, actions] = step(this.#connection, input)
      this.#connection = connection
      this.#run(actions)
    } catch (error) {
      this.#duties.log.error({ err: error, input: input.kind }, 'a live connection failed')
      this.#socket.close(1011, 'internal error; connect again and resume')
    }
  }

  /** For the heartbeat: what waits in the socket counts as news of the client. */
  tick(): void {
    this.offer({ kind: 'tick', bufferedBytes: this.#socket.bufferedAmount })
  }

  /** There may be something to send: a commit, or the sweep. */
  wake(): void {
    this.offer({
      kind: 'wake',
      at: this.#duties.clock.monotonic(),
      bufferedBytes: this.#socket.bufferedAmount,
    })
  }

  hint(topic: string): void {
    this.offer({ kind: 'hint', topic, bufferedBytes: this.#socket.bufferedAmount })
  }

  terminate(): void {
    this.#socket.terminate()
  }

  #arrived(data: RawData, binary: boolean): void {
    const at = this.#duties.clock.monotonic()
    if (binary) this.offer({ kind: 'binary', at })
    // With the default binaryType a message arrives as one Buffer.
    else this.offer({ kind: 'frame', text: (data as Buffer).toString('utf8'), at })
  }

  #failed(error: NodeJS.ErrnoException): void {
    const tooLarge = error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'
    if (tooLarge) this.#duties.metrics.refused('frame_too_large')
    this.#duties.log.debug({ err: error }, 'a live socket failed')
  }

  #run(actions: readonly LiveAction[]): void {
    const lastSend = actions.findLastIndex(({ kind }) => kind === 'send')
    // All frames of one step are one write to the system.
    if (actions.length > 1) this.#wire.cork()
    try {
      for (const [index, action] of actions.entries()) this.#do(action, index === lastSend)
    } finally {
      if (actions.length > 1) this.#wire.uncork()
    }
    if (lastSend >= 0) this.offer({ kind: 'buffered', bytes: this.#socket.bufferedAmount })
  }

  #do(action: LiveAction, isLastSend: boolean): void {
    switch (action.kind) {
      case 'send':
        this.#send(action.text, action.message, isLastSend)
        break
      case 'read':
        this.#read(action.after, action.limit)
        break
      case 'readHead':
        this.#readHead()
        break
      case 'acknowledge':
        this.#acknowledge(action.target, action.person)
        break
      case 'receipt':
        this.#receipt(action)
        break
      case 'ping':
        if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping()
        break
      case 'refused':
        this.#duties.metrics.refused(action.reason)
        break
      case 'close':
        this.#socket.close(action.code, action.reason)
        break
      case 'terminate':
        this.#socket.terminate()
    }
  }

  #send(text: string, message: string | undefined, isLast: boolean): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return
    if (message !== undefined) this.#duties.metrics.sent(message)
    // The callback of the last one tells that the system took everything before it too.
    if (isLast)
      this.#socket.send(text, () =>
        this.offer({ kind: 'buffered', bytes: this.#socket.bufferedAmount }),
      )
    else this.#socket.send(text)
  }

  #readHead(): void {
    const head = this.#duties.readHead(this.#connection.person.id)
    this.#await(head.then((sequence) => ({ kind: 'head', sequence })))
  }

  #read(after: number, limit: number): void {
    this.#await(
      this.#duties.read(this.#connection.person.id, after, limit).then((messages) => ({
        kind: 'page',
        messages,
        bufferedBytes: this.#socket.bufferedAmount,
        at: this.#duties.clock.monotonic(),
      })),
    )
  }

  #await(input: Promise<LiveInput>): void {
    input.then(
      (read) => this.offer(read),
      (error: unknown) => {
        this.#duties.log.error(
          { err: error },
          'a live queue could not be read; the next sweep tries again',
        )
        this.#duties.metrics.refused('read_failed')
        this.offer({ kind: 'readFailed' })
      },
    )
  }

  #receipt({ receipt: kind, after, upTo }: LiveAction & { kind: 'receipt' }): void {
    const { clock, receipt } = this.#duties
    const principalId = this.#connection.person.id
    receipt({ principalId, kind, after, upTo, at: clock.now() })
  }

  #acknowledge(target: AcknowledgeTarget, person: Connection['person']): void {
    this.#duties.acknowledge(target, person).then(
      () => this.offer({ kind: 'answered', target }),
      (error: unknown) =>
        this.offer({ kind: 'answered', target, failure: this.#duties.shown(error) }),
    )
  }
}
