// A child that writes until it is killed, printing the number of each row whose write resolved.
import { openPostgresRecords } from '../../server/records/postgres-records.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'

const target = process.argv[2] ?? ''
const first = Number(process.argv[3])
const records = target.startsWith('postgres')
  ? await openPostgresRecords({ connectionString: target })
  : await openSqliteRecords({ path: target })

let next = first
async function writeForever(): Promise<never> {
  for (;;) {
    const key = `row ${next++}`
    await records.write(async (tx) => {
      await tx.insertInto('settings').values({ key, value: 'begun' }).execute()
      await tx.updateTable('settings').set({ value: 'whole' }).where('key', '=', key).execute()
    })
    process.stdout.write(`${key}\n`)
  }
}
await Promise.all(Array.from({ length: 20 }, writeForever))
