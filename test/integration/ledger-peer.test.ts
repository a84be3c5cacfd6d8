import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { packageRoot } from '../../server/assets.ts'
import {
  checkpointText,
  readCheckpoint as hubsCheckpoint,
  isSignedBy,
  readVerifierKey as rawKey,
} from '../../server/ledger/checkpoint.ts'
import {
  consistencyRanges,
  GrowingTree,
  inclusionRanges,
  leafHash,
  type Range,
} from '../../server/ledger/merkle.ts'
import { judge, readCheckpoint, readVerifierKey } from '../../verifier/note.ts'
import { isConsistent, rootOfInclusion } from '../../verifier/tree.ts'
import { folderOf } from '../helpers/folder.ts'
import { type GoAnswer, goPeer, hasGo } from '../helpers/go-peer.ts'
import { adminToken } from '../helpers/hub.ts'
import { listeningHub } from '../helpers/listening-hub.ts'
import { MovedClock } from './changes-desk.ts'

type Ask = (questions: readonly object[]) => GoAnswer[]

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'))
const sizes = [1, 2, 3, 4, 5, 7, 8, 9, 31, 64, 100, 255, 256, 257, 300]
const dataOf = (index: number) => Buffer.from(`entry ${index} — 来电 điện thoại`)
const missing = !hasGo()
const skip = missing && process.env.CALLWARD_REQUIRE_PEERS !== '1' && 'Go is not installed'

t.test('the tree and the notes, by a program that is not ours', { skip }, async (t) => {
  if (missing) {
    t.fail('Go is not installed (golang-go, golang-golang-x-mod-dev)')
    return
  }
  const folder = folderOf(t)
  const ask = goPeer(folder)
  await t.test('published proofs are judged alike', async (t) => published(t, ask))
  await t.test('its proofs hold for us', async (t) => itsProofs(t, ask))
  await t.test('its notes are read by us', async (t) => itsNotes(t, ask))
  await t.test('what a hub serves holds for it', async (t) => served(t, ask, folder))
})

interface Vector {
  readonly name: string
  readonly proof: readonly string[] | null
  readonly wantErr: boolean
}
interface Inclusion extends Vector {
  readonly leafIdx: number
  readonly treeSize: number
  readonly root: string
  readonly leafHash: string
}
interface Consistency extends Vector {
  readonly size1: number
  readonly size2: number
  readonly root1: string
  readonly root2: string
}

/** Vectors of transparency-dev: the Go checksum database's code says what they say, and what our tests hold both of ours to. */
function published(t: Test, ask: Ask): void {
  const path = join(packageRoot, 'test/fixtures/ledger/merkle-proofs.json')
  const vectors = JSON.parse(readFileSync(path, 'utf8')) as {
    inclusion: Inclusion[]
    consistency: Consistency[]
  }
  const inclusion = vectors.inclusion.map(({ leafIdx, treeSize, root, leafHash, proof }) => ({
    ...{ op: 'inclusion', index: leafIdx, size: treeSize, root, leaf: leafHash },
    proof: proof ?? [],
  }))
  // An empty tree is an earlier state of every one, which proves nothing: neither of us takes it.
  const some = vectors.consistency.filter(
    // One has texts for roots, which Go's types do not take.
    ({ size1, root1 }) => size1 > 0 && bytes(root1).length === 32,
  )
  const consistency = some.map(({ size1, size2, root1, root2, proof }) => ({
    ...{ op: 'consistency', oldSize: size1, size: size2, oldRoot: root1, root: root2 },
    proof: proof ?? [],
  }))
  const wanted = [...vectors.inclusion, ...some]
  const answers = ask([...inclusion, ...consistency])
  t.equal(answers.length, 178, 'all but those that no proof is of')
  for (const [i, { name, wantErr }] of wanted.entries())
    t.equal(answers[i]!.fault !== undefined, wantErr, `${name}: ${answers[i]!.fault ?? 'holds'}`)
}

/** Trees that Go grew: the roots are ours, and our verifier takes the proofs and no altered one. */
function itsProofs(t: Test, ask: Ask): void {
  const asked = sizes.flatMap((size) =>
    [0, Math.floor(size / 3), size - 1].map((index) => ({ size, index, oldSize: index + 1 })),
  )
  const answers = ask(
    asked.map(({ size, index, oldSize }) => ({
      ...{ op: 'grow', index, oldSize },
      data: Array.from({ length: size }, (_, i) => dataOf(i).toString('base64')),
    })),
  )
  let held = 0
  for (const [i, { size, index, oldSize }] of asked.entries()) {
    const { fault, root = '', proof = [], tree = [] } = answers[i]!
    const leaf = leafHash(dataOf(index))
    const [found, path] = [bytes(root), proof.map(bytes)]
    t.equal(fault, undefined)
    t.equal(root, rootOf({ begin: 0, end: size }).toString('base64'), `root of ${size}`)
    const held1 = rootOfInclusion(index, size, leaf, path)
    t.same(held1 && Buffer.from(held1).toString('base64'), root, `entry ${index} of ${size}`)
    const older = { size: oldSize, root: rootOf({ begin: 0, end: oldSize }) }
    t.ok(isConsistent(older, { size, root: found }, tree.map(bytes)), `${oldSize} to ${size}`)
    const other = { size: oldSize, root: leafHash('another') }
    t.notOk(isConsistent(other, { size, root: found }, tree.map(bytes)))
    t.same(
      proof,
      inclusionRanges(index, size).map((range) => rootOf(range).toString('base64')),
      'the hub makes the very same proof',
    )
    t.same(
      tree,
      consistencyRanges(oldSize, size).map((range) => rootOf(range).toString('base64')),
    )
    held++
  }
  t.equal(held, sizes.length * 3)
}

