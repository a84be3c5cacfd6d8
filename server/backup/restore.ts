import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { systemClock } from '../clock.ts'
import { StartError } from '../errors.ts'
import { countRows } from '../records/sqlite-copy.ts'
import { realDisk } from '../store/disk.ts'
import { openEmbeddedStore } from '../store/embedded-store.ts'
import { lockFolder } from '../store/folder-lock.ts'
import type { Progress } from './backup-file.ts'
import { samplesOf } from './contents.ts'
import { BackupError, type Manifest } from './manifest.ts'
import { type OpenBackup, openBackup } from './verify.ts'

export interface Restored {
  readonly manifest: Manifest
  /** Series that the restored store knows. */
  readonly series: number
  /** Newest sample, RFC 3339. */
  readonly newest: string | undefined
  /** Rows of all tables; undefined when the records are on PostgreSQL. */
  readonly rows: number | undefined
  /** Where the configuration of the backed-up hub was put, to be looked at. */
  readonly config: string | undefined
}

/**
 * Restores a backup into a data folder that is empty or not there. Nothing stands in it under its real name before all of it was proven:
 * every file by its SHA-256, the store by opening it, the records by their rows. Throws BackupError that says why not.
 */
export async function restoreBackup(
  from: string,
  data: string,
  onProgress: Progress,
): Promise<Restored> {
  const backup = await openBackup(from)
  try {
    await refuseUsed(data)
    const unfinished = join(data, `restoring-${process.pid}`)
    await mkdir(unfinished, { recursive: true, mode: 0o700 })
    try {
      await unpack(backup, unfinished, onProgress)
      const proof = await prove(backup.manifest, join(unfinished, 'hub'), onProgress)
      // Collectors have had sessions since, which the restored hub does not know of (server/enrolment).
      await writeFile(join(unfinished, 'hub', 'restored'), `${backup.manifest.madeAt}\n`, {
        mode: 0o600,
      })
      // What was ledgered since stands in checkpoints elsewhere: the restored hub opens a log of its own (server/ledger).
      const reason = `restored from a backup of ${backup.manifest.madeAt}`
      const epoch = { id: randomUUID(), reason, operator: operatorName() }
      await writeFile(join(unfinished, 'hub', 'ledger.epoch'), JSON.stringify(epoch), {
        mode: 0o600,
      })
      await settle(unfinished, data)
      const config = join(data, 'config')
      return {
        manifest: backup.manifest,
        ...proof,
        config: existsSync(config) ? config : undefined,
      }
    } catch (error) {
      await rm(unfinished, { recursive: true, force: true })
      throw error
    }
  } finally {
    await backup.close()
  }
}

/** Who runs this command; a container may have no name for its user. */
function operatorName(): string {
  try {
    return userInfo().username
  } catch {
    return `user ${process.getuid?.()}`
  }
}

async function refuseUsed(data: string): Promise<void> {
  const names = await readdir(data).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw new BackupError(`${data} cannot be used as a data folder (${error.code}).`)
  })
  if (names.length === 0) return
  const store = join(data, 'hub', 'store')
  if (existsSync(join(store, 'lock'))) {
    const lock = await lockFolder(store).catch((error: unknown) => {
      if (!(error instanceof StartError)) throw error
      throw new BackupError(`A hub is running on ${data}. ${error.message}`)
    })
    await lock.release()
  }
  throw new BackupError(
    `${data} is not empty (it holds ${names.slice(0, 3).join(', ')}). Give a new folder, or move that one away first.`,
  )
}

async function unpack(backup: OpenBackup, folder: string, onProgress: Progress): Promise<void> {
  let done = 0
  const folders = new Set<string>()
  for (const { path } of backup.manifest.files) {
    const target = join(folder, path)
    await mkdir(dirname(target), { recursive: true, mode: 0o700 })
    for (let above = dirname(target); above.length >= folder.length; above = dirname(above))
      folders.add(above)
    const file = await open(target, 'wx', 0o600)
    try {
      for await (const chunk of backup.content(path)) {
        await file.writeFile(chunk)
        done += chunk.length
        onProgress('restoring', done, backup.bytes)
      }
      await file.sync()
    } finally {
      await file.close()
    }
  }
  for (const one of folders) await realDisk.syncFolder(one)
}

async function prove(
  { store: expected, records }: Manifest,
  hub: string,
  onProgress: Progress,
): Promise<Pick<Restored, 'series' | 'newest' | 'rows'>> {
  const folder = join(hub, 'store')
  onProgress('opening the store', 0, undefined)
  const parts = await countParts(folder)
  if (parts.samples !== expected.samplesInParts || parts.files !== expected.partFiles)
    throw new BackupError(
      `The restored files hold ${parts.samples} samples in ${parts.files} files, the manifest says ${expected.samplesInParts} in ${expected.partFiles}.`,
    )
  const store = await openEmbeddedStore({
    folder,
    clock: systemClock,
    retentionDays: 0,
    reserveBytes: 0,
    maintenanceMillis: 0,
  })
  const { series, newest, damaged } = store.stats()
  await store.close()
  if (damaged > 0)
    throw new BackupError(`The restored store has ${damaged} damaged files. Take another backup.`)
  if (series < expected.series)
    throw new BackupError(
      `The restored store has ${series} series, the manifest says ${expected.series}.`,
    )
  return {
    series,
    newest: newest === undefined ? undefined : new Date(newest).toISOString(),
    rows: records.kind === 'sqlite' ? await proveRows(hub, records.tables) : undefined,
  }
}

async function proveRows(hub: string, expected: Readonly<Record<string, number>>): Promise<number> {
  const found = await countRows(join(hub, 'records.sqlite'))
  for (const [table, rows] of Object.entries(expected)) {
    if (found[table] !== rows)
      throw new BackupError(
        `Table ${table} of the restored records has ${found[table] ?? 0} rows, the manifest says ${rows}.`,
      )
  }
  return Object.values(found).reduce((sum, rows) => sum + rows, 0)
}

async function countParts(store: string): Promise<{ files: number; samples: number }> {
  const folder = join(store, 'parts')
  const names = existsSync(folder) ? await readdir(folder) : []
  const counts = await Promise.all(names.map((name) => samplesOf(join(folder, name))))
  const found = counts.filter((count) => count !== undefined)
  return { files: found.length, samples: found.reduce((sum, count) => sum + count, 0) }
}

/** Gives everything its real name; the hub's own folder last, which makes it a data folder. */
async function settle(unfinished: string, data: string): Promise<void> {
  const names = (await readdir(unfinished)).sort(
    (a, b) => Number(a === 'hub') - Number(b === 'hub'),
  )
  for (const name of names) await rename(join(unfinished, name), join(data, name))
  await rm(unfinished, { recursive: true })
  await realDisk.syncFolder(data)
}
