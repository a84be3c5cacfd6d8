import { base64, fromBase64, hex, joined, same, utf8 } from './bytes.ts'
import { sha256 } from './sha256.ts'
import type { Head } from './tree.ts'

/** A public key as C2SP signed-note writes it. */
export interface VerifierKey {
  readonly name: string
  /** 4 bytes, hex. */
  readonly id: string
  /** 1: signs notes (ed25519); 4: cosigns checkpoints (cosignature/v1). */
  readonly type: 1 | 4
  /** 32 bytes. */
  readonly publicKey: Uint8Array
}

/** A checkpoint (C2SP tlog-checkpoint) and the lines under it; says nothing about whether they are genuine. */
export interface Checkpoint extends Head {
  readonly origin: string
  /** What is signed. */
  readonly text: string
  readonly signatures: readonly {
    readonly name: string
    readonly id: string
    readonly signature: Uint8Array
  }[]
}

/** How a signature was judged: `unable` where this browser knows no Ed25519. */
export type Judged =
  | { readonly kind: 'good'; readonly at?: number }
  | { readonly kind: 'absent' | 'bad' | 'unable' }

const maxNoteLength = 16_384
const maxSignatures = 64
const maxTextLines = 64

/** Reads a signed note that is a checkpoint; undefined for anything malformed. */
export function readCheckpoint(note: string): Checkpoint | undefined {
  if (note.length > maxNoteLength || !note.endsWith('\n')) return undefined
  const gap = note.lastIndexOf('\n\n')
  if (gap < 0) return undefined
  const text = note.slice(0, gap + 1)
  const lines = text.split('\n')
  const [origin = '', sizeText = '', rootText = ''] = lines
  const size = /^(?:0|[1-9]\d{0,15})$/.test(sizeText) ? Number(sizeText) : Number.NaN
  const root = fromBase64(rootText)
  if (origin === '' || !Number.isSafeInteger(size) || root?.length !== 32) return undefined
  if (lines.length > maxTextLines) return undefined
  const signed = note.slice(gap + 2, -1).split('\n')
  const signatures = signed.map(signatureOf).filter((one) => one !== undefined)
  if (signed.length > maxSignatures || signatures.length !== signed.length) return undefined
  return { origin, size, root, text, signatures }
}

/** Reads `name+id+base64(type and key)`; undefined for anything malformed, of another kind, or with a false id. */
export function readVerifierKey(text: string): VerifierKey | undefined {
  const match = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text.trim())
  const bytes = fromBase64(match?.[3])
  if (match === null || bytes?.length !== 33) return undefined
  const [, name = '', id = ''] = match
  const type = bytes[0]
  if (type !== 1 && type !== 4) return undefined
  const wanted = hex(sha256(utf8(`${name}\n`), bytes).subarray(0, 4))
  return wanted === id ? { name, id, type, publicKey: bytes.subarray(1) } : undefined
}

/** The key's text again, as an error shows it. */
export function keyText({ name, id, type, publicKey }: VerifierKey): string {
  return `${name}+${id}+${base64(joined(Uint8Array.of(type), publicKey))}`
}

/** Judges the signature of a key under a checkpoint; a cosignature's `at` is when the witness saw it (milliseconds). */
export async function judge(checkpoint: Checkpoint, key: VerifierKey): Promise<Judged> {
  const lines = checkpoint.signatures.filter(({ name, id }) => name === key.name && id === key.id)
  if (lines.length === 0) return { kind: 'absent' }
  let kind: 'bad' | 'unable' = 'bad'
  for (const { signature } of lines) {
    const message = messageOf(checkpoint.text, key.type, signature)
    if (message === undefined) continue
    const good = await isSigned(key.publicKey, message.signature, message.bytes)
    if (good === true)
      return { kind: 'good', ...(message.at === undefined ? {} : { at: message.at }) }
    if (good === undefined) kind = 'unable'
  }
  return { kind }
}

/** What a signature line signs: the text itself, or that a witness saw it at a time (C2SP tlog-cosignature). */
function messageOf(text: string, type: 1 | 4, signature: Uint8Array) {
  if (type === 1)
    return signature.length === 64 ? { bytes: utf8(text), signature, at: undefined } : undefined
  if (signature.length !== 72) return undefined
  const view = new DataView(signature.buffer, signature.byteOffset, 8)
  const seconds = Number(view.getBigUint64(0))
  if (!Number.isSafeInteger(seconds * 1000)) return undefined
  const bytes = utf8(`cosignature/v1\ntime ${seconds}\n${text}`)
  return { bytes, signature: signature.subarray(8), at: seconds * 1000 }
}

/** Whether Ed25519 (RFC 8032) agrees; undefined where the machine cannot say. */
async function isSigned(
  publicKey: Uint8Array,
  signature: Uint8Array,
  bytes: Uint8Array,
): Promise<boolean | undefined> {
  const { subtle } = globalThis.crypto ?? {}
  if (subtle === undefined) return undefined
  try {
    const copy = Uint8Array.from(publicKey)
    const key = await subtle.importKey('raw', copy, { name: 'Ed25519' }, false, ['verify'])
    const [signed, text] = [Uint8Array.from(signature), Uint8Array.from(bytes)]
    return await subtle.verify({ name: 'Ed25519' }, key, signed, text)
  } catch (error) {
    return (error as Error).name === 'NotSupportedError' ? undefined : false
  }
}

function signatureOf(line: string) {
  const match = /^— ([^+\s]+) (\S+)$/.exec(line)
  const bytes = fromBase64(match?.[2])
  if (match === null || bytes === undefined || bytes.length < 5) return undefined
  return { name: match[1]!, id: hex(bytes.subarray(0, 4)), signature: bytes.subarray(4) }
}

/** Whether two checkpoints say the same. */
export function sameHead(a: Head, b: Head): boolean {
  return a.size === b.size && same(a.root, b.root)
}
