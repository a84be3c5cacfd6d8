import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../server/assets.ts'
import {
  rawPublicKey,
  readCheckpoint,
  signCheckpoint,
  verifierKeyText,
} from '../../../server/ledger/checkpoint.ts'
import {
  readLogKey,
  readWitnessKey,
  witnessKeyText,
  witnessSaid,
} from '../../../server/ledger/cosignature.ts'
import { emptyRoot, leafHash } from '../../../server/ledger/merkle.ts'
import { readAddCheckpoint } from '../../../witness/add-checkpoint.ts'
import { witnessServer } from '../../../witness/http.ts'
import { openShelf, originHash } from '../../../witness/shelf.ts'
import { type Accusation, type Held, type Shelf, Witness } from '../../../witness/witness.ts'
import { folderOf } from '../../helpers/folder.ts'
import fc from '../../helpers/property.ts'
import { history, naiveRoot, TestLog } from './log.ts'

const { privateKey } = generateKeyPairSync('ed25519')
const name = 'auditor.example/anna'
const own = readWitnessKey(witnessKeyText(name, rawPublicKey(privateKey)))!

class Crash extends Error {}

/** A shelf whose machine can stop before or after a write reaches the disk. */
class Memory implements Shelf {
  readonly disk = new Map<string, Held>()
  readonly accusations: Accusation[] = []
  next: 'kept' | 'before' | 'after' = 'kept'

  logs = () => [...this.disk.values()]
  held = (origin: string) => this.disk.get(origin)
  async keep(held: Held) {
    const how = this.next
    this.next = 'kept'
    await new Promise((resolve) => setImmediate(resolve))
    if (how === 'before') throw new Crash()
    this.disk.set(held.origin, held)
    if (how === 'after') throw new Crash()
  }
  async accuse(accusation: Accusation) {
    this.accusations.push(accusation)
    return `evidence ${this.accusations.length}`
  }
  forkOf = (origin: string) =>
    this.accusations.some((one) => one.kind === 'fork' && one.origin === origin)
      ? 'evidence'
      : undefined
}

function witnessOf(logs: readonly TestLog[], shelf: Shelf, now = () => 1_700_000_000_000): Witness {
  return new Witness({ name, privateKey, pinned: logs.map(({ key }) => key), shelf, now })
}

t.test('the published conversation', async (t) => {
  const path = join(packageRoot, 'test/fixtures/witness/conversation.json')
  const told = JSON.parse(readFileSync(path, 'utf8')) as Record<
    'origin' | 'publicKeyHex' | 'first' | 'third' | 'fifth',
    string
  >
  const key = readLogKey(verifierKeyText(told.origin, Buffer.from(told.publicKeyHex, 'hex')))!
  const shelf = new Memory()
  const witness = new Witness({ name, privateKey, pinned: [key], shelf, now: () => 1e12 })
  t.match(await witness.add(readAddCheckpoint(told.fifth)!), { status: 409, size: 0 })
  t.match(await witness.add(readAddCheckpoint(told.first)!), { kind: 'cosigned' })
  const both = [told.third, told.fifth].map((body) => witness.add(readAddCheckpoint(body)!))
  const [third, fifth] = await Promise.all(both)
  t.match(third, { kind: 'cosigned', held: { size: 3 } })
  t.match(fifth, { kind: 'refused', status: 409, size: 3 }, 'one at a time, whichever came first')
  const { held } = third as { held: Held }
  t.match(witnessSaid(readCheckpoint(held.note)!, own), { kind: 'valid', seconds: 1e9 })
})

