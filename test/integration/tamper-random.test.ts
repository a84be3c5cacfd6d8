import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openPostgresRecords } from '../../server/records/postgres-records.ts'
import type { Records } from '../../server/records/records.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import { folderOf } from '../helpers/folder.ts'
import { postgresPrograms, startPostgres } from '../helpers/postgres.ts'
import { type Door, postgresDoor, sqliteDoor } from '../tamper/door.ts'
import { tamper } from '../tamper/run.ts'
import { TamperWorld } from '../tamper/world.ts'

// The full size is a program of its own: test/tamper/README.md.
const entries = 1200
const seed = 20_260_501
t.setTimeout(300_000)

/** Some edits by themselves, more of them together, and each kind of bundle of what nobody touched. */
async function edits(t: Test, records: Records, door: Door): Promise<void> {
  const world = await TamperWorld.fill(records, entries)
  t.equal(world.size, entries)
  for (const incident of [1, 9]) {
    const report = await world.judge(incident)
    t.equal(report.verdict, 'verified', `incident ${incident}`)
    t.equal(report.asked, `incident ${incident}`)
    await world.reset(door)
  }
  const single = await tamper(world, door, { edits: 24, seed, atOnce: 1 })
  const groups = await tamper(world, door, { edits: 120, seed, atOnce: 20 })
  for (const tallies of [single, groups]) {
    t.same(
      tallies.flatMap(({ missed }) => missed),
      [],
      'every edit is named',
    )
    t.ok(tallies.every(({ made }) => made > 0))
  }
  await rowIsNamed(t, world, door)
}

/** The bundle of one incident names the row of a fact that somebody else is said to have written. */
async function rowIsNamed(t: Test, world: TamperWorld, door: Door): Promise<void> {
  const [fact] = await door.all(
    "select f.id from incident_facts f join incidents i on i.id = f.incident_id where i.number = 2 and f.kind = 'note' order by f.sequence limit 1",
  )
  const id = String(fact?.['id'])
  await door.run("update incident_facts set recorded_by = 'mallory' where id = ?", [id])
  const { verdict, checks } = await world.judge(2)
  t.equal(verdict, 'failed')
  const faults = checks.flatMap(({ faults }) => faults)
  t.match(faults[0], new RegExp(`incident_facts: fact ${id} .*: recorded_by is "mallory"`))
  t.equal(faults.length, 1, 'and nothing else')
}

t.test('SQLite', async (t) => {
  const path = join(folderOf(t), 'records.sqlite')
  const records = await openSqliteRecords({ path })
  const door = sqliteDoor(path)
  t.teardown(async () => {
    await door.close()
    await records.close()
  })
  await edits(t, records, door)
})

const programs = postgresPrograms()
const missing = programs === undefined && process.env.CALLWARD_REQUIRE_PEERS !== '1'

t.test('PostgreSQL', { skip: missing && 'PostgreSQL is not installed' }, async (t) => {
  if (programs === undefined) {
    t.fail('PostgreSQL is not installed')
    return
  }
  const cluster = await startPostgres(programs)
  t.teardown(() => cluster.stop())
  const connectionString = await cluster.database('tamper')
  const records = await openPostgresRecords({ connectionString })
  const door = await postgresDoor(connectionString)
  t.teardown(async () => {
    await door.close()
    await records.close()
  })
  await edits(t, records, door)
})
