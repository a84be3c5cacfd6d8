import t from 'tap'
import { openPostgresRecords } from '../../server/records/postgres-records.ts'
import { postgresPrograms, startPostgres } from '../helpers/postgres.ts'
import { killed, suite } from './ledger-promises.ts'
import type { Place } from './records-place.ts'

const programs = postgresPrograms()
const missing = programs === undefined && process.env.CALLWARD_REQUIRE_PEERS !== '1'

t.test('PostgreSQL', { skip: missing && 'PostgreSQL is not installed' }, async (t) => {
  if (programs === undefined) {
    t.fail('PostgreSQL is not installed')
    return
  }
  const cluster = await startPostgres(programs)
  t.teardown(() => cluster.stop())
  const at = (connectionString: string): Place => ({
    open: (options) => openPostgresRecords({ connectionString, ...options }),
  })
  for (const [number, [promise, check]] of Object.entries(suite).entries()) {
    const url = await cluster.database(`ledger${number}`)
    await t.test(promise, (t) => check(t, at(url)))
  }
  await t.test('kill -9 loses nothing and doubles nothing', async (t) => {
    const url = await cluster.database('killed')
    await killed(t, url, at(url))
  })
})
