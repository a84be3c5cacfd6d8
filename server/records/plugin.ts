import { join } from 'node:path'
import fp from 'fastify-plugin'
import { Counter, Gauge, type Registry } from 'prom-client'
import type { Clock } from '../clock.ts'
import type {} from '../telemetry/plugin.ts'
import type { Records } from './records.ts'
import { openSqliteRecords } from './sqlite-records.ts'
import type { CountedRecords } from './write-queue.ts'

export type { Records, RecordsTransaction } from './records.ts'

declare module 'fastify' {
  interface FastifyInstance {
    records: Records
  }
}

export interface RecordsPluginOptions {
  /** `postgres://…`; absent means SQLite in `folder`. */
  readonly url?: string | undefined
  /** Holds records.sqlite; must exist. */
  readonly folder: string
  readonly clock?: Clock
}

/** The relational records, opened and migrated before the next plugin starts, closed with the app. */
export const recordsPlugin = fp(
  async (app, { url, folder, clock }: RecordsPluginOptions) => {
    const given = clock === undefined ? {} : { clock }
    const onFault = (reason: string) => {
      app.log.fatal(reason)
      app.telemetry.notReady(reason)
    }
    const records =
      url === undefined
        ? await openSqliteRecords({ path: join(folder, 'records.sqlite'), onFault, ...given })
        : await openPostgres({ connectionString: url, ...given })
    app.decorate('records', records)
    app.addHook('onClose', () => records.close())
    countWrites(app.telemetry.registry, records)
  },
  { name: 'callward-records', dependencies: ['callward-telemetry'] },
)

/** Its client is loaded by those hubs alone that use it. */
async function openPostgres(
  options: Parameters<typeof import('./postgres-records.ts').openPostgresRecords>[0],
): Promise<CountedRecords> {
  const { openPostgresRecords } = await import('./postgres-records.ts')
  return openPostgresRecords(options)
}

function countWrites(registry: Registry, records: CountedRecords): void {
  new Gauge({
    name: 'callward_records_writes_waiting',
    help: 'Write transactions that wait for their turn.',
    registers: [registry],
    collect() {
      this.set(records.statistics.waiting)
    },
  })
  new Counter({
    name: 'callward_records_transactions_total',
    help: 'Write transactions by result: committed, failed (rolled back), refused (queue full or closed).',
    labelNames: ['result'],
    registers: [registry],
    collect() {
      const { committedTransactions, failedTransactions, refused } = records.statistics
      this.reset()
      this.inc({ result: 'committed' }, committedTransactions)
      this.inc({ result: 'failed' }, failedTransactions)
      this.inc({ result: 'refused' }, refused)
    },
  })
  new Counter({
    name: 'callward_records_commits_total',
    help: 'Commits made durable; several transactions share one.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(records.statistics.commits)
    },
  })
  new Counter({
    name: 'callward_records_commit_seconds_total',
    help: 'Time spent in commits, which is the disk.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(records.statistics.commitMilliseconds / 1000)
    },
  })
}
