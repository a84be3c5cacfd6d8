import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Kysely, sql } from 'kysely'
import type { Test } from 'tap'
import type { Migration } from '../../server/records/migrations/migration.ts'
import type { RecordsSchema } from '../../server/records/schema.ts'
import { unawaited } from './records-later.ts'
import { oldRows } from './records-old-rows.ts'
import { keys, type Place, put, refusal, setting } from './records-place.ts'
import { everyTable, rows } from './records-tables.ts'

export async function values(t: Test, place: Place): Promise<void> {
  const records = await place.open()
  const texts = [
    '',
    ' ',
    'B',
    'a',
    'z',
    'é',
    'đường',
    'Ошибка',
    '故障',
    '😀',
    '\u0001\u2028',
    `'"\`;--\\`,
    'x'.repeat(200_000),
  ]
  for (const text of texts) await put(records, text, text)
  const byBytes = [...texts].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  t.strictSame(
    await keys(records),
    byBytes,
    'text comes back as it was, ordered by its UTF-8 bytes',
  )
  const found = await records.read
    .selectFrom('settings')
    .selectAll()
    .where('key', 'in', texts)
    .execute()
  t.ok(found.length === texts.length && found.every(({ key, value }) => key === value))

  const live = (sequence: unknown) =>
    records.write((tx) =>
      tx
        .insertInto('live_messages')
        .values({ principal_id: 'p', sequence: sequence as number, at: 0, kind: 'k', body: '' })
        .execute(),
    )
  await records.write((tx) => tx.insertInto('principals').values(rows.principals).execute())
  await live(2 ** 53 - 1)
  await live(-(2 ** 53 - 1))
  await live(true)
  const sequences = records.read.selectFrom('live_messages').select('sequence').orderBy('sequence')
  t.strictSame(
    (await sequences.execute()).map(({ sequence }) => sequence),
    [-(2 ** 53 - 1), 1, 2 ** 53 - 1],
  )
  await live(2n ** 53n)
  t.equal(
    await refusal(sequences.execute()),
    'other',
    'a number JavaScript would round is not given back',
  )
  t.equal(await refusal(live(2n ** 63n)), 'TypeError')
  const kinds = await records.read
    .selectFrom('settings')
    .select((row) => [
      row.fn.countAll<number>().as('count'),
      row.exists(row.selectFrom('tokens').select('id')).as('none'),
      sql<number>`sum(length(key) * 0.5)`.as('half'),
      sql<null>`max(null)`.as('nothing'),
    ])
    .where('key', 'in', ['a', 'z'])
    .executeTakeFirstOrThrow()
  t.strictSame(
    kinds,
    { count: 2, none: 0, half: 1, nothing: null },
    'figures have one form on both',
  )

  const change = await records.write(async (tx) => {
    const updated = await tx
      .updateTable('settings')
      .set({ value: 'n' })
      .where('key', 'in', ['a', 'z'])
      .executeTakeFirstOrThrow()
    const returned = await tx
      .deleteFrom('settings')
      .where('key', '=', 'a')
      .returning('value')
      .execute()
    const upsert = await tx
      .insertInto('settings')
      .values(setting('z', 'new'))
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ value: 'upserted' }))
      .returningAll()
      .executeTakeFirst()
    const none = await tx
      .insertInto('settings')
      .values(setting('z'))
      .onConflict((c) => c.doNothing())
      .executeTakeFirst()
    const raw =
      await sql`update settings set value = value where key in ('z', 'B') returning key`.execute(tx)
    return [
      updated.numUpdatedRows,
      returned,
      upsert,
      none.numInsertedOrUpdatedRows,
      raw.rows.length,
      raw.numAffectedRows,
    ]
  })
  t.strictSame(change, [2n, [{ value: 'n' }], { key: 'z', value: 'upserted' }, 0n, 2, 2n])
  await records.close()
}

/** One group for all that is asked at once, however slow the machine. */
export const oneGroup = { limits: { maxGroupMilliseconds: 60_000 } }

