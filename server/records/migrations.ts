import { sql } from 'kysely'
import { type Clock, systemClock } from '../clock.ts'
import { house } from './migrations/0001-house.ts'
import { enrolment } from './migrations/0002-enrolment.ts'
import { software } from './migrations/0003-software.ts'
import { ledger } from './migrations/0004-ledger.ts'
import { oncall } from './migrations/0005-oncall.ts'
import { notify } from './migrations/0006-notify.ts'
import { obligations } from './migrations/0007-obligations.ts'
import { liveReceipts } from './migrations/0008-live-receipts.ts'
import { paging } from './migrations/0009-paging.ts'
import { routing } from './migrations/0010-routing.ts'
import { externalAlerts } from './migrations/0011-external-alerts.ts'
import { accounts } from './migrations/0012-accounts.ts'
import { canary } from './migrations/0014-canary.ts'
import { witness } from './migrations/0015-witness.ts'
import { search } from './migrations/0016-search.ts'
import { hold } from './migrations/0017-hold.ts'
import { incidentWorkflow } from './migrations/0018-incident-workflow.ts'
import { communication } from './migrations/0019-communication.ts'
import { evidence } from './migrations/0020-evidence.ts'
import { deadlines } from './migrations/0021-deadlines.ts'
import { undelivered } from './migrations/0022-undelivered.ts'
import { timeLimits } from './migrations/0023-time-limits.ts'
import { correlation } from './migrations/0024-correlation.ts'
import { pageAsks } from './migrations/0025-page-asks.ts'
import { manyIncidents } from './migrations/0026-many-incidents.ts'
import type { Migration, MigrationContext } from './migrations/migration.ts'
import type { Records, RecordsTransaction } from './records.ts'

/** Every migration, oldest first. */
export const allMigrations: readonly Migration[] = [
  house,
  enrolment,
  software,
  ledger,
  oncall,
  notify,
  obligations,
  liveReceipts,
  paging,
  routing,
  externalAlerts,
  accounts,
  canary,
  witness,
  search,
  hold,
  incidentWorkflow,
  communication,
  evidence,
  deadlines,
  undelivered,
  timeLimits,
  correlation,
  pageAsks,
  manyIncidents,
]

export interface MigrateOptions {
  readonly kind: Records['kind']
  readonly write: Records['write']
  readonly clock?: Clock | undefined
  readonly migrations?: readonly Migration[]
}

/**
 * Brings the schema up to date, each migration in a transaction of its own, and gives the names of those applied.
 * Throws Error when the database has a migration this program does not know.
 */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  const { kind, write, clock = systemClock, migrations = allMigrations } = options
  await write((tx) => createLog(context(kind, tx)))
  const applied: string[] = []
  for (const migration of migrations) {
    await write(async (tx) => {
      if ((await appliedNames(tx, migrations)).has(migration.name)) return
      await migration.up(context(kind, tx))
      await sql`insert into schema_migrations (name, applied_at) values (${migration.name}, ${clock.now()})`.execute(
        tx,
      )
      applied.push(migration.name)
    })
  }
  return applied
}

async function createLog({ execute }: MigrationContext): Promise<void> {
  await execute(
    'create table if not exists schema_migrations (name TEXT not null primary key, applied_at INTEGER not null)',
  )
}

async function appliedNames(
  tx: RecordsTransaction,
  migrations: readonly Migration[],
): Promise<Set<string>> {
  const { rows } = await sql<{
    name: string
  }>`select name from schema_migrations order by name`.execute(tx)
  const known = new Set(migrations.map(({ name }) => name))
  const unknown = rows.map(({ name }) => name).filter((name) => !known.has(name))
  if (unknown.length > 0) {
    throw new Error(
      `The records were made by a newer Callward: this one does not know the migration ${unknown.join(', ')}. Start the newer version, or restore a backup from before the upgrade.`,
    )
  }
  return new Set(rows.map(({ name }) => name))
}

const types = {
  sqlite: { TEXT: 'text', INTEGER: 'integer', REAL: 'real' },
  postgres: { TEXT: 'text collate "C"', INTEGER: 'bigint', REAL: 'double precision' },
} as const

function context(kind: Records['kind'], tx: RecordsTransaction): MigrationContext {
  return {
    kind,
    tx,
    async execute(statement) {
      const typed = statement.replace(
        /\b(?:TEXT|INTEGER|REAL)\b/g,
        (name) => types[kind][name as 'TEXT'],
      )
      const strict = kind === 'sqlite' && /^\s*create table/i.test(statement) ? ' strict' : ''
      await sql.raw(`${typed}${strict}`).execute(tx)
    },
  }
}
