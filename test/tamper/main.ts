// Random single edits of a large ledger, each past the hub: how many the verifier names, and how soon. See README.md.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openPostgresRecords } from '../../server/records/postgres-records.ts'
import { openSqliteRecords } from '../../server/records/sqlite-records.ts'
import { postgresPrograms, startPostgres } from '../helpers/postgres.ts'
import { postgresDoor, sqliteDoor } from './door.ts'
import { type Tally, tamper } from './run.ts'
import { TamperWorld } from './world.ts'

const { values } = parseArgs({
  options: {
    entries: { type: 'string', default: '100000' },
    edits: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    'at-once': { type: 'string', default: '1' },
    database: { type: 'string', default: 'sqlite' },
  },
})
const [entries, edits, seed] = [values.entries, values.edits, values.seed].map(Number) as [
  number,
  number,
  number,
]

async function open(folder: string) {
  if (values.database === 'sqlite') {
    const path = join(folder, 'records.sqlite')
    const records = await openSqliteRecords({ path })
    return { records, door: () => sqliteDoor(path), stop: async () => {} }
  }
  const programs = postgresPrograms()
  if (programs === undefined) throw new Error('PostgreSQL is not installed.')
  const cluster = await startPostgres(programs)
  const connectionString = await cluster.database('tamper')
  const records = await openPostgresRecords({ connectionString })
  return { records, door: () => postgresDoor(connectionString), stop: () => cluster.stop() }
}

function say(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`)
}

function line({ kind, made, seconds, busy, missed }: Tally): string {
  const figures = [seconds, busy].flatMap((values) => {
    const sorted = [...values].sort((a, b) => a - b)
    return [sorted[Math.floor(sorted.length / 2)] ?? 0, sorted.at(-1) ?? 0]
  })
  const cells = figures.map((value) => value.toFixed(2))
  return `| ${[kind, made, missed.length, ...cells].join(' | ')} |`
}

const folder = mkdtempSync(join(tmpdir(), 'callward-tamper-'))
const { records, door: openDoor, stop } = await open(folder)
try {
  say(`filling ${entries} entries`)
  const world = await TamperWorld.fill(records, entries)
  const door = await openDoor()
  const onBundle = (done: number, missed: readonly string[]) =>
    say(`${done} of ${edits} edits, ${missed.length} missed`)
  const atOnce = Number(values['at-once'])
  const tallies = await tamper(world, door, { edits, seed, atOnce, onBundle })
  await door.close()
  const missed = tallies.flatMap((tally) => tally.missed)
  const table = [
    `${edits} random edits, ${atOnce} at once, over ${entries} entries, ${values.database}, seed ${seed}, Node ${process.versions.node}`,
    '',
    '| kind | edits | missed | found in, median s | longest s | processor, median s | most s |',
    '|---|---|---|---|---|---|---|',
    ...tallies.map(line),
    '',
    ...missed.map((text) => `missed: ${text}`),
  ]
  process.stdout.write(`${table.join('\n')}\n`)
  process.exitCode = missed.length === 0 ? 0 : 1
} finally {
  await records.close()
  await stop()
  rmSync(folder, { recursive: true, force: true })
}
