import type { Migration } from './migration.ts'

const tables = [
  `create table attachments (
    id TEXT not null primary key,
    incident_id TEXT not null references incidents (id),
    name TEXT not null,
    media_type TEXT not null,
    bytes INTEGER not null,
    sha256 TEXT not null,
    added_at INTEGER not null,
    added_by TEXT not null,
    erased_at INTEGER,
    leaving TEXT
  )`,
  'create index attachments_of_incident on attachments (incident_id, added_at, id)',
  'create index attachments_by_hash on attachments (sha256)',
  'create index attachments_leaving on attachments (id) where leaving is not null',
  `create table legal_holds (
    id TEXT not null primary key,
    incident_id TEXT references incidents (id),
    from_at INTEGER not null,
    to_at INTEGER,
    reason TEXT not null,
    until_at INTEGER,
    set_at INTEGER not null,
    set_by TEXT not null,
    released_at INTEGER,
    release_asked_by TEXT,
    released_by TEXT,
    release_reason TEXT
  )`,
  'create index legal_holds_standing on legal_holds (from_at) where released_at is null',
  `create table erasures (
    id TEXT not null primary key,
    incident_id TEXT not null references incidents (id),
    kind TEXT not null,
    object_id TEXT not null,
    fields TEXT not null,
    reason TEXT not null,
    asked_by TEXT not null,
    approved_by TEXT not null,
    erased_at INTEGER not null
  )`,
  'create index erasures_of_incident on erasures (incident_id, erased_at)',
]

/** Attachments of incidents, legal holds, erasures of personal data. */
export const hold: Migration = {
  name: '0017-hold',
  async up({ execute }) {
    for (const statement of tables) await execute(statement)
  },
}
