import { join } from 'node:path'
import t from 'tap'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import { folderOf } from '../helpers/folder.ts'
import { killed, suite } from './ledger-promises.ts'
import type { Place } from './records-place.ts'

t.test('SQLite', async (t) => {
  const at = (path: string): Place => ({
    open: (options) => openSqliteRecords({ path, ...options }),
  })
  for (const [promise, check] of Object.entries(suite))
    await t.test(promise, (t) => check(t, at(join(folderOf(t), 'records.sqlite'))))
  await t.test('kill -9 loses nothing and doubles nothing', async (t) => {
    const path = join(folderOf(t), 'records.sqlite')
    await killed(t, path, at(path))
  })
})
