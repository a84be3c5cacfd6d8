import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'

/** A new ed25519 key pair (RFC 8032). */
export function newKeyPair(): { privateKey: KeyObject; publicKey: Uint8Array } {
  const { privateKey } = generateKeyPairSync('ed25519')
  return { privateKey, publicKey: publicKeyOf(privateKey) }
}

/** The 32 bytes of a private key's public half. */
export function publicKeyOf(privateKey: KeyObject): Uint8Array {
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' })
  if (x === undefined) throw new Error('BUG: an ed25519 key without x')
  return fromBase64url(x)
}

/** Text of a private key for a file of its owner: PKCS #8, base64url. */
export function privateKeyText(privateKey: KeyObject): string {
  return privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64url')
}

/** Throws when the text is no private key. */
export function privateKeyFrom(text: string): KeyObject {
  return createPrivateKey({ key: fromBase64url(text), format: 'der', type: 'pkcs8' })
}

export function signed(privateKey: KeyObject, message: Uint8Array): string {
  return toBase64url(sign(null, message, privateKey))
}

/** Whether `signature` (base64url) is the owner's of `publicKey`, 32 bytes; false for anything malformed. */
export function isSignedBy(publicKey: Uint8Array, message: Uint8Array, signature: string): boolean {
  try {
    const key = createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: toBase64url(publicKey) },
      format: 'jwk',
    })
    return verify(null, message, key, fromBase64url(signature))
  } catch {
    return false
  }
}

/** What a person compares and a line to paste carries of a public key. */
export function fingerprintOf(publicKey: Uint8Array): string {
  return `SHA256:${toBase64url(sha256(publicKey))}`
}

export function sha256(bytes: Uint8Array | string): Buffer {
  return createHash('sha256').update(bytes).digest()
}

export function hmac(key: Uint8Array, message: Uint8Array | string): Buffer {
  return createHmac('sha256', key).update(message).digest()
}

export function toBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url')
}

export function fromBase64url(text: string): Buffer {
  return Buffer.from(text, 'base64url')
}
