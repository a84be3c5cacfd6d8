import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import type { Test } from 'tap'
import { rawPublicKey, readCheckpoint } from '../../server/ledger/checkpoint.ts'
import { LedgerLog, type NewEpoch } from '../../server/ledger/ledger-log.ts'
import { entriesFrom, tileReader } from '../../server/ledger/ledger-store.ts'
import { isConsistent, rootOfInclusion } from '../../server/ledger/merkle.ts'
import { type ShownEntry, type Verified, verifyLedger } from '../../server/ledger/verify.ts'
import type { CountedRecords } from '../../server/records/write-queue.ts'
import { type Place, refusal } from './records-place.ts'

export const { privateKey } = generateKeyPairSync('ed25519')
const key = { privateKey, publicKey: rawPublicKey(privateKey) }
const clock = { now: () => 1_700_000_000_000, monotonic: () => 0 }
const epochTwo: NewEpoch = { id: 'e'.repeat(36), reason: 'restored', operator: 'root' }

class Hub {
  readonly log: LedgerLog
  readonly records: CountedRecords

  private constructor(records: CountedRecords) {
    this.records = records
    this.log = new LedgerLog(records, clock, key)
  }

  static async open(place: Place, asked?: NewEpoch): Promise<Hub> {
    const hub = new Hub(await place.open())
    await hub.log.begin(asked)
    return hub
  }

  /** One change of the setting `id`, ledgered. */
  change(id: string, then?: () => void): Promise<void> {
    return this.records.write(async (tx) => {
      await tx.insertInto('settings').values({ key: id, value: '' }).execute()
      await this.log.append(tx, {
        action: 'change.entry',
        object: { type: 'setting', id },
        actor: 'a',
        occurredAt: 5,
        content: { id },
      })
      then?.()
    })
  }

  async changes(count: number, name: string): Promise<void> {
    await Promise.all(Array.from({ length: count }, (_, n) => this.change(`${name}${n}`)))
  }

  async place(): Promise<number> {
    for (;;) {
      const { more, size, gapAt } = await this.log.sequence()
      if (!more || gapAt !== undefined) return size
    }
  }

  /** As an auditor: recomputed from what the database holds. */
  async verify(): Promise<Verified> {
    const { read } = this.records
    const { first_number: first, size, origin, number } = await this.log.epoch()
    const notes = await read
      .selectFrom('ledger_checkpoints')
      .select('note')
      .where('epoch', '=', number)
      .orderBy('size')
      .execute()
    const readTile = tileReader(read, number)
    async function* entries(): AsyncGenerator<ShownEntry> {
      const rows = await entriesFrom(read, { from: first, below: first + size, limit: 100_000 })
      const tiles: (Buffer | undefined)[] = []
      for (const row of rows) {
        const index = row.number - first
        const tile = Math.floor(index / 256)
        tiles[tile] ??= await readTile({ level: 0, index: tile })
        const at = (index % 256) * 32
        const treeLeaf = tiles[tile]?.subarray(at, at + 32).toString('base64') ?? null
        yield { index, entry: row.entry, leaf: row.leaf, treeLeaf, opening: null }
      }
    }
    const checkpoints = notes.map(({ note }) => note)
    return verifyLedger({ origin, checkpoints, entries: entries(), keys: [key.publicKey] })
  }

  async statement(text: string): Promise<void> {
    await this.records.write((tx) => sql.raw(text).execute(tx))
  }

  async inconsistency(): Promise<string> {
    const made = await this.log.checkpoint(undefined)
    return made.kind === 'inconsistent' ? made.reason : 'consistent'
  }
}

async function together(t: Test, place: Place): Promise<void> {
  const hub = await Hub.open(place)
  await hub.changes(50, 'a')
  const failing = hub.change('lost', () => {
    throw new Error('no')
  })
  const twice = Promise.all([hub.change('b'), refusal(hub.change('a1')), hub.change('c')])
  await t.rejects(failing, { message: 'no' })
  t.equal((await twice)[1], 'constraint_unique')
  t.equal(await hub.place(), 54, 'opening, key, 50 and two: what failed left no entry and no gap')
  await t.rejects(
    hub.records.write(async (tx) => {
      await hub.log.append(tx, {
        action: 'change.entry',
        object: { type: 'setting', id: 'only here' },
        actor: 'a',
        occurredAt: 1,
        content: null,
      })
      await tx.insertInto('settings').values({ key: 'a1', value: '' }).execute()
    }),
  )
  t.equal(await hub.place(), 54)
  t.match(await hub.verify(), { entries: 54, faults: [] })
  await hub.records.close()
}

