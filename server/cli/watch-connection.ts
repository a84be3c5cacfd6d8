import { WebSocket } from 'ws'
import { type Hub, refusal, unreachable } from './hub.ts'
import { isOwnMachine } from './loopback-fetch.ts'

/** A frame from the hub, parsed. */
export type LiveFrame = Readonly<Record<string, unknown>> & { readonly type: string }

/** What happens to the connection, in order. */
export type FollowEvent =
  | { readonly kind: 'frame'; readonly frame: LiveFrame }
  /** Welcomed; after a loss everything missed follows. */
  | { readonly kind: 'open'; readonly again: boolean }
  | { readonly kind: 'lost'; readonly reason: string }
  /** After a loss: everything up to the welcome has arrived. */
  | { readonly kind: 'back'; readonly missed: number; readonly afterMs: number }
  /** The queue could not give everything: what is known must be loaded anew. */
  | { readonly kind: 'stale' }
  /** Over: it would not help to try again. */
  | { readonly kind: 'over'; readonly message: string }

const silenceMs = 40_000
const firstWaitMs = 500
const longestWaitMs = 15_000
const receiptMs = 100
/** Receipts said again after a loss: the hub may have ended before it stored them. */
const repeatedMessages = 1000
const repeatedPages = 100
const finalCodes: ReadonlyMap<number, string> = new Map([
  [
    4401,
    'The hub ended the session: the token was revoked or expired, or the person was disabled. Sign in with another token.',
  ],
  [4403, 'The role of this token was changed; it may not follow alerts any more.'],
  [4400, 'The hub does not understand this program; use the same version as the hub.'],
])

/** Keeps one /live connection: reconnects with back-off and resumes after the last message seen. */
export class LiveFollower {
  readonly #url: string
  readonly #token: string
  readonly #tokenFrom: string
  readonly #tell: (event: FollowEvent) => void
  #socket: WebSocket | undefined
  /** Newest sequence seen; undefined before the first welcome. */
  #position: number | undefined
  /** Position at which this follower began; nothing up to here was received by it. */
  #began = 0
  #newest = 0
  /** Newest pages whose lines were written, and those of them not said yet. */
  #shown: readonly number[] = []
  #toSay: number[] = []
  #catchUpTo: number | undefined
  #missed = 0
  /** Since when there is no connection, monotonic; undefined while there is one. */
  #lostAt: number | undefined
  #waitMs = firstWaitMs
  #silence: NodeJS.Timeout | undefined
  #retry: NodeJS.Timeout | undefined
  #receipt: NodeJS.Timeout | undefined
  #over = false

  constructor(hub: Pick<Hub, 'url' | 'token' | 'tokenFrom'>, tell: (event: FollowEvent) => void) {
    this.#url = hub.url
    this.#token = hub.token
    this.#tokenFrom = hub.tokenFrom
    this.#tell = tell
  }

