import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { recordsPlugin } from '../../server/records/plugin.ts'
import { openPostgresRecords } from '../../server/records/postgres-records.ts'
import { defaultEngine } from '../../server/records/sqlite-engines.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import { SqliteThread } from '../../server/records/sqlite-thread.ts'
import { telemetryPlugin } from '../../server/telemetry/plugin.ts'
import { type PostgresCluster, postgresPrograms, startPostgres } from '../helpers/postgres.ts'
import * as promises from './records-promises.ts'
import { keys, type Place, put, refusal } from './records-promises.ts'

const suite: Record<string, (t: Test, place: Place) => Promise<void>> = {
  'every table takes, keeps and guards its rows': promises.everyTable,
  'values come back as they went': promises.values,
  'a transaction is kept whole or not at all': promises.transactions,
  'writes are serial, ordered, seen, and drained by close': promises.concurrency,
  'limits are kept': promises.limits,
  'a failing commit rejects its group only': promises.failingCommit,
  'migrations run once, whole, and never backwards': promises.migrations,
}

/** Kills a child in the middle of its writes; every row it said was written must be there, whole. */
async function killed(t: Test, target: string, place: Place): Promise<void> {
  const child = fileURLToPath(new URL('./records-writer.js', import.meta.url))
  const acknowledged: string[] = []
  for (let round = 0; round < 3; round += 1) {
    const writer = spawn(process.execPath, [child, target, String(round * 1_000_000)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const enough = acknowledged.length + 300
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

t.test(`SQLite (${defaultEngine()})`, async (t) => {
  const at = (path: string): Place => ({
    open: (options) => openSqliteRecords({ path, ...options }),
  })
  for (const [promise, check] of Object.entries(suite)) {
    await t.test(promise, (t) => check(t, at(join(t.testdir(), 'records.sqlite'))))
  }
  await t.test('kill -9 loses nothing acknowledged', async (t) => {
    const path = join(t.testdir(), 'records.sqlite')
    await killed(t, path, at(path))
  })
  await t.test('a transaction the engine undid takes its group with it, and no more', async (t) => {
    const records = await openSqliteRecords({ path: join(t.testdir(), 'records.sqlite') })
    await put(records, 'taken')
    const undoing = records.write((tx) =>
      sql`insert or rollback into settings values ('taken', '')`.execute(tx),
    )
    const outcomes = await Promise.all([
      refusal(put(records, 'before')),
      refusal(undoing),
      refusal(put(records, 'after')),
    ])
    t.strictSame(outcomes.slice(0, 2), ['constraint_unique', 'constraint_unique'])
    t.equal(outcomes[2] === 'kept', (await keys(records)).includes('after'), 'told the truth')
    t.notOk((await keys(records)).includes('before'))
    await records.write((tx) => sql`pragma max_page_count = 60`.execute(tx))
    const large = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        refusal(put(records, `large ${index}`, 'x'.repeat(20_000))),
      ),
    )
    t.ok(large.includes('full'), 'a full disk is told')
    const stored = (await keys(records)).filter((key) => key.startsWith('large'))
    t.equal(
      stored.length,
      large.filter((outcome) => outcome === 'kept').length,
      'and only what was kept was acknowledged',
    )
    await records.write((tx) => sql`pragma max_page_count = 1000000`.execute(tx))
    t.equal(await refusal(put(records, 'room again')), 'kept')
    await records.close()
  })
  await t.test('files that cannot be used are told', async (t) => {
    const folder = t.testdir()
    writeFileSync(join(folder, 'text'), 'not a database '.repeat(1000))
    t.equal(await refusal(openSqliteRecords({ path: join(folder, 'text') })), 'corrupt')
    t.equal(await refusal(openSqliteRecords({ path: join(folder, 'none', 'a') })), 'other')
  })
  await t.test('a closed database leaves one file and no thread', async (t) => {
    const path = join(t.testdir(), 'records.sqlite')
    const records = await openSqliteRecords({ path })
    await put(records, 'a')
    await records.close()
    t.ok(existsSync(path))
    t.notOk(existsSync(`${path}-wal`), 'the log was folded in')
    t.equal(await refusal(keys(records)), 'other')
  })
})

t.test('a thread that dies is told, to all who wait and all who come', async (t) => {
  const faults: string[] = []
  const program = new URL('./records-dying-worker.js', import.meta.url)
  const thread = await SqliteThread.start(
    { path: 'none', mode: 'writer' },
    (reason) => faults.push(reason),
    program,
  )
  const statement = { kind: 'statement', sql: 'select 1', parameters: [], wantsRows: true } as const
  t.strictSame((await thread.ask(statement)).rows, [{ n: 1 }])
  const waiting = [thread.ask(statement), thread.ask(statement)]
  for (const answer of waiting) {
    await t.rejects(answer, {
      name: 'RecordsError',
      code: 'other',
      message: /writer thread failed: the disk caught fire. Restart/,
    })
  }
  await t.rejects(thread.ask(statement), { message: /caught fire/ })
  t.equal(faults.length, 1)
  await thread.close()
})

t.test('the plugin opens, counts and closes', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const folder = t.testdir()
  await app.register(telemetryPlugin)
  await app.register(recordsPlugin, { folder })
  await app.records.write((tx) =>
    tx.insertInto('settings').values({ key: 'a', value: 'b' }).execute(),
  )
  t.ok(existsSync(join(folder, 'records.sqlite')))
  const metrics = await app.telemetry.registry.metrics()
  t.match(metrics, /callward_records_transactions_total\{result="committed"\} [1-9]/)
  t.match(metrics, /callward_records_commits_total [1-9]/)
  await app.close()
  t.equal(await refusal(app.records.write(async () => {})), 'unavailable')
})

t.test('PostgreSQL', async (t) => {
  const programs = postgresPrograms()
  if (programs === undefined) {
    if (process.env.CALLWARD_REQUIRE_PEERS === '1') t.fail('PostgreSQL is not installed')
    else t.comment('skipped: PostgreSQL is not installed')
    return
  }
  const cluster = await startPostgres(programs)
  let stopped = false
  t.teardown(() => (stopped ? undefined : cluster.stop()))
  const at = (connectionString: string): Place => ({
    open: (options) => openPostgresRecords({ connectionString, ...options }),
  })
  let number = 0
  for (const [promise, check] of Object.entries(suite)) {
    number += 1
    const url = await cluster.database(`promise${number}`)
    await t.test(promise, (t) => check(t, at(url)))
  }
  await t.test('kill -9 loses nothing acknowledged', async (t) => {
    const url = await cluster.database('killed')
    await killed(t, url, at(url))
  })
  await t.test('lost connections are told and replaced', (t) => lostConnections(t, cluster))
  await t.test('a stopped server is told', async (t) => {
    const records = await openPostgresRecords({
      connectionString: await cluster.database('stopped'),
    })
    await cluster.stop()
    stopped = true
    t.equal(await refusal(put(records, 'a')), 'other')
    t.equal(await refusal(keys(records)), 'other')
    await records.close()
  })
})

async function lostConnections(t: Test, cluster: PostgresCluster): Promise<void> {
  const records = await openPostgresRecords({ connectionString: await cluster.database('lost') })
  const cut =
    "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'callward'"
  await put(records, 'before')
  await keys(records)
  const outcomes = await Promise.all([
    refusal(put(records, 'same group')),
    refusal(
      records.write(async (tx) => {
        await tx.insertInto('settings').values({ key: 'cut', value: '' }).execute()
        await cluster.psql('lost', cut)
        await tx.insertInto('settings').values({ key: 'cut 2', value: '' }).execute()
      }),
    ),
  ])
  t.strictSame(outcomes, ['other', 'other'])
  t.equal(await refusal(put(records, 'after')), 'kept')
  t.strictSame(await keys(records), ['after', 'before'])
  await cluster.psql('lost', cut)
  const deadline = Date.now() + 10_000
  while ((await refusal(put(records, `again ${Date.now()}`))) !== 'kept' && Date.now() < deadline);
  t.ok(
    (await keys(records)).some((key) => key.startsWith('again')),
    'idle connections are replaced too',
  )
  const durable = await records.write((tx) =>
    sql<{ synchronous_commit: string }>`show synchronous_commit`.execute(tx),
  )
  t.equal(durable.rows[0]?.synchronous_commit, 'on')
  await records.close()

  await cluster.psql(
    'postgres',
    "create database latin encoding 'LATIN1' locale 'C' template template0",
  )
  const latin = (await cluster.database('utf')).replace(/utf$/, 'latin')
  await t.rejects(openPostgresRecords({ connectionString: latin }), {
    message: /encoding LATIN1; create it with/,
  })
  await cluster.psql('postgres', 'create database lazy; ').catch(() => {})
  await cluster.psql('postgres', 'alter database lazy set synchronous_commit = off')
  const lazy = await openPostgresRecords({ connectionString: latin.replace(/latin$/, 'lazy') })
  const setting = await lazy.write((tx) =>
    sql<{ synchronous_commit: string }>`show synchronous_commit`.execute(tx),
  )
  t.equal(
    setting.rows[0]?.synchronous_commit,
    'on',
    'acknowledged means durable, whatever the server says',
  )
  await lazy.close()
}