async function proofs(t: Test, place: Place): Promise<void> {
  const hub = await Hub.open(place)
  const heads: { size: number; root: Buffer }[] = []
  for (const [round, count] of [1, 300, 2, 2100, 40].entries()) {
    await hub.changes(count, `r${round}-`)
    await hub.place()
    const made = await hub.log.checkpoint(heads.at(-1) && { ...heads.at(-1)!, origin: 'another' })
    const head = made.kind === 'checkpoint' ? readCheckpoint(made.note) : undefined
    heads.push(head!)
  }
  const sizes = heads.map(({ size }) => size)
  t.same(sizes, [3, 303, 305, 2405, 2445])
  const again = await hub.log.checkpoint(undefined)
  t.equal(again.kind === 'checkpoint' && again.size, 2445, 'nothing new: the same one')
  t.equal(
    (await hub.records.read.selectFrom('ledger_checkpoints').select('size').execute()).length,
    5,
  )
  for (const from of heads)
    for (const to of heads.filter(({ size }) => size >= from.size)) {
      const proof = await hub.log.consistencyProof(from.size, to.size)
      t.ok(isConsistent(from, to, proof), `${from.size} is an earlier state of ${to.size}`)
    }
  const { size, root } = heads.at(-1)!
  for (const index of [0, 1, 255, 256, 2047, 2444]) {
    const [row] = await entriesFrom(hub.records.read, { from: index, below: index + 1, limit: 1 })
    const proof = await hub.log.inclusionProof(index, size)
    const leaf = Buffer.from(row!.leaf, 'base64')
    t.ok(rootOfInclusion(index, size, leaf, proof)?.equals(root), `entry ${index} is in`)
  }
  t.equal(await refusal(hub.log.inclusionProof(2445, 2445)), 'bad_request')
  t.equal(await refusal(hub.log.inclusionProof(0, 2446)), 'bad_request')
  t.equal(await refusal(hub.log.consistencyProof(4, 3)), 'bad_request')
  t.match(await hub.verify(), { faults: [], covered: 2445, checkpoints: 5 })
  await hub.records.close()
}

/** Two hubs over one database (on SQLite two processes cannot be; there it is one hub with two sequencers). */
async function twoHubs(t: Test, place: Place): Promise<void> {
  const one = await Hub.open(place)
  const two = one.records.kind === 'postgres' ? await Hub.open(place) : one
  const work = [one.changes(400, 'one'), two.changes(400, 'two')]
  let done = false
  const sequencing = [one, two].map(async (hub) => {
    while (!done) await hub.place()
  })
  await Promise.all(work)
  done = true
  await Promise.all(sequencing)
  t.equal(await one.place(), 802)
  t.equal(await two.place(), 802)
  const signed = await Promise.all([one.log.checkpoint(undefined), two.log.checkpoint(undefined)])
  t.same(signed[0], signed[1], 'one checkpoint')
  t.match(await one.verify(), { entries: 802, faults: [] })
  const objects = await one.records.read
    .selectFrom('ledger_entries')
    .select('object_id')
    .distinct()
    .where('object_type', '=', 'setting')
    .execute()
  t.equal(objects.length, 800, 'each once')
  await one.records.close()
  await two.records.close()
}

