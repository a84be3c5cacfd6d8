import t from 'tap'
import { postgresPrograms, startPostgres } from '../helpers/postgres.ts'
import { checkMatrix, timeout } from './crash-matrix.ts'

const programs = postgresPrograms()
const missing = programs === undefined && process.env['CALLWARD_REQUIRE_PEERS'] !== '1'
const skip = missing && 'PostgreSQL is not installed'

t.test('killed at every commit and every send, on PostgreSQL', { skip, timeout }, async (t) => {
  if (programs === undefined) {
    t.fail('PostgreSQL is not installed')
    return
  }
  const cluster = await startPostgres(programs)
  t.teardown(() => cluster.stop())
  await checkMatrix(t, async (lane) => {
    const name = `crash${lane}`
    return {
      environment: { CALLWARD_RECORDS: await cluster.database(name) },
      leases: true,
      run: async (_data, sql) => void (await cluster.psql(name, sql)),
    }
  })
})
