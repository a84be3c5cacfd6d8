import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { link, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CallwardError } from '../errors.ts'

/** A whole file in the folder of half ones: written, synced, hashed, not yet named. */
export interface Written {
  readonly id: string
  readonly bytes: number
  /** Lower-case hexadecimal. */
  readonly sha256: string
}

const readChunkBytes = 256 * 1024

/**
 * Files of a folder by their SHA-256. Each comes through `half/`: its half stays until the record is committed, and names at a start what
 * was under way.
 */
export class AttachmentFiles {
  readonly #folder: string
  readonly #half: string

  private constructor(folder: string) {
    this.#folder = folder
    this.#half = join(folder, 'half')
  }

  static async open(folder: string): Promise<AttachmentFiles> {
    const files = new AttachmentFiles(folder)
    await mkdir(files.#half, { recursive: true, mode: 0o700 })
    return files
  }

  pathOf(sha256: string): string {
    return join(this.#folder, sha256)
  }

  /** Takes a whole body; leaves nothing behind when it ends early, is over the limit or cannot be written. Throws CallwardError. */
  async receive(
    id: string,
    body: AsyncIterable<Uint8Array>,
    most: number,
    expected: number | undefined,
  ): Promise<Written> {
    const path = join(this.#half, id)
    try {
      const file = await open(path, 'wx', 0o600)
      const hash = createHash('sha256')
      let bytes = 0
      try {
        for await (const chunk of body) {
          bytes += chunk.length
          if (bytes > most) tooLarge(most)
          hash.update(chunk)
          await file.writeFile(chunk)
        }
        if (expected !== undefined && bytes !== expected)
          throw new CallwardError(
            'bad_request',
            `The body has ${bytes} bytes, its Content-Length says ${expected}: send the file again.`,
          )
        if (bytes === 0)
          throw new CallwardError('bad_request', 'The file is empty: send its bytes as the body.')
        await file.sync()
      } finally {
        await file.close()
      }
      return { id, bytes, sha256: hash.digest('hex') }
    } catch (error) {
      await this.drop(id)
      throw diskError(error)
    }
  }

  /** Gives a received file its name, durably. One that has the name already stays, unless it was damaged. */
  async settle({ id, sha256, bytes }: Written): Promise<void> {
    const path = this.pathOf(sha256)
    const isWhole = await this.prove(sha256, bytes).then(
      () => true,
      () => false,
    )
    if (isWhole) return
    try {
      await rm(path, { force: true })
      await link(join(this.#half, id), path)
      await this.#sync()
    } catch (error) {
      throw diskError(error)
    }
  }

  /** Takes away the half of an upload; its named file stays. */
  async drop(id: string): Promise<void> {
    await rm(join(this.#half, id), { force: true })
  }

  async remove(sha256: string): Promise<void> {
    await rm(this.pathOf(sha256), { force: true })
    await this.#sync()
  }

  /** Ids of uploads that were under way when the hub ended. */
  async halves(): Promise<string[]> {
    return readdir(this.#half)
  }

  /** SHA-256 of a half file. */
  async hashOfHalf(id: string): Promise<string> {
    return hashOf(join(this.#half, id))
  }

  /** Proves that a file is what its name says. Throws conflict that says what to do. */
  async prove(sha256: string, bytes: number): Promise<void> {
    const path = this.pathOf(sha256)
    const found = await stat(path).catch(() => undefined)
    if (found === undefined)
      throw new CallwardError(
        'conflict',
        `The file is missing in the data folder (${sha256}): bring it back from a backup.`,
      )
    if (found.size !== bytes || (await hashOf(path)) !== sha256)
      throw new CallwardError(
        'conflict',
        `The file on the disk is not the one that was attached (${sha256}): bring it back from a backup.`,
      )
  }

  async #sync(): Promise<void> {
    const folder = await open(this.#folder, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: readChunkBytes }))
    hash.update(chunk as Buffer)
  return hash.digest('hex')
}

export function tooLarge(most: number): never {
  throw new CallwardError(
    'too_large',
    `A file has at most ${most} bytes here: attach a part of it, or say in a note where it is kept.`,
  )
}

const diskCodes = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EMFILE', 'ENFILE'])

/** What a caller may read of a failed file: ours, a disk that refuses, an upload that was cut off. */
function diskError(error: unknown): unknown {
  if (error instanceof CallwardError) return error
  const code = codeOf(error) ?? ''
  if (diskCodes.has(code))
    return new CallwardError(
      'storage_unavailable',
      `The disk refuses the file (${code}): free space or mend it. Nothing was attached.`,
      { cause: error },
    )
  if (['ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE', 'ABORT_ERR'].includes(code))
    return new CallwardError('bad_request', 'The upload was cut off: send the file again.')
  return error
}

function codeOf(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}
