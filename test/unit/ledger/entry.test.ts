import { execFileSync } from 'node:child_process'
import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../server/assets.ts'
import {
  isSignedBy,
  rawPublicKey,
  readCheckpoint,
  readVerifierKey,
  signCheckpoint,
  verifierKeyText,
} from '../../../server/ledger/checkpoint.ts'
import {
  isCanonical,
  type LedgerEntry,
  maxContentBytes,
  type Opening,
  saltedHash,
  seal,
} from '../../../server/ledger/entry.ts'
import { ledgered, ledgeredTable } from '../../../server/ledger/ledgered.ts'
import { leafHash } from '../../../server/ledger/merkle.ts'
import { type ShownEntry, type Verified, verifyLedger } from '../../../server/ledger/verify.ts'
import { folderOf } from '../../helpers/folder.ts'
import fc from '../../helpers/property.ts'

const change: LedgerEntry = {
  action: 'change.entry',
  object: { type: 'change', id: '7' },
  actor: 'inès',
  occurredAt: 1_700_000_000_000,
  content: { b: 1, a: [true, null, 'é'] },
}

t.test('an entry is canonical JSON, its leaf the hash of those very bytes', async (t) => {
  const { entry, leaf, opening } = seal(change, 1_700_000_000_123)
  const id = (JSON.parse(entry) as { id: string }).id
  t.equal(
    entry,
    `{"action":"change.entry","actor":"inès","content":{"a":[true,null,"é"],"b":1},"id":"${id}","object":{"id":"7","type":"change"},"occurredAt":"2023-11-14T22:13:20.000Z","recordedAt":"2023-11-14T22:13:20.123Z","v":1}`,
  )
  t.ok(isCanonical(entry))
  t.equal(leaf, createHash('sha256').update('\0').update(entry).digest('base64'))
  t.equal(opening, null)
  t.notOk(isCanonical('{"b":1,"a":2}'))
  t.notOk(isCanonical('{'))
})

t.test('sensitive texts are there as salted hashes, another each time', async (t) => {
  const sensitive = { from: '203.0.113.9', note: '', none: undefined }
  const sealed = [1, 2].map((now) => seal({ ...change, sensitive }, now))
  for (const { entry, opening } of sealed) {
    t.notMatch(entry, '203.0.113.9')
    const openings = JSON.parse(opening ?? '{}') as Record<string, Opening>
    const { sensitive: hashes } = JSON.parse(entry) as { sensitive: Record<string, string> }
    t.same(Object.keys(hashes), ['from', 'note'])
    t.equal(saltedHash(openings['from']!), hashes['from'])
    t.equal(openings['from']?.value, '203.0.113.9')
  }
  const hashOf = (entry: string) => (JSON.parse(entry) as { sensitive: object }).sensitive
  t.notSame(hashOf(sealed[0]!.entry), hashOf(sealed[1]!.entry))
})

t.test('whatever a capability says, an entry is made of it', async (t) => {
  const odd = { date: new Date(0), nan: Number.NaN, big: 10n ** 30n, f: () => 1, u: undefined }
  const { entry } = seal({ ...change, actor: 'a\0\ud800', content: odd }, Number.NaN)
  t.ok(isCanonical(entry))
  t.match(JSON.parse(entry), { actor: 'a\ufffd\ufffd', recordedAt: 'NaN' })
  const circle: { self?: object } = {}
  circle.self = circle
  t.ok(isCanonical(seal({ ...change, content: circle }, 1).entry), 'a circle ends')
  const large = seal({ ...change, content: 'x'.repeat(maxContentBytes) }, 1).entry
  t.match(JSON.parse(large), { content: { bytes: maxContentBytes + 2 } })
  fc.assert(
    fc.property(fc.anything(), fc.string({ unit: 'binary' }), (content, text) => {
      const object = { type: text, id: text }
      const sealed = seal({ ...change, object, content, sensitive: { text } }, 1)
      return isCanonical(sealed.entry) && !sealed.objectId.includes('\0')
    }),
    { numRuns: 300 },
  )
})

const peerMissing = !existsSync('/usr/bin/openssl') && process.env.CALLWARD_REQUIRE_PEERS !== '1'