async function tampering(t: Test, place: Place): Promise<void> {
  const hub = await Hub.open(place)
  await hub.changes(300, 'a')
  await hub.place()
  t.equal(await hub.inconsistency(), 'consistent')
  const forge = (number: number, from: string, to: string) =>
    hub.statement(
      `update ledger_entries set entry = replace(entry, '${from}', '${to}') where number = ${number}`,
    )
  await forge(7, '"actor":"a"', '"actor":"b"')
  t.match((await hub.verify()).faults, [/^Entry 7 .*text its leaf/, /^Entry 7 .*tree holds/, /./])
  await forge(7, '"actor":"b"', '"actor":"a"')
  t.same((await hub.verify()).faults, [])

  await hub.statement('update ledger_entries set number = -1 where number = 9')
  await hub.statement('update ledger_entries set number = 9 where number = 200')
  await hub.statement('update ledger_entries set number = 200 where number = -1')
  const named = (await hub.verify()).faults.filter((fault) => fault.startsWith('Entry'))
  t.equal(named.length, 2)
  t.same(new Set(named.map((fault) => fault.split(' ')[1])), new Set(['9', '200']))
  await hub.statement('update ledger_entries set number = -1 where number = 9')
  await hub.statement('update ledger_entries set number = 9 where number = 200')
  await hub.statement('update ledger_entries set number = 200 where number = -1')

  const { hashes } = await hub.records.read
    .selectFrom('ledger_tiles')
    .select('hashes')
    .where('level', '=', 0)
    .where('tile', '=', 0)
    .executeTakeFirstOrThrow()
  const wrong = `A${hashes.slice(1)}` === hashes ? `B${hashes.slice(1)}` : `A${hashes.slice(1)}`
  await hub.statement(`update ledger_tiles set hashes = '${wrong}' where level = 0 and tile = 0`)
  t.equal((await hub.verify()).faults.length, 1, 'a tree that was altered is named')
  await hub.statement(`update ledger_tiles set hashes = '${hashes}' where level = 0 and tile = 0`)
  await hub.statement("update ledger_tiles set hashes = 'AAAA' where level = 0 and tile = 1")
  await hub.change('later')
  await t.rejects(hub.log.sequence(), /Tile 0\/1/, 'it does not build on what is broken')
  t.match(await hub.inconsistency(), /Tile 0\/1 of the ledger's tree has/)
  await hub.log.begin(epochTwo)
  t.equal(await hub.place(), 1, 'a broken tree does not hold up the next log')
  const { first_number: from } = await hub.log.epoch()
  const [opened] = await entriesFrom(hub.records.read, { from, below: from + 1, limit: 1 })
  t.match(JSON.parse(opened!.entry), { content: { previous: { root: null, broken: /Tile 0.1/ } } })
  await hub.records.close()
}

async function nothingFalse(t: Test, place: Place): Promise<void> {
  const hub = await Hub.open(place)
  await hub.changes(20, 'a')
  await hub.place()
  const made = await hub.log.checkpoint(undefined)
  const signed = readCheckpoint(made.kind === 'checkpoint' ? made.note : '')!
  await hub.changes(3, 'b')
  await hub.place()
  // Somebody rewrites an entry and everything above it; the signed checkpoint remembers.
  await hub.statement('delete from ledger_checkpoints')
  await hub.statement('delete from ledger_tiles')
  await hub.statement("update ledger_entries set leaf = 'AAAA' || substr(leaf, 5) where number = 4")
  await hub.statement('update ledger_epochs set size = 0')
  t.equal(await hub.place(), 25)
  const refused = await hub.log.checkpoint(signed)
  t.match(refused, { kind: 'inconsistent', reason: /22 entries is no earlier state of the tree/ })
  await hub.statement('delete from ledger_entries where number > 10')
  await hub.statement('delete from ledger_tiles')
  await hub.statement('update ledger_epochs set size = 0')
  t.equal(await hub.place(), 11)
  t.match(await hub.log.checkpoint(signed), { reason: /put back to an older state/ })
  await hub.records.close()
}

async function gaps(t: Test, place: Place): Promise<void> {
  const hub = await Hub.open(place)
  await hub.changes(10, 'a')
  await hub.place()
  await hub.statement('delete from ledger_entries where number = 11')
  await hub.change('after')
  t.same(
    (await hub.records.read.selectFrom('ledger_entries').select('number').execute())
      .map(({ number }) => number)
      .sort((a, b) => b - a)[0],
    12,
    'a deleted last entry is not written over',
  )
  await hub.change('then')
  await hub.statement('delete from ledger_entries where number = 12')
  const stopped = await hub.log.sequence()
  t.match(stopped, { added: 0, gapAt: 12, oldestWaitingAt: clock.now() })
  await hub.change('kept all the same')
  await hub.records.close()
  const reopened = await Hub.open(place, epochTwo)
  t.equal(await reopened.place(), 1)
  const [first] = await entriesFrom(reopened.records.read, { from: 15, below: 16, limit: 1 })
  t.match(JSON.parse(first!.entry), {
    action: 'ledger.opened',
    actor: 'root',
    content: { reason: 'restored', previous: { size: 12, entryMissing: 12 } },
  })
  await reopened.records.close()
}

async function epochs(t: Test, place: Place): Promise<void> {
  const hub = await Hub.open(place)
  await hub.changes(4, 'a')
  await hub.place()
  await hub.log.checkpoint(undefined)
  await hub.changes(3, 'b')
  const { origin } = await hub.log.epoch()
  await hub.records.close()
  const restored = await Hub.open(place, epochTwo)
  t.match(await restored.log.epoch(), { number: 2, first_number: 9 })
  await restored.log.begin(epochTwo)
  t.match(await restored.log.epoch(), { number: 2 }, 'asked twice, opened once')
  await restored.place()
  const [first] = await entriesFrom(restored.records.read, { from: 9, below: 10, limit: 1 })
  const { previous } = (
    JSON.parse(first!.entry) as { content: { previous: { size: number; root: string } } }
  ).content
  t.match(previous, { origin, size: 9 }, 'what waited got its place in the old log first')
  await restored.change('c')
  await restored.place()
  t.equal(await restored.inconsistency(), 'consistent')
  t.match(await restored.verify(), { entries: 2, faults: [] })
  await restored.records.close()
}

/** Every promise of the ledger, kept on both databases. */
export const suite: Readonly<Record<string, (t: Test, place: Place) => Promise<void>>> = {
  'a change and its entry are kept together or not at all': together,
  'checkpoints, inclusion and consistency of a growing ledger': proofs,
  'two hubs give each entry one place': twoHubs,
  'entries altered, swapped or moved are named': tampering,
  'nothing is signed that contradicts what was signed': nothingFalse,
  'a deleted entry stops the tree, not the changes': gaps,
  'a restored hub opens a new log that names the old one': epochs,
}

/** kill -9 between change, place and checkpoint. */
export async function killed(t: Test, target: string, place: Place): Promise<void> {
  const child = fileURLToPath(new URL('./ledger-writer.js', import.meta.url))
  const acknowledged: string[] = []
  for (let round = 0; round < 3; round++) {
    const writer = spawn(process.execPath, [child, target, String(round * 1_000_000)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const enough = acknowledged.length + 150 + 40 * round
    for await (const line of createInterface({ input: writer.stdout })) {
      acknowledged.push(line)
      if (acknowledged.length === enough) writer.kill('SIGKILL')
    }
    if (writer.signalCode === null) await once(writer, 'exit')
    t.equal(writer.signalCode, 'SIGKILL')
    const hub = await Hub.open(place)
    await hub.place()
    t.equal(await hub.inconsistency(), 'consistent')
    const { read } = hub.records
    const settings = await read.selectFrom('settings').select('key').orderBy('key').execute()
    const entries = await read
      .selectFrom('ledger_entries')
      .select('object_id')
      .where('object_type', '=', 'setting')
      .orderBy('object_id')
      .execute()
    t.same(
      entries.map(({ object_id }) => object_id),
      settings.map(({ key }) => key),
      `${settings.length} changes, each with one entry`,
    )
    const kept = new Set(settings.map(({ key }) => key))
    t.ok(
      acknowledged.every((key) => kept.has(key)),
      'nothing acknowledged is lost',
    )
    const { faults, covered, entries: placed } = await hub.verify()
    const unsigned = faults.filter((fault) => !/not signed by a key/.test(fault))
    t.same(unsigned, [], 'the writers signed with keys of their own')
    t.equal(covered, placed)
    await hub.records.close()
  }
}
