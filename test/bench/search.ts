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
  Sheet,
  serverLauncher,
  sized,
} from './kit.ts'

const incidents = sized(20_000, 500)
const searches = sized(100, 10)
const onSqlite = `${callward}, SQLite`
const onPostgres = `${callward}, PostgreSQL`
const limitMillis = 3_600_000

interface Measured {
  readonly filledSeconds: number
  readonly words: number
  readonly measured: Readonly<
    Record<string, { medianMillis: number; p99Millis: number; rowsRead: number; cut: number }>
  >
}

/** One fresh database, one process on the servers' core. */
async function measure(target: string): Promise<Measured> {
  const script = join(compiled, 'test/bench/search-load.js')
  const command = [...serverLauncher, process.execPath, script, target]
  const sizes = [String(incidents), String(searches)]
  const { stdout } = await promisify(execFile)(command[0]!, [...command.slice(1), ...sizes], {
    timeout: limitMillis,
  })
  return JSON.parse(stdout) as Measured
}

function add(sheet: Sheet, subject: string, { filledSeconds, words, measured }: Measured): void {
  for (const [name, { medianMillis, p99Millis, rowsRead }] of Object.entries(measured)) {
    const goal = { reach: { is: 50 }, floor: { is: 100 } }
    sheet.add({ name: `${name}, median`, unit: 'ms', better: 'less', goal }, subject, medianMillis)
    sheet.add({ name: `${name}, 99th of 100`, unit: 'ms', better: 'less' }, subject, p99Millis)
    sheet.add({ name: `${name}, rows looked at`, unit: 'rows', better: 'less' }, subject, rowsRead)
  }
  const row = { name: 'facts written and indexed', unit: 'facts/s', better: 'more' } as const
  sheet.add(row, subject, (incidents * 50) / filledSeconds)
  sheet.add({ name: 'words in the index', unit: 'rows', better: 'less' }, subject, words)
}

/** Search over incidents: 50 facts each of 12 words in four languages, the common words in nearly every incident. */
export const search: Benchmark = {
  name: 'search',
  async run() {
    const sheet = new Sheet()
    const programs = postgresPrograms()
    progress('search on SQLite')
    await inScratch(async (folder) =>
      add(sheet, onSqlite, await measure(join(folder, 'records.sqlite'))),
    )
    if (programs !== undefined) {
      progress('search on PostgreSQL')
      const cluster = await startPostgres(programs)
      try {
        add(sheet, onPostgres, await measure(await cluster.database('search')))
      } finally {
        await cluster.stop()
      }
    }
    return {
      title: 'Search',
      subjects: [onSqlite, onPostgres],
      rows: sheet.rows,
      notes: [
        `${incidents} incidents of 50 facts, written and indexed in transactions of one incident each; ${searches} searches of each kind, one after the other, 20 results with their excerpts.`,
        'The worst case: four fifths of all words are of 60, so that each of them stands in nearly every incident.',
        'One fill a database, not three.',
        ...(programs === undefined ? ['PostgreSQL is not installed.'] : []),
      ],
    }
  },
}
