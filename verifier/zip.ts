import { textOf } from './bytes.ts'

/** Why a file is not read; the text says what to do. */
export class Unreadable extends Error {}

/** What a bundle may hold at most; more is refused, never read in part. */
export const limits = {
  fileBytes: 1024 * 1024 * 1024,
  members: 4096,
  nameBytes: 128,
  entries: 1_100_000,
  lineBytes: 512 * 1024,
  documentBytes: 64 * 1024 * 1024,
  rows: 1_000_000,
  hashes: 4096,
  single: 2048,
} as const

const localHeader = 0x04034b50
const centralHeader = 0x02014b50
const endHeader = 0x06054b50
const localBytes = 30
const centralBytes = 46
const endBytes = 22

/** Names the hub writes: no folder above, no drive, no odd letters. */
const nameForm = /^[a-z0-9]+(?:[-_./][a-z0-9]+)*$/

/**
 * Members of a zip as the hub writes it: stored, not compressed, one after the other without gaps, each name once. Anything
 * else a zip can be is refused, so that no two programs can see different things in one file. Throws Unreadable.
 */
export function readZip(file: Uint8Array): Map<string, Uint8Array> {
  if (file.length > limits.fileBytes)
    throw new Unreadable(
      `The file has more than ${limits.fileBytes} bytes; ask for a shorter period.`,
    )
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const end = file.length - endBytes
  if (end < 0 || view.getUint32(end, true) !== endHeader)
    throw new Unreadable('This is no evidence bundle, or its end is missing: fetch it again.')
  const count = view.getUint16(end + 10, true)
  const [directoryBytes, directory] = [
    view.getUint32(end + 12, true),
    view.getUint32(end + 16, true),
  ]
  const disks = [4, 6].some((at) => view.getUint16(end + at, true) !== 0)
  const wrong =
    disks ||
    view.getUint16(end + 8, true) !== count ||
    view.getUint16(end + 20, true) !== 0 ||
    directory + directoryBytes !== end
  if (wrong || count > limits.members)
    throw new Unreadable('The list of this zip does not fit the file.')
  const members = new Map<string, Uint8Array>()
  let [at, data] = [directory, 0]
  for (let i = 0; i < count; i++) {
    const member = readMember(file, view, at, data, { directory, end })
    if (members.has(member.name)) throw new Unreadable(`"${member.name}" is there twice.`)
    members.set(member.name, member.bytes)
    at = member.nextEntry
    data = member.nextData
  }
  if (at !== end || data !== directory)
    throw new Unreadable('The zip holds bytes that belong to none of its members.')
  return members
}

interface Bounds {
  /** Where the list begins. */
  readonly directory: number
  readonly end: number
}

function readMember(
  file: Uint8Array,
  view: DataView,
  at: number,
  data: number,
  { directory, end }: Bounds,
) {
  if (at + centralBytes > end || view.getUint32(at, true) !== centralHeader)
    throw new Unreadable('The list of this zip is cut short.')
  const [nameBytes, extra, comment] = [28, 30, 32].map((field) => view.getUint16(at + field, true))
  const [crc, packed, bytes] = [16, 20, 24].map((field) => view.getUint32(at + field, true))
  if (nameBytes! > limits.nameBytes || extra !== 0 || comment !== 0)
    throw new Unreadable('A member of the zip has a name or fields the hub does not write.')
  const nextEntry = at + centralBytes + nameBytes!
  if (nextEntry > end) throw new Unreadable('The list of this zip is cut short.')
  const name = textOf(file.subarray(at + centralBytes, nextEntry)) ?? ''
  if (!nameForm.test(name))
    throw new Unreadable(`A member has the name ${JSON.stringify(name.slice(0, 60))}.`)
  if (view.getUint16(at + 10, true) !== 0 || packed !== bytes)
    throw new Unreadable(
      `"${name}" is compressed: give the file as the hub wrote it, not packed again.`,
    )
  if (view.getUint32(at + 42, true) !== data)
    throw new Unreadable(`"${name}" is not where it belongs.`)
  const begin = data + localBytes + nameBytes!
  const stop = begin + bytes!
  if (stop > directory) throw new Unreadable(`"${name}" is cut short: fetch the bundle again.`)
  const samePlace =
    view.getUint32(data, true) === localHeader &&
    view.getUint16(data + 6, true) === view.getUint16(at + 8, true) &&
    view.getUint16(data + 8, true) === 0 &&
    view.getUint32(data + 14, true) === crc &&
    view.getUint32(data + 18, true) === bytes &&
    view.getUint32(data + 22, true) === bytes &&
    view.getUint16(data + 26, true) === nameBytes &&
    view.getUint16(data + 28, true) === 0 &&
    textOf(file.subarray(data + localBytes, begin)) === name
  if (!samePlace) throw new Unreadable(`"${name}" is listed otherwise than it is stored.`)
  const content = file.subarray(begin, stop)
  if (crc32(content) !== crc)
    throw new Unreadable(`"${name}" was damaged on its way: fetch it again.`)
  return { name, bytes: content, nextEntry, nextData: stop }
}

/** What one byte does to the remainder, and after it 1 to 3 zero bytes: four bytes at once. */
const crcTables = Array.from({ length: 4 }, () => new Int32Array(256))
for (let byte = 0; byte < 256; byte++) {
  let rest = byte
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1
  crcTables[0]![byte] = rest
}
for (let zeros = 1; zeros < 4; zeros++)
  for (let byte = 0; byte < 256; byte++) {
    const rest = crcTables[zeros - 1]![byte]!
    crcTables[zeros]![byte] = (rest >>> 8) ^ crcTables[0]![rest & 0xff]!
  }

function crc32(bytes: Uint8Array): number {
  const [one, two, three, four] = crcTables as [Int32Array, Int32Array, Int32Array, Int32Array]
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
