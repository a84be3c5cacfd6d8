import type { Migration } from './migration.ts'

/** What is owed to somebody by a time, and what the watchdog found missing. */
const tables = [
  `create table obligations (
    id TEXT not null primary key,
    kind TEXT not null,
    subject TEXT not null,
    key TEXT not null,
    lane TEXT not null,
    state TEXT not null,
    payload TEXT not null,
    due_at INTEGER not null,
    next_at INTEGER not null,
    attempts INTEGER not null,
    lease_by TEXT,
    lease_until INTEGER,
    last_fault TEXT,
    opened_at INTEGER not null,
    closed_at INTEGER,
    close_reason TEXT,
    unique (kind, key)
  )`,
  "create index obligations_waiting on obligations (kind, next_at) where state = 'waiting'",
  'create index obligations_held on obligations (lease_by) where lease_by is not null',
  "create index obligations_of_subject on obligations (kind, subject) where state = 'waiting'",
  "create index obligations_closed on obligations (closed_at) where state <> 'waiting'",
  `create table lost_obligations (
    id TEXT not null primary key,
    kind TEXT not null,
    subject TEXT not null,
    found_at INTEGER not null,
    mended_at INTEGER
  )`,
  'create index lost_obligations_by_time on lost_obligations (found_at)',
  'create unique index lost_obligations_open on lost_obligations (kind, subject) where mended_at is null',
]

/** One table of everything that is owed by a time. */
export const obligations: Migration = {
  name: '0007-obligations',
  async up({ execute }) {
    for (const statement of tables) await execute(statement)
  },
}
