import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { tarSize } from './file-form.ts'
import { BackupError, fileTrouble } from './trouble.ts'

const block = 512
/** Bytes of a long name or a pax header. */
const headBytesLimit = 65_536
const nameParts = 256

export interface Untarred {
  readonly files: number
  readonly bytes: number
  /** Files that were in the archive, extracted or not. */
  readonly filesSeen: number
  /** Links, devices, sockets: never made. */
  readonly skipped: number
}

export interface UntarOptions {
  /** An empty folder; undefined reads the archive to its end and writes nothing. */
  readonly target: string | undefined
  /** Bytes that may be written. */
  readonly bytesLimit: number
  /** Whether a file is extracted; all of them unless given. */
  readonly chooses?: (path: string, bytes: number, bytesSoFar: number) => boolean
}

/**
 * Reads a tar archive (ustar, pax, GNU long names) and writes its regular files below `target`. Links and devices are never made, so
 * no name can lead out; a leading `/` is dropped as tar does, a name with `..` is refused. Throws BackupError: `damaged`
 * for an archive that ends early, `refused` for a hostile one.
 */
export async function untar(
  content: AsyncIterable<Buffer>,
  options: UntarOptions,
): Promise<Untarred> {
  const pieces = new Pieces(content)
  const sum = { files: 0, bytes: 0, filesSeen: 0, skipped: 0 }
  let longName: string | undefined
  let longSize: number | undefined
  for (;;) {
    const header = await pieces.exactly(block)
    if (header.every((byte) => byte === 0)) {
      const second = await pieces.exactly(block)
      if (second.some((byte) => byte !== 0)) throw damaged()
      await pieces.drain()
      return sum
    }
    const size = tarSize(header)
    if (size === undefined) throw damaged()
    const type = String.fromCharCode(header[156]!)
    const padded = Math.ceil(size / block) * block
    if ('LKxg'.includes(type)) {
      if (size > headBytesLimit)
        throw new BackupError('refused', 'the archive has a header that is too long')
      const head = (await pieces.exactly(padded)).subarray(0, size)
      if (type === 'L') longName = head.toString('utf8').replace(/\0.*$/s, '')
      if (type === 'x') ({ name: longName, size: longSize } = paxOf(head, longName))
      continue
    }
    const name = longName ?? nameOf(header)
    const bytes = longSize ?? size
    longName = undefined
    longSize = undefined
    const isFile = type === '0' || type === '\0' || type === '7'
    if (!isFile) {
      if (type !== '5') sum.skipped++
      await pieces.skip(Math.ceil(bytes / block) * block)
      continue
    }
    sum.filesSeen++
    const path = safePath(name)
    const chosen = options.chooses?.(path, bytes, sum.bytes) ?? true
    if (options.target === undefined || !chosen) await pieces.skip(bytes)
    else {
      if (sum.bytes + bytes > options.bytesLimit)
        throw new BackupError('refused', 'the archive is larger than the drill’s maxMegabytes')
      await writeFile(options.target, path, bytes, pieces)
      sum.files++
      sum.bytes += bytes
    }
    await pieces.skip(Math.ceil(bytes / block) * block - bytes)
  }
}

function damaged(): BackupError {
  return new BackupError('damaged', 'the archive is damaged or ends early')
}

function nameOf(header: Buffer): string {
  const text = (at: number, length: number) =>
    header.toString('utf8', at, at + length).replace(/\0.*$/s, '')
  const prefix = text(257, 5) === 'ustar' && header[262] === 0 ? text(345, 155) : ''
  return prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`
}

/** Records `LENGTH key=value\n` of a pax header (POSIX.1-2017, pax, section "pax Header Block"). */
function paxOf(
  head: Buffer,
  name: string | undefined,
): { name: string | undefined; size: number | undefined } {
  const found = { name, size: undefined as number | undefined }
  for (let at = 0; at < head.length; ) {
    const space = head.indexOf(0x20, at)
    const length = Number(head.toString('latin1', at, space))
    if (space < 0 || !Number.isInteger(length) || length < 5 || at + length > head.length)
      throw damaged()
    const [key, ...value] = head.toString('utf8', space + 1, at + length - 1).split('=')
    if (key === 'path') found.name = value.join('=')
    if (key === 'size') found.size = Number(value.join('='))
    at += length
  }
  if (found.size !== undefined && !(Number.isSafeInteger(found.size) && found.size >= 0))
    throw damaged()
  return found
}

/** The name as a path below the target. Throws BackupError for one that leads out. */
export function safePath(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.length === 0 || parts.length > nameParts || parts.includes('..') || name.includes('\0'))
    throw new BackupError('damaged', 'the archive has a name that leads out of its folder')
  return parts.join('/')
}

async function writeFile(
  target: string,
  path: string,
  bytes: number,
  pieces: Pieces,
): Promise<void> {
  const full = join(target, path)
  let file: FileHandle | undefined
  try {
    await mkdir(dirname(full), { recursive: true, mode: 0o700 })
    file = await open(full, 'w', 0o600)
    for (let left = bytes; left > 0; ) {
      const piece = await pieces.upTo(left)
      await file.write(piece)
      left -= piece.length
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : ''
    const clash = code === 'ENOTDIR' || code === 'EEXIST' || code === 'EISDIR' // a file where a folder should be
    throw clash ? damaged() : fileTrouble(error)
  } finally {
    await file?.close()
  }
}

/** Bytes of a stream, taken in the lengths asked for. */
class Pieces {
  readonly #source: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** At least one byte, at most `most`. Throws at the end of the stream. */
  async upTo(most: number): Promise<Buffer> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#source.next()
      if (done === true) throw damaged()
      this.#rest = value
    }
    const piece = this.#rest.subarray(0, most)
    this.#rest = this.#rest.subarray(piece.length)
    return piece
  }

  async exactly(length: number): Promise<Buffer> {
    const parts: Buffer[] = []
    for (let left = length; left > 0; ) {
      const piece = await this.upTo(left)
      parts.push(piece)
      left -= piece.length
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) left -= (await this.upTo(left)).length
  }

  /** Reads to the end, so that what unpacks proves its checksum. */
  async drain(): Promise<void> {
    while ((await this.#source.next()).done !== true) this.#rest = Buffer.alloc(0)
  }
}