function rootOf({ begin, end }: Range): Buffer {
  const tree = new GrowingTree()
  for (let index = begin; index < end; index++) tree.add(leafHash(dataOf(index)))
  return tree.root()
}

/** A checkpoint that Go signed, with a second line beside it: hub and verifier read it, and no altered one. */
async function itsNotes(t: Test, ask: Ask): Promise<void> {
  const origin = 'go.example/log'
  const text = checkpointText({ origin, size: 9, root: rootOf({ begin: 0, end: 9 }) })
  const [{ note = '', key = '' } = {}] = ask([{ op: 'sign', name: origin, text }])
  const [read, hubs] = [readCheckpoint(note), hubsCheckpoint(note)]
  t.equal(read?.size, 9)
  t.same(await judge(read!, readVerifierKey(key)!), { kind: 'good' })
  t.ok(isSignedBy(hubs!, [rawKey(key)!]))
  const altered = note.replace('\n9\n', '\n8\n')
  t.same(await judge(readCheckpoint(altered)!, readVerifierKey(key)!), { kind: 'bad' })
  t.notOk(isSignedBy(hubsCheckpoint(altered)!, [rawKey(key)!]))
}

/** The hub's own answers: checkpoints open as notes, proofs of its entries hold, altered ones do not. */
async function served(t: Test, ask: Ask, folder: string): Promise<void> {
  const file = join(folder, 'callward.yaml')
  writeFileSync(file, 'hub: {}\n')
  const { app } = await listeningHub(file, join(folder, 'data'), new MovedClock())
  t.teardown(() => app.close())
  const headers = { authorization: `Bearer ${adminToken}`, host: 'localhost' }
  const call = async (url: string, method: 'GET' | 'POST' = 'GET') => {
    const answer = await app.inject({ method, url, headers })
    if (answer.statusCode >= 300) throw new Error(`${url}: ${answer.body}`)
    return answer
  }
  const base = '/api/v1/ledger'
  for (let link = 0; link < 12; link++) await call('/api/v1/sign-in-links', 'POST')
  const first = (await call(`${base}/checkpoint`)).body
  for (let link = 0; link < 9; link++) await call('/api/v1/sign-in-links', 'POST')
  const second = (await call(`${base}/checkpoint`)).body
  const { verifierKeys } = (await call(`${base}/status`)).json() as { verifierKeys: string[] }
  const key = verifierKeys[0]!
  const [older, newer] = [readCheckpoint(first)!, readCheckpoint(second)!]
  t.ok(older.size > 12 && newer.size > older.size, `${older.size} and ${newer.size} entries`)
  const root = Buffer.from(newer.root).toString('base64')
  const oldRoot = Buffer.from(older.root).toString('base64')
  const { proof } = (
    await call(`${base}/consistency?from=${older.size}&to=${newer.size}`)
  ).json() as { proof: string[] }
  const good: object[] = [
    { op: 'open', note: first, key },
    { op: 'open', note: second, key },
    { op: 'consistency', size: newer.size, oldSize: older.size, root, oldRoot, proof },
  ]
  const bad: object[] = [
    { op: 'open', note: second.replace(`\n${newer.size}\n`, `\n${newer.size + 1}\n`), key },
    { op: 'consistency', size: newer.size, oldSize: older.size, root, oldRoot: root, proof },
    { op: 'consistency', size: newer.size, oldSize: older.size, root, oldRoot, proof: [] },
  ]
  for (let index = 0; index < newer.size; index++) {
    const url = `${base}/entries/${index}/proof?size=${newer.size}`
    const { entry, proof } = (await call(url)).json() as { entry: string; proof: string[] }
    const leaf = leafHash(entry).toString('base64')
    const question = { op: 'inclusion', index, size: newer.size, root, leaf, proof }
    good.push(question)
    bad.push({ ...question, leaf: leafHash(`${entry} `).toString('base64') })
    bad.push({ ...question, index: (index + 1) % newer.size })
  }
  const [held, refused] = [ask(good), ask(bad)]
  t.same(
    held.flatMap(({ fault }) => fault ?? []),
    [],
    `${good.length} hold`,
  )
  t.equal(held[1]!.text, newer.text)
  t.equal(refused.filter(({ fault }) => fault !== undefined).length, bad.length, 'altered: none')
}
