import { same } from './bytes.ts'
import { sha256 } from './sha256.ts'

/** What a checkpoint says: so many entries, and this root over them. */
export interface Head {
  readonly size: number
  readonly root: Uint8Array
}

const leafPrefix = Uint8Array.of(0)
const nodePrefix = Uint8Array.of(1)

/** SHA-256(0x00 || entry) (RFC 9162 §2.1.1). */
export function leafHash(entry: string): Uint8Array {
  return sha256(leafPrefix, entry)
}

/** SHA-256(0x01 || left || right) (RFC 9162 §2.1.1). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(nodePrefix, left, right)
}

/** Root that an inclusion proof leads to; undefined where it has another length than this leaf's (RFC 9162 §2.1.3.2). */
export function rootOfInclusion(
  index: number,
  size: number,
  leaf: Uint8Array,
  proof: readonly Uint8Array[],
): Uint8Array | undefined {
  if (index < 0 || index >= size) return undefined
  let [position, last, root] = [index, size - 1, leaf]
  for (const hash of proof) {
    if (last === 0) return undefined
    if (position % 2 === 1 || position === last) {
      root = nodeHash(hash, root)
      while (position % 2 === 0 && position !== 0) [position, last] = [half(position), half(last)]
    } else root = nodeHash(root, hash)
    ;[position, last] = [half(position), half(last)]
  }
  return last === 0 ? root : undefined
}

/**
 * Root of a tree of `size` from the leaves `[from, from + leaves.length)` and the hashes of the largest subtrees (RFC 9162
 * §2.1.1) that hold none of them, from the left to the right; undefined where hashes are missing or left over.
 */
export function rootOfRange(
  from: number,
  leaves: readonly Uint8Array[],
  size: number,
  proof: readonly Uint8Array[],
): Uint8Array | undefined {
  const to = from + leaves.length
  if (leaves.length === 0 || from < 0 || to > size) return undefined
  let taken = 0
  const hashOf = (begin: number, end: number): Uint8Array | undefined => {
    if (end <= from || begin >= to) return proof[taken++]
    if (end - begin === 1) return leaves[begin - from]
    const middle = begin + splitOf(end - begin)
    const left = hashOf(begin, middle)
    const right = hashOf(middle, end)
    return left === undefined || right === undefined ? undefined : nodeHash(left, right)
  }
  const root = hashOf(0, size)
  return taken === proof.length ? root : undefined
}

/** Whether a proof shows that the tree `older` is an earlier state of the tree `newer` (RFC 9162 §2.1.4.2); an empty tree proves nothing. */
export function isConsistent(older: Head, newer: Head, proof: readonly Uint8Array[]): boolean {
  if (older.size === 0 || older.size > newer.size) return false
  if (older.size === newer.size) return proof.length === 0 && same(older.root, newer.root)
  let [position, last] = [older.size - 1, newer.size - 1]
  while (position % 2 === 1) [position, last] = [half(position), half(last)]
  const [first, ...rest] = position === 0 ? [older.root, ...proof] : proof
  if (first === undefined) return false
  let [before, after] = [first, first]
  for (const hash of rest) {
    if (last === 0) return false
    if (position % 2 === 1 || position === last) {
      before = nodeHash(hash, before)
      after = nodeHash(hash, after)
      while (position % 2 === 0 && position !== 0) [position, last] = [half(position), half(last)]
    } else after = nodeHash(after, hash)
    ;[position, last] = [half(position), half(last)]
  }
  return last === 0 && same(before, older.root) && same(after, newer.root)
}

/** Largest power of two below `size`, which is 2 or more. */
function splitOf(size: number): number {
  let split = 1
  while (split * 2 < size) split *= 2
  return split
}

/** Not `>> 1`: sizes may have 53 bits. */
function half(number: number): number {
  return Math.floor(number / 2)
}
