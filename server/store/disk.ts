import { open, statfs, truncate, unlink } from 'node:fs/promises'

/** A file that only grows. */
export interface AppendFile {
  /** Writes all of `bytes` at the end. */
  write(bytes: Uint8Array): Promise<void>
  /** Returns when everything written is on the medium (fdatasync). */
  sync(): Promise<void>
  close(): Promise<void>
}

/** What the journal asks of the file system; tests put a failing one in its place. */
export interface Disk {
  /** Fails when the file exists. */
  create(path: string): Promise<AppendFile>
  /** Opens a file that exists, to write at its end. */
  append(path: string): Promise<AppendFile>
  /** Cuts a file to `lengthBytes` through a new descriptor and makes the cut durable. */
  truncate(path: string, lengthBytes: number): Promise<void>
  unlink(path: string): Promise<void>
  /** Makes created, renamed and unlinked names of a folder durable. */
  syncFolder(folder: string): Promise<void>
  space(folder: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>
}

async function openFor(path: string, flags: 'wx' | 'a'): Promise<AppendFile> {
  const handle = await open(path, flags)
  return {
    async write(bytes) {
      for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten
    },
    sync: () => handle.datasync(),
    close: () => handle.close(),
  }
}

async function syncPath(path: string, flags: 'r' | 'r+'): Promise<void> {
  const handle = await open(path, flags)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The file system of this machine. */
export const realDisk: Disk = {
  create: (path) => openFor(path, 'wx'),
  append: (path) => openFor(path, 'a'),
  unlink,
  async truncate(path, lengthBytes) {
    await truncate(path, lengthBytes)
    await syncPath(path, 'r+')
  },
  syncFolder: (folder) => syncPath(folder, 'r'),
  async space(folder) {
    const found = await statfs(folder)
    return { freeBytes: found.bavail * found.bsize, totalBytes: found.blocks * found.bsize }
  },
}

/** Code of a failed system call, such as ENOSPC. */
export function systemCode(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}
