// Makes the evidence bundle of one incident as a hub makes it, with what an auditor brings along, as files of a folder. Arguments: folder, entries.
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import { TamperWorld } from '../tamper/world.ts'

const [folder = '', entries] = process.argv.slice(2)
const path = join(folder, 'records.sqlite')
const records = await openSqliteRecords({ path })
const world = await TamperWorld.fill(records, Number(entries))
writeFileSync(join(folder, 'bundle.zip'), await world.bundleOf(1))
writeFileSync(join(folder, 'checkpoint.txt'), world.kept.note)
writeFileSync(join(folder, 'key.txt'), world.kept.key)
await records.close()
rmSync(path)
