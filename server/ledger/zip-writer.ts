/** One member as its place in the list needs it. */
interface Member {
  readonly name: Buffer
  readonly crc: number
  readonly bytes: number
  readonly offset: number
}

/** 1 January 1980, the first day a zip can name: the same content is the same file. */
const dosDate = 0x21
/** Reading it takes version 1.0: nothing is packed. */
const version = 10
/** Sizes and offsets are 32 bits; well below that. */
const maxBytes = 2 ** 31

/**
 * Writes a zip whose members are stored as they are (APPNOTE 6.3.3): each goes out whole with its checksum before it, so that
 * a reader needs no second pass and nothing can unpack to more than it is.
 */
export class ZipWriter {
  readonly #members: Member[] = []
  #offset = 0

  /** The bytes of one more member. Throws RangeError above 2 GiB. */
  add(name: string, content: Buffer): Buffer[] {
    const member = {
      name: Buffer.from(name, 'ascii'),
      crc: crc32(content),
      bytes: content.length,
      offset: this.#offset,
    }
    const header = Buffer.alloc(30)
    header.writeUInt32LE(0x04034b50, 0)
    writeFields(header, 4, member)
    this.#members.push(member)
    this.#offset += header.length + member.name.length + content.length
    if (this.#offset > maxBytes) throw new RangeError(`A bundle has at most ${maxBytes} bytes.`)
    return [header, member.name, content]
  }

  /** The list of all members, which ends the file. */
  end(): Buffer[] {
    const list = this.#members.flatMap((member) => {
      const header = Buffer.alloc(46)
      header.writeUInt32LE(0x02014b50, 0)
      header.writeUInt16LE(version, 4)
      writeFields(header, 6, member)
      header.writeUInt32LE(member.offset, 42)
      return [header, member.name]
    })
    const end = Buffer.alloc(22)
    end.writeUInt32LE(0x06054b50, 0)
    end.writeUInt16LE(this.#members.length, 8)
    end.writeUInt16LE(this.#members.length, 10)
    end.writeUInt32LE(
      list.reduce((sum, { length }) => sum + length, 0),
      12,
    )
    end.writeUInt32LE(this.#offset, 16)
    return [...list, end]
  }
}

/** What the header before a member and its place in the list have in common. */
function writeFields(header: Buffer, at: number, { name, crc, bytes }: Member): void {
  header.writeUInt16LE(version, at)
  header.writeUInt16LE(dosDate, at + 8)
  header.writeUInt32LE(crc, at + 10)
  header.writeUInt32LE(bytes, at + 14)
  header.writeUInt32LE(bytes, at + 18)
  header.writeUInt16LE(name.length, at + 22)
}

/** What one byte does to the remainder, and after it 1 to 3 zero bytes: four bytes at once. */
const tables = Array.from({ length: 4 }, () => new Int32Array(256))
for (let byte = 0; byte < 256; byte++) {
  let rest = byte
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1
  tables[0]![byte] = rest
}
for (let zeros = 1; zeros < 4; zeros++)
  for (let byte = 0; byte < 256; byte++) {
    const rest = tables[zeros - 1]![byte]!
    tables[zeros]![byte] = (rest >>> 8) ^ tables[0]![rest & 0xff]!
  }

/** CRC-32 as zip has it (node:zlib has its own from Node 22 on). */
function crc32(bytes: Uint8Array): number {
  const [one, two, three, four] = tables as [Int32Array, Int32Array, Int32Array, Int32Array]
  const whole = bytes.length - (bytes.length % 4)
  let [crc, at] = [-1, 0]
  for (; at < whole; at += 4)
    crc =
      four[(crc ^ bytes[at]!) & 0xff]! ^
      three[((crc >>> 8) ^ bytes[at + 1]!) & 0xff]! ^
      two[((crc >>> 16) ^ bytes[at + 2]!) & 0xff]! ^
      one[(crc >>> 24) ^ bytes[at + 3]!]!
  for (; at < bytes.length; at++) crc = one[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8)
  return ~crc >>> 0
}
