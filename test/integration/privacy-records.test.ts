import { generateKeyPairSync } from 'node:crypto'
import type { Test } from 'tap'
import { AttachmentStore } from '../../server/attachments/attachment-store.ts'
import { HoldStore } from '../../server/holds/hold-store.ts'
import { rawPublicKey } from '../../server/ledger/checkpoint.ts'
import { LedgerLog } from '../../server/ledger/ledger-log.ts'
import { entriesFrom, eraseOpenings } from '../../server/ledger/ledger-store.ts'
import { verifyLedger } from '../../server/ledger/verify.ts'
import { ErasureStore } from '../../server/privacy/erasure-store.ts'
import type { RecordsTransaction } from '../../server/records/records.ts'
import type { CountedRecords } from '../../server/records/write-queue.ts'
import { onBothDatabases } from '../helpers/both-databases.ts'
import { HandTime } from '../helpers/hand-time.ts'
import { rows } from './records-tables.ts'

const { privateKey } = generateKeyPairSync('ed25519')
const secret = 'Nguyễn, 555-0101'

/** Stores over one ledger, and an incident with three facts of people. */
async function desk(records: CountedRecords) {
  const clock = new HandTime(Date.UTC(2026, 0, 5, 8))
  const log = new LedgerLog(records, clock, { privateKey, publicKey: rawPublicKey(privateKey) })
  await log.begin(undefined)
  const ledger = {
    append: (tx: RecordsTransaction, entry: Parameters<LedgerLog['append']>[1]) =>
      log.append(tx, entry),
    erase: eraseOpenings,
  }
  const holds = new HoldStore(clock, ledger)
  const attachments = new AttachmentStore(clock, ledger)
  const erasures = new ErasureStore({
    ...{ clock, ledger },
    async refuseHeld(tx, incidentId) {
      if ((await holds.holding(tx, incidentId)) !== undefined) throw new Error('held')
    },
    eraseAttachment: (tx, incidentId, id, at) => attachments.erase(tx, incidentId, id, at),
  })
  const values = [
    { kind: 'note', value: { text: secret } },
    { kind: 'note', value: { text: 'of no concern' } },
    { kind: 'impact', value: { text: secret, customers: [secret], callsFailed: 3 } },
  ]
  await records.write(async (tx) => {
    const incident = {
      ...rows.incidents,
      opened_at: clock.now(),
      resolved_at: null,
      runbook_hash: null,
    }
    await tx.insertInto('incidents').values(incident).execute()
    for (const [index, { kind, value }] of values.entries()) {
      const text = JSON.stringify(value)
      const fact = `f${index}`
      await tx
        .insertInto('incident_facts')
        .values({
          ...rows.incident_facts,
          id: fact,
          sequence: index + 1,
          kind,
          value: text,
          supersedes: null,
        })
        .execute()
      await log.append(tx, {
        ...{ action: 'incident.fact', object: { type: 'incident', id: 'i' }, actor: 'anna' },
        ...{ occurredAt: 1, content: { fact, kind }, sensitive: { value: text } },
      })
    }
  })
  const entries = () => entriesFrom(records.read, { from: 0, below: 1000, limit: 1000 })
  const verified = async () => {
    await log.sequence()
    const { origin } = await log.epoch()
    async function* shown() {
      for (const { number, entry, leaf, opening } of await entries())
        yield {
          ...{ index: Number(number), entry, leaf, treeLeaf: leaf },
          opening: opening === null ? null : JSON.parse(opening),
        }
    }
    const note = await log.checkpoint(undefined)
    const checkpoints = note.kind === 'checkpoint' ? [note.note] : []
    const keys = [rawPublicKey(privateKey)]
    return verifyLedger({ origin, entries: shown(), checkpoints, keys })
  }
  return { clock, holds, attachments, erasures, entries, verified }
}

const two = { askedBy: 'anna', approvedBy: 'boris' }

