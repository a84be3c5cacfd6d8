import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { StartError } from '../errors.ts'

/** The hub's own key: its collectors know it by this, whatever its address or certificate. */
export interface HubKey {
  /** 32 bytes, base64url. */
  readonly publicKey: string
  /** `SHA256:...`, what a line to paste carries. */
  readonly fingerprint: string
  /** Base64url. */
  sign(message: Uint8Array): string
}

/** Reads the hub's key, or makes it at the first start (0600). Throws StartError. */
export function openHubKey(path: string): { key: HubKey; isNew: boolean } {
  const isNew = !existsSync(path)
  try {
    if (isNew) writeKey(path)
    const privateKey = createPrivateKey(readFileSync(path, 'utf8'))
    if (privateKey.asymmetricKeyType !== 'ed25519') throw new Error('it is no ed25519 key')
    return { key: hubKey(privateKey), isNew }
  } catch (error) {
    throw new StartError(
      `The hub's key ${path} cannot be used: ${error instanceof Error ? error.message : String(error)}.\n` +
        'Bring it back from a backup: its collectors trust no other. Only when it is lost for good move it away; every host must then be enrolled anew.',
    )
  }
}

function writeKey(path: string): void {
  const { privateKey } = generateKeyPairSync('ed25519')
  const draft = `${path}.new`
  const file = openSync(draft, 'w', 0o600)
  try {
    chmodSync(draft, 0o600)
    writeSync(file, String(privateKey.export({ format: 'pem', type: 'pkcs8' })))
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(draft, path)
}

function hubKey(privateKey: KeyObject): HubKey {
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' })
  if (x === undefined) throw new Error('BUG: an ed25519 key without x')
  return {
    publicKey: x,
    fingerprint: `SHA256:${sha256(fromBase64url(x)).toString('base64url')}`,
    sign: (message) => sign(null, message, privateKey).toString('base64url'),
  }
}

/** Whether `signature` (base64url) over `message` is of the public key (32 bytes, base64url); false for anything malformed. */
export function isSignedBy(publicKey: string, message: Uint8Array, signature: string): boolean {
  try {
    const key = createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: publicKey },
      format: 'jwk',
    })
    return verify(null, message, key, fromBase64url(signature))
  } catch {
    return false
  }
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

export function hmac(key: Uint8Array, message: Uint8Array): Buffer {
  return createHmac('sha256', key).update(message).digest()
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

export function fromBase64url(text: string): Buffer {
  return Buffer.from(text, 'base64url')
}
