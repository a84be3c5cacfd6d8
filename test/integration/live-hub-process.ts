// A hub with nothing but the live push, to be killed: PATH PORT RECEIPT_MS. Commands come by standard input, one a line:
// `page NUMBER` queues a page for ines, `rows` prints what is stored as one line of JSON.
import { createInterface } from 'node:readline'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import { addStaff, startLiveHub } from './live-hub.ts'

const [path = '', port = '0', receiptMs = '20'] = process.argv.slice(2)
const records = await openSqliteRecords({ path })
const known = await records.read.selectFrom('principals').select('id').execute()
if (known.length === 0) await addStaff(records)
const hub = await startLiveHub(records, {
  port: Number(port),
  times: { receiptMs: Number(receiptMs) },
})
hub.app.live.onReceipts(async (tx, receipts) => {
  // The key is unique: a receipt told twice would fail.
  for (const { kind, messages } of receipts)
    for (const { sequence, body } of messages)
      await tx
        .insertInto('settings')
        .values({ key: `told ${kind} ${sequence}`, value: body })
        .execute()
})
process.stdout.write(`ready ${hub.port}\n`)
for await (const line of createInterface({ input: process.stdin })) {
  const [command, number] = line.split(' ')
  if (command === 'page') await hub.page(['p-ines'], Number(number))
  if (command === 'rows') process.stdout.write(`${JSON.stringify(await rows())}\n`)
}

async function rows() {
  const messages = await records.read
    .selectFrom('live_messages')
    .select(['sequence', 'received_at', 'displayed_at'])
    .where('principal_id', '=', 'p-ines')
    .orderBy('sequence')
    .execute()
  const told = await records.read
    .selectFrom('settings')
    .select('key')
    .where('key', 'like', 'told %')
    .orderBy('key')
    .execute()
  const received = hub.app.live.listeners()[0]?.received ?? 0
  return { messages, told: told.map(({ key }) => key), received }
}
