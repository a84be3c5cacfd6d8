import {
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'

/** Another process holds the folder. */
export class FolderInUse extends Error {}

/** A connect that hangs is taken for one that is answered: better no spool than two writers. */
const askMilliseconds = 1000

/** Which start of the machine this is; empty where /proc does not say. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    return ''
  }
}

/**
 * Holds `folder` for this process; returns what lets it go. The lock is a Unix socket that listens there: whoever can connect
 * to it knows that its holder lives, in whatever container and under whatever process id, and the kernel ends it with the process. The
 * lock of a process that is gone is taken over. Throws FolderInUse, or the system's error.
 */
export async function lockFolder(folder: string): Promise<() => void> {
  const path = join(folder, 'lock')
  const own = join(folder, `lock.${process.pid}.${process.hrtime.bigint().toString(36)}`)
  const server = await listenAt(folder, own)
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      if (claimed(own, path)) {
        const { ino } = lstatSync(path)
        return () => release(server, path, ino)
      }
      await takeAway(folder, path)
    }
    throw new FolderInUse(`the lock of ${folder} changes hands all the time`)
  } catch (error) {
    server.close()
    throw error
  } finally {
    rmSync(own, { force: true })
  }
}

/** Listens on a socket file; it keeps no process alive. A path may have 107 bytes only, so the folder is named by its descriptor. */
async function listenAt(folder: string, path: string): Promise<Server> {
  const descriptor = openSync(folder, 'r')
  try {
    const server = createServer((socket) => socket.destroy())
    server.unref()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(shortPath(descriptor, path), resolve)
    })
    server.on('error', () => undefined)
    return server
  } finally {
    closeSync(descriptor)
  }
}

function shortPath(descriptor: number, path: string): string {
  if (!existsSync('/proc/self/fd')) return path
  return `/proc/self/fd/${descriptor}/${path.slice(path.lastIndexOf('/') + 1)}`
}

/** A link is made whole or not at all, and by one process only. */
function claimed(own: string, path: string): boolean {
  try {
    linkSync(own, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** Removes the lock of a process that is gone. */
async function takeAway(folder: string, path: string): Promise<void> {
  if (await isHeld(folder, path)) {
    const help = 'stop it, or give each collector its own data folder (CALLWARD_DATA)'
    throw new FolderInUse(
      `${folder} is in use by another process, perhaps in another container: ${help}`,
    )
  }
  const aside = `${path}.stale.${process.pid}.${process.hrtime.bigint().toString(36)}`
  try {
    renameSync(path, aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  // Another process took over between our look and the rename: it gets its lock back.
  if (await isHeld(folder, aside)) claimed(aside, path)
  rmSync(aside, { force: true })
}

/** Whether somebody listens there. */
async function isHeld(folder: string, path: string): Promise<boolean> {
  const descriptor = openSync(folder, 'r')
  try {
    return await new Promise<boolean>((resolve) => {
      const socket = connect(shortPath(descriptor, path))
      const timer = setTimeout(() => resolve(true), askMilliseconds)
      const answer = (isHeldNow: boolean) => {
        clearTimeout(timer)
        socket.destroy()
        resolve(isHeldNow)
      }
      socket.once('connect', () => answer(true))
      // Nobody listens, or nothing is there. Whatever else is wrong, somebody may.
      socket.once('error', (error) =>
        answer(!['ECONNREFUSED', 'ENOENT', 'ENOTSOCK'].includes(String(codeOf(error)))),
      )
    })
  } finally {
    closeSync(descriptor)
  }
}

/** Lets go of our lock; one that is another's by now stays. */
function release(server: Server, path: string, ino: number): void {
  server.close()
  if (lstatSync(path, { throwIfNoEntry: false })?.ino === ino) rmSync(path, { force: true })
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
