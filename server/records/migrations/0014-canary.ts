import type { Migration } from './migration.ts'

const tables = [
  `create table canary_plans (
    id TEXT not null primary key,
    due_at INTEGER not null
  )`,
  `create table canary_runs (
    id TEXT not null primary key,
    planned_for INTEGER,
    started_by TEXT not null,
    started_at INTEGER not null,
    finished_at INTEGER not null,
    ok INTEGER not null,
    content TEXT not null
  )`,
  'create index canary_runs_by_start on canary_runs (started_at)',
]

/** The daily test of the way from a rule to people: when the next is due, how the past ones went. */
export const canary: Migration = {
  name: '0014-canary',
  async up({ execute }) {
    for (const statement of tables) await execute(statement)
  },
}
