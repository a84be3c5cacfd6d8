import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { openPostgresRecords } from '../../server/records/postgres-records.ts'
import { type PostgresCluster, postgresPrograms, startPostgres } from '../helpers/postgres.ts'
import { keys, type Place, put, refusal } from './records-place.ts'
import { killed, oneGroup, suite } from './records-promises.ts'

const programs = postgresPrograms()
const missing = programs === undefined && process.env.CALLWARD_REQUIRE_PEERS !== '1'

t.test('PostgreSQL', { skip: missing && 'PostgreSQL is not installed' }, async (t) => {
  if (programs === undefined) {
    t.fail('PostgreSQL is not installed')
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
  const records = await openPostgresRecords({
    connectionString: await cluster.database('lost'),
    ...oneGroup,
  })
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
  await cluster.psql('postgres', 'create database lazy')
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
