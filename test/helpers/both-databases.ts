import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openPostgresRecords } from '../../server/records/postgres-records.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import type { CountedRecords } from '../../server/records/write-queue.ts'
import { type PostgresCluster, postgresPrograms, startPostgres } from './postgres.ts'

/** Checks each promise on records of its own, on SQLite and on a PostgreSQL of this test. `name` begins those of databases. */
export function onBothDatabases(
  name: string,
  promises: Readonly<Record<string, (t: Test, records: CountedRecords) => Promise<void>>>,
): void {
  t.test('SQLite', async (t) => {
    for (const [promise, check] of Object.entries(promises)) {
      await t.test(promise, async (t) => {
        const folder = mkdtempSync(join(tmpdir(), `callward-${name}-`))
        const records = await openSqliteRecords({ path: join(folder, 'r.sqlite') })
        t.teardown(() => records.close())
        await check(t, records)
      })
    }
  })

  onPostgres({}, async (t, cluster) => {
    let number = 0
    for (const [promise, check] of Object.entries(promises)) {
      number += 1
      const connectionString = await cluster.database(`${name}${number}`)
      await t.test(promise, async (t) => {
        const records = await openPostgresRecords({ connectionString })
        t.teardown(() => records.close())
        await check(t, records)
      })
    }
  })
}

/** Tells one story of a whole hub on each; `environment` is what the hub needs for it. `database` is the name of PostgreSQL's. */
export function storyOnBothDatabases(
  { database, timeout }: { readonly database: string; readonly timeout: number },
  story: (t: Test, environment: Record<string, string>) => Promise<void>,
): void {
  t.test('SQLite', { timeout }, (t) => story(t, {}))
  onPostgres({ timeout }, async (t, cluster) => {
    await story(t, { CALLWARD_RECORDS: await cluster.database(database) })
  })
}

/** With a cluster of its own; left out, or failed where peers are required, when PostgreSQL is not installed. */
function onPostgres(
  options: { readonly timeout?: number },
  work: (t: Test, cluster: PostgresCluster) => Promise<void>,
): void {
  const programs = postgresPrograms()
  const missing = programs === undefined && process.env.CALLWARD_REQUIRE_PEERS !== '1'
  const skip = missing && 'PostgreSQL is not installed'
  t.test('PostgreSQL', { ...options, skip }, async (t) => {
    if (programs === undefined) {
      t.fail('PostgreSQL is not installed')
      return
    }
    const cluster = await startPostgres(programs)
    t.teardown(() => cluster.stop())
    await work(t, cluster)
  })
}
