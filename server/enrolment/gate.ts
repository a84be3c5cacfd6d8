import type { IncomingMessage } from 'node:http'
import { CallwardError } from '../errors.ts'
import type { RefusalReason } from './enrolment.ts'
import type { Enrolment } from './enrolment-store.ts'
import type { HalfOpen } from './half-open.ts'
import type { HubKey } from './keys.ts'
import { ChallengedConnection, knockOf } from './knock.ts'
import type { Knock } from './plugin.ts'
import type { Registry } from './registry.ts'
import { bindingOf, transportOf } from './transport.ts'

export interface GateOptions {
  readonly registry: Registry
  readonly key: HubKey
  readonly halfOpen: HalfOpen
  readonly behindTlsProxy: boolean
}

interface Knocking {
  readonly from: string
  /** Ends it, and gives its place back, unless its proof is being judged. */
  readonly overtaken: () => void
}

/** What upgrades of `/session` pass before anything is read of them. */
export class Gate {
  readonly #options: GateOptions
  /** The one connection of each enrolment that is being proven: a newer one takes its place. */
  readonly #knocking = new Map<string, Knocking>()
  /** The newest session of each enrolment. */
  readonly #open = new Map<Enrolment, () => void>()

  constructor(options: GateOptions) {
    this.#options = options
  }

  isConnected(enrolment: Enrolment): boolean {
    return this.#open.has(enrolment)
  }

  /** Throws `forbidden` for a request whose secrets others could read on its way. */
  requireSafe(request: IncomingMessage): void {
    const { registry, behindTlsProxy } = this.#options
    if (transportOf(request, behindTlsProxy).kind !== 'open') return
    registry.refused(undefined, 'insecure', addressOf(request))
    throw insecure()
  }

  /** Undefined when the upgrade comes by another scheme. Throws what the caller is to be told. */
  knock(request: IncomingMessage): Knock | undefined {
    const { registry, key, halfOpen, behindTlsProxy } = this.#options
    const knock = knockOf(request.headers.authorization)
    if (knock === undefined) return undefined
    const from = addressOf(request)
    const refuse = (reason: RefusalReason, error: CallwardError): never => {
      registry.refused(undefined, reason, from)
      throw error
    }
    const enrolment = knock === 'malformed' ? undefined : registry.get(knock.enrolment)
    if (knock === 'malformed' || enrolment === undefined)
      return refuse('unknown', new CallwardError('unauthorized', unknownText))
    const binding = bindingOf(transportOf(request, behindTlsProxy))
    if (binding === undefined) return refuse('insecure', insecure())
    const former = this.#knocking.get(enrolment.id)
    let leave = halfOpen.enter(from)
    if (leave === undefined && former?.from === from) {
      former.overtaken()
      leave = halfOpen.enter(from)
    }
    if (leave === undefined)
      return refuse('too_many_half_open', new CallwardError('too_many_requests', busyText))
    const connection = new ChallengedConnection(key, enrolment, knock.nonce, binding)
    return this.#knockFor(enrolment, connection, from, leave)
  }

  #knockFor(
    enrolment: Enrolment,
    connection: ChallengedConnection,
    from: string,
    leave: () => void,
  ): Knock {
    const { registry } = this.#options
    let [isNewest, isJudged] = [true, false]
    let tell: () => void = () => undefined
    this.#knocking.get(enrolment.id)?.overtaken()
    const overtaken = () => {
      isNewest = false
      if (isJudged) return
      leave()
      tell()
    }
    const knocking = { from, overtaken }
    this.#knocking.set(enrolment.id, knocking)
    return {
      challenge: connection.challenge,
      onOvertaken: (listener) => {
        tell = listener
        if (!isNewest) listener()
      },
      answer: async (sent) => {
        // What it proves was asked of another connection in the meantime.
        if (!isNewest) return { kind: 'refused', reason: 'no_proof', message: overtakenText }
        isJudged = true
        const answer = await registry.answer(enrolment, connection, sent)
        if (answer.kind === 'refused') registry.refused(enrolment, answer.reason, from)
        return answer
      },
      failed: (reason) => registry.refused(enrolment, reason, from),
      leave: () => {
        leave()
        if (this.#knocking.get(enrolment.id) === knocking) this.#knocking.delete(enrolment.id)
      },
      connected: (listener) => this.#connected(enrolment, listener),
    }
  }

  #connected(enrolment: Enrolment, listener: (reason: string) => void): () => void {
    const stop = this.#options.registry.onEnded(enrolment.id, listener)
    this.#open.set(enrolment, stop)
    // It may have ended while its count was being written.
    if (enrolment.state !== 'active') listener('The enrolment has ended.')
    return () => {
      stop()
      if (this.#open.get(enrolment) === stop) this.#open.delete(enrolment)
    }
  }
}

/** What is said to whom comes in the clear from elsewhere. */
export function insecure(): CallwardError {
  return new CallwardError(
    'forbidden',
    'This connection is not protected by TLS 1.3, which collectors need off the hub’s own machine. Set hub.tls (CALLWARD_TLS_CERTIFICATE, CALLWARD_TLS_KEY), or hub.behindTlsProxy where a proxy ends TLS.',
  )
}

const unknownText =
  'This hub does not know this enrolment. Enrol the host again; on the hub: callward enrol'
const busyText =
  'Too many collectors are proving themselves at once; this one comes back by itself.'
const overtakenText = 'Another connection of this collector came meanwhile.'

function addressOf(request: IncomingMessage): string {
  return request.socket.remoteAddress ?? ''
}
