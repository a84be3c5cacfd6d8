import { generateKeyPairSync } from 'node:crypto'
import type { Test } from 'tap'
import { rawPublicKey, readCheckpoint } from '../../server/ledger/checkpoint.ts'
import { cosign, witnessKeyText } from '../../server/ledger/cosignature.ts'
import { LedgerLog } from '../../server/ledger/ledger-log.ts'
import { WitnessDesk } from '../../server/ledger/witness-desk.ts'
import {
  cosignatureLines,
  lastCosignature,
  noteWitnesses,
} from '../../server/ledger/witness-store.ts'
import type { CountedRecords } from '../../server/records/write-queue.ts'
import { onBothDatabases } from '../helpers/both-databases.ts'
import { refusal } from './records-place.ts'

const start = 1_700_000_000_000
const log = generateKeyPairSync('ed25519').privateKey
const anna = generateKeyPairSync('ed25519').privateKey
const name = 'auditor.example/anna'
const key = witnessKeyText(name, rawPublicKey(anna))

async function named(t: Test, records: CountedRecords): Promise<void> {
  const note = (witnesses: { name: string; key: string }[], now: number) =>
    records.write((tx) => noteWitnesses(tx, witnesses, now))
  t.match(
    await note(
      [
        { name: 'anna', key: 'a' },
        { name: 'bank', key: 'b' },
      ],
      1,
    ),
    [
      { change: 'named', name: 'anna', key: 'a' },
      { change: 'named', name: 'bank', key: 'b' },
    ],
  )
  t.same(
    await note(
      [
        { name: 'anna', key: 'a' },
        { name: 'bank', key: 'b' },
      ],
      2,
    ),
    [],
  )
  t.match(await note([{ name: 'anna', key: 'c' }], 3), [
    { change: 'key changed', name: 'anna', key: 'c', before: 'a' },
    { change: 'removed', name: 'bank', before: 'b' },
  ])
  const rows = await records.read.selectFrom('ledger_witnesses').selectAll().execute()
  t.same(rows, [{ name: 'anna', key: 'c', since: 3 }])
}

async function taken(t: Test, records: CountedRecords): Promise<void> {
  let now = start
  const clock = { now: () => now, monotonic: () => 0 }
  const ledger = new LedgerLog(records, clock, { privateKey: log, publicKey: rawPublicKey(log) })
  await ledger.begin(undefined)
  const checkpoint = async () => {
    const { origin } = await ledger.epoch()
    const what = { action: 'change.entry', object: { type: 'change', id: '1' }, actor: 'x' }
    await records.write((tx) =>
      ledger.append(tx, { ...what, occurredAt: now, content: { origin } }),
    )
    await ledger.sequence()
    const made = await ledger.checkpoint(undefined)
    if (made.kind !== 'checkpoint') throw new Error(made.reason)
    return { epoch: 1, size: made.size, note: made.note }
  }
  const lineOf = ({ note }: { note: string }, seconds: number, as = anna, by = name) =>
    cosign(readCheckpoint(note)!.text, seconds, by, as)
  const configured = [{ name: 'anna', key, url: 'http://127.0.0.1:1' }]
  const open = () => WitnessDesk.open(records, clock, configured)
  await records.write((tx) => noteWitnesses(tx, configured, now))
  const desk = await open()
  now += 60_000
  t.equal(desk.ageSeconds(key), 60, 'one that never did: since it is configured')
  const [first, second] = [await checkpoint(), await checkpoint()]
  const at = start / 1000 + 60
  t.match(await desk.take(second, lineOf(second, at)), { last: { size: second.size } })
  t.equal(desk.ageSeconds(key), 0)
  t.match(
    await desk.take(first, lineOf(first, at + 1)),
    { last: { size: second.size } },
    'a late one',
  )
  t.match(await desk.take(second, lineOf(second, at + 9)), {
    last: { witnessedAt: (at + 9) * 1000 },
  })
  await desk.take(second, lineOf(second, at + 2))
  const lines = await cosignatureLines(records.read, 1, [first.size, second.size])
  t.equal(lines.get(first.size), lineOf(first, at + 1))
  t.equal(lines.get(second.size), lineOf(second, at + 9), 'of several the newest')
  t.match(await lastCosignature(records.read, key, 1), { size: second.size })
  t.equal(await lastCosignature(records.read, key, 2), undefined)
  t.match((await open()).states(), [{ last: { size: second.size } }], 'kept over a restart')

  const bad = [
    lineOf(first, at),
    lineOf(second, at, log),
    lineOf(second, at, anna, 'else'),
    lineOf(second, at + 4000),
    `\n${lineOf(second, at)}`,
    `x\n\n${lineOf(second, at)}`,
    'x',
    '',
  ]
  for (const line of bad) t.equal(await refusal(desk.take(second, line)), 'unprocessable', line)
  const rows = await records.read.selectFrom('ledger_cosignatures').select('size').execute()
  t.equal(rows.length, 2)
}

onBothDatabases('witness', {
  'who is configured is noted, and what changed': named,
  'only what verifies is kept, of several the newest': taken,
})
