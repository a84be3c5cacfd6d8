import type { Migration } from './migration.ts'

const tables = [
  `create table oncall_schedules (
    id TEXT not null primary key,
    revision INTEGER not null,
    content TEXT not null,
    created_at INTEGER not null,
    updated_at INTEGER not null,
    deleted_at INTEGER
  )`,
  `create table oncall_policies (
    id TEXT not null primary key,
    revision INTEGER not null,
    content TEXT not null,
    created_at INTEGER not null,
    updated_at INTEGER not null,
    deleted_at INTEGER
  )`,
  `create table oncall_overrides (
    id TEXT not null primary key,
    schedule_id TEXT not null references oncall_schedules (id),
    principal_id TEXT not null references principals (id),
    starts_at INTEGER not null,
    ends_at INTEGER not null,
    reason TEXT not null,
    created_at INTEGER not null,
    created_by TEXT not null,
    creator_id TEXT not null,
    cancelled_at INTEGER
  )`,
  'create index oncall_overrides_of_schedule on oncall_overrides (schedule_id, ends_at)',
  `create table oncall_history (
    id TEXT not null primary key,
    sequence INTEGER not null unique,
    object_type TEXT not null,
    object_id TEXT not null,
    action TEXT not null,
    before TEXT,
    after TEXT,
    recorded_at INTEGER not null,
    recorded_by TEXT not null,
    principal_id TEXT not null
  )`,
  'create index oncall_history_of_object on oncall_history (object_type, object_id, sequence)',
  `create table oncall_notes (
    id TEXT not null primary key,
    schedule_id TEXT not null references oncall_schedules (id),
    text TEXT not null,
    recorded_at INTEGER not null,
    recorded_by TEXT not null,
    principal_id TEXT not null
  )`,
  'create index oncall_notes_of_schedule on oncall_notes (schedule_id, recorded_at)',
  `create table oncall_handovers (
    id TEXT not null primary key,
    schedule_id TEXT not null references oncall_schedules (id),
    handed_at INTEGER not null,
    from_principal TEXT,
    to_principal TEXT,
    content TEXT not null,
    created_at INTEGER not null,
    acknowledged_at INTEGER,
    unique (schedule_id, handed_at)
  )`,
  'create index oncall_handovers_by_time on oncall_handovers (handed_at)',
  `create table oncall_proofs (
    day TEXT not null primary key,
    proven_at INTEGER not null,
    content TEXT not null
  )`,
]

/** Schedules, escalation policies, their history, hand-overs between shifts and the nightly proof. */
export const oncall: Migration = {
  name: '0005-oncall',
  async up({ execute }) {
    for (const statement of tables) await execute(statement)
  },
}
