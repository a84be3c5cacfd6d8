import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { chmod, mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { rawPublicKey, readCheckpoint } from '../server/ledger/checkpoint.ts'
import { readWitnessKey, witnessKeyText, witnessSaid } from '../server/ledger/cosignature.ts'
import { FolderLock } from './folder-lock.ts'
import type { Accusation, Held, Shelf } from './witness.ts'
import { WitnessFault } from './witness-fault.ts'

/** The witness's own key. */
export interface OwnKey {
  readonly name: string
  readonly privateKey: KeyObject
  /** What others verify with. */
  readonly verifierKey: string
}

/** Notes that speak against logs; what comes after them is told, not kept. */
const evidenceMax = 100
/** A log's file: its note with two signatures. */
const noteBytesMax = 16_384

/** SHA-256 of an origin, hex: how C2SP tlog-witness names a log in addresses, and its file here. */
export function originHash(origin: string): string {
  return createHash('sha256').update(origin).digest('hex')
}

/** Opens a witness's folder (0700), making it and its key at the first start. One process at a time. Throws WitnessFault. */
export async function openShelf(
  folder: string,
  name: string | undefined,
): Promise<{ readonly shelf: FileShelf; readonly key: OwnKey }> {
  await mkdir(join(folder, 'evidence'), { recursive: true, mode: 0o700 })
  await chmod(folder, 0o700)
  const lock = await FolderLock.take(folder)
  try {
    const key = await ownKey(folder, name)
    return { shelf: await FileShelf.read(folder, key, lock), key }
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** Checkpoints on disk, one file a log, each a note that any C2SP tool reads; in memory as well. */
export class FileShelf implements Shelf {
  readonly #folder: string
  readonly #lock: FolderLock
  readonly #held: Map<string, Held>
  readonly #evidence: Set<string>

  private constructor(
    folder: string,
    lock: FolderLock,
    held: Map<string, Held>,
    evidence: Set<string>,
  ) {
    this.#folder = folder
    this.#lock = lock
    this.#held = held
    this.#evidence = evidence
  }

  static async read(folder: string, key: OwnKey, lock: FolderLock): Promise<FileShelf> {
    const held = new Map<string, Held>()
    for (const file of await readdir(folder)) {
      if (!file.endsWith('.checkpoint')) continue
      const one = await heldOf(join(folder, file), key)
      held.set(one.origin, one)
    }
    const evidence = new Set(await readdir(join(folder, 'evidence')))
    return new FileShelf(folder, lock, held, evidence)
  }

  logs(): readonly Held[] {
    return [...this.#held.values()]
  }

  held(origin: string): Held | undefined {
    return this.#held.get(origin)
  }

  async keep(held: Held): Promise<void> {
    await writeDurably(this.#folder, `${originHash(held.origin)}.checkpoint`, held.note)
    this.#held.set(held.origin, held)
  }

  async accuse({ kind, origin, reason, held, submitted }: Accusation): Promise<string> {
    const mark = createHash('sha256').update(submitted).digest('hex').slice(0, 16)
    const file = `${kind}-${originHash(origin)}-${mark}.txt`
    const folder = join(this.#folder, 'evidence')
    if (this.#evidence.has(file)) return join(folder, file)
    // A proof of a fork always has its place.
    if (this.#evidence.size >= evidenceMax && kind !== 'fork')
      return `nowhere: ${folder} holds ${evidenceMax} files already`
    const text = `${reason}\n\nHeld by this witness:\n\n${held}\nSubmitted to it:\n\n${submitted}`
    await writeDurably(folder, file, text)
    this.#evidence.add(file)
    return join(folder, file)
  }

  forkOf(origin: string): string | undefined {
    const prefix = `fork-${originHash(origin)}-`
    const file = [...this.#evidence].find((name) => name.startsWith(prefix))
    return file === undefined ? undefined : join(this.#folder, 'evidence', file)
  }

  close(): Promise<void> {
    return this.#lock.release()
  }
}

/** What a file holds must be what this very witness signed: anything else is not guessed at. */
async function heldOf(path: string, key: OwnKey): Promise<Held> {
  const own = readWitnessKey(key.verifierKey)
  const { size: bytes } = await stat(path)
  const note = bytes > noteBytesMax ? '' : await readFile(path, 'utf8')
  const head = readCheckpoint(note)
  const said = head === undefined || own === undefined ? undefined : witnessSaid(head, own)
  if (
    head === undefined ||
    said?.kind !== 'valid' ||
    !path.endsWith(`${originHash(head.origin)}.checkpoint`)
  )
    throw new WitnessFault(
      `${path} is not what this witness wrote there. Bring the folder back from a copy, or begin a new one: what it had seen is not known any more.`,
    )
  return { origin: head.origin, size: head.size, root: head.root, seconds: said.seconds, note }
}

async function ownKey(folder: string, asked: string | undefined): Promise<OwnKey> {
  const [path, namePath] = [join(folder, 'witness.key'), join(folder, 'witness.vkey')]
  const known = await readFile(namePath, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    return undefined
  })
  if (known === undefined) {
    if ((await readdir(folder)).some((file) => file.endsWith('.checkpoint')))
      throw new WitnessFault(
        `${namePath} is gone. Bring it back from a copy; a new key would begin anew.`,
      )
    const { privateKey } = generateKeyPairSync('ed25519')
    const publicKey = rawPublicKey(privateKey)
    const name = asked ?? `callward.witness/${publicKey.toString('hex').slice(0, 8)}`
    if (!/^[^+\s]{1,200}$/u.test(name))
      throw new WitnessFault(
        `"${name}" is no name of a witness: no spaces, no plus sign. Example: --name auditor.bank.example/anna`,
      )
    // The name comes last: a key without one was never used.
    const verifierKey = witnessKeyText(name, publicKey)
    await writeDurably(
      folder,
      'witness.key',
      String(privateKey.export({ format: 'pem', type: 'pkcs8' })),
    )
    await writeDurably(folder, 'witness.vkey', `${verifierKey}\n`)
    return { name, privateKey, verifierKey }
  }
  const { mode } = await stat(path)
  if ((mode & 0o077) !== 0)
    throw new WitnessFault(`${path} can be read by others. If nobody has: chmod 600 ${path}`)
  const privateKey = createPrivateKey(await readFile(path, 'utf8'))
  const verifierKey = known.trim()
  const named = readWitnessKey(verifierKey)
  if (named === undefined || !named.publicKey.equals(rawPublicKey(privateKey)))
    throw new WitnessFault(`${namePath} is not the key in ${path}. Bring both back from a copy.`)
  if (asked !== undefined && asked !== named.name)
    throw new WitnessFault(
      `This witness is ${named.name}; a name is given once. Leave --name out, or take another folder.`,
    )
  return { name: named.name, privateKey, verifierKey }
}

/** A file of 0600, whole or not at all, on disk with its name when this resolves. */
async function writeDurably(folder: string, name: string, text: string): Promise<void> {
  const draft = join(folder, `${name}.new`)
  await unlink(draft).catch(() => undefined)
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, join(folder, name))
  const directory = await open(folder, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
