import { createHash } from 'node:crypto'

/** A SHA-256 hash, 32 bytes. */
export type Hash = Buffer

/** Leaves `[begin, end)` of a tree. */
export interface Range {
  readonly begin: number
  readonly end: number
}

/** Gives the hash over a range; every range asked for is one that RFC 6962 §2.1 forms. */
export type RangeHash = (range: Range) => Promise<Hash>

const leafPrefix = Buffer.of(0)
const nodePrefix = Buffer.of(1)

/** Root of a tree without leaves (RFC 6962 §2.1). */
export const emptyRoot: Hash = createHash('sha256').digest()

/** Hash of a leaf: SHA-256(0x00 || data) (RFC 6962 §2.1). */
export function leafHash(data: Uint8Array | string): Hash {
  const bytes = typeof data === 'string' ? Buffer.from(data, 'utf8') : data
  return createHash('sha256')
    .update(Buffer.concat([leafPrefix, bytes]))
    .digest()
}

/** Hash of an inner node: SHA-256(0x01 || left || right) (RFC 6962 §2.1). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Hash {
  return createHash('sha256').update(nodePrefix).update(left).update(right).digest()
}

/** Largest power of two below `size`, which is 2 or more. */
export function splitOf(size: number): number {
  let split = 1
  while (split * 2 < size) split *= 2
  return split
}

/** Ranges whose hashes prove that leaf `index` is in a tree of `size` leaves, the lowest first (RFC 6962 §2.1.1). */
export function inclusionRanges(index: number, size: number): Range[] {
  requireSize(size)
  if (!Number.isSafeInteger(index) || index < 0 || index >= size)
    throw new RangeError(`Leaf ${index} is not in a tree of ${size}.`)
  const path: Range[] = []
  let [begin, end] = [0, size]
  while (end - begin > 1) {
    const middle = begin + splitOf(end - begin)
    if (index < middle) {
      path.push({ begin: middle, end })
      end = middle
    } else {
      path.push({ begin, end: middle })
      begin = middle
    }
  }
  return path.reverse()
}

/** Ranges whose hashes prove that the first `from` leaves of a tree of `to` are an earlier state of it (RFC 6962 §2.1.2). */
export function consistencyRanges(from: number, to: number): Range[] {
  requireSize(to)
  if (!Number.isSafeInteger(from) || from < 0 || from > to)
    throw new RangeError(`A tree of ${to} leaves has no earlier state of ${from}.`)
  if (from === 0 || from === to) return []
  const path: Range[] = []
  let [begin, end] = [0, to]
  while (end !== from) {
    const middle = begin + splitOf(end - begin)
    if (from <= middle) {
      path.push({ begin: middle, end })
      end = middle
    } else {
      path.push({ begin, end: middle })
      begin = middle
    }
  }
  // The verifier knows this one when it is the whole of the earlier tree.
  if (begin !== 0) path.push({ begin, end })
  return path.reverse()
}

/** The largest ranges of a tree of `size` that hold no leaf of `range`, from the left to the right: with its leaves they make the root. */
export function outsideRanges(range: Range, size: number): Range[] {
  requireSize(size)
  if (range.begin >= range.end || range.end > size)
    throw new RangeError(`Leaves ${range.begin} to ${range.end} are not in a tree of ${size}.`)
  const outside: Range[] = []
  const visit = (begin: number, end: number): void => {
    if (end <= range.begin || begin >= range.end) outside.push({ begin, end })
    else if (begin < range.begin || end > range.end) {
      const middle = begin + splitOf(end - begin)
      visit(begin, middle)
      visit(middle, end)
    }
  }
  visit(0, size)
  return outside
}

/** Root that an inclusion proof leads to, undefined when the proof has another length than this leaf's (RFC 9162 §2.1.3.2). */
export function rootOfInclusion(
  index: number,
  size: number,
  leaf: Uint8Array,
  proof: readonly Uint8Array[],
): Hash | undefined {
  if (index < 0 || index >= size) return undefined
  let [position, last] = [index, size - 1]
  let root: Hash = Buffer.from(leaf)
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

/** Whether a proof shows that the tree `from` is an earlier state of the tree `to` (RFC 9162 §2.1.4.2); an empty tree proves nothing. */
export function isConsistent(
  from: { readonly size: number; readonly root: Uint8Array },
  to: { readonly size: number; readonly root: Uint8Array },
  proof: readonly Uint8Array[],
): boolean {
  if (from.size === 0 || from.size > to.size) return false
  if (from.size === to.size) return proof.length === 0 && same(from.root, to.root)
  let [position, last] = [from.size - 1, to.size - 1]
  while (position % 2 === 1) [position, last] = [half(position), half(last)]
  const path = position === 0 ? [from.root, ...proof] : [...proof]
  const [first, ...rest] = path
  if (first === undefined) return false
  let older: Hash = Buffer.from(first)
  let newer = older
  for (const hash of rest) {
    if (last === 0) return false
    if (position % 2 === 1 || position === last) {
      older = nodeHash(hash, older)
      newer = nodeHash(hash, newer)
      while (position % 2 === 0 && position !== 0) [position, last] = [half(position), half(last)]
    } else newer = nodeHash(newer, hash)
    ;[position, last] = [half(position), half(last)]
  }
  return last === 0 && same(older, from.root) && same(newer, to.root)
}

/** Root of a tree that grows by one leaf at a time; keeps one hash for each power of two. */
export class GrowingTree {
  readonly #whole: Hash[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  add(leaf: Hash): void {
    let carried = leaf
    for (let rest = this.#size; rest % 2 === 1; rest = half(rest))
      carried = nodeHash(this.#whole.pop()!, carried)
    this.#whole.push(carried)
    this.#size++
  }

  root(): Hash {
    if (this.#whole.length === 0) return emptyRoot
    return this.#whole.reduceRight((right, left) => nodeHash(left, right))
  }
}

function half(number: number): number {
  return Math.floor(number / 2)
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function requireSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`${size} is no size of a tree.`)
}
