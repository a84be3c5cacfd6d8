import { createHash } from 'node:crypto'
import { constants, type Dirent } from 'node:fs'
import { chmod, type FileHandle, lstat, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { BackupError, fileTrouble } from './trouble.ts'

/** A regular file of a tree; links are never followed. */
export interface TreeFile {
  /** Relative to the root of the tree. */
  readonly path: string
  readonly bytes: number
}

/** Regular files below a folder. Throws BackupError after `limit` entries. */
export async function* filesBelow(root: string, limit = 2_000_000): AsyncGenerator<TreeFile> {
  const folders = ['']
  for (let seen = 0; ; ) {
    const folder = folders.pop()
    if (folder === undefined) return
    for (const entry of await entriesOf(join(root, folder))) {
      if (++seen > limit)
        throw new BackupError('refused', `the tree has more than ${limit} entries`)
      const path = join(folder, entry.name)
      if (entry.isDirectory()) folders.push(path)
      else if (entry.isFile()) yield { path, bytes: (await lstat(join(root, path))).size }
    }
  }
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    throw fileTrouble(error)
  }
}

/** Opens a regular file below a root, through no link on the way. Throws BackupError. */
export async function openBelow(root: string, path: string): Promise<FileHandle> {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..'))
    throw new BackupError('refused', 'a name leads out of the restored folder')
  try {
    for (let i = 1; i < parts.length; i++) {
      if (!(await lstat(join(root, ...parts.slice(0, i)))).isDirectory())
        throw new BackupError('missing', 'a folder of it is not there')
    }
    const full = join(root, ...parts)
    if (!(await lstat(full)).isFile()) throw new BackupError('missing', 'it is no regular file')
    return await open(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    throw fileTrouble(error)
  }
}

/** SHA-256 of a file below a root, hex. */
export async function sha256Below(
  root: string,
  path: string,
  signal?: AbortSignal,
): Promise<string> {
  const file = await openBelow(root, path)
  try {
    const hash = createHash('sha256')
    for await (const chunk of file.createReadStream({ autoClose: false, highWaterMark: 262_144 })) {
      if (signal?.aborted === true) throw new BackupError('stopped', 'it was stopped')
      hash.update(chunk as Buffer)
    }
    return hash.digest('hex')
  } catch (error) {
    throw fileTrouble(error)
  } finally {
    await file.close()
  }
}

const manifestBytesLimit = 64 * 1024 * 1024

export interface ManifestLine {
  readonly sha256: string
  readonly path: string
}

/** Lines of a list as `sha256sum` writes it (coreutils), and how many are none. Throws BackupError. */
export async function readManifest(root: string, path: string): Promise<ManifestLine[]> {
  const file = await openBelow(root, path)
  try {
    const { size } = await file.stat()
    if (size > manifestBytesLimit) throw new BackupError('refused', 'the manifest is over 64 MiB')
    const lines = (await file.readFile('utf8')).split('\n').filter((line) => line.trim() !== '')
    return lines.map((line) => {
      const [, escaped, sha256, name] = /^(\\?)([0-9a-f]{64})[ ][ *](.+)$/s.exec(line) ?? []
      if (sha256 === undefined || name === undefined)
        throw new BackupError('damaged', 'the manifest has a line that is no SHA-256 sum')
      return {
        sha256,
        path:
          escaped === ''
            ? name
            : name.replace(/\\([\\n])/g, (_, one) => (one === 'n' ? '\n' : '\\')),
      }
    })
  } catch (error) {
    throw fileTrouble(error)
  } finally {
    await file.close()
  }
}

/** Removes a tree, also where folders in it may not be written; follows no link. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : ''
    if (code !== 'EACCES' && code !== 'EPERM') throw error
    await openFolders(path)
    await rm(path, { recursive: true, force: true })
  }
}

async function openFolders(path: string): Promise<void> {
  await chmod(path, 0o700)
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await openFolders(join(path, entry.name))
  }
}