t.test('each refusal says exactly why', async (t) => {
  const [log, other] = [new TestLog(), new TestLog('callward.ledger/b')]
  const shelf = new Memory()
  const witness = witnessOf([log], shelf)
  const leaves = history(20)
  const upTo = (size: number) => leaves.slice(0, size)
  const add = (submission: Parameters<Witness['add']>[0]) => witness.add(submission)
  const why = async (what: object, submission: Parameters<Witness['add']>[0]) => {
    const before = JSON.stringify(shelf.logs())
    t.match(await add(submission), { kind: 'refused', ...what })
    t.equal(JSON.stringify(shelf.logs()), before, 'and nothing is kept')
  }
  await why({ status: 400, reason: /no signed checkpoint/ }, { oldSize: 0, proof: [], note: 'x' })
  await why({ status: 404, reason: /b is not known here/ }, other.submission(upTo(3), 0))
  const stranger = new TestLog(log.origin)
  await why(
    { status: 403, reason: /not signed by its pinned key/ },
    stranger.submission(upTo(3), 0),
  )
  const forged = log.note(upTo(3)).replace('\n3\n', '\n4\n')
  await why(
    { status: 403, reason: /not good: the note was altered/ },
    { oldSize: 0, proof: [], note: forged },
  )
  const proof = log.submission(upTo(8), 3).proof
  await why({ status: 422, reason: /nothing to prove/ }, { ...log.submission(upTo(3), 0), proof })
  const { origin } = log
  const hollow = signCheckpoint({ origin, size: 0, root: leafHash('') }, log.privateKey)
  await why({ status: 422, reason: /without entries/ }, { oldSize: 0, proof: [], note: hollow })

  t.match(await add(log.submission([], 0)), { kind: 'cosigned', held: { size: 0 } })
  t.match(await add(log.submission(upTo(8), 0)), { kind: 'cosigned', held: { size: 8 } })
  t.match(await add(log.submission(upTo(8), 8)), { kind: 'cosigned' }, 'the same again')
  await why({ status: 409, size: 8, reason: /holds 8 entries, not 3/ }, log.submission(upTo(12), 3))
  await why({ status: 400, reason: /above the checkpoint/ }, log.submission(upTo(8), 9))
  await why({ status: 409, size: 8, against: 'smaller' }, log.submission(upTo(5), 3))
  await why({ status: 400, against: 'smaller' }, log.submission(upTo(5), 8))
  t.equal(shelf.accusations.length, 0, 'an old note that anybody has is no evidence')
  const rewritten = history(12, 'x', 4)
  await why({ status: 422, against: 'proof', evidence: /./ }, log.submission(rewritten, 8))
  await why({ status: 422, against: 'proof' }, { ...log.submission(upTo(12), 8), proof: [] })
  t.match(shelf.accusations, [{ kind: 'proof' }, { kind: 'proof' }])
  t.match(await add(log.submission(upTo(9), 8)), { kind: 'cosigned' }, 'the true one goes on')

  await why(
    { status: 422, against: 'fork', reason: /^FORK.* two trees of 9/ },
    log.submission(rewritten.slice(0, 9), 9),
  )
  t.match(shelf.accusations.at(-1), {
    kind: 'fork',
    held: shelf.held(origin)!.note,
    submitted: log.note(rewritten.slice(0, 9)),
  })
  await why(
    { status: 422, reason: /nothing of it is cosigned any more/ },
    log.submission(upTo(12), 9),
  )

  const behind = witnessOf([log], Object.assign(new Memory(), { disk: shelf.disk }), () => 1e12)
  t.match(await behind.add(log.submission(upTo(12), 9)), { status: 503, reason: /Set the clock/ })
})

t.test('a fork is seen whatever the old size says', async (t) => {
  for (const old of [0, 3, 8, 9]) {
    const [log, shelf] = [new TestLog(), new Memory()]
    const witness = witnessOf([log], shelf)
    await witness.add(log.submission(history(8), 0))
    const forked = { ...log.submission(history(8, 'x', 3), 8), oldSize: old }
    t.match(await witness.add(forked), {
      against: 'fork',
      status: old === 8 ? 422 : old === 9 ? 400 : 409,
    })
    t.ok(shelf.forkOf(log.origin))
  }
})

t.test('a restored hub’s new log is one of the pinned key, and said to be new', async (t) => {
  const log = new TestLog()
  const shelf = new Memory()
  const witness = witnessOf([log], shelf)
  t.match(await witness.add(log.submission(history(8), 0)), { isNewLog: false })
  const next = new TestLog('callward.ledger/next', log.privateKey)
  t.match(await witness.add(next.submission(history(2), 0)), { kind: 'cosigned', isNewLog: true })
  t.match(await witness.add(next.submission(history(3), 2)), { kind: 'cosigned', isNewLog: false })
  t.same(
    shelf.logs().map(({ origin, size }) => [origin, size]),
    [
      [log.origin, 8],
      [next.origin, 3],
    ],
  )
  const altered = next.note(history(4)).replace('\n4\n', '\n5\n')
  t.match(await witness.add({ oldSize: 3, proof: [], note: altered }), { status: 403 })
})

