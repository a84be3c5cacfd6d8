import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import type { Hash } from './merkle.ts'

/** What a checkpoint says: this log had this many entries, and this root over them. */
export interface TreeHead {
  /** Name of the log. */
  readonly origin: string
  readonly size: number
  readonly root: Hash
}

/** A checkpoint and the signatures under it. */
export interface SignedTreeHead extends TreeHead {
  /** The bytes that are signed. */
  readonly text: string
  readonly signatures: readonly {
    readonly name: string
    readonly keyId: string
    readonly signature: Buffer
  }[]
}

/** A key as C2SP signed-note writes it: whose signatures it verifies, and of which type they are. */
export interface NamedKey {
  readonly name: string
  /** 8 hex digits. */
  readonly keyId: string
  readonly type: number
  /** 32 bytes. */
  readonly publicKey: Buffer
}

/** Signature type of ed25519 in C2SP signed-note. */
export const ed25519Type = 1
const maxNoteBytes = 16_384
const maxSignatures = 64

/** The text of a checkpoint (C2SP tlog-checkpoint): origin, size, root, each on its line. */
export function checkpointText({ origin, size, root }: TreeHead): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`
}

/** First 4 bytes of SHA-256(name, line feed, type, key), hex (C2SP signed-note). */
export function keyIdOf(name: string, publicKey: Uint8Array, type = ed25519Type): string {
  const hash = createHash('sha256').update(`${name}\n`).update(Buffer.of(type))
  return hash.update(publicKey).digest('hex').slice(0, 8)
}

/** Signs a checkpoint under the log's own name (C2SP signed-note). */
export function signCheckpoint(head: TreeHead, privateKey: KeyObject): string {
  const text = checkpointText(head)
  const id = Buffer.from(keyIdOf(head.origin, rawPublicKey(privateKey)), 'hex')
  const signature = sign(null, Buffer.from(text), privateKey)
  return `${text}\n— ${head.origin} ${Buffer.concat([id, signature]).toString('base64')}\n`
}

/** Reads a signed checkpoint; undefined for anything malformed. Says nothing about its signatures. */
export function readCheckpoint(note: string): SignedTreeHead | undefined {
  if (note.length > maxNoteBytes) return undefined
  const gap = note.lastIndexOf('\n\n')
  if (gap < 0 || !note.endsWith('\n') || hasControls(note)) return undefined
  const text = note.slice(0, gap + 1)
  // Extension lines are not empty; nor may the text hold what looks like its end.
  if (/^\n|\n\n/.test(text)) return undefined
  const [origin, sizeText, rootText] = text.split('\n')
  if (origin === undefined || origin === '' || sizeText === undefined || rootText === undefined)
    return undefined
  const size = /^(?:0|[1-9]\d{0,15})$/.test(sizeText) ? Number(sizeText) : Number.NaN
  const root = fromBase64(rootText)
  if (!Number.isSafeInteger(size) || root?.length !== 32) return undefined
  const lines = note.slice(gap + 2, -1).split('\n')
  if (lines.length > maxSignatures) return undefined
  const signatures = lines.map(signatureOf)
  if (signatures.some((one) => one === undefined)) return undefined
  return { origin, size, root, text, signatures: signatures.filter((one) => one !== undefined) }
}

/** Whether one of the keys signed a checkpoint under the log's own name. */
export function isSignedBy(head: SignedTreeHead, keys: readonly Uint8Array[]): boolean {
  return head.signatures.some(({ name, keyId, signature }) =>
    keys.some(
      (key) =>
        name === head.origin &&
        keyIdOf(name, key) === keyId &&
        verify(null, Buffer.from(head.text), publicKeyObject(key), signature),
    ),
  )
}

/** The key in the form of verifiers: `name+id+base64(type and key)` (C2SP signed-note). */
export function verifierKeyText(name: string, publicKey: Uint8Array): string {
  const key = Buffer.concat([Buffer.of(ed25519Type), publicKey]).toString('base64')
  return `${name}+${keyIdOf(name, publicKey)}+${key}`
}

/** Public key of a verifier's text; undefined for anything malformed or not ed25519. */
export function readVerifierKey(text: string): Buffer | undefined {
  const key = readNamedKey(text)
  return key?.type === ed25519Type ? key.publicKey : undefined
}

/** A verifier's text with a key of 32 bytes, of any type; undefined when it is malformed or its id is another key's. */
export function readNamedKey(text: string): NamedKey | undefined {
  const match = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text.trim())
  const bytes = fromBase64(match?.[3] ?? '')
  if (match === null || bytes?.length !== 33) return undefined
  const [type, publicKey] = [bytes[0]!, bytes.subarray(1)]
  const [, name, keyId] = match as unknown as [string, string, string]
  return keyIdOf(name, publicKey, type) === keyId ? { name, keyId, type, publicKey } : undefined
}

/** The 32 bytes of the public half of an ed25519 key. */
export function rawPublicKey(key: KeyObject): Buffer {
  const { x } = createPublicKey(key).export({ format: 'jwk' })
  if (x === undefined) throw new Error('BUG: an ed25519 key without x')
  return Buffer.from(x, 'base64url')
}

/** A key to verify with, of its 32 bytes. */
export function publicKeyObject(publicKey: Uint8Array): KeyObject {
  const x = Buffer.from(publicKey).toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
}

function signatureOf(line: string) {
  const match = /^— ([^+\s]+) (\S+)$/.exec(line)
  const bytes = fromBase64(match?.[2] ?? '')
  if (match === null || bytes === undefined || bytes.length < 5) return undefined
  const keyId = bytes.subarray(0, 4).toString('hex')
  return { name: match[1]!, keyId, signature: bytes.subarray(4) }
}

/** Control characters other than the line feed, which no note holds. */
function hasControls(note: string): boolean {
  for (let at = 0; at < note.length; at++) {
    const code = note.charCodeAt(at)
    if (code < 32 && code !== 10) return true
  }
  return false
}

/** Undefined for what is not the one base64 form of its bytes. */
export function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return text !== '' && bytes.toString('base64') === text ? bytes : undefined
}
