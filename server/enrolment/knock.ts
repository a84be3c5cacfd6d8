import { randomBytes } from 'node:crypto'
import {
  type BindingKind,
  type Challenge,
  collectorTranscript,
  enrolmentScheme,
  handshakeLimits,
  hubTranscript,
  nextLinkMessage,
  type Proof,
} from '../../collector/wire/handshake.ts'
import type { Enrolment } from './enrolment-store.ts'
import { fromBase64url, type HubKey, hmac, isSignedBy, sameBytes, sha256 } from './keys.ts'

const noLink = Buffer.alloc(handshakeLimits.linkBytes)

/** The enrolment and nonce that an upgrade names; undefined when it comes by another scheme, `malformed` when it cannot be read. */
export function knockOf(
  authorization: string | undefined,
): { readonly enrolment: string; readonly nonce: Buffer } | 'malformed' | undefined {
  const [scheme, id, nonce, more] = (authorization ?? '').trim().split(/\s+/)
  if (scheme?.toLowerCase() !== enrolmentScheme.toLowerCase()) return undefined
  const isGood =
    more === undefined &&
    /^[0-9a-f-]{36}$/.test(id ?? '') &&
    /^[A-Za-z0-9_-]{43}$/.test(nonce ?? '')
  return isGood ? { enrolment: id!, nonce: fromBase64url(nonce!) } : 'malformed'
}

/** What a proof shows once its signature is right. */
export interface Shown {
  readonly counter: number
  readonly linkKnown: boolean
  /** The link of this session, should it be admitted. */
  readonly nextLink: string
}

/** The challenge of one connection, and the check of its answer. Decides nothing. */
export class ChallengedConnection {
  readonly challenge: Challenge
  readonly #enrolment: Enrolment
  readonly #transcript: Uint8Array
  readonly #collectorNonce: Uint8Array
  readonly #hubNonce = randomBytes(handshakeLimits.nonceBytes)
  readonly #link: Buffer
  readonly #resync: boolean

  constructor(
    key: HubKey,
    enrolment: Enrolment,
    collectorNonce: Uint8Array,
    binding: { readonly kind: BindingKind; readonly bytes: Uint8Array },
  ) {
    this.#enrolment = enrolment
    this.#collectorNonce = collectorNonce
    this.#link = fromBase64url(enrolment.link)
    this.#resync = enrolment.resync
    const { counter } = enrolment
    const link = sha256(this.#link)
    this.#transcript = hubTranscript({
      enrolment: enrolment.id,
      collectorKey: fromBase64url(enrolment.publicKey),
      hubKey: fromBase64url(key.publicKey),
      collectorNonce,
      hubNonce: this.#hubNonce,
      binding: binding.kind,
      bindingBytes: binding.bytes,
      counter,
      link,
      resync: this.#resync,
    })
    this.challenge = {
      type: 'challenge',
      protocol: 2,
      nonce: this.#hubNonce.toString('base64url'),
      hubKey: key.publicKey,
      binding: binding.kind,
      counter,
      link: link.toString('base64url'),
      resync: this.#resync,
      signature: key.sign(this.#transcript),
    }
  }

  /** What the proof shows; undefined when it is not signed by the enrolment's key over this very connection. */
  check(hello: Uint8Array, proof: Proof): Shown | undefined {
    const linkProof = fromBase64url(proof.linkProof)
    const message = collectorTranscript({
      hub: this.#transcript,
      helloHash: sha256(hello),
      counter: proof.counter,
      linkProof,
      machine: proof.machine,
    })
    if (!isSignedBy(this.#enrolment.publicKey, message, proof.signature)) return undefined
    const secret = this.#resync ? noLink : this.#link
    return {
      counter: proof.counter,
      linkKnown: sameBytes(hmac(this.#link, this.#transcript), linkProof),
      nextLink: hmac(secret, nextLinkMessage(this.#collectorNonce, this.#hubNonce)).toString(
        'base64url',
      ),
    }
  }
}
