import { createHash, type KeyObject, randomBytes } from 'node:crypto'
import {
  type Challenge,
  collectorTranscript,
  enrolmentScheme,
  handshakeLimits,
  hubTranscript,
  nextLinkMessage,
  type Proof,
} from '../wire/handshake.ts'
import { bindingOf, type Channel } from './channel.ts'
import type { EnrolmentFile } from './files.ts'
import {
  fingerprintOf,
  fromBase64url,
  hmac,
  isSignedBy,
  privateKeyFrom,
  publicKeyOf,
  sha256,
  signed,
  toBase64url,
} from './keys.ts'
import { type Link, type SessionCountFile, withTried } from './session-count.ts'

/** Who answers has not proven to be the hub that this collector was enrolled with; the message says why. */
export class HubNotProven extends Error {}

/** One session's proof of both sides. */
export interface Handshake {
  /** The `Authorization` header of the upgrade; it holds no secret. */
  readonly authorization: string
  /** The proof that follows `hello`, once the hub has proven itself. Throws HubNotProven, after which nothing may be sent. */
  prove(challenge: Challenge, hello: string, channel: Channel): Proof
  /** The hub took the proof. */
  welcomed(): void
}

/** What a session needs to prove who it is. */
export interface SessionKey {
  begin(): Handshake
}

export interface SessionKeyOptions {
  readonly enrolment: EnrolmentFile
  readonly count: SessionCountFile
  /** This machine's fingerprint under the enrolment's salt. */
  readonly machine: Readonly<Record<string, string>>
  /** Told when the count could not be written: the session goes on. */
  readonly onUnsaved: (error: unknown) => void
}

/** Makes the handshakes of one enrolled collector, one at a time. */
export function sessionKey(options: SessionKeyOptions): SessionKey {
  const privateKey = privateKeyFrom(options.enrolment.privateKey)
  return {
    begin() {
      options.count.refresh()
      return new KeyHandshake(options, privateKey)
    },
  }
}

class KeyHandshake implements Handshake {
  readonly #options: SessionKeyOptions
  readonly #privateKey: KeyObject
  readonly #nonce = randomBytes(handshakeLimits.nonceBytes)
  #next: Link | undefined

  constructor(options: SessionKeyOptions, privateKey: KeyObject) {
    this.#options = options
    this.#privateKey = privateKey
  }

  get authorization(): string {
    return `${enrolmentScheme} ${this.#options.enrolment.enrolment} ${toBase64url(this.#nonce)}`
  }

  prove(challenge: Challenge, hello: string, channel: Channel): Proof {
    const transcript = this.#proven(challenge, channel)
    const { count } = this.#options.count
    const held = heldBy(challenge, [count.current, ...count.tried])
    // A copy that was left behind says what it knows; what that means is the hub's to judge.
    const from = held ?? newest([count.current, ...count.tried])
    if (held !== undefined || challenge.resync) this.#advance(challenge, from)
    const linkProof = hmac(fromBase64url(from.link), transcript)
    const { machine } = this.#options
    const message = collectorTranscript({
      hub: transcript,
      helloHash: createHash('sha256').update(hello).digest(),
      counter: from.counter,
      linkProof,
      machine,
    })
    return {
      type: 'proof',
      counter: from.counter,
      linkProof: toBase64url(linkProof),
      machine,
      signature: signed(this.#privateKey, message),
    }
  }

  welcomed(): void {
    if (this.#next === undefined) return
    this.#save({ current: this.#next, tried: [] })
  }

  /** The hub's transcript, once its signature has been seen to be right. */
  #proven(challenge: Challenge, channel: Channel): Uint8Array {
    const { enrolment } = this.#options
    if (challenge.hubKey !== enrolment.hubKey) {
      const [theirs, ours] = [challenge.hubKey, enrolment.hubKey].map((key) =>
        fingerprintOf(fromBase64url(key)),
      )
      throw new HubNotProven(
        `who answers has the key ${theirs}, this collector was enrolled with ${ours}: another hub is at this address, or the hub lost its key`,
      )
    }
    const binding = bindingOf(challenge.binding, channel)
    if (typeof binding === 'string') throw new HubNotProven(binding)
    const hubKey = fromBase64url(enrolment.hubKey)
    const transcript = hubTranscript({
      enrolment: enrolment.enrolment,
      collectorKey: publicKeyOf(this.#privateKey),
      hubKey,
      collectorNonce: this.#nonce,
      hubNonce: fromBase64url(challenge.nonce),
      binding: challenge.binding,
      bindingBytes: binding,
      counter: challenge.counter,
      link: fromBase64url(challenge.link),
      resync: challenge.resync,
    })
    if (!isSignedBy(hubKey, transcript, challenge.signature)) {
      throw new HubNotProven(
        'the hub’s signature is not of this connection: somebody stands between, or a proxy ends TLS and the hub does not know (hub.behindTlsProxy)',
      )
    }
    return transcript
  }

  /** Keeps the link of this session before the hub can have it. */
  #advance(challenge: Challenge, from: Link): void {
    const { resync } = challenge
    const secret = resync ? Buffer.alloc(handshakeLimits.linkBytes) : fromBase64url(from.link)
    const next = hmac(secret, nextLinkMessage(this.#nonce, fromBase64url(challenge.nonce)))
    const counter = (resync ? Math.max(challenge.counter, from.counter) : from.counter) + 1
    this.#next = { counter, link: toBase64url(next) }
    this.#save(withTried(this.#options.count.count, this.#next))
  }

  #save(change: { readonly current?: Link; readonly tried: readonly Link[] }): void {
    const { count, onUnsaved } = this.#options
    try {
      count.save({ ...count.count, ...change, tried: [...change.tried] })
    } catch (error) {
      onUnsaved(error)
    }
  }
}

/** The link that the hub says it holds, if it is one of ours. */
function heldBy({ counter, link }: Challenge, ours: readonly Link[]): Link | undefined {
  return ours.find(
    (one) => one.counter === counter && toBase64url(sha256(fromBase64url(one.link))) === link,
  )
}

function newest(links: readonly Link[]): Link {
  return links.reduce((best, one) => (one.counter > best.counter ? one : best))
}
