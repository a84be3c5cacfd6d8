import { constants, existsSync, mkdirSync } from 'node:fs'
import { open, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises'
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
  /** What the medium does not give back comes as zeros; throws when the file cannot even be opened. */
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
  /** The bytes of the ledger (`ledger.ts`); undefined when there is none. */
  readLedger(): Promise<Uint8Array | undefined>
  /** Writes it in place, which needs no room but the first time; `sync` brings it to the medium. */
  writeLedger(bytes: Uint8Array, sync?: boolean): Promise<void>
  removeLedger(): Promise<void>
}

const name = /^(\d{12})\.spool$/
const marker = 'whole'
const ledger = 'ledger'
/** What the medium does not give back is stepped over in blocks of so many bytes, at most so many a file. */
const blockBytes = 4096
const badBlocks = 8

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
    readLedger: () =>
      readFile(join(folder, ledger)).catch((error: unknown) => {
        if (isOfMedium(error)) return undefined
        ignoreMissing(error)
        return undefined
      }),
    async writeLedger(bytes, sync = false) {
      const handle = await open(join(folder, ledger), constants.O_RDWR | constants.O_CREAT, 0o600)
      try {
        await handle.write(bytes, 0, bytes.length, 0)
        if (sync) await handle.datasync()
      } finally {
        await handle.close()
      }
    },
    removeLedger: () => rm(join(folder, ledger), { force: true }),
  }
}

async function readFrom(path: string, from: number): Promise<Uint8Array> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    const bytes = new Uint8Array(Math.max(0, size - from))
    return await filled(bytes, async (at) => {
      const { bytesRead } = await handle.read(bytes, at, bytes.length - at, from + at)
      return bytesRead
    })
  } finally {
    await handle.close()
  }
}

/** Fills `bytes` by `read`, which gives how many it put at a place, 0 at the end; a place that the medium refuses stays zero. */
export async function filled(
  bytes: Uint8Array,
  read: (at: number) => Promise<number>,
): Promise<Uint8Array> {
  let bad = 0
  let at = 0
  while (at < bytes.length) {
    try {
      const count = await read(at)
      if (count === 0) break
      at += count
    } catch (error) {
      if (!isOfMedium(error)) throw error
      if (++bad > badBlocks) return bytes
      at = Math.min(bytes.length, (Math.floor(at / blockBytes) + 1) * blockBytes)
    }
  }
  return bytes.subarray(0, at)
}

const mediumCodes = new Set(['EIO', 'EREMOTEIO', 'ENODATA', 'EBADMSG', 'EUCLEAN', 'EILSEQ'])

/** Whether the medium, or the file system's own checksum, refuses what is there: trying again helps no more. */
export function isOfMedium(error: unknown): boolean {
  return error instanceof Error && 'code' in error && mediumCodes.has(String(error.code))
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
