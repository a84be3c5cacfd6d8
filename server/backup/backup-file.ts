import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { realDisk } from '../store/disk.ts'
import type { Manifest } from './manifest.ts'
import { verifyBackup } from './verify.ts'

export type Progress = (phase: string, bytesDone: number, bytes: number | undefined) => void

/**
 * Writes a backup to a file of its own, whole or not at all: under a temporary name, made durable, read again and proven, renamed.
 * `bytes` is about how many will come, for progress. Throws BackupError for what does not prove.
 */
export async function writeBackupFile(
  path: string,
  stream: AsyncIterable<Uint8Array>,
  bytes: number | undefined,
  onProgress: Progress,
): Promise<Manifest> {
  const unfinished = `${path}.part-${process.pid}`
  const file = await open(unfinished, 'wx', 0o600)
  try {
    try {
      let done = 0
      for await (const chunk of stream) {
        await file.writeFile(chunk)
        done += chunk.length
        onProgress('copying', done, bytes)
      }
      await file.sync()
    } finally {
      await file.close()
    }
    const manifest = await verifyBackup(unfinished, (done, of) => onProgress('checking', done, of))
    await rename(unfinished, path)
    await realDisk.syncFolder(dirname(path))
    return manifest
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
}
