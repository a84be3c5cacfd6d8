import { join } from 'node:path'
import t from 'tap'
import { openSqlite } from '../../server/records/sqlite-port.ts'
import { checkMatrix, timeout } from './crash-matrix.ts'

t.test('killed at every commit and every send, on SQLite', { timeout }, async (t) => {
  await checkMatrix(t, async () => ({
    environment: {},
    leases: false,
    async run(data, sql) {
      const database = openSqlite(join(data, 'hub/records.sqlite'))
      database.run(sql)
      database.close()
    },
  }))
})
