import type { FileHandle } from 'node:fs/promises'

/** Bytes of a block of a tar file; every entry begins at a multiple. */
export const tarBlock = 512

/** End of a tar file: two empty blocks. */
export const tarEnd: Buffer = Buffer.alloc(2 * tarBlock)

/** Longest name of an entry. */
export const tarNameBytes = 100

/** Largest size that eleven octal digits hold. */
const largestOctal = 0o77777777777

/** Header of a regular file (POSIX.1-1988 ustar; sizes from 8 GiB on in base 256, as GNU tar writes them). Names have `tarNameBytes` at most. */
export function tarHeader(name: string, bytes: number, modifiedAt: number): Buffer {
  const header = Buffer.alloc(tarBlock)
  if (Buffer.byteLength(name) > tarNameBytes)
    throw new Error(`BUG: "${name}" is too long for a tar entry`)
  header.write(name, 0, 'utf8')
  header.write('0000600\0', 100, 'latin1')
  header.write('0000000\0', 108, 'latin1')
  header.write('0000000\0', 116, 'latin1')
  if (bytes <= largestOctal) header.write(`${octal(bytes, 11)}\0`, 124, 'latin1')
  else {
    header[124] = 0x80
    header.writeUIntBE(Math.floor(bytes / 2 ** 32), 128, 4)
    header.writeUInt32BE(bytes % 2 ** 32, 132)
  }
  header.write(`${octal(Math.floor(modifiedAt / 1000), 11)}\0`, 136, 'latin1')
  header.write('0', 156, 'latin1')
  header.write('ustar\x0000', 257, 'latin1')
  header.write(`${octal(sumOf(header), 6)}\0 `, 148, 'latin1')
  return header
}

/** What fills the last block of an entry. */
export function tarPadding(bytes: number): Buffer {
  return Buffer.alloc((tarBlock - (bytes % tarBlock)) % tarBlock)
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0')
}

/** Sum of a header's bytes, its own field taken as spaces. */
function sumOf(header: Buffer): number {
  let sum = 8 * 0x20
  for (let i = 0; i < tarBlock; i++) if (i < 148 || i >= 156) sum += header[i]!
  return sum
}

export interface TarEntry {
  readonly name: string
  readonly bytes: number
  /** Where its content begins in the file. */
  readonly offset: number
}

/** A tar file that ends early or has a header that is none. */
export class TarError extends Error {}

/** The regular files in a tar file, in order. Throws TarError; it names the entry before the fault. */
export async function tarEntries(file: FileHandle): Promise<TarEntry[]> {
  const { size } = await file.stat()
  const entries: TarEntry[] = []
  const header = Buffer.alloc(tarBlock)
  for (let at = 0; ; ) {
    const after = entries.at(-1)
    const where = after === undefined ? 'its start' : `"${after.name}"`
    const { bytesRead } = await file.read(header, 0, tarBlock, at)
    if (bytesRead < tarBlock) throw new TarError(`it ends early, behind ${where}`)
    if (header.every((byte) => byte === 0)) return entries
    if (Number.parseInt(header.toString('latin1', 148, 154), 8) !== sumOf(header))
      throw new TarError(`what follows ${where} is damaged`)
    const name = header.toString('utf8', 0, tarNameBytes).replace(/\0.*$/s, '')
    const bytes = sizeOf(header)
    const end = at + tarBlock + bytes + tarPadding(bytes).length
    if (!(bytes >= 0) || end > size) throw new TarError(`it ends early, within "${name}"`)
    entries.push({ name, bytes, offset: at + tarBlock })
    at = end
  }
}

function sizeOf(header: Buffer): number {
  if (header[124] === 0x80) return header.readUInt32BE(128) * 2 ** 32 + header.readUInt32BE(132)
  return Number.parseInt(header.toString('latin1', 124, 135), 8)
}
