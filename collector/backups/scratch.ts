import { randomBytes } from 'node:crypto'
import { readdirSync, readlinkSync } from 'node:fs'
import { lstat, mkdir, readdir, realpath, statfs, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Job } from './job.ts'
import { removeTree } from './tree.ts'
import { BackupError, fileTrouble } from './trouble.ts'

/** Marks a folder as one of drills: without it, a folder that holds anything is never used. */
export const scratchMark = '.callward-scratch'
const drillFolder = /^drill-[0-9a-f]{8}$/

/** Places no drill is let into, nor above, whatever their permissions. */
const forbidden = [
  ...[
    '/bin',
    '/boot',
    '/dev',
    '/etc',
    '/lib',
    '/lib32',
    '/lib64',
    '/proc',
    '/root',
    '/run',
    '/sbin',
    '/sys',
    '/usr',
  ],
  ...[
    '/var/lib/postgresql',
    '/var/lib/mysql',
    '/var/lib/asterisk',
    '/var/spool/asterisk',
    '/var/lib/freeswitch',
  ],
  ...[
    '/var/lib/pgsql',
    '/var/lib/redis',
    '/etc/asterisk',
    '/etc/freeswitch',
    '/etc/kamailio',
    '/opt/asterisk',
  ],
]

const isWithin = (path: string, folder: string) =>
  path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`)

/** Folders of the jobs themselves: a drill never works in, below or above one. */
function foldersOf(jobs: readonly Job[]): string[] {
  return jobs.flatMap((job) => {
    if (job.kind === 'restic' || job.kind === 'borg')
      return job.repository?.startsWith('/') === true ? [job.repository] : []
    if (job.kind === 'snapshot') return job.path.startsWith('/') ? [job.path] : []
    return job.kind === 'pgbackrest' ? [] : [job.folder]
  })
}

/**
 * Makes the folder of all drills, or finds it: owned by this user alone, no link, empty when first used. Gives its real path.
 * Throws BackupError `refused` for every place that might hold anything but drills.
 */
export async function openScratch(scratch: string, jobs: readonly Job[]): Promise<string> {
  const refuse = (why: string) =>
    new BackupError('refused', `the scratch folder is refused: ${why}`)
  try {
    await makeFolder(scratch)
    const stats = await lstat(scratch)
    if (!stats.isDirectory()) throw refuse('it is no folder, or a link')
    const real = await realpath(scratch)
    if (real.split('/').length < 3) throw refuse('it is too near to the root')
    if (stats.uid !== process.getuid?.()) throw refuse('it belongs to another user')
    if ((stats.mode & 0o022) !== 0) throw refuse('others may write to it')
    const taken = [...forbidden, ...(await Promise.all(foldersOf(jobs).map(realOrSame)))]
    if (taken.some((one) => isWithin(real, one) || isWithin(one, real)))
      throw refuse('it is, holds or is within a place of the system or of a backup')
    const names = await readdir(scratch)
    if (!names.includes(scratchMark)) {
      if (names.length > 0) throw refuse('it holds files that are not those of drills')
      await writeFile(
        join(scratch, scratchMark),
        'Restore drills work here; all else is removed.\n',
        { mode: 0o600 },
      )
    }
    return real
  } catch (error) {
    throw fileTrouble(error)
  }
}

/** One folder a step: Node's recursive mkdir loops for ever below /proc. */
async function makeFolder(path: string): Promise<void> {
  try {
    await lstat(path)
  } catch {
    if (dirname(path) !== path) await makeFolder(dirname(path))
    await mkdir(path, { mode: 0o700 })
  }
}

async function realOrSame(path: string): Promise<string> {
  return realpath(path).catch(() => path)
}

/** A new folder of one drill: `target` for what is restored, the rest beside it. */
export async function drillFolderIn(scratch: string): Promise<{ folder: string; target: string }> {
  const folder = join(scratch, `drill-${randomBytes(4).toString('hex')}`)
  await mkdir(folder, { mode: 0o700 })
  const target = join(folder, 'restored')
  await mkdir(target, { mode: 0o700 })
  return { folder, target }
}

/** Bytes that a user without privileges may still write there. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path)
  return bavail * bsize
}

/** Removes what drills that were killed have left, their processes first. Gives how many folders that were. */
export async function cleanScratch(scratch: string): Promise<number> {
  const names = (await readdir(scratch)).filter((name) => drillFolder.test(name))
  for (const name of names) await removeDrill(join(scratch, name))
  return names.length
}

/** Ends every process that works in a drill's folder, then removes the folder. */
export async function removeDrill(folder: string): Promise<void> {
  if (!drillFolder.test(basename(folder))) throw new Error(`BUG: not a drill's folder: ${folder}`)
  for (let tries = 0; tries < 20; tries++) {
    const left = processesIn(folder)
    for (const pid of left) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has just ended by itself.
      }
    }
    await removeTree(folder).catch((error: unknown) => {
      if (left.length === 0) throw error
    })
    if (left.length === 0) return
    await delay(50)
  }
}

/** Processes of this user whose working folder is in `folder`: all that a drill starts is started there. */
function processesIn(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return isWithin(readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, ''), folder)
      } catch {
        return false // ended, or another user's
      }
    })
    .map(Number)
    .filter((pid) => pid !== process.pid)
}
