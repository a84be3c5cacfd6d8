import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { compiled } from '../helpers/hub.ts'
import { postgresPrograms, startPostgres } from '../helpers/postgres.ts'
import {
  type Benchmark,
  callward,
  inScratch,
  progress,
  repeats,
  Sheet,
  serverLauncher,
  sized,
} from './kit.ts'

const changes = sized(20_000, 2_000)
const onSqlite = `${callward}, SQLite`
const onPostgres = `${callward}, PostgreSQL`
const limitMillis = 300_000

interface Measured {
  readonly plain: number
  readonly ledgered: number
  readonly checkpointMillis: number
  readonly size: number
}

/** One fresh database, one process on the servers' core. */
async function measure(target: string): Promise<Measured> {
  const script = join(compiled, 'test/bench/ledger-load.js')
  const command = [...serverLauncher, process.execPath, script, target, String(changes)]
  const { stdout } = await promisify(execFile)(command[0]!, command.slice(1), {
    timeout: limitMillis,
  })
  const measured = JSON.parse(stdout) as Measured
  // The opening, the key, what ran warm, and every change: none may be without its place.
  if (measured.size !== 2 + 2_000 + changes)
    throw new Error(`${measured.size} entries have a place in the tree`)
  return measured
}

function add(sheet: Sheet, subject: string, { plain, ledgered, checkpointMillis }: Measured): void {
  sheet.add(
    {
      name: 'ledgered changes, each durable and in the tree',
      unit: 'changes/s',
      better: 'more',
      goal: { reach: { is: 5_000 }, floor: { is: 2_000 } },
    },
    subject,
    ledgered,
  )
  sheet.add(
    { name: 'the same changes without the ledger', unit: 'changes/s', better: 'more' },
    subject,
    plain,
  )
  sheet.add({ name: 'signing a checkpoint', unit: 'ms', better: 'less' }, subject, checkpointMillis)
}

/** Ledgered changes a second: business row and entry in one transaction, the places of all included. */
export const ledger: Benchmark = {
  name: 'ledger',
  async run() {
    const sheet = new Sheet()
    const programs = postgresPrograms()
    for (let repeat = 1; repeat <= repeats; repeat++) {
      progress(`ledger on SQLite, ${repeat} of ${repeats}`)
      await inScratch(async (folder) =>
        add(sheet, onSqlite, await measure(join(folder, 'records.sqlite'))),
      )
      if (programs === undefined) continue
      progress(`ledger on PostgreSQL, ${repeat} of ${repeats}`)
      const cluster = await startPostgres(programs, { durable: true })
      try {
        add(sheet, onPostgres, await measure(await cluster.database('ledger')))
      } finally {
        await cluster.stop()
      }
    }
    return {
      title: 'Ledgered changes',
      subjects: [onSqlite, onPostgres],
      rows: sheet.rows,
      notes: [
        `${changes} facts of an incident by 256 writers at the same time, each with a ledger entry that hides its text, in one transaction; the time ends when all have their place in the tree.`,
        'Commits reach the disk on both (PostgreSQL with its defaults: fsync and synchronous_commit on).',
        ...(programs === undefined ? ['PostgreSQL is not installed.'] : []),
      ],
    }
  },
}
