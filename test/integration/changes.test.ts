import t from 'tap'
import { postgresPrograms, startPostgres } from '../helpers/postgres.ts'
import { changesSuite } from './changes-promises.ts'

const programs = postgresPrograms()
const missing = programs === undefined && process.env['CALLWARD_REQUIRE_PEERS'] !== '1'

t.test('SQLite', async (t) => {
  for (const [promise, check] of Object.entries(changesSuite))
    await t.test(promise, (t) => check(t))
})

t.test('PostgreSQL', { skip: missing && 'PostgreSQL is not installed' }, async (t) => {
  if (programs === undefined) {
    t.fail('PostgreSQL is not installed')
    return
  }
  const cluster = await startPostgres(programs)
  t.teardown(() => cluster.stop())
  let number = 0
  for (const [promise, check] of Object.entries(changesSuite)) {
    number += 1
    const url = await cluster.database(`changes${number}`)
    await t.test(promise, (t) => check(t, url))
  }
})