t.test('proofs of random trees: the true one is cosigned, any other is not', async () => {
  const sizes = fc.tuple(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 0, max: 70 }))
  await fc.assert(
    fc.asyncProperty(sizes, fc.nat(), fc.nat(), async ([from, more], a, b) => {
      const log = new TestLog()
      const leaves = history(from + more)
      const fresh = async () => {
        const witness = witnessOf([log], new Memory())
        await witness.add(log.submission(leaves.slice(0, from), 0))
        return witness
      }
      const good = log.submission(leaves, from)
      if ((await (await fresh()).add(good)).kind !== 'cosigned') return false
      const index = good.proof.length === 0 ? 0 : a % good.proof.length
      const bent = Buffer.from(good.proof[index] ?? emptyRoot)
      bent[b % 32]! ^= 1 << (a % 8)
      const wrong = [
        good.proof.toSpliced(index, 1, bent),
        [...good.proof, emptyRoot],
        ...(good.proof.length === 0 ? [] : [good.proof.toSpliced(index, 1)]),
      ]
      for (const proof of wrong)
        if ((await (await fresh()).add({ ...good, proof })).kind === 'cosigned') return false
      // One earlier entry is another, everything above it is true to that.
      const changed = leaves.with(a % from, leafHash('changed'))
      return (await (await fresh()).add(log.submission(changed, from))).kind === 'refused'
    }),
    { numRuns: 60 },
  )
})

t.test('stopped at any moment, it never signs two histories', async () => {
  const step = fc.record({
    size: fc.integer({ min: 0, max: 24 }),
    forked: fc.boolean(),
    old: fc.option(fc.integer({ min: 0, max: 24 })),
    crash: fc.constantFrom('kept' as const, 'kept' as const, 'before' as const, 'after' as const),
    together: fc.boolean(),
  })
  const steps = fc.array(step, { minLength: 1, maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 0, max: 12 }), async (steps, same) => {
      const log = new TestLog()
      const histories = [history(24), history(24, 'x', same)] as const
      const shelf = new Memory()
      const released: Held[] = []
      let witness = witnessOf([log], shelf)
      let waiting: Promise<unknown>[] = []
      for (const { size, forked, old, crash, together } of steps) {
        const leaves = histories[forked ? 1 : 0].slice(0, size)
        // The evidence of a fork would end it at once: here it has to hold without.
        shelf.accusations.length = 0
        shelf.next = crash
        const from = Math.min(old ?? shelf.held(log.origin)?.size ?? 0, size)
        waiting.push(
          witness.add(log.submission(leaves, from)).then(
            (answer) => answer.kind === 'cosigned' && released.push(answer.held),
            (error: unknown) => {
              if (!(error instanceof Crash)) throw error
            },
          ),
        )
        if (together) continue
        await Promise.all(waiting)
        waiting = []
        if (crash !== 'kept') witness = witnessOf([log], shelf)
      }
      await Promise.all(waiting)
      const fits = (leaves: readonly Buffer[]) =>
        released.every(({ size, root }) => naiveRoot(leaves.slice(0, size)).equals(root))
      const sizes = released.map(({ size }) => size)
      const isForward = sizes.every((size, index) => index === 0 || size >= sizes[index - 1]!)
      const held = shelf.held(log.origin)?.size ?? 0
      return (fits(histories[0]) || fits(histories[1])) && isForward && held >= (sizes.at(-1) ?? 0)
    }),
    { numRuns: 200 },
  )
})

t.test('the folder: 0700 and 0600, one process, whole files, a name once', async (t) => {
  const folder = join(folderOf(t), 'witness')
  const log = new TestLog()
  const first = await openShelf(folder, name)
  t.match(first.key, { name, verifierKey: /^auditor\.example\/anna\+[0-9a-f]{8}\+B/ })
  const parts = { ...first.key, pinned: [log.key], shelf: first.shelf, now: () => Date.now() }
  const witness = new Witness(parts)
  const cosigned = await witness.add(log.submission(history(8), 0))
  t.match(await witness.add(log.submission(history(8, 'x'), 8)), { against: 'fork' })
  await t.rejects(openShelf(folder, undefined), /in use by process/)
  await first.shelf.close()

  t.equal(statSync(folder).mode & 0o777, 0o700)
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  for (const file of files)
    t.equal(statSync(join(file.parentPath, file.name)).mode & 0o777, file.isFile() ? 0o600 : 0o700)
  const path = join(folder, `${originHash(log.origin)}.checkpoint`)
  const note = readFileSync(path, 'utf8')
  t.equal(cosigned.kind === 'cosigned' && cosigned.held.note, note)
  const [evidence] = readdirSync(join(folder, 'evidence'))
  const kept = readFileSync(join(folder, 'evidence', evidence!), 'utf8')
  t.ok(kept.includes(note) && kept.includes(log.note(history(8, 'x'))), 'both notes')

  // What a stop left half written is nothing.
  writeFileSync(`${path}.new`, 'half')
  const again = await openShelf(folder, undefined)
  t.match(again.shelf.logs(), [{ origin: log.origin, size: 8 }])
  t.equal(again.key.verifierKey, first.key.verifierKey)
  t.match(again.shelf.forkOf(log.origin), /fork-/)
  await again.shelf.close()
  writeFileSync(join(folder, 'lock'), '99999999\n')
  await (await openShelf(folder, name)).shelf.close()

  await t.rejects(openShelf(folder, 'auditor.example/eve'), /a name is given once/)
  await t.rejects(openShelf(join(folder, '..', 'w'), 'two words'), /no name of a witness/)
  writeFileSync(path, note.replace('\n8\n', '\n7\n'))
  await t.rejects(openShelf(folder, undefined), /not what this witness wrote there/)
  writeFileSync(path, '')
  await t.rejects(openShelf(folder, undefined), /not what this witness wrote there/)
  writeFileSync(path, note)
  chmodSync(join(folder, 'witness.key'), 0o640)
  await t.rejects(openShelf(folder, undefined), /chmod 600/)
  chmodSync(join(folder, 'witness.key'), 0o600)
  await (await openShelf(folder, undefined)).shelf.close()
})

