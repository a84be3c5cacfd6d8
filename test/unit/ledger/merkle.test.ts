import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../server/assets.ts'
import {
  consistencyRanges,
  emptyRoot,
  GrowingTree,
  inclusionRanges,
  isConsistent,
  leafHash,
  nodeHash,
  rootOfInclusion,
} from '../../../server/ledger/merkle.ts'
import {
  edgeTiles,
  grow,
  hashBytes,
  rangeHashes,
  type Tile,
  type TilePlace,
  tileWidth,
} from '../../../server/ledger/tiles.ts'
import fc from '../../helpers/property.ts'

/** RFC 6962 §2.1, word for word. */
function naiveRoot(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return emptyRoot
  if (leaves.length === 1) return leaves[0]!
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return nodeHash(naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)))
}

class Tiles {
  readonly #kept = new Map<string, Buffer>()
  reads = 0

  readonly read = async ({ level, index }: TilePlace) => {
    this.reads++
    return this.#kept.get(`${level}/${index}`)
  }

  keep(tiles: readonly Tile[]): void {
    for (const { level, index, hashes } of tiles) this.#kept.set(`${level}/${index}`, hashes)
  }

  spoil(): void {
    for (const [key, hashes] of this.#kept) this.#kept.set(key, hashes.subarray(0, hashBytes))
  }
}

const hex = (text: string) => Buffer.from(text, 'hex')
const base64 = (text: string) => Buffer.from(text, 'base64')

t.test('the tree of Certificate Transparency', async (t) => {
  const data = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657']
  data.push('606162636465666768696a6b6c6d6e6f')
  const roots = [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ]
  const tree = new GrowingTree()
  t.equal(tree.root().toString('hex'), roots[0])
  for (const [index, text] of data.entries()) {
    tree.add(leafHash(hex(text)))
    t.equal(tree.root().toString('hex'), roots[index + 1], `${index + 1} leaves`)
  }
})

t.test('published proofs, valid and broken', async (t) => {
  const path = join(packageRoot, 'test/fixtures/ledger/merkle-proofs.json')
  const { inclusion, consistency } = JSON.parse(readFileSync(path, 'utf8')) as {
    inclusion: {
      name: string
      leafIdx: number
      treeSize: number
      root: string
      leafHash: string
      proof: string[] | null
      wantErr: boolean
    }[]
    consistency: {
      name: string
      size1: number
      size2: number
      root1: string
      root2: string
      proof: string[] | null
      wantErr: boolean
    }[]
  }
  t.equal(inclusion.length, 98)
  for (const { name, leafIdx, treeSize, root, leafHash, proof, wantErr } of inclusion) {
    const found = rootOfInclusion(leafIdx, treeSize, base64(leafHash), (proof ?? []).map(base64))
    const accepted = base64(leafHash).length === 32 && found?.equals(base64(root)) === true
    t.equal(accepted, !wantErr, name)
  }
  t.equal(consistency.length, 98)
  for (const { name, size1, size2, root1, root2, proof, wantErr } of consistency) {
    const from = { size: size1, root: base64(root1) }
    const to = { size: size2, root: base64(root2) }
    t.equal(isConsistent(from, to, (proof ?? []).map(base64)), !wantErr, name)
  }
})

t.test('tiles that grow in any steps give the roots and proofs of the naive tree', async () => {
  const steps = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(), fc.nat(), async (sizes, a, b) => {
      const tiles = new Tiles()
      const leaves: Buffer[] = []
      for (const size of sizes) {
        const more = Array.from({ length: size }, (_, i) => leafHash(`${leaves.length + i}`))
        tiles.keep(await grow(leaves.length, more, tiles.read))
        leaves.push(...more)
      }
      const size = leaves.length
      const hashOf = rangeHashes(tiles.read)
      const root = await hashOf({ begin: 0, end: size })
      if (!root.equals(naiveRoot(leaves))) return false
      const tree = new GrowingTree()
      for (const leaf of leaves) tree.add(leaf)
      if (!root.equals(tree.root())) return false
      const index = a % size
      const proof = await Promise.all(inclusionRanges(index, size).map(hashOf))
      if (rootOfInclusion(index, size, leaves[index]!, proof)?.equals(root) !== true) return false
      if (rootOfInclusion(index, size, leafHash('else'), proof)?.equals(root)) return false
      const earlier = { size: b % (size + 1), root: naiveRoot(leaves.slice(0, b % (size + 1))) }
      const consistency = await Promise.all(consistencyRanges(earlier.size, size).map(hashOf))
      if (earlier.size === 0) return consistency.length === 0
      if (!isConsistent(earlier, { size, root }, consistency)) return false
      const other = { size: earlier.size, root: leafHash('other') }
      return !isConsistent(other, { size, root }, consistency)
    }),
    { numRuns: 60 },
  )
})

t.test('a million entries: any proof from a few tiles, growth from the edge', async (t) => {
  const size = 2 ** 20 - 3
  const same = leafHash('x')
  // A tree of equal leaves has one hash a level, which makes the million cheap to build.
  const byLevel = [same]
  for (let level = 1; level <= 20; level++)
    byLevel.push(nodeHash(byLevel[level - 1]!, byLevel[level - 1]!))
  const tiles = new Tiles()
  for (let [level, count] = [0, size]; count > 0; level++) {
    const full = Buffer.concat(Array.from({ length: tileWidth }, () => byLevel[level * 8]!))
    for (let index = 0; index * tileWidth < count; index++) {
      const hashes = full.subarray(0, Math.min(tileWidth, count - index * tileWidth) * hashBytes)
      tiles.keep([{ level, index, hashes }])
    }
    count = Math.floor(count / tileWidth)
  }
  const hashOf = rangeHashes(tiles.read)
  const root = await hashOf({ begin: 0, end: size })
  const proof = await Promise.all(inclusionRanges(777_777, size).map(hashOf))
  t.ok(rootOfInclusion(777_777, size, same, proof)?.equals(root))
  t.ok(tiles.reads <= 8, `${tiles.reads} tiles read`)
  tiles.reads = 0
  const changed = await grow(size, [same, same, same], tiles.read)
  t.ok(tiles.reads <= 3 && changed.length <= 4)
  t.same(
    changed.map(({ level }) => level),
    [0, 1, 2],
  )
  tiles.keep(changed)
  t.ok((await rangeHashes(tiles.read)({ begin: 0, end: size + 3 })).equals(byLevel[20]!))
  t.same(edgeTiles(size + 3), [{ level: 2, index: 0 }], 'only whole tiles below')
})

t.test('what cannot be is refused', async (t) => {
  t.throws(() => inclusionRanges(3, 3), RangeError)
  t.throws(() => inclusionRanges(-1, 3), RangeError)
  t.throws(() => inclusionRanges(0.5, 3), RangeError)
  t.throws(() => consistencyRanges(4, 3), RangeError)
  t.throws(() => consistencyRanges(1, Number.NaN), RangeError)
  const tiles = new Tiles()
  tiles.keep(await grow(0, [leafHash('a'), leafHash('b')], tiles.read))
  tiles.spoil()
  const lost = /Tile 0\/0 of the ledger's tree has 1 hashes where 2 are needed/
  await t.rejects(grow(2, [leafHash('c')], tiles.read), lost)
  await t.rejects(rangeHashes(tiles.read)({ begin: 0, end: 2 }), lost)
})
