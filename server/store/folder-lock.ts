import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, realpath, rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { StartError } from '../errors.ts'
import { systemCode } from './disk.ts'

interface Holder {
  readonly pid: number
  /** Start of that process in clock ticks since boot, so that a reused pid is told apart; absent where /proc is. */
  readonly startTicks: string | undefined
  readonly boot: string | undefined
}

/** Folders open in this process. */
const openHere = new Set<string>()

/** Field 22 of /proc/PID/stat (proc(5)); undefined when it cannot be read. */
async function startTicks(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined)
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

async function bootId(): Promise<string | undefined> {
  return (
    await readFile('/proc/sys/kernel/random/boot_id', 'latin1').catch(() => undefined)
  )?.trim()
}

async function describeSelf(): Promise<Holder> {
  return { pid: process.pid, startTicks: await startTicks(process.pid), boot: await bootId() }
}

async function isAlive(holder: Holder, path: string): Promise<boolean> {
  if (holder.pid === process.pid) return openHere.has(path)
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    if (systemCode(error) === 'ESRCH') return false
  }
  if (holder.boot !== undefined && holder.boot !== (await bootId())) return false
  const ticks = await startTicks(holder.pid)
  return holder.startTicks === undefined || ticks === undefined || ticks === holder.startTicks
}

function parseHolder(text: string): Holder | undefined {
  try {
    const holder = JSON.parse(text) as Holder
    return Number.isSafeInteger(holder.pid) && holder.pid > 0 ? holder : undefined
  } catch {
    return undefined
  }
}

/** Holds a folder for this process until released. */
export interface FolderLock {
  release(): Promise<void>
}

/** Locks a folder; takes over the lock of a process that is gone. Throws an Error that names the holder's pid. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  await mkdir(folder, { recursive: true })
  const path = join(await realpath(folder), 'lock')
  const own = `${path}.${process.pid}.${randomUUID()}`
  if (openHere.has(path)) throw inUse(folder, process.pid)
  await writeFile(own, JSON.stringify(await describeSelf()))
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      if (await claim(own, path)) {
        openHere.add(path)
        return { release: () => release(path) }
      }
      await clearStale(folder, path)
    }
  } finally {
    await unlink(own)
  }
  throw new Error(
    `The lock of ${folder} changes hands all the time; see which hubs are set to this folder.`,
  )
}

/** A link is made whole or not at all, and by one process only. */
async function claim(own: string, path: string): Promise<boolean> {
  try {
    await link(own, path)
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw error
  }
}

async function clearStale(folder: string, path: string): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text === undefined) return
  const holder = parseHolder(text)
  if (holder && (await isAlive(holder, path))) throw inUse(folder, holder.pid)
  const aside = `${path}.stale.${process.pid}`
  await rename(path, aside).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error
  })
  const moved = await readFile(aside, 'utf8').catch(() => undefined)
  // Another process took over between our look and the rename: hand its lock back.
  if (moved !== undefined && moved !== text) await link(aside, path).catch(() => undefined)
  await unlink(aside).catch(() => undefined)
}

function inUse(folder: string, pid: number): Error {
  return new StartError(
    `The store folder ${folder} is in use by process ${pid}; stop that hub or choose another folder.`,
  )
}

async function release(path: string): Promise<void> {
  openHere.delete(path)
  await unlink(path).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error
  })
}