async function erasing(t: Test, records: CountedRecords): Promise<void> {
  const { erasures, attachments, entries, verified } = await desk(records)
  const wanted = { incidentId: 'i', kind: 'fact' as const, id: 'f2', reason: 'asked for' }
  const erase = (more: object) =>
    records.write((tx) => erasures.erase(tx, { ...wanted, ...more }, two))
  await t.rejects(
    records.write(async (tx) => {
      await erasures.erase(tx, wanted, two)
      throw new Error('the disk is full')
    }),
    /disk is full/,
  )
  t.equal(
    (await entries()).filter(({ opening }) => opening?.includes('555')).length,
    2,
    'all or nothing',
  )
  await erase({ fields: ['customers'] })
  const readValue = async (id: string) =>
    JSON.parse(
      (
        await records.read
          .selectFrom('incident_facts')
          .select('value')
          .where('id', '=', id)
          .executeTakeFirstOrThrow()
      ).value,
    )
  t.same(await readValue('f2'), { text: secret, customers: ['[erased]'], callsFailed: 3 })
  await erase({})
  t.same(await readValue('f2'), { text: '[erased]', customers: ['[erased]'], callsFailed: 3 })
  await t.rejects(erase({}), { code: 'conflict' })
  await erase({ id: 'f0' })
  t.same(await readValue('f1'), { text: 'of no concern' })
  await t.rejects(erase({ id: 'f0', incidentId: 'j' }), { code: 'not_found' })

  const file = {
    name: `${secret}.txt`,
    mediaType: 'a/b',
    bytes: 5,
    sha256: 'ab'.repeat(32),
    addedBy: 'anna',
  }
  for (const id of ['x', 'y'])
    await records.write((tx) => attachments.add(tx, { ...file, id, incidentId: 'i' }))
  await erase({ kind: 'attachment', id: 'x' })
  t.match(await attachments.list(records.read, 'i'), [
    { id: 'x', name: '[erased]', sha256: '', erasedAt: Number },
    { id: 'y', name: file.name },
  ])
  t.equal(
    await attachments.isNeeded(records.read, file.sha256),
    true,
    'the other one keeps the file',
  )
  t.same(await attachments.leaving(records.read), [file.sha256])
  await erase({ kind: 'attachment', id: 'y' })
  t.equal(await attachments.isNeeded(records.read, file.sha256), false)
  await records.write((tx) => attachments.hasLeft(tx, file.sha256))
  t.same(await attachments.leaving(records.read), [])
  const all = await entries()
  t.notMatch(JSON.stringify(all), /555-0101/)
  t.equal(all.filter(({ entry }) => entry.includes('"action":"erasure.made"')).length, 5)
  t.match(await erasures.list(records.read, { incidentId: 'i', limit: 9 }), { length: 5 })
  t.match(await verified(), { faults: [], entries: all.length, checkpoints: 1 })
}

async function holding(t: Test, records: CountedRecords): Promise<void> {
  const { clock, holds, erasures, verified } = await desk(records)
  const set = (of: Parameters<HoldStore['set']>[1]['of'], until: number | null) =>
    records.write((tx) => holds.set(tx, { of, reason: 'court', until, by: 'anna' }))
  const incident = { kind: 'incident', id: 'i' } as const
  const both = await Promise.allSettled([set(incident, null), set(incident, null)])
  t.same(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'], 'once')
  const [hold] = await holds.list(records.read, { all: false, limit: 9 })
  t.match(hold, { incident: { id: 'i', number: rows.incidents.number }, to: null, released: null })
  const erase = () =>
    records.write((tx) =>
      erasures.erase(tx, { incidentId: 'i', kind: 'fact', id: 'f0', reason: 'r' }, two),
    )
  await t.rejects(erase(), /held/)
  const release = () =>
    records.write((tx) =>
      holds.release(tx, hold!.id, { askedBy: 'anna', by: 'boris', reason: 'over' }),
    )
  const twice = await Promise.allSettled([release(), release()])
  t.same(twice.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  t.match(await holds.list(records.read, { all: true, incidentId: 'i', limit: 9 }), [
    { released: { askedBy: 'anna', by: 'boris', reason: 'over' } },
  ])
  await set({ kind: 'period', from: clock.now() - 10, to: clock.now() + 10 }, clock.now() + 5)
  await t.rejects(erase(), /held/)
  clock.move(5)
  t.equal((await erase()).length, 1, 'it has ended')
  await t.rejects(set({ kind: 'incident', id: 'none' }, null), { code: 'not_found' })
  t.match(await verified(), { faults: [] })
}

onBothDatabases('privacy', {
  'an erasure takes value and salt, is kept whole or not at all, and the tree stays valid': erasing,
  'a hold is set once, refuses erasure, is released once or ends': holding,
})
