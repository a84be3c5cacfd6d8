import { type Database, tileReader } from './ledger-store.ts'
import { hashBytes, tileWidth } from './tiles.ts'

/** Leaves as a log's tree holds them, base64, by place; null where the tree has none. Every tile read is kept: for a page of entries, not for a log. */
export function treeLeaves(
  read: Database,
  epoch: number,
): (index: number) => Promise<string | null> {
  const tiles = new Map<number, Promise<Buffer | undefined>>()
  const readTile = tileReader(read, epoch)
  return async (index) => {
    const tile = Math.floor(index / tileWidth)
    const hashes = tiles.get(tile) ?? readTile({ level: 0, index: tile })
    tiles.set(tile, hashes)
    const at = (index % tileWidth) * hashBytes
    return (await hashes)?.subarray(at, at + hashBytes).toString('base64') ?? null
  }
}