export async function transactions(t: Test, place: Place): Promise<void> {
  const records = await place.open(oneGroup)
  const outcomes = await Promise.all([
    refusal(put(records, 'first')),
    refusal(put(records, 'first', 'again')),
    refusal(
      records.write(async (tx) => {
        await tx.insertInto('settings').values(setting('thrown')).execute()
        throw new Error('no')
      }),
    ),
    refusal(
      records.write(async (tx) => {
        await tx.insertInto('settings').values(setting('swallowed')).execute()
        await tx
          .insertInto('settings')
          .values(setting('first'))
          .execute()
          .catch(() => {})
        await tx
          .insertInto('settings')
          .values(setting('swallowed 2'))
          .execute()
          .catch(() => {})
      }),
    ),
    refusal(
      records.write(async (tx) => {
        await tx.insertInto('settings').values(setting('not awaited')).execute()
        tx.insertInto('settings')
          .values(setting('first'))
          .execute()
          .catch(() => {})
      }),
    ),
    refusal(
      records.write(async (tx) => {
        const all = ['p1', 'p2', 'first', 'p3'].map((key) =>
          tx.insertInto('settings').values(setting(key)).execute(),
        )
        await Promise.allSettled(all)
      }),
    ),
    refusal(records.write(() => Promise.reject(new TypeError('before any statement')))),
    refusal(put(records, 'last')),
  ])
  const unique = 'constraint_unique'
  t.strictSame(outcomes, ['kept', unique, 'Error', unique, unique, unique, 'TypeError', 'kept'])
  t.strictSame(
    await keys(records),
    ['first', 'last'],
    'only their own transactions were rolled back',
  )
  t.equal(await records.write(async () => 'nothing asked'), 'nothing asked')
  const { commits } = records.statistics
  await Promise.all(Array.from({ length: 40 }, (_, index) => put(records, `shared ${index}`)))
  t.ok(records.statistics.commits - commits < 40, 'transactions share commits')

  let kept: Kysely<RecordsSchema> | undefined
  await records.write(async (tx) => {
    kept = tx
  })
  const late = kept?.insertInto('settings').values(setting('late')).execute() ?? Promise.resolve()
  t.match(await refusal(late), /other|Error/, 'a transaction that is over takes no statement')
  t.equal(
    await refusal(records.write(() => put(records, 'nested'))),
    'Error',
    'a write inside a write would wait for itself',
  )
  t.equal(await refusal(records.write((tx) => tx.transaction().execute(async () => {}))), 'Error')
  t.notOk((await keys(records)).some((key) => key === 'late' || key === 'nested'))

  const insert = records.read.insertInto('settings').values(setting('by read')).execute()
  t.equal(await refusal(insert), 'readonly')
  t.equal(await refusal(sql`delete from settings`.execute(records.read)), 'readonly')
  t.equal(await refusal(records.read.transaction().execute(async () => {})), 'readonly')
  await records.close()
}

export async function concurrency(t: Test, place: Place): Promise<void> {
  const records = await place.open()
  await put(records, 'counter', '0')
  const order: number[] = []
  const increments = Array.from({ length: 200 }, (_, index) =>
    records.write(async (tx) => {
      const { value } = await tx
        .selectFrom('settings')
        .selectAll()
        .where('key', '=', 'counter')
        .executeTakeFirstOrThrow()
      await tx
        .updateTable('settings')
        .set({ value: String(Number(value) + 1) })
        .where('key', '=', 'counter')
        .execute()
      await tx
        .insertInto('settings')
        .values(setting(`n${index}`, value))
        .execute()
      order.push(index)
    }),
  )
  await Promise.all(increments)
  const counter = await records.read
    .selectFrom('settings')
    .selectAll()
    .where('key', 'like', 'n%')
    .execute()
  t.equal(counter.length, 200)
  t.ok(
    counter.every(({ key, value }) => key === `n${value}`),
    'each saw exactly those asked for before it',
  )
  t.strictSame(order, [...order.keys()], 'in the order they were asked for')
  let missed = 0
  const readers = Array.from({ length: 40 }, async (_, index) => {
    await put(records, `seen ${index}`)
    const row = await records.read
      .selectFrom('settings')
      .select('key')
      .where('key', '=', `seen ${index}`)
      .executeTakeFirst()
    if (row === undefined) missed += 1
  })
  await Promise.all(readers)
  t.equal(missed, 0, 'a read after a write sees it')

  const slow = records.write(async (tx) => {
    for (let turn = 0; turn < 300; turn += 1) await sql`select ${turn}`.execute(tx)
  })
  const queued = Array.from({ length: 50 }, (_, index) => put(records, `queued ${index}`))
  const closed = records.close()
  t.equal(await refusal(put(records, 'too late')), 'unavailable')
  const outcomes = await Promise.all([slow, ...queued].map(refusal))
  await Promise.all([closed, records.close()])
  t.ok(
    outcomes.every((outcome) => outcome === 'kept'),
    'what was queued before the close is kept',
  )
  const again = await place.open()
  t.equal((await keys(again)).filter((key) => key.startsWith('queued')).length, 50)
  t.notOk((await keys(again)).includes('too late'))
  await again.close()
}

export async function limits(t: Test, place: Place): Promise<void> {
  const records = await place.open({ limits: { maxWaiting: 3, transactionMilliseconds: 500 } })
  const crowd = await Promise.all(
    Array.from({ length: 5 }, (_, index) => refusal(put(records, `crowd ${index}`))),
  )
  t.strictSame(crowd, ['kept', 'kept', 'kept', 'unavailable', 'unavailable'])
  t.equal(records.statistics.refused, 2)

  let resume = () => {}
  let afterwards: Promise<string> | undefined
  const stuck = records.write(async (tx) => {
    await tx.insertInto('settings').values(setting('stuck')).execute()
    await new Promise<void>((resolve) => {
      resume = resolve
    })
    afterwards = refusal(tx.insertInto('settings').values(setting('stuck 2')).execute())
    await afterwards
  })
  const behind = put(records, 'behind')
  t.equal(await refusal(stuck), 'busy', 'a transaction that never ends is given up')
  t.equal(await refusal(behind), 'kept')
  resume()
  await new Promise((resolve) => setImmediate(resolve))
  t.match(await afterwards, /other|Error/, 'and what it does later is refused')
  t.strictSame(await keys(records), ['behind', 'crowd 0', 'crowd 1', 'crowd 2'])
  await records.close()

  let now = 0
  const slow = await place.open({ clock: { now: () => now, monotonic: () => now } })
  const waited = slow.write(async () => {
    now += 30_001
  })
  const outcomes = await Promise.all([waited, put(slow, 'late'), put(slow, 'late 2')].map(refusal))
  t.strictSame(outcomes, ['kept', 'unavailable', 'unavailable'], 'nobody waits for ever')
  t.equal(await refusal(put(slow, 'in time')), 'kept')
  await slow.close()
}

