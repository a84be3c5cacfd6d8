import { existsSync, linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Another process holds the folder. */
export class FolderInUse extends Error {}

interface Holder {
  readonly pid: number
  /** Start of that process in clock ticks since boot (proc(5), field 22), so that a reused pid is told apart. */
  readonly startTicks: string
  readonly boot: string
}

/** Folders this process holds. */
const heldHere = new Set<string>()

/** Which start of the machine this is; empty where /proc does not say. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    return ''
  }
}

/**
 * Holds `folder` for this process; returns what lets it go. The lock of a process that is gone is taken over. Throws FolderInUse,
 * which names the other process, or the system's error.
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, 'lock')
  if (heldHere.has(path)) throw new FolderInUse(inUse(folder, process.pid))
  const own = join(folder, `lock.${process.pid}`)
  const self = { pid: process.pid, startTicks: startTicks(process.pid), boot: bootId() }
  writeFileSync(own, JSON.stringify(self), { mode: 0o600 })
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      if (claimed(own, path)) {
        heldHere.add(path)
        return () => release(path)
      }
      takeAway(folder, path)
    }
  } finally {
    unlinkSync(own)
  }
  throw new FolderInUse(`the lock of ${folder} changes hands all the time`)
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
function takeAway(folder: string, path: string): void {
  const text = textOf(path)
  if (text === undefined) return
  const holder = holderOf(text)
  if (holder !== undefined && isAlive(holder)) throw new FolderInUse(inUse(folder, holder.pid))
  const aside = `${path}.stale.${process.pid}`
  try {
    renameSync(path, aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  // Another process took over between our look and the rename: it gets its lock back.
  if (textOf(aside) !== text) claimed(aside, path)
  unlinkSync(aside)
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function holderOf(text: string): Holder | undefined {
  try {
    const holder = JSON.parse(text) as Holder
    return Number.isSafeInteger(holder.pid) && holder.pid > 0 ? holder : undefined
  } catch {
    return undefined
  }
}

function isAlive({ pid, startTicks: ticks, boot }: Holder): boolean {
  if (pid === process.pid) return false // we do not hold it, so that was an earlier process of this pid
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false
  }
  if (boot !== bootId()) return false
  const now = startTicks(pid)
  return ticks === '' || now === '' || now === ticks
}

function startTicks(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

function release(path: string): void {
  heldHere.delete(path)
  if (existsSync(path)) unlinkSync(path)
}

function inUse(folder: string, pid: number): string {
  return `${folder} is in use by process ${pid}: stop it, or give each collector its own data folder (CALLWARD_DATA)`
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
