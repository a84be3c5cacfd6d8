// A hub's records and ledger under ledgered changes; prints what it measured as JSON. Arguments: database, changes.
import { generateKeyPairSync } from 'node:crypto'
import { systemClock } from '../../server/clock.ts'
import { rawPublicKey } from '../../server/ledger/checkpoint.ts'
import { LedgerLog } from '../../server/ledger/ledger-log.ts'
import { Sequencer } from '../../server/ledger/sequencer.ts'
import { openPostgresRecords } from '../../server/records/postgres-records.ts'
import { later } from '../../server/records/records.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'

/** Writers at the same time; a group of the records takes 128. */
const writers = 256

const target = process.argv[2] ?? ''
const changes = Number(process.argv[3])
const records = target.startsWith('postgres')
  ? await openPostgresRecords({ connectionString: target })
  : await openSqliteRecords({ path: target })
const { privateKey } = generateKeyPairSync('ed25519')
const key = { privateKey, publicKey: rawPublicKey(privateKey) }
const log = new LedgerLog(records, systemClock, key)
await log.begin(undefined)
const sequencer = new Sequencer({
  log,
  clock: systemClock,
  logger: console,
  lastSigned: undefined,
  keepSigned: async () => {
    throw new Error('BUG: nothing is signed here')
  },
})
const incident = {
  id: 'i',
  number: 1,
  title: 't',
  severity: 'sev2',
  state: 'open',
  join_key: 'j',
  server: 's',
  runbook_name: null,
  runbook_hash: null,
  opened_at: 1,
  acknowledged_at: null,
  acknowledged_by: null,
  resolved_at: null,
  updated_at: 1,
  workflow_state: 'recorded',
  attended: 0,
  major: 0,
  closed_at: null,
}
await records.write((tx) => tx.insertInto('incidents').values(incident).execute())
sequencer.start()

let next = 0
/** A fact of an incident with its entry, as incident-store.ts writes them. */
async function change(ledgered: boolean): Promise<void> {
  const sequence = next++
  const value = JSON.stringify({
    text: `Trunk ${sequence} of the carrier does not answer OPTIONS.`,
  })
  const at = Date.now()
  await records.write(async (tx) => {
    const row = {
      id: `f${sequence}`,
      incident_id: 'i',
      sequence,
      kind: 'note',
      value,
      certainty: 'actual',
      occurred_at: at,
      recorded_at: at,
      recorded_by: 'ines',
      supersedes: null,
    }
    await later(tx, tx.insertInto('incident_facts').values(row))
    if (!ledgered) return
    await log.append(tx, {
      action: 'incident.fact',
      object: { type: 'incident', id: 'i' },
      actor: 'ines',
      occurredAt: at,
      content: { fact: row.id, kind: row.kind, certainty: row.certainty, supersedes: null },
      sensitive: { value },
    })
    sequencer.appended()
  })
}

async function run(count: number, ledgered: boolean): Promise<number> {
  const startedAt = performance.now()
  let left = count
  await Promise.all(
    Array.from({ length: writers }, async () => {
      while (left-- > 0) await change(ledgered)
    }),
  )
  // The figure is of changes that also have their place in the tree.
  if (ledgered) await sequencer.sequence()
  return count / ((performance.now() - startedAt) / 1000)
}

await run(2_000, true)
const plain = await run(changes, false)
const ledgered = await run(changes, true)
const signedAt = performance.now()
const signed = await log.checkpoint(undefined)
const checkpointMillis = performance.now() - signedAt
const size = signed.kind === 'checkpoint' ? signed.size : -1
process.stdout.write(JSON.stringify({ plain, ledgered, checkpointMillis, size }))
process.exit(0)
