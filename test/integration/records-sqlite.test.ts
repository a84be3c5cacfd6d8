import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify from 'fastify'
import { sql } from 'kysely'
import t from 'tap'
import { recordsPlugin } from '../../server/records/plugin.ts'
import { defaultEngine } from '../../server/records/sqlite-engines.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import { SqliteThread } from '../../server/records/sqlite-thread.ts'
import { telemetryPlugin } from '../../server/telemetry/plugin.ts'
import { folderOf } from '../helpers/folder.ts'
import { keys, type Place, put, refusal } from './records-place.ts'
import { killed, oneGroup, suite } from './records-promises.ts'

t.test(`SQLite (${defaultEngine()})`, async (t) => {
  const at = (path: string): Place => ({
    open: (options) => openSqliteRecords({ path, ...options }),
  })
  for (const [promise, check] of Object.entries(suite)) {
    await t.test(promise, (t) => check(t, at(join(folderOf(t), 'records.sqlite'))))
  }
  await t.test('kill -9 loses nothing acknowledged', async (t) => {
    const path = join(folderOf(t), 'records.sqlite')
    await killed(t, path, at(path))
  })
  await t.test('a transaction the engine undid takes its group with it, and no more', async (t) => {
    const records = await at(join(folderOf(t), 'records.sqlite')).open(oneGroup)
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
    const folder = folderOf(t)
    writeFileSync(join(folder, 'text'), 'not a database '.repeat(1000))
    t.equal(await refusal(openSqliteRecords({ path: join(folder, 'text') })), 'corrupt')
    t.equal(await refusal(openSqliteRecords({ path: join(folder, 'none', 'a') })), 'other')
  })
  await t.test('a closed database leaves one file and no thread', async (t) => {
    const path = join(folderOf(t), 'records.sqlite')
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
  const folder = folderOf(t)
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