t.test('over HTTP, the answers of tlog-witness', async (t) => {
  const log = new TestLog()
  const shelf = new Memory()
  const faults: unknown[] = []
  const server = witnessServer({
    witness: witnessOf([log], shelf),
    onAnswer: () => undefined,
    onFault: (error) => faults.push(error),
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const post = async (body: string | Buffer, path = '/add-checkpoint', method = 'POST') => {
    const answer = await fetch(`${url}${path}`, { method, body })
    return {
      status: answer.status,
      type: answer.headers.get('content-type'),
      text: await answer.text(),
    }
  }
  const hash = originHash(log.origin)
  const read = async () => (await fetch(`${url}/${hash}/checkpoint`)).status
  t.equal(await read(), 404)
  const first = await post(log.body(history(8), 0))
  t.match(first, { status: 200, text: /^— auditor\.example\/anna \S+\n$/ })
  const served = await (await fetch(`${url}/${hash}/checkpoint`)).text()
  t.equal(served, `${log.note(history(8))}${first.text}`)
  t.match(witnessSaid(readCheckpoint(served)!, own), { kind: 'valid' })
  t.match(await post(log.body(history(12), 3)), {
    status: 409,
    text: '8\n',
    type: 'text/x.tlog.size',
  })
  t.match(await post(log.body(history(12), 8)), { status: 200 })
  t.match(await post(log.body(history(13, 'x', 3), 12)), { status: 422 })
  t.match(await post(log.body(history(12), 12).replace('old 12', 'old 13')), { status: 400 })
  t.match(await post(new TestLog('b').body(history(1), 0)), { status: 404 })
  t.match(await post(new TestLog(log.origin).body(history(13), 12)), { status: 403 })
  const good = log.body(history(13), 12)
  const bad = [
    '',
    'old 12',
    good.replace('old 12', 'old 012'),
    good.replace('old 12', 'old -1'),
    good.replace('old 12', 'old 99999999999999999'),
    good.replace('old 12\n', 'old 12\n\n'),
    good.replace('old 12\n', 'old 12\nAAAA\n'),
    good.replace('old 12\n', `old 12\n${`${emptyRoot.toString('base64')}\n`.repeat(64)}`),
    good.trimEnd(),
    `${good}${'x'.repeat(70_000)}`,
    Buffer.concat([Buffer.from(good), Buffer.of(0xff)]),
  ]
  for (const body of bad) t.equal((await post(body)).status, 400, String(body).slice(0, 40))
  t.equal((await post(good, '/other')).status, 404)
  t.equal((await post(good, '/add-checkpoint', 'PUT')).status, 405)
  shelf.next = 'before'
  t.match(await post(good), { status: 500, text: /Nothing was signed/ })
  t.equal(faults.length, 1)
  t.match(await post(good), { status: 200 })
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.integer({ min: 0, max: 255 }), async (at, byte) => {
      const bytes = Buffer.from(log.body(history(14), 13))
      const index = at % bytes.length
      if (bytes[index] === byte) return true
      bytes[index] = byte
      return (await post(bytes)).status !== 200
    }),
    { numRuns: 150 },
  )
  t.equal(faults.length, 1)
})