t.test('a checkpoint is a signed note', async (t) => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const head = { origin: 'callward.ledger/1', size: 7, root: leafHash('x') }
  const note = signCheckpoint(head, privateKey)
  const text = `callward.ledger/1\n7\n${head.root.toString('base64')}\n`
  t.ok(note.startsWith(`${text}\n— callward.ledger/1 `))
  const read = readCheckpoint(note)
  t.match(read, { origin: head.origin, size: 7, text })
  const publicKey = rawPublicKey(privateKey)
  t.ok(isSignedBy(read!, [publicKey]))
  const other = rawPublicKey(generateKeyPairSync('ed25519').privateKey)
  t.notOk(isSignedBy(read!, [other]))
  t.notOk(isSignedBy(readCheckpoint(note.replace('\n7\n', '\n8\n'))!, [publicKey]))
  const key = verifierKeyText(head.origin, publicKey)
  t.same(readVerifierKey(key), publicKey)
  t.equal(readVerifierKey(key.replace('callward', 'other')), undefined)
  for (const bad of ['', text, note.trimEnd(), note.replace('\n7\n', '\n07\n'), `${note}x`])
    t.equal(readCheckpoint(bad), undefined)
  t.equal(readCheckpoint(note.replace('\n7\n', '\n99999999999999999\n')), undefined)

  t.test('openssl agrees', { skip: peerMissing && 'openssl is not installed' }, async (t) => {
    const folder = folderOf(t)
    const [pem, message, signature] = ['pem', 'message', 'signature'].map((n) => join(folder, n))
    writeFileSync(pem!, createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }))
    writeFileSync(message!, text)
    writeFileSync(signature!, read!.signatures[0]!.signature)
    const verify = ['pkeyutl', '-verify', '-pubin', '-inkey', pem!, '-rawin', '-in', message!]
    const said = execFileSync('openssl', [...verify, '-sigfile', signature!], { encoding: 'utf8' })
    t.match(said, /Verified Successfully/)
    t.equal(read!.signatures[0]!.keyId, key.split('+')[1])
  })
})

t.test('the published vector of a signed note', async (t) => {
  // The example of golang.org/x/mod/sumdb/note, which C2SP signed-note names as its origin.
  const key = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
  t.equal(readVerifierKey(key)?.length, 32)
})

t.test('verification names what was altered', async (t) => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const origin = 'callward.ledger/2'
  const shown: ShownEntry[] = Array.from({ length: 9 }, (_, index) => {
    const sensitive = { text: `t${index}` }
    const { entry, leaf, opening } = seal(
      { ...change, object: { type: 'change', id: `c${index}` }, sensitive },
      index,
    )
    const opened = JSON.parse(opening!) as Record<string, unknown>
    return { index, entry, leaf, treeLeaf: leaf, opening: opened }
  })
  const noteAt = async (size: number) => {
    const found = await faultsOf(shown.slice(0, size), [])
    return signCheckpoint({ origin, size, root: Buffer.from(found.root, 'base64') }, privateKey)
  }
  async function faultsOf(
    entries: readonly ShownEntry[],
    notes?: readonly string[],
  ): Promise<Verified> {
    const input = {
      origin,
      checkpoints: notes ?? [await noteAt(0), await noteAt(4), await noteAt(9)],
      keys: [rawPublicKey(privateKey)],
      entries: (async function* () {
        yield* entries
      })(),
    }
    return verifyLedger(input)
  }
  t.match(await faultsOf(shown), { faults: [], covered: 9, entries: 9 })
  const forged = shown[5]!.entry.replace('inès', 'eve ')
  const altered = (changes: Partial<ShownEntry>) =>
    shown.map((one, index) => (index === 5 ? { ...one, ...changes } : one))
  const text = await faultsOf(altered({ entry: forged }))
  t.match(text.faults[0], /^Entry 5 \(change.entry of change c5, .*is not the text its leaf/)
  const leaf = leafHash(forged).toString('base64')
  const both = await faultsOf(altered({ entry: forged, leaf }))
  t.match(both.faults[0], /^Entry 5 .*not what the tree holds/)
  const all = await faultsOf(altered({ entry: forged, leaf, treeLeaf: leaf }))
  t.match(all.faults, [/checkpoint of 9 entries has another root.* after 4 /])
  t.equal(all.covered, 4)
  const swapped = shown.map((one, index) => {
    const from = index === 2 ? shown[6]! : index === 6 ? shown[2]! : one
    return { ...from, index, treeLeaf: one.treeLeaf }
  })
  const named = (await faultsOf(swapped)).faults.filter((fault) => fault.startsWith('Entry'))
  t.match(named, [/^Entry 2 \(.* c6,/, /^Entry 6 \(.* c2,/])
  t.match((await faultsOf(shown.toSpliced(3, 1))).faults[0], /^Entry 3 is gone; entry 4 follows/)
  t.match((await faultsOf(shown.slice(0, 8))).faults, [/checkpoint of 9 .* shows 8/])
  const erased = await faultsOf(altered({ opening: null }))
  t.same(erased.faults, [], 'an erased text leaves the tree valid')
  const lied = { text: { salt: 'AA==', value: 'other' } }
  t.match((await faultsOf(altered({ opening: lied }))).faults, [/Entry 5 .*"text" is not the one/])
  const foreign = generateKeyPairSync('ed25519').privateKey
  const unsigned = signCheckpoint({ origin, size: 9, root: leafHash('') }, foreign)
  const elsewhere = signCheckpoint({ origin: 'b', size: 9, root: leafHash('') }, privateKey)
  t.match((await faultsOf(shown, [unsigned, elsewhere, 'x'])).faults, [
    /not signed by a key/,
    /another log: b/,
    /no signed checkpoint/,
  ])
})

t.test('docs/ledger.md holds the list of what is ledgered', async (t) => {
  const page = readFileSync(join(packageRoot, 'docs/ledger.md'), 'utf8')
  t.ok(page.includes(ledgeredTable()), `put this there:\n${ledgeredTable()}`)
  t.ok(Object.keys(ledgered).length >= 20)
})
