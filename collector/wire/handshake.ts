/**
 * What an enrolled collector and its hub sign to prove themselves to each other (docs/protocol.md, "Version 2"). Layouts only:
 * who calls holds the keys.
 */

/** `Authorization: Callward-Enrolment ID NONCE` at the upgrade of `/session`: names an enrolment and proves nothing yet. */
export const enrolmentScheme = 'Callward-Enrolment'

export const handshakeLimits = {
  nonceBytes: 32,
  keyBytes: 32,
  signatureBytes: 64,
  linkBytes: 32,
  /** From the upgrade to the proof. */
  withinMilliseconds: 5000,
  /** Bytes of hello and proof together, before anything is proven. */
  unprovenBytes: 64 * 1024,
  /** Facts of one machine's fingerprint. */
  machineFacts: 16,
} as const

/**
 * How a session is tied to what carries it: `tls-exporter` to the very TLS connection (RFC 9266), `tls-proxy` to the certificate
 * of a proxy that ends TLS, `local` to nothing, as it never leaves the machine.
 */
export type BindingKind = 'tls-exporter' | 'tls-proxy' | 'local'

/** First frame of a session of version 2, hub to collector. Binary members are base64url without padding. */
export interface Challenge {
  readonly type: 'challenge'
  readonly protocol: number
  /** 32 random bytes. */
  readonly nonce: string
  /** The hub's public key, 32 bytes. */
  readonly hubKey: string
  readonly binding: BindingKind
  /** Sessions that the hub has seen of this enrolment. */
  readonly counter: number
  /** SHA-256 of the link that the hub holds. */
  readonly link: string
  /** The hub was restored, or told to take this collector's count: its own may be behind. */
  readonly resync: boolean
  /** Of the hub's transcript. */
  readonly signature: string
}

/** Follows the hello in a session of version 2, collector to hub. */
export interface Proof {
  readonly type: 'proof'
  /** Sessions that the collector knows of. */
  readonly counter: number
  /** HMAC-SHA-256 of the hub's transcript under the link that belongs to `counter`. */
  readonly linkProof: string
  /** Salted hashes by fact, 16 bytes each. */
  readonly machine: Readonly<Record<string, string>>
  /** Of the collector's transcript. */
  readonly signature: string
}

/** What the hub signs in its challenge. */
export interface HubTranscript {
  readonly enrolment: string
  readonly collectorKey: Uint8Array
  readonly hubKey: Uint8Array
  readonly collectorNonce: Uint8Array
  readonly hubNonce: Uint8Array
  readonly binding: BindingKind
  /** 32 bytes of the TLS exporter; empty for the other kinds. */
  readonly bindingBytes: Uint8Array
  readonly counter: number
  /** SHA-256 of the link. */
  readonly link: Uint8Array
  readonly resync: boolean
}

export function hubTranscript(of: HubTranscript): Uint8Array {
  return fields([
    text('callward session 2 hub'),
    text(of.enrolment),
    of.collectorKey,
    of.hubKey,
    of.collectorNonce,
    of.hubNonce,
    text(of.binding),
    of.bindingBytes,
    whole(of.counter),
    of.link,
    Uint8Array.of(of.resync ? 1 : 0),
  ])
}

/** What the collector signs in its proof; `hub` is the whole transcript that the hub signed. */
export function collectorTranscript(of: {
  readonly hub: Uint8Array
  /** SHA-256 of the hello as it went over the wire. */
  readonly helloHash: Uint8Array
  readonly counter: number
  readonly linkProof: Uint8Array
  readonly machine: Readonly<Record<string, string>>
}): Uint8Array {
  return fields([
    text('callward session 2 collector'),
    of.hub,
    of.helloHash,
    whole(of.counter),
    of.linkProof,
    text(machineText(of.machine)),
  ])
}

/** What is hashed under the present link to make the next one. */
export function nextLinkMessage(collectorNonce: Uint8Array, hubNonce: Uint8Array): Uint8Array {
  return fields([text('callward session 2 link'), collectorNonce, hubNonce])
}

/** What the hub signs to show its key to somebody who is about to enrol. */
export function identityTranscript(of: {
  readonly nonce: Uint8Array
  readonly hubKey: Uint8Array
  readonly binding: BindingKind
  readonly bindingBytes: Uint8Array
}): Uint8Array {
  return fields([
    text('callward identity 1'),
    of.nonce,
    of.hubKey,
    text(of.binding),
    of.bindingBytes,
  ])
}

/** What a collector signs to register its key, so that nobody registers the key of another. */
export function registrationTranscript(of: {
  readonly token: string
  readonly hubKey: Uint8Array
  readonly collectorKey: Uint8Array
  readonly instance: string
  readonly link: Uint8Array
  readonly machine: Readonly<Record<string, string>>
}): Uint8Array {
  return fields([
    text('callward enrolment 1'),
    text(of.token),
    of.hubKey,
    of.collectorKey,
    text(of.instance),
    of.link,
    text(machineText(of.machine)),
  ])
}

/** `name=hash`, a line each, by rising name. */
function machineText(machine: Readonly<Record<string, string>>): string {
  return Object.keys(machine)
    .sort()
    .map((name) => `${name}=${machine[name]}\n`)
    .join('')
}

const encoder = new TextEncoder()

function text(value: string): Uint8Array {
  return encoder.encode(value)
}

/** A whole number from 0 to 2^53 - 1 as u64. */
function whole(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true)
  return bytes
}

/** Each field behind its length as u16, so that no two lists of fields give the same bytes. */
function fields(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + 2 + part.length, 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const part of parts) {
    if (part.length > 0xffff) throw new Error(`BUG: a signed field of ${part.length} bytes`)
    view.setUint16(at, part.length, true)
    bytes.set(part, at + 2)
    at += 2 + part.length
  }
  return bytes
}
