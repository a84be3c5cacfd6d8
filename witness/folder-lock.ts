import { randomUUID } from 'node:crypto'
import { link, readFile, realpath, rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { WitnessFault } from './witness-fault.ts'

/** Folders of this process. */
const openHere = new Set<string>()

/** Holds a folder for this process: two witnesses over one folder could each sign a history of their own. */
export class FolderLock {
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  /** Takes over the lock of a process that is gone. Throws WitnessFault. */
  static async take(folder: string): Promise<FolderLock> {
    const path = join(await realpath(folder), 'lock')
    const own = `${path}.${process.pid}.${randomUUID()}`
    await writeFile(own, `${process.pid}\n`, { mode: 0o600 })
    try {
      for (let attempt = 0; attempt < 5; attempt++) {
        if (await linked(own, path)) {
          openHere.add(path)
          return new FolderLock(path)
        }
        await clearStale(path)
      }
    } finally {
      await unlink(own)
    }
    throw new WitnessFault(
      `${path} changes hands all the time; see which witnesses use this folder.`,
    )
  }

  async release(): Promise<void> {
    openHere.delete(this.#path)
    await unlink(this.#path).catch(() => undefined)
  }
}

/** A link is made whole or not at all, and by one process only. */
async function linked(own: string, path: string): Promise<boolean> {
  try {
    await link(own, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function clearStale(path: string): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text === undefined) return
  const pid = Number(text)
  if (isAlive(pid, path))
    throw new WitnessFault(
      `The folder is in use by process ${pid}. If that is no witness (ps -p ${pid}), remove ${path}`,
    )
  const aside = `${path}.stale.${process.pid}`
  await rename(path, aside).catch(() => undefined)
  const moved = await readFile(aside, 'utf8').catch(() => undefined)
  // Another process took over between our look and the rename: hand its lock back.
  if (moved !== undefined && moved !== text) await link(aside, path).catch(() => undefined)
  await unlink(aside).catch(() => undefined)
}

function isAlive(pid: number, path: string): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false
  if (pid === process.pid) return openHere.has(path)
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
