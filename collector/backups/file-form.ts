import { type FileHandle, open } from 'node:fs/promises'

/** What a backup file is, by its name. */
export type FileForm = 'pgdump' | 'sql' | 'tar' | 'other'
export type Packing = 'gzip' | 'zstd' | 'xz' | 'bzip2' | undefined

export interface NamedForm {
  readonly form: FileForm
  readonly packing: Packing
}

/** Form and packing by the file's name: `.dump` and `.pgdump` are PostgreSQL's custom format. */
export function formOf(name: string): NamedForm {
  const [, stem, ending] = /^(.*?)(\.gz|\.tgz|\.zst|\.xz|\.bz2)?$/s.exec(name) ?? []
  const packings: Readonly<Record<string, Packing>> = {
    '.gz': 'gzip',
    '.tgz': 'gzip',
    '.zst': 'zstd',
    '.xz': 'xz',
    '.bz2': 'bzip2',
  }
  const packing = packings[ending ?? '']
  if (ending === '.tgz' || /\.tar$/.test(stem ?? '')) return { form: 'tar', packing }
  if (/\.sql$/.test(stem ?? '')) return { form: 'sql', packing }
  if (/\.(dump|pgdump)$/.test(stem ?? '')) return { form: 'pgdump', packing }
  return { form: 'other', packing }
}

/** What the ends of a file tell: `unsure` where only reading all of it does. */
export type Ending = 'complete' | 'truncated' | 'unsure'

const tarBlock = 512
/** Headers of a tar or blocks of a zstd file walked before giving up as `unsure`. */
const stepsLimit = 100_000

/** Looks at head and tail, not at the content between. Throws the system's errors. */
export async function endingOf(path: string, { form, packing }: NamedForm): Promise<Ending> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    if (packing === 'gzip') return await startsWith(file, [0x1f, 0x8b, 0x08], 18, size)
    if (packing === 'bzip2') return await startsWith(file, [0x42, 0x5a, 0x68], 14, size)
    if (packing === 'xz') return await xzEnding(file, size)
    if (packing === 'zstd') return await zstdEnding(file, size)
    if (form === 'tar') return await tarEnding(file, size)
    if (form === 'sql') return await sqlEnding(file, size)
    if (form === 'pgdump') return await startsWith(file, [...Buffer.from('PGDMP')], 64, size)
    return 'unsure'
  } finally {
    await file.close()
  }
}

async function bytesAt(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  const { bytesRead } = await file.read(buffer, 0, length, at)
  return buffer.subarray(0, bytesRead)
}

async function startsWith(
  file: FileHandle,
  magic: readonly number[],
  least: number,
  size: number,
): Promise<Ending> {
  const head = await bytesAt(file, 0, magic.length)
  return size >= least && head.equals(Buffer.from(magic)) ? 'unsure' : 'truncated'
}

/** A footer that ends in `YZ` (xz file format 1.1, section 2.1.2). */
async function xzEnding(file: FileHandle, size: number): Promise<Ending> {
  const head = await startsWith(file, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], 32, size)
  const tail = await bytesAt(file, size - 2, 2)
  return head === 'unsure' && tail.toString('latin1') === 'YZ' ? 'unsure' : 'truncated'
}

/** Both pg_dump and mysqldump end with a line that says so. */
async function sqlEnding(file: FileHandle, size: number): Promise<Ending> {
  const length = Math.min(size, 4096)
  const tail = (await bytesAt(file, size - length, length)).toString('latin1')
  return isSqlEnd(tail) ? 'complete' : 'truncated'
}

/** Whether these are the last lines of a dump that ran to its end. */
export function isSqlEnd(tail: string): boolean {
  return /-- (PostgreSQL database (cluster )?dump complete|Dump completed)/.test(tail)
}

/** Walks from header to header to the two empty blocks at the end. */
async function tarEnding(file: FileHandle, size: number): Promise<Ending> {
  for (let at = 0, steps = 0; steps < stepsLimit; steps++) {
    const header = await bytesAt(file, at, tarBlock)
    if (header.length < tarBlock) return 'truncated'
    if (header.every((byte) => byte === 0)) {
      const second = await bytesAt(file, at + tarBlock, tarBlock)
      return second.length === tarBlock && second.every((byte) => byte === 0)
        ? 'complete'
        : 'truncated'
    }
    const bytes = tarSize(header)
    if (bytes === undefined) return 'truncated'
    at += tarBlock + Math.ceil(bytes / tarBlock) * tarBlock
    if (at > size) return 'truncated'
  }
  return 'unsure'
}

/** Bytes of the entry of a header whose checksum is right; undefined of any other (POSIX ustar; GNU's base 256 for large sizes). */
export function tarSize(header: Buffer): number | undefined {
  let sum = 8 * 0x20
  for (let i = 0; i < tarBlock; i++) if (i < 148 || i >= 156) sum += header[i]!
  if (Number.parseInt(header.toString('latin1', 148, 156), 8) !== sum) return undefined
  const bytes =
    (header[124]! & 0x80) !== 0
      ? header.readUInt32BE(128) * 2 ** 32 + header.readUInt32BE(132)
      : Number.parseInt(header.toString('latin1', 124, 136).trim() || '0', 8)
  return Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : undefined
}

/** Walks from block to block of every frame (RFC 8878, section 3.1). */
async function zstdEnding(file: FileHandle, size: number): Promise<Ending> {
  let at = 0
  for (let steps = 0; steps < stepsLimit; ) {
    if (at === size) return at === 0 ? 'truncated' : 'complete'
    const head = await bytesAt(file, at, 18)
    const magic = head.length >= 8 ? head.readUInt32LE(0) : 0
    if (magic >= 0x184d2a50 && magic <= 0x184d2a5f) {
      at += 8 + head.readUInt32LE(4) // a frame to be skipped
      steps++
      continue
    }
    if (magic !== 0xfd2fb528) return 'truncated'
    const descriptor = head[4]!
    at += 5 + zstdHeaderBytes(descriptor)
    for (let last = false; !last; steps++) {
      if (steps >= stepsLimit) return 'unsure'
      const block = await bytesAt(file, at, 3)
      if (block.length < 3) return 'truncated'
      const bits = block.readUIntLE(0, 3)
      last = (bits & 1) === 1
      const kind = (bits >> 1) & 3
      if (kind === 3) return 'truncated'
      at += 3 + (kind === 1 ? 1 : bits >> 3) // a repeated byte is stored once
    }
    at += (descriptor & 4) === 0 ? 0 : 4
    if (at > size) return 'truncated'
  }
  return 'unsure'
}

/** Bytes of a frame's header behind its descriptor: window, dictionary id, content size. */
function zstdHeaderBytes(descriptor: number): number {
  const isSingle = (descriptor & 0x20) !== 0
  const dictionary = [0, 1, 2, 4][descriptor & 3]!
  const content = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6]!
  return (isSingle ? 0 : 1) + dictionary + content
}
