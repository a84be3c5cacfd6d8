import t from 'tap'
import { postgresPrograms, startPostgres } from '../helpers/postgres.ts'
import { oncallSuite } from './oncall-promises.ts'

const programs = postgresPrograms()
const missing = programs === undefined && process.env['CALLWARD_REQUIRE_PEERS'] !== '1'

t.test('SQLite', async (t) => {
  for (const [promise, check] of Object.entries(oncallSuite)) await t.test(promise, (t) => check(t))
})

t.test('PostgreSQL', { skip: missing && 'PostgreSQL is not installed' }, async (t) => {
  if (programs === undefined) {
    t.fail('PostgreSQL is not installed')
    return
  }
  const cluster = await startPostgres(programs)
  t.teardown(() => cluster.stop())
  let number = 0
  for (const [promise, check] of Object.entries(oncallSuite)) {
    number += 1
    const url = await cluster.database(`oncall${number}`)
    await t.test(promise, (t) => check(t, url))
  }
})
