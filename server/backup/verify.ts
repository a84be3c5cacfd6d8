import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { BackupError, type Manifest, manifestName, parseManifest } from './manifest.ts'
import { type TarEntry, TarError, tarEntries } from './tar.ts'

const chunkBytes = 1024 * 1024
const longestManifestBytes = 64 * 1024 * 1024

/** An open backup whose list of entries agrees with its manifest; the contents are not read yet. */
export interface OpenBackup {
  readonly manifest: Manifest
  readonly bytes: number
  /** Reads an entry in order and proves it, at its end. Throws BackupError that names the entry. */
  content(path: string): AsyncGenerator<Buffer>
  close(): Promise<void>
}

/** Throws BackupError with the reason: no backup, cut off, damaged, of a later version. */
export async function openBackup(path: string): Promise<OpenBackup> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw new BackupError(`${path} cannot be read (${error.code}).`)
  })
  try {
    const entries = new Map((await entriesOf(file, path)).map((entry) => [entry.name, entry]))
    const manifest = await manifestOf(file, path, entries.get(manifestName))
    for (const { path: name, bytes } of manifest.files) {
      const entry = entries.get(name)
      if (entry === undefined) throw new BackupError(`${path}: "${name}" is missing.`)
      if (entry.bytes !== bytes)
        throw new BackupError(
          `${path}: "${name}" has ${entry.bytes} bytes, the manifest says ${bytes}.`,
        )
    }
    return {
      manifest,
      bytes: manifest.files.reduce((sum, one) => sum + one.bytes, 0),
      content: (name) => proven(file, path, entries.get(name)!, shaOf(manifest, name)),
      close: () => file.close(),
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function entriesOf(file: FileHandle, path: string): Promise<TarEntry[]> {
  try {
    return await tarEntries(file)
  } catch (error) {
    if (error instanceof TarError)
      throw new BackupError(`${path} is no whole backup: ${error.message}.`)
    throw error
  }
}

async function manifestOf(
  file: FileHandle,
  path: string,
  entry: TarEntry | undefined,
): Promise<Manifest> {
  if (entry === undefined || entry.bytes > longestManifestBytes)
    throw new BackupError(`${path} is no whole backup: it has no ${manifestName}.`)
  const text = Buffer.alloc(entry.bytes)
  await file.read(text, 0, entry.bytes, entry.offset)
  try {
    return parseManifest(text.toString())
  } catch (error) {
    if (error instanceof BackupError)
      throw new BackupError(`${path} cannot be used: ${error.message}.`)
    throw error
  }
}

function shaOf(manifest: Manifest, name: string): string {
  return manifest.files.find((one) => one.path === name)!.sha256
}

async function* proven(
  file: FileHandle,
  path: string,
  entry: TarEntry,
  sha256: string,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  for (let done = 0; done < entry.bytes; ) {
    const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, entry.bytes - done))
    const { bytesRead } = await file.read(chunk, 0, chunk.length, entry.offset + done)
    if (bytesRead === 0) throw new BackupError(`${path} ends early, within "${entry.name}".`)
    hash.update(chunk.subarray(0, bytesRead))
    yield chunk.subarray(0, bytesRead)
    done += bytesRead
  }
  if (hash.digest('hex') !== sha256)
    throw new BackupError(
      `${path}: "${entry.name}" is damaged, its SHA-256 is not the manifest's. Take another backup.`,
    )
}

/** Reads a whole backup again and proves every entry. Throws BackupError. */
export async function verifyBackup(
  path: string,
  onProgress: (bytesDone: number, bytes: number) => void = () => undefined,
): Promise<Manifest> {
  const backup = await openBackup(path)
  try {
    let done = 0
    for (const { path: name } of backup.manifest.files)
      for await (const chunk of backup.content(name)) {
        done += chunk.length
        onProgress(done, backup.bytes)
      }
    return backup.manifest
  } finally {
    await backup.close()
  }
}
