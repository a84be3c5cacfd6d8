import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { BytesError } from '../bytes.ts'
import type { Slot } from './part-format.ts'

/** Reads stretches of files; a few files stay open. */
export interface PartFiles {
  read(path: string, offset: number, length: number): Promise<Buffer> | Buffer
  size(path: string): Promise<number> | number
  /** Closes a file that is not read any more. */
  forget(path: string): void
  close(): Promise<void>
}

const mostOpen = 64

function endsEarly(offset: number, length: number): BytesError {
  return new BytesError(`the file ends before ${offset + length}`)
}

/** For a thread that may wait for the disk. */
export class SyncFiles implements PartFiles {
  private readonly opened = new Map<string, number>()

  private descriptor(path: string): number {
    const known = this.opened.get(path)
    if (known !== undefined) {
      this.opened.delete(path)
      this.opened.set(path, known)
      return known
    }
    const descriptor = openSync(path, 'r')
    this.opened.set(path, descriptor)
    if (this.opened.size > mostOpen) this.forget(this.opened.keys().next().value!)
    return descriptor
  }

  read(path: string, offset: number, length: number): Buffer {
    const descriptor = this.descriptor(path)
    const bytes = Buffer.allocUnsafeSlow(length)
    for (let done = 0; done < length; ) {
      const count = readSync(descriptor, bytes, done, length - done, offset + done)
      if (count === 0) throw endsEarly(offset, length)
      done += count
    }
    return bytes
  }

  size(path: string): number {
    return fstatSync(this.descriptor(path)).size
  }

  forget(path: string): void {
    const descriptor = this.opened.get(path)
    if (descriptor === undefined) return
    this.opened.delete(path)
    closeSync(descriptor)
  }

  async close(): Promise<void> {
    for (const path of [...this.opened.keys()]) this.forget(path)
  }
}

/** Bytes of a slot that are copied at once. */
const copyBytes = 1024 * 1024

/** The bytes of a slot in pieces. */
export function* slotBytes(
  files: SyncFiles,
  path: string,
  { offset, length }: Pick<Slot, 'offset' | 'length'>,
): Iterable<Buffer> {
  for (let at = 0; at < length; at += copyBytes)
    yield files.read(path, offset + at, Math.min(copyBytes, length - at))
}

interface OpenHandle {
  readonly handle: Promise<FileHandle>
  users: number
  /** Closed when its last user is done. */
  gone: boolean
}

/** For the main thread: never waits. */
export class AsyncFiles implements PartFiles {
  private readonly opened = new Map<string, OpenHandle>()

  private async using<T>(path: string, use: (handle: FileHandle) => Promise<T>): Promise<T> {
    const known = this.opened.get(path)
    const file = known ?? { handle: open(path, 'r'), users: 0, gone: false }
    this.opened.delete(path)
    this.opened.set(path, file)
    file.users++
    if (this.opened.size > mostOpen) this.forget(this.opened.keys().next().value!)
    try {
      return await use(await file.handle)
    } catch (error) {
      // A file that could not be opened is tried anew by the next read.
      if (!known && this.opened.get(path) === file) this.forget(path)
      throw error
    } finally {
      file.users--
      closeUnused(file)
    }
  }

  read(path: string, offset: number, length: number): Promise<Buffer> {
    return this.using(path, async (handle) => {
      const bytes = Buffer.allocUnsafeSlow(length)
      for (let done = 0; done < length; ) {
        const { bytesRead } = await handle.read(bytes, done, length - done, offset + done)
        if (bytesRead === 0) throw endsEarly(offset, length)
        done += bytesRead
      }
      return bytes
    })
  }

  size(path: string): Promise<number> {
    return this.using(path, async (handle) => (await handle.stat()).size)
  }

  forget(path: string): void {
    const file = this.opened.get(path)
    if (!file) return
    this.opened.delete(path)
    file.gone = true
    closeUnused(file)
  }

  async close(): Promise<void> {
    const handles = [...this.opened.values()].map(({ handle }) => handle.catch(() => undefined))
    for (const path of [...this.opened.keys()]) this.forget(path)
    await Promise.all(handles)
  }
}

function closeUnused(file: OpenHandle): void {
  if (!file.gone || file.users > 0) return
  file.handle.then((handle) => handle.close()).catch(() => undefined)
}
