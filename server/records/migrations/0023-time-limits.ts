import type { Migration } from './migration.ts'

/** Time limits as they were in force, so that an evidence bundle can show by what its deadlines were worked out. */
export const timeLimits: Migration = {
  name: '0023-time-limits',
  async up({ execute }) {
    await execute(`create table time_limits (
      id TEXT primary key,
      in_force_at INTEGER not null,
      sha256 TEXT not null,
      body TEXT not null
    )`)
  },
}
