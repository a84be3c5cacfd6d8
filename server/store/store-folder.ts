import { mkdir, open, readdir, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { StartError } from '../errors.ts'
import { realDisk, systemCode } from './disk.ts'
import { type FolderLock, lockFolder } from './folder-lock.ts'
import { seriesLogName } from './series/series-log.ts'

/** File that says which format a store folder has. */
export const formatName = 'format'
/** Folders within a store folder. */
export const journalName = 'journal'
export const partsName = 'parts'

const format = '4\n'

/** What this version can read, and makes the present format of: its sealed files stay as they are until they are merged. */
const formerFormat = '3\n'

/**
 * Locks a store folder and makes what is missing in it. Throws a StartError that says what to do when the folder cannot be written, is
 * in use by another process, or holds a store of another format.
 */
export async function takeFolder(folder: string): Promise<FolderLock> {
  let lock: FolderLock | undefined
  try {
    lock = await lockFolder(folder)
    await checkFormat(folder)
    for (const name of [journalName, partsName])
      await mkdir(join(folder, name), { recursive: true })
    for (const path of [join(folder, '..'), folder])
      await realDisk.syncFolder(path).catch(() => undefined)
    return lock
  } catch (error) {
    await lock?.release()
    const code = systemCode(error)
    if (code === undefined) throw error
    throw new StartError(
      `The store folder ${folder} cannot be written (${code}). Create it, give it to the account the hub runs as, or set another folder.`,
      { cause: error },
    )
  }
}

async function checkFormat(folder: string): Promise<void> {
  const path = join(folder, formatName)
  const found = await readFile(path, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  })
  if (found === format) return checkSeriesLog(folder)
  if (found === formerFormat) {
    await checkSeriesLog(folder)
    return writeFormat(path)
  }
  // An interrupted first start leaves an empty file.
  if (found !== undefined && found !== '' && !format.startsWith(found))
    throw new StartError(
      `The store folder ${folder} has format ${JSON.stringify(found.trim())}, this version knows ${format.trim()}. Start the version that wrote it, or move the folder away to begin anew.`,
    )
  if ((await names(join(folder, 'blocks'))) !== undefined || (await hasData(folder)))
    throw new StartError(
      `The store folder ${folder} was written by an earlier version, whose format is not read any more. Move it away to begin anew.`,
    )
  await writeFormat(path)
}

/** Whole or not at all: an earlier version takes the folder for its own until then. */
async function writeFormat(path: string): Promise<void> {
  const unfinished = `${path}.tmp`
  const handle = await open(unfinished, 'w')
  try {
    await handle.writeFile(format)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(unfinished, path)
}

async function checkSeriesLog(folder: string): Promise<void> {
  const exists = await stat(join(folder, seriesLogName)).then(
    () => true,
    (error: unknown) => {
      if (systemCode(error) === 'ENOENT') return false
      throw error
    },
  )
  if (!exists && (await names(join(folder, partsName)))?.some((name) => name.endsWith('.part')))
    throw new StartError(
      `The store folder ${folder} has sealed files but no ${seriesLogName}, which says whose samples they hold. Restore a backup, or move the folder away to begin anew.`,
    )
}

async function names(folder: string): Promise<string[] | undefined> {
  return readdir(folder).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  })
}

async function hasData(folder: string): Promise<boolean> {
  for (const name of [journalName, partsName])
    if (((await names(join(folder, name))) ?? []).length > 0) return true
  return false
}
