// A child that makes ledgered changes and gives them their places until it is killed, printing each change whose write resolved.
import { generateKeyPairSync } from 'node:crypto'
import { systemClock } from '../../server/clock.ts'
import { rawPublicKey } from '../../server/ledger/checkpoint.ts'
import { LedgerLog } from '../../server/ledger/ledger-log.ts'
import { openPostgresRecords } from '../../server/records/postgres-records.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'

const target = process.argv[2] ?? ''
const first = Number(process.argv[3])
const records = target.startsWith('postgres')
  ? await openPostgresRecords({ connectionString: target })
  : await openSqliteRecords({ path: target })
const { privateKey } = generateKeyPairSync('ed25519')
const log = new LedgerLog(records, systemClock, {
  privateKey,
  publicKey: rawPublicKey(privateKey),
})
await log.begin(undefined)

let next = first
async function writeForever(): Promise<never> {
  for (;;) {
    const key = `row ${next++}`
    await records.write(async (tx) => {
      await tx.insertInto('settings').values({ key, value: '' }).execute()
      await log.append(tx, {
        action: 'change.entry',
        object: { type: 'setting', id: key },
        actor: 'writer',
        occurredAt: 1,
        content: null,
      })
    })
    process.stdout.write(`${key}\n`)
  }
}

async function sequenceForever(): Promise<never> {
  for (;;) {
    await log.sequence()
    await log.checkpoint(undefined)
  }
}
await Promise.all([...Array.from({ length: 20 }, writeForever), sequenceForever()])
