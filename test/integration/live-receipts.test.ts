import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { type FollowEvent, LiveFollower } from '../../server/cli/watch-connection.ts'
import type { PageReceipts } from '../../server/live/plugin.ts'
import { openPostgresRecords } from '../../server/records/postgres-records.ts'
import type { Records } from '../../server/records/records.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import { folderOf } from '../helpers/folder.ts'
import { freePort, until } from '../helpers/hub.ts'
import { postgresPrograms, startPostgres } from '../helpers/postgres.ts'
import { addStaff, connect, type LiveClient, startLiveHub } from './live-hub.ts'

const required = process.env.CALLWARD_REQUIRE_PEERS === '1'

/** Sequences of a person that have a receipt. */
async function stored(records: Records, kind: 'received_at' | 'displayed_at', person = 'p-ines') {
  const rows = await records.read
    .selectFrom('live_messages')
    .select(['sequence', kind])
    .where('principal_id', '=', person)
    .where(kind, 'is not', null)
    .orderBy('sequence')
    .execute()
  return rows.map(({ sequence }) => Number(sequence))
}

async function answered(client: LiveClient, id: string): Promise<void> {
  client.send({ type: 'ping', id })
  await client.seen((frame) => frame.type === 'pong' && frame.id === id, `pong ${id}`)
}

/** What holds on every database. */
async function promises(t: Test, records: Records): Promise<void> {
  await addStaff(records)
  const hub = await startLiveHub(records, { times: { receiptRetryMs: 20 } })
  t.teardown(() => hub.close())
  const told: PageReceipts[] = []
  let failing = 0
  let failed = 0
  hub.app.live.onReceipts(async (_tx, receipts) => {
    if (failing > 0) {
      failing -= 1
      failed += 1
      throw new Error('the listener fails')
    }
    told.push(...receipts)
  })
  const sequences = () =>
    told.flatMap(({ principalId, kind, messages }) =>
      messages.map(({ sequence }) => `${principalId} ${kind} ${sequence}`),
    )

  await hub.page(['p-ines', 'p-gone', 'p-grafana', 'p-ines', 'nobody'], 1)
  await hub.page([], 2)
  const queued = await records.read.selectFrom('live_messages').select('principal_id').execute()
  t.same(queued, [{ principal_id: 'p-ines' }], 'for those named who are on staff, once')
  await hub.publish({ n: 2 })
  await hub.page(['p-ines', 'p-carl'], 3)

  const ines = await connect(hub)
  const carl = await connect(hub, 'carl-token')
  ines.send({ type: 'subscribe', resume: 0 })
  carl.send({ type: 'subscribe', resume: 0 })
  await ines.seen(({ sequence, type }) => type === 'message' && sequence === 3)
  await carl.seen(({ sequence, type }) => type === 'message' && sequence === 2)
  ines.send({ type: 'received', sequence: 2 })
  carl.send({ type: 'displayed', sequences: [1] })
  await until('stored', async () => (await stored(records, 'received_at')).length === 2)
  await until('carl', async () => (await stored(records, 'displayed_at', 'p-carl')).length === 1)
  t.same(await stored(records, 'received_at', 'p-carl'), [1], 'what was displayed was received')
  t.same(await stored(records, 'displayed_at'), [], 'one person’s receipt is not another’s')
  t.same(sequences(), ['p-ines received 1'], 'listeners hear of pages alone')
  t.match(told[0], { messages: [{ kind: 'page', body: /"number":1/ }] })

  ines.send({ type: 'displayed', sequences: [1, 3] })
  await until('displayed', async () => (await stored(records, 'displayed_at')).length === 2)
  const before = await records.read.selectFrom('live_messages').selectAll().execute()
  const heard = sequences()
  t.same([...heard].sort(), [
    'p-ines displayed 1',
    'p-ines displayed 3',
    'p-ines received 1',
    'p-ines received 3',
  ])
  ines.send({ type: 'received', sequence: 3, after: 0 })
  ines.send({ type: 'displayed', sequences: [1, 3] })
  // A receipt behind them shows that they were worked through.
  await hub.page(['p-ines'], 4)
  await ines.seen(({ sequence, type }) => type === 'message' && sequence === 4)
  failing = 2
  ines.send({ type: 'displayed', sequences: [4] })
  await until('tried until told', async () => (await stored(records, 'displayed_at')).includes(4))
  t.equal(failed, 2)
  t.same(sequences().slice(heard.length), ['p-ines received 4', 'p-ines displayed 4'])
  const after = await records.read.selectFrom('live_messages').selectAll().execute()
  t.same(
    after.filter(({ sequence, principal_id }) => principal_id !== 'p-ines' || Number(sequence) < 4),
    before,
    'a receipt that is repeated changes nothing',
  )

  await hub.page(['p-ines'], 5)
  await ines.seen(({ sequence, type }) => type === 'message' && sequence === 5)
  failing = 1000
  ines.send({ type: 'displayed', sequences: [5] })
  await until('stored', async () => (await stored(records, 'displayed_at')).includes(5))
  t.equal(failed, 5, 'a listener that always fails is left out after three tries')
  const metrics = await hub.registry.metrics()
  t.match(metrics, 'callward_live_receipts_total{kind="received"} 6')
  t.match(metrics, 'callward_live_receipts_total{kind="displayed"} 5')
  t.match(metrics, 'callward_live_refused_total{reason="receipts_not_written"} 5')

  failing = 0
  await hub.page(['p-ines'], 6)
  await ines.seen(({ sequence, type }) => type === 'message' && sequence === 6)
  ines.send({ type: 'received', sequence: 6 })
  await answered(ines, 'last')
  await hub.close()
  t.ok((await stored(records, 'received_at')).includes(6), 'a hub that stops writes what waits')
}