export async function failingCommit(t: Test, place: Place): Promise<void> {
  const records = await place.open(oneGroup)
  await records.write(async (tx) => {
    await sql`create table parent (id integer primary key)`.execute(tx)
    await sql`create table child (id integer references parent (id) deferrable initially deferred)`.execute(
      tx,
    )
  })
  const orphan = records.write((tx) => sql`insert into child values (1)`.execute(tx))
  const outcomes = await Promise.all([
    refusal(put(records, 'before')),
    refusal(orphan),
    refusal(put(records, 'after')),
  ])
  t.strictSame(
    outcomes,
    ['constraint', 'constraint', 'constraint'],
    'a commit that fails rejects its whole group',
  )
  t.strictSame(await keys(records), [])
  t.equal(await refusal(put(records, 'next')), 'kept', 'and the next group commits')
  t.strictSame(await keys(records), ['next'])
  await records.close()
}

export async function migrations(t: Test, place: Place): Promise<void> {
  const [one, two] = await Promise.all([place.open(), place.open()])
  await put(one, 'kept')
  t.strictSame(await keys(two), ['kept'], 'two hubs that start at once migrate once')
  const both = [...Array(30).keys()].map((index) =>
    refusal(put(index % 2 === 0 ? one : two, `both ${index}`)),
  )
  t.ok(
    (await Promise.all(both)).every((outcome) => outcome === 'kept'),
    'and may write at once',
  )
  await Promise.all([one.close(), two.close()])

  const { allMigrations } = await import('../../server/records/migrations.ts')
  let fails = true
  const later: Migration = {
    name: '0002-later',
    async up({ execute }) {
      await execute('create table later (id TEXT not null primary key, at INTEGER, share REAL)')
      await execute("insert into later values ('x', 9007199254740991, 0.5)")
      if (fails) await execute('create table later (id TEXT)')
    },
  }
  const newer = { migrations: [...allMigrations, later] }
  await t.rejects(place.open(newer), { name: 'RecordsError' })
  const unharmed = await place.open()
  t.equal(
    await refusal(sql`select * from later`.execute(unharmed.read)),
    'other',
    'a failing migration leaves nothing',
  )
  await unharmed.close()
  fails = false
  const upgraded = await place.open(newer)
  const { rows: laterRows } = await sql`select * from later`.execute(upgraded.read)
  t.strictSame(laterRows, [{ id: 'x', at: 2 ** 53 - 1, share: 0.5 }])
  t.equal((await keys(upgraded)).length, 31, 'rows stay')
  await upgraded.close()
  await (await place.open(newer)).close()
  await t.rejects(place.open(), { message: /newer Callward.*0002-later/ })
}

/** What both databases promise, by name. */
export const suite: Record<string, (t: Test, place: Place) => Promise<void>> = {
  'every table takes, keeps and guards its rows': everyTable,
  'values come back as they went': values,
  'a transaction is kept whole or not at all': transactions,
  'statements that nobody waits for: each transaction as if it were alone': unawaited,
  'writes are serial, ordered, seen, and drained by close': concurrency,
  'limits are kept': limits,
  'a failing commit rejects its group only': failingCommit,
  'migrations run once, whole, and never backwards': migrations,
  'a database of an earlier version with its rows': oldRows,
}

/** Kills a child in the middle of its writes; every row it said was written must be there, whole. */
export async function killed(t: Test, target: string, place: Place): Promise<void> {
  const child = fileURLToPath(new URL('./records-writer.js', import.meta.url))
  const acknowledged: string[] = []
  for (let round = 0; round < 2; round += 1) {
    const writer = spawn(process.execPath, [child, target, String(round * 1_000_000)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const enough = acknowledged.length + 250
    for await (const line of createInterface({ input: writer.stdout })) {
      acknowledged.push(line)
      if (acknowledged.length === enough) writer.kill('SIGKILL')
    }
    if (writer.signalCode === null) await once(writer, 'exit')
    t.equal(writer.signalCode, 'SIGKILL')
    const records = await place.open()
    const rows = await records.read.selectFrom('settings').selectAll().execute()
    const kept = new Map(rows.map(({ key, value }) => [key, value]))
    t.strictSame(
      acknowledged.filter((key) => !kept.has(key)),
      [],
      `${acknowledged.length} acknowledged rows are there`,
    )
    t.ok(
      rows.every(({ value }) => value === 'whole'),
      'no half transaction is',
    )
    await records.close()
  }
}
