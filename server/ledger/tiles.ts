import { emptyRoot, type Hash, nodeHash, type RangeHash, splitOf } from './merkle.ts'

/** Levels of the tree that one tile spans (as C2SP tlog-tiles). */
const tileHeight = 8
/** Hashes in a full tile. */
export const tileWidth = 2 ** tileHeight
export const hashBytes = 32

/** Place of a tile: its hashes are of whole subtrees of 256^level leaves, beginning with number `index` * 256. */
export interface TilePlace {
  readonly level: number
  readonly index: number
}

export interface Tile extends TilePlace {
  /** Up to 256 hashes one after the other. */
  readonly hashes: Buffer
}

/** Reads a tile; undefined when it is not there. */
export type TileReader = (place: TilePlace) => Promise<Buffer | undefined>

/** The stored tree has lost a part or holds one of the wrong length. */
export class TreeBroken extends Error {}

/** Tiles that a tree of `size` leaves will go on filling, the lowest level first. */
export function edgeTiles(size: number): TilePlace[] {
  const places: TilePlace[] = []
  for (let [level, count] = [0, size]; count > 0; level++) {
    if (count % tileWidth !== 0) places.push({ level, index: Math.floor(count / tileWidth) })
    count = Math.floor(count / tileWidth)
  }
  return places
}

/** Adds leaves to a tree of `size`; gives the tiles that are new or longer than before. Throws TreeBroken. */
export async function grow(
  size: number,
  leaves: readonly Hash[],
  read: TileReader,
): Promise<Tile[]> {
  const changed: Tile[] = []
  let added = leaves
  for (let [level, count] = [0, size]; added.length > 0; level++) {
    const filled: Hash[] = []
    let at = 0
    while (at < added.length) {
      const index = Math.floor(count / tileWidth)
      const taken = count % tileWidth
      const before = taken === 0 ? Buffer.alloc(0) : await required({ level, index }, taken, read)
      const some = added.slice(at, at + tileWidth - taken)
      const hashes = Buffer.concat([before, ...some])
      changed.push({ level, index, hashes })
      if (hashes.length === tileWidth * hashBytes) filled.push(rootOf(hashes))
      at += some.length
      count += some.length
    }
    count -= added.length
    added = filled
    count = Math.floor(count / tileWidth)
  }
  return changed
}

/** Hashes over ranges from stored tiles; each tile is read once. What it is asked for must be in a tree of its tiles. */
export function rangeHashes(read: TileReader): RangeHash {
  const known = new Map<string, Promise<Buffer | undefined>>()
  const readOnce: TileReader = (place) => {
    const key = `${place.level}/${place.index}`
    const found = known.get(key) ?? read(place)
    known.set(key, found)
    return found
  }
  const hashOf: RangeHash = async ({ begin, end }) => {
    const size = end - begin
    if (size === 0) return emptyRoot
    const height = Math.log2(size)
    if (Number.isInteger(height)) return subtree(begin / size, height, readOnce)
    const middle = begin + splitOf(size)
    return nodeHash(await hashOf({ begin, end: middle }), await hashOf({ begin: middle, end }))
  }
  return hashOf
}

/** Hash of the whole subtree number `number` of 2^height leaves. */
async function subtree(number: number, height: number, read: TileReader): Promise<Hash> {
  const level = Math.floor(height / tileHeight)
  const width = 2 ** (height % tileHeight)
  const first = number * width
  const index = Math.floor(first / tileWidth)
  const from = first % tileWidth
  const hashes = await required({ level, index }, from + width, read)
  return rootOf(hashes.subarray(from * hashBytes, (from + width) * hashBytes))
}

/** The first `count` hashes of a tile. */
async function required(place: TilePlace, count: number, read: TileReader): Promise<Buffer> {
  const hashes = await read(place)
  if (hashes === undefined || hashes.length < count * hashBytes)
    throw new TreeBroken(
      `Tile ${place.level}/${place.index} of the ledger's tree has ${(hashes?.length ?? 0) / hashBytes} hashes where ${count} are needed.`,
    )
  return hashes.subarray(0, count * hashBytes)
}

/** Root over the hashes of a power of two of nodes. */
function rootOf(hashes: Buffer): Hash {
  let row: Hash[] = []
  for (let at = 0; at < hashes.length; at += hashBytes)
    row.push(hashes.subarray(at, at + hashBytes))
  while (row.length > 1) {
    const above: Hash[] = []
    for (let at = 0; at < row.length; at += 2) above.push(nodeHash(row[at]!, row[at + 1]!))
    row = above
  }
  return Buffer.from(row[0]!)
}
