import type { Migration } from './migration.ts'

/** Collectors' keys and the one-time tokens they were registered by. */
const tables = [
  `create table enrolments (
    id TEXT not null primary key,
    instance TEXT not null,
    public_key TEXT not null unique,
    state TEXT not null,
    counter INTEGER not null,
    link TEXT not null,
    resync INTEGER not null,
    machine TEXT not null,
    labels TEXT not null,
    collector_id TEXT,
    version TEXT not null,
    created_at INTEGER not null,
    created_by TEXT not null,
    last_session_at INTEGER,
    ended_at INTEGER,
    ended_by TEXT,
    refusals INTEGER not null,
    last_refused_at INTEGER,
    last_refusal TEXT,
    last_refused_from TEXT
  )`,
  "create unique index enrolments_active on enrolments (instance) where state = 'active'",
  'create index enrolments_of_instance on enrolments (instance, created_at)',
  `create table enrolment_tokens (
    id TEXT not null primary key,
    hash TEXT not null unique,
    instance TEXT,
    labels TEXT not null,
    replaces INTEGER not null,
    created_at INTEGER not null,
    created_by TEXT not null,
    expires_at INTEGER not null,
    used_at INTEGER,
    used_by TEXT references enrolments (id),
    used_from TEXT,
    misuses INTEGER not null,
    last_misused_at INTEGER,
    last_misused_from TEXT
  )`,
  'create index enrolment_tokens_by_time on enrolment_tokens (created_at)',
]

/** Collectors prove themselves by keys. */
export const enrolment: Migration = {
  name: '0002-enrolment',
  async up({ execute }) {
    for (const statement of tables) await execute(statement)
  },
}
