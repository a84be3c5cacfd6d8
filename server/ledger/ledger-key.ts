import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync } from 'node:fs'
import { open, readFile, rename } from 'node:fs/promises'
import { StartError } from '../errors.ts'
import { rawPublicKey, readCheckpoint, type SignedTreeHead } from './checkpoint.ts'

/** The key that signs checkpoints. */
export interface LedgerKey {
  readonly privateKey: KeyObject
  /** 32 bytes. */
  readonly publicKey: Buffer
}

/** Reads the ledger's key, or makes it at the first start (0600). Throws StartError. */
export async function openLedgerKey(path: string): Promise<LedgerKey> {
  try {
    if (!existsSync(path)) {
      const { privateKey } = generateKeyPairSync('ed25519')
      await writeDurably(path, String(privateKey.export({ format: 'pem', type: 'pkcs8' })))
    }
    const privateKey = createPrivateKey(await readFile(path, 'utf8'))
    if (privateKey.asymmetricKeyType !== 'ed25519') throw new Error('it is no ed25519 key')
    return { privateKey, publicKey: rawPublicKey(privateKey) }
  } catch (error) {
    throw new StartError(
      `The ledger's key ${path} cannot be used: ${error instanceof Error ? error.message : String(error)}.\n` +
        'Bring it back from a backup. Only when it is lost for good move it away: the hub then makes a new one and writes that into the ledger.',
    )
  }
}

/** The last checkpoint this hub signed, beside its key: by it a database that was put back is known. A file that cannot be read stops the signing, not the hub. */
export async function readLastSigned(
  path: string,
): Promise<SignedTreeHead | { readonly fault: string } | undefined> {
  if (!existsSync(path)) return undefined
  const head = readCheckpoint(await readFile(path, 'utf8').catch(() => ''))
  return head ?? { fault: `${path} should hold the last checkpoint this hub signed, and does not.` }
}

/** Writes a file that only the hub's user reads, whole or not at all. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const draft = `${path}.new`
  const file = await open(draft, 'w', 0o600)
  try {
    await file.chmod(0o600)
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
}