t.test('receipts on SQLite', async (t) => {
  const records = await openSqliteRecords({ path: join(folderOf(t, {}), 'records.sqlite') })
  t.teardown(() => records.close())
  await promises(t, records)
})

const programs = postgresPrograms()
const skip = programs === undefined && !required ? 'postgresql is not installed' : false
t.test('receipts on PostgreSQL', { skip }, async (t) => {
  if (programs === undefined) throw new Error('postgresql is not installed')
  const cluster = await startPostgres(programs)
  t.teardown(() => cluster.stop())
  const records = await openPostgresRecords({
    connectionString: await cluster.database('receipts'),
  })
  t.teardown(() => records.close())
  await promises(t, records)
})

t.test('many people at once, in few writes', async (t) => {
  const records = await openSqliteRecords({ path: join(folderOf(t, {}), 'records.sqlite') })
  t.teardown(() => records.close())
  let writes = 0
  const counted: Records = {
    kind: records.kind,
    read: records.read,
    write(work) {
      writes += 1
      return records.write(work)
    },
    close: () => records.close(),
  }
  await addStaff(records)
  const hub = await startLiveHub(counted, { limits: { receiptsPerWrite: 500 } })
  t.teardown(() => hub.close())
  for (let number = 1; number <= 200; number += 1) await hub.page(['p-ines', 'p-carl'], number)
  const [ines, carl] = [await connect(hub), await connect(hub, 'carl-token')]
  for (const client of [ines, carl]) client.send({ type: 'subscribe', resume: 0 })
  const last = ({ type, sequence }: Record<string, unknown>) =>
    type === 'message' && sequence === 200
  await Promise.all([ines.seen(last), carl.seen(last)])
  writes = 0
  // Every second number, so that none joins another.
  const odd = Array.from({ length: 100 }, (_, index) => 2 * index + 1)
  for (const client of [ines, carl])
    for (const one of odd) client.send({ type: 'displayed', sequences: [one] })
  for (const person of ['p-ines', 'p-carl'])
    await until(
      'stored',
      async () => (await stored(records, 'displayed_at', person)).length === 100,
    )
  t.same(await stored(records, 'displayed_at'), odd)
  t.ok(writes < 100, `200 receipts in ${writes} writes`)
})

