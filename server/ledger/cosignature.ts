import { type KeyObject, sign, verify } from 'node:crypto'
import {
  ed25519Type,
  keyIdOf,
  type NamedKey,
  publicKeyObject,
  rawPublicKey,
  readNamedKey,
  type SignedTreeHead,
} from './checkpoint.ts'

/** Signature type of a timestamped ed25519 cosignature (C2SP tlog-cosignature). */
const cosignatureType = 4
/** Timestamp, 8 bytes, then the signature, 64. */
const cosignatureBytes = 72

/** What a key says of a note: `invalid` when a line of its name and id does not verify, which makes the whole note worthless. */
export type Said =
  | { readonly kind: 'absent' }
  | { readonly kind: 'invalid' }
  | { readonly kind: 'valid'; readonly line: string }

/** A witness's word on a checkpoint. */
export type Cosigned =
  | Exclude<Said, { kind: 'valid' }>
  | { readonly kind: 'valid'; readonly line: string; readonly seconds: number }

/** The bytes a witness signs: header, time, and the whole text of the checkpoint (C2SP tlog-cosignature). */
export function cosignedText(text: string, seconds: number): string {
  return `cosignature/v1\ntime ${seconds}\n${text}`
}

/** Cosigns the text of a checkpoint; gives the signature line with its line feed. `seconds` since the epoch, above 0. */
export function cosign(text: string, seconds: number, name: string, privateKey: KeyObject): string {
  if (!Number.isSafeInteger(seconds) || seconds <= 0)
    throw new Error(`BUG: a cosignature at ${seconds}`)
  const id = Buffer.from(keyIdOf(name, rawPublicKey(privateKey), cosignatureType), 'hex')
  const time = Buffer.alloc(8)
  time.writeBigUInt64BE(BigInt(seconds))
  const signature = sign(null, Buffer.from(cosignedText(text, seconds)), privateKey)
  return lineOf(name, Buffer.concat([id, time, signature]))
}

/** A witness's key in the form of verifiers. */
export function witnessKeyText(name: string, publicKey: Uint8Array): string {
  const key = Buffer.concat([Buffer.of(cosignatureType), publicKey]).toString('base64')
  return `${name}+${keyIdOf(name, publicKey, cosignatureType)}+${key}`
}

/** A witness's key of its verifier text; undefined for anything malformed or of another type. */
export function readWitnessKey(text: string): NamedKey | undefined {
  const key = readNamedKey(text)
  return key?.type === cosignatureType ? key : undefined
}

/** A log's key of its verifier text; undefined for anything malformed or of another type. */
export function readLogKey(text: string): NamedKey | undefined {
  const key = readNamedKey(text)
  return key?.type === ed25519Type ? key : undefined
}

/** Whether a log's key signed a checkpoint. */
export function logSaid(head: SignedTreeHead, key: NamedKey): Said {
  const lines = linesOf(head, key)
  const message = Buffer.from(head.text)
  const good = lines.filter(({ signature }) =>
    verify(null, message, publicKeyObject(key.publicKey), signature),
  )
  const [first] = good
  if (good.length < lines.length) return { kind: 'invalid' }
  return first === undefined ? { kind: 'absent' } : { kind: 'valid', line: first.line }
}

/** What a witness says of a checkpoint; of several words the newest. */
export function witnessSaid(head: SignedTreeHead, key: NamedKey): Cosigned {
  let newest: Cosigned = { kind: 'absent' }
  for (const { line, signature } of linesOf(head, key)) {
    const seconds = secondsOf(head.text, key, signature)
    if (seconds === undefined) return { kind: 'invalid' }
    if (newest.kind !== 'valid' || seconds > newest.seconds)
      newest = { kind: 'valid', line, seconds }
  }
  return newest
}

/** Signature lines of a note, to stand under another copy of its text. */
export function signatureLines(head: SignedTreeHead): string[] {
  return head.signatures.map(({ name, keyId, signature }) =>
    lineOf(name, Buffer.concat([Buffer.from(keyId, 'hex'), signature])),
  )
}

function secondsOf(text: string, { publicKey }: NamedKey, bytes: Buffer): number | undefined {
  if (bytes.length !== cosignatureBytes) return undefined
  const seconds = Number(bytes.readBigUInt64BE())
  if (!Number.isSafeInteger(seconds) || seconds === 0) return undefined
  const message = Buffer.from(cosignedText(text, seconds))
  return verify(null, message, publicKeyObject(publicKey), bytes.subarray(8)) ? seconds : undefined
}

function linesOf(head: SignedTreeHead, key: NamedKey) {
  return head.signatures
    .filter(({ name, keyId }) => name === key.name && keyId === key.keyId)
    .map(({ name, keyId, signature }) => ({
      signature,
      line: lineOf(name, Buffer.concat([Buffer.from(keyId, 'hex'), signature])),
    }))
}

function lineOf(name: string, bytes: Buffer): string {
  return `— ${name} ${bytes.toString('base64')}\n`
}
