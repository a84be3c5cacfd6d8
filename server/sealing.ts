import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs'
import { StartError } from './errors.ts'

/** Seals text so that a copy of the records alone does not give it away; AES-256-GCM, bound to the record's id. */
export interface Sealer {
  seal(id: string, text: string): string
  /** Throws Error when it was sealed with another key, for another id, or changed since. */
  open(id: string, sealed: string): string
}

const version = 'v1'

/** What a key seals, for messages: `contact points`, and what must be done when the key is lost. */
export interface Sealed {
  readonly what: string
  /** Follows "chmod 600, and". */
  readonly afterReading: string
  /** Follows "Only when it is lost for good move it away:". */
  readonly afterLoss: string
}

const contactPoints: Sealed = {
  what: 'contact points',
  afterReading: 'give the contact points new secrets',
  afterLoss: 'every contact point must then be entered anew',
}

/** Reads the key file, or makes it (0600). Throws StartError when it cannot be used or others may read it. */
export function openSealer(
  path: string,
  { what, afterReading, afterLoss }: Sealed = contactPoints,
): { sealer: Sealer; isNew: boolean } {
  const isNew = !existsSync(path)
  try {
    if (isNew) writeKey(path)
    const { mode } = statSync(path)
    if ((mode & 0o077) !== 0)
      throw new Error(
        `others may read it (mode ${(mode & 0o777).toString(8)}): chmod 600, and ${afterReading}`,
      )
    const key = Buffer.from(readFileSync(path, 'utf8').trim(), 'base64url')
    if (key.length !== 32) throw new Error('it does not hold 32 bytes in base64url')
    return { sealer: sealerOf(key), isNew }
  } catch (error) {
    throw new StartError(
      `The key of ${what} ${path} cannot be used: ${error instanceof Error ? error.message : String(error)}.\n` +
        `Bring it back from a backup. Only when it is lost for good move it away: ${afterLoss}.`,
    )
  }
}

function writeKey(path: string): void {
  const draft = `${path}.new`
  const file = openSync(draft, 'w', 0o600)
  try {
    chmodSync(draft, 0o600)
    writeSync(file, `${randomBytes(32).toString('base64url')}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(draft, path)
}

/** A sealer with this key of 32 bytes. */
export function sealerOf(key: Uint8Array): Sealer {
  return {
    seal(id, text) {
      const nonce = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', key, nonce)
      cipher.setAAD(Buffer.from(`${version}:${id}`))
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      const parts = [nonce, cipher.getAuthTag(), body]
      return [version, ...parts.map((part) => part.toString('base64url'))].join('.')
    },
    open(id, sealed) {
      const [name, nonce = '', tag = '', body = ''] = sealed.split('.')
      if (name !== version) throw new Error(`sealed in a form this version does not know`)
      const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(nonce, 'base64url'), {
        authTagLength: 16,
      })
      decipher.setAAD(Buffer.from(`${version}:${id}`))
      decipher.setAuthTag(Buffer.from(tag, 'base64url'))
      return Buffer.concat([
        decipher.update(Buffer.from(body, 'base64url')),
        decipher.final(),
      ]).toString('utf8')
    },
  }
}
