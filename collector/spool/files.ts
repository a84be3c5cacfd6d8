import { existsSync, mkdirSync } from 'node:fs'
import { open, readdir, rm, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A segment that grows. */
export interface SegmentFile {
  /** Writes all of `bytes` at the end. */
  write(bytes: Uint8Array): Promise<void>
  /** Returns when everything written is on the medium. */
  sync(): Promise<void>
  /** Cuts off what is behind `lengthBytes`. */
  cut(lengthBytes: number): Promise<void>
  close(): Promise<void>
}

/** What the spool asks of the file system; tests put a failing one in its place. Segments are named by a rising serial. */
export interface SpoolFiles {
  /** Rising. */
  list(): Promise<number[]>
  read(serial: number, from?: number): Promise<Uint8Array>
  /** Fails when the file exists. */
  create(serial: number): Promise<SegmentFile>
  remove(serial: number): Promise<void>
  /** Makes the names of created and removed files durable. */
  syncFolder(): Promise<void>
  /** Whether the marker stands that the segments know of everything that was sent. */
  isWhole(): Promise<boolean>
  /** Sets or takes away that marker; taking it away needs no room. */
  setWhole(whole: boolean): Promise<void>
}

const name = /^(\d{12})\.spool$/
const marker = 'whole'

const fileName = (serial: number) => `${String(serial).padStart(12, '0')}.spool`

/** The files of one folder, which is made when missing. Throws the system's error. */
export function spoolFiles(folder: string): SpoolFiles {
  // Not recursive: the folder above is the collector's own, and must be there.
  if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 })
  const path = (serial: number) => join(folder, fileName(serial))
  return {
    async list() {
      const serials = (await readdir(folder)).map((one) =>
        Number(name.exec(one)?.[1] ?? Number.NaN),
      )
      return serials.filter((serial) => !Number.isNaN(serial)).sort((a, b) => a - b)
    },
    read: (serial, from = 0) => readFrom(path(serial), from),
    create: (serial) => createSegment(path(serial)),
    remove: (serial) => rm(path(serial), { force: true }),
    async syncFolder() {
      const handle = await open(folder, 'r')
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    },
    isWhole: async () => existsSync(join(folder, marker)),
    async setWhole(whole) {
      if (whole) await writeFile(join(folder, marker), '', { mode: 0o600 })
      else await unlink(join(folder, marker)).catch(ignoreMissing)
    },
  }
}

async function readFrom(path: string, from: number): Promise<Uint8Array> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    const bytes = new Uint8Array(Math.max(0, size - from))
    let at = 0
    while (at < bytes.length) {
      const { bytesRead } = await handle.read(bytes, at, bytes.length - at, from + at)
      if (bytesRead === 0) break
      at += bytesRead
    }
    return bytes.subarray(0, at)
  } finally {
    await handle.close()
  }
}

async function createSegment(path: string): Promise<SegmentFile> {
  const handle = await open(path, 'ax', 0o600)
  return {
    async write(bytes) {
      for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten
    },
    sync: () => handle.datasync(),
    cut: (lengthBytes) => handle.truncate(lengthBytes),
    close: () => handle.close(),
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
}