  /** Connects; everything else is told by events. */
  start(): void {
    const socket = new WebSocket(`${this.#url.replace(/^http/, 'ws')}/live`, {
      headers: { authorization: `Bearer ${this.#token}` },
      handshakeTimeout: 15_000,
      perMessageDeflate: false,
      ...(isOwnMachine(this.#url) ? { rejectUnauthorized: false } : {}),
    })
    this.#socket = socket
    let failure: Error | undefined
    socket.on('message', (data) => this.#arrived(String(data)))
    socket.on('ping', () => this.#heard())
    socket.on('error', (error) => {
      failure = error
    })
    socket.on('unexpected-response', (_request, response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () => {
        this.#refused(response.statusCode ?? 0, Buffer.concat(parts).toString('utf8'))
        socket.terminate()
      })
    })
    socket.on('close', (code, reason) => this.#closed(code, String(reason), failure))
  }

  /** Sends a frame; false when there is no connection now. */
  send(frame: unknown): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false
    this.#socket.send(JSON.stringify(frame))
    return true
  }

  /** Says soon that the message was shown to the person; said again after a loss. */
  displayed(sequence: number): void {
    this.#shown = [...this.#shown, sequence].slice(-repeatedPages)
    this.#toSay.push(sequence)
    this.#sayLater()
  }

  stop(): void {
    this.#sayReceipts()
    this.#over = true
    for (const timer of [this.#silence, this.#retry, this.#receipt]) clearTimeout(timer)
    this.#socket?.close(1000)
    // No waiting for the hub's answer: the receipt it has is enough.
    setTimeout(() => this.#socket?.terminate(), 200).unref()
  }

  #arrived(text: string): void {
    if (this.#over) return
    this.#heard()
    let frame: LiveFrame
    try {
      // The hub's frames have a type each (docs/live.md); unknown ones are shown to nobody.
      frame = JSON.parse(text) as LiveFrame
    } catch {
      this.#finish('What answers is not a Callward hub of this version. Check --hub.')
      return
    }
    if (frame.type === 'welcome') this.#welcomed(frame)
    else if (frame.type === 'message') this.#message(frame)
    else {
      this.#tell({ kind: 'frame', frame })
      if (frame.code === 'resume_ahead' || frame.code === 'messages_pruned')
        this.#stale(String(frame.code))
    }
  }

  #welcomed(frame: LiveFrame): void {
    const newest = Number(frame.sequence)
    const position = this.#position
    this.#waitMs = firstWaitMs
    this.#tell({ kind: 'frame', frame })
    this.#tell({ kind: 'open', again: position !== undefined })
    this.#newest = newest
    this.#position = position ?? newest
    this.send({ type: 'subscribe', ...(position === undefined ? {} : { resume: position }) })
    if (position === undefined) {
      this.#began = newest
      return
    }
    // A hub behind us was restored from a copy: its numbers are other messages.
    if (position <= newest) this.#repeatReceipts(position)
    this.#missed = Math.max(0, newest - position)
    this.#catchUpTo = newest
    this.#caughtUp()
  }

  #message(frame: LiveFrame): void {
    const sequence = Number(frame.sequence)
    // The hub sends each once a connection; this keeps it so should a hub ever not.
    if (this.#position !== undefined && sequence <= this.#position) return
    this.#position = sequence
    this.#tell({ kind: 'frame', frame })
    this.#sayLater()
    this.#caughtUp()
  }

  #sayLater(): void {
    if (!this.#over) this.#receipt ??= setTimeout(() => this.#sayReceipts(), receiptMs)
  }

  #sayReceipts(): void {
    if (this.#receipt === undefined) return
    clearTimeout(this.#receipt)
    this.#receipt = undefined
    this.send({ type: 'received', sequence: this.#position })
    // What cannot be sent now is said after the connection is back.
    for (const sequences of hundreds(this.#toSay)) this.send({ type: 'displayed', sequences })
    this.#toSay = []
  }

  #repeatReceipts(position: number): void {
    const after = Math.max(this.#began, position - repeatedMessages)
    if (position > after) this.send({ type: 'received', sequence: position, after })
    for (const sequences of hundreds(this.#shown)) this.send({ type: 'displayed', sequences })
  }

  #caughtUp(): void {
    if (this.#catchUpTo === undefined || (this.#position ?? 0) < this.#catchUpTo) return
    this.#catchUpTo = undefined
    const afterMs = performance.now() - (this.#lostAt ?? performance.now())
    this.#lostAt = undefined
    this.#tell({ kind: 'back', missed: this.#missed, afterMs })
  }

  #stale(code: string): void {
    // A restored hub counts from an older number: whatever it sends next is new.
    if (code === 'resume_ahead') {
      this.#position = 0
      this.#began = this.#newest
      this.#shown = []
      this.#toSay = []
    }
    this.#tell({ kind: 'stale' })
  }

  #refused(status: number, body: string): void {
    if (status === 401 || status === 403 || status === 404 || status === 421) {
      this.#finish(
        status === 404
          ? `There is no /live at ${this.#url}; is that a Callward hub? Check --hub.`
          : refusal(status, body, this.#tokenFrom),
      )
    } else if (this.#position === undefined) this.#finish(refusal(status, body, this.#tokenFrom))
  }

  #closed(code: number, reason: string, failure: Error | undefined): void {
    clearTimeout(this.#silence)
    if (this.#over) return
    const final = finalCodes.get(code)
    if (final !== undefined) this.#finish(final)
    else if (this.#position === undefined) {
      this.#finish(unreachable(this.#url, failure ?? new Error(reason)))
    } else this.#tryAgain(reason || failure?.message || `close code ${code}`)
  }

  #tryAgain(reason: string): void {
    if (this.#lostAt === undefined) {
      this.#lostAt = performance.now()
      this.#tell({ kind: 'lost', reason })
    }
    // Between half and the whole wait, so that many terminals do not come back at one moment.
    const waitMs = this.#waitMs * (0.5 + Math.random() / 2)
    this.#waitMs = Math.min(longestWaitMs, this.#waitMs * 2)
    this.#retry = setTimeout(() => this.start(), waitMs)
  }

  #finish(message: string): void {
    if (this.#over) return
    this.stop()
    this.#tell({ kind: 'over', message })
  }

  #heard(): void {
    clearTimeout(this.#silence)
    this.#silence = setTimeout(() => this.#socket?.terminate(), silenceMs)
  }
}

/** As many numbers as one frame may name. */
function hundreds(numbers: readonly number[]): number[][] {
  return Array.from({ length: Math.ceil(numbers.length / 100) }, (_, index) =>
    numbers.slice(index * 100, (index + 1) * 100),
  )
}
