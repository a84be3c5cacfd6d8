import type { Migration } from './migration.ts'

/** Where people can be reached, and what was tried. */
const statements = [
  `create table contact_points (
    id TEXT not null primary key,
    owner_kind TEXT not null,
    owner_id TEXT not null,
    channel TEXT not null,
    label TEXT not null,
    language TEXT not null,
    time_zone TEXT not null,
    settings TEXT not null,
    created_at INTEGER not null,
    created_by TEXT not null,
    updated_at INTEGER not null,
    tested_at INTEGER,
    test_outcome TEXT,
    test_reason TEXT,
    disabled_at INTEGER
  )`,
  'create index contact_points_of_owner on contact_points (owner_kind, owner_id)',
  `create table notify_log (
    id TEXT not null primary key,
    key TEXT not null,
    contact_point_id TEXT not null,
    channel TEXT not null,
    kind TEXT not null,
    outcome TEXT not null,
    reason TEXT not null,
    provider_reference TEXT,
    at INTEGER not null,
    duration_millis INTEGER not null
  )`,
  'create index notify_log_by_time on notify_log (at, id)',
  'create index notify_log_of_point on notify_log (contact_point_id, at)',
  'create index notify_log_of_key on notify_log (key)',
]

/** Contact points and the log of attempts. */
export const notify: Migration = {
  name: '0006-notify',
  async up({ execute }) {
    for (const statement of statements) await execute(statement)
  },
}