/** The hub as a process of its own, to be killed. */
class HubProcess {
  readonly child: ChildProcess
  readonly #lines: Interface

  constructor(path: string, port: number, receiptMs: number) {
    const program = fileURLToPath(new URL('live-hub-process.js', import.meta.url))
    const { NODE_OPTIONS: _hook, ...environment } = process.env
    this.child = spawn(process.execPath, [program, path, String(port), String(receiptMs)], {
      env: environment,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#lines = createInterface({ input: this.child.stdout! })
  }

  async line(): Promise<string> {
    const [text] = (await once(this.#lines, 'line')) as [string]
    return text
  }

  async rows(): Promise<{
    messages: { sequence: number; received_at: number | null; displayed_at: number | null }[]
    told: string[]
    received: number
  }> {
    const answer = this.line()
    this.child.stdin!.write('rows\n')
    return JSON.parse(await answer)
  }

  page(number: number): void {
    this.child.stdin!.write(`page ${number}\n`)
  }

  async kill(): Promise<void> {
    const gone = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await gone
  }
}

t.test(
  'the hub is killed before it stored a receipt: said again after reconnecting, stored once',
  { timeout: 90_000 },
  async (t) => {
    const path = join(folderOf(t, {}), 'records.sqlite')
    const port = await freePort()
    const start = async (receiptMs: number) => {
      const hub = new HubProcess(path, port, receiptMs)
      t.teardown(() => hub.child.kill('SIGKILL'))
      t.match(await hub.line(), /^ready/)
      return hub
    }
    // Receipts wait longer than this hub lives.
    let hub = await start(3_600_000)
    const events: FollowEvent[] = []
    const messages: number[] = []
    const follower = new LiveFollower(
      { url: `http://127.0.0.1:${port}`, token: 'ines-token', tokenFrom: 'test' },
      (event) => {
        events.push(event)
        if (event.kind !== 'frame' || event.frame.type !== 'message') return
        messages.push(Number(event.frame.sequence))
        follower.displayed(Number(event.frame.sequence))
      },
    )
    t.teardown(() => follower.stop())
    const times = (kind: string) => events.filter((event) => event.kind === kind).length
    follower.start()
    await until('welcomed', () => times('open') === 1)
    hub.page(1)
    hub.page(2)
    await until('both came', () => messages.length === 2)
    // Both receipts go out at once; a pong behind them shows that the hub has read them.
    await until('the hub read the first', async () => (await hub.rows()).received === 2)
    follower.send({ type: 'ping', id: 'behind' })
    await until('and the second', () =>
      events.some((event) => event.kind === 'frame' && event.frame.id === 'behind'),
    )
    t.match(await hub.rows(), {
      messages: [
        { sequence: 1, received_at: null, displayed_at: null },
        { sequence: 2, received_at: null, displayed_at: null },
      ],
      told: [],
    })
    await hub.kill()

    await until('lost', () => times('lost') === 1)
    hub = await start(20)
    await until('back', () => times('back') === 1)
    const first = await until('stored', async () => {
      const rows = await hub.rows()
      // The two lists are read one after the other.
      const isWhole = rows.messages.every((row) => row.received_at && row.displayed_at)
      return rows.told.length === 4 && isWhole && rows
    })
    t.same(first.told, [
      'told displayed 1',
      'told displayed 2',
      'told received 1',
      'told received 2',
    ])

    await hub.kill()
    hub = await start(20)
    await until('back again', () => times('back') === 2)
    hub.page(3)
    const second = await until('the next is stored', async () => {
      const rows = await hub.rows()
      return rows.told.includes('told displayed 3') && rows
    })
    t.same(second.messages.slice(0, 2), first.messages, 'said again, nothing changed')
    t.equal(second.told.length, 6)
    t.same(messages, [1, 2, 3], 'each message once, in order')
  },
)
