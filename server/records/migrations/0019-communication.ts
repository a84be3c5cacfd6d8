import type { Migration } from './migration.ts'

const statements = [
  `create table incident_notices (
    id TEXT not null primary key,
    incident_id TEXT not null references incidents (id),
    series_id TEXT not null,
    version INTEGER not null,
    audience TEXT not null,
    form TEXT not null,
    language TEXT,
    title TEXT not null,
    text TEXT not null,
    text_hash TEXT not null,
    state TEXT not null,
    contact_points TEXT not null,
    approval_id TEXT references approvals (id),
    fact_id TEXT,
    next_update_at INTEGER,
    request_key TEXT unique,
    written_by TEXT not null,
    approved_by TEXT,
    written_at INTEGER not null,
    sent_at INTEGER,
    url TEXT,
    unique (series_id, version)
  )`,
  'create index incident_notices_of_incident on incident_notices (incident_id, written_at)',
  `create table incident_notice_deliveries (
    id TEXT not null primary key,
    notice_id TEXT not null references incident_notices (id),
    contact_point_id TEXT,
    recipient TEXT not null,
    channel TEXT not null,
    key TEXT not null unique,
    state TEXT not null,
    attempts INTEGER not null,
    reason TEXT not null,
    provider_reference TEXT,
    opened_at INTEGER not null,
    updated_at INTEGER not null
  )`,
  'create index incident_notice_deliveries_of_notice on incident_notice_deliveries (notice_id)',
  "create index incident_notice_deliveries_waiting on incident_notice_deliveries (id) where state = 'waiting'",
  `create table incident_update_rhythms (
    incident_id TEXT not null primary key references incidents (id),
    severity TEXT not null,
    since INTEGER not null,
    due_at INTEGER,
    told_at INTEGER
  )`,
  'create index incident_update_rhythms_due on incident_update_rhythms (due_at) where due_at is not null',
  `create table incident_assignments (
    fact_id TEXT not null primary key,
    incident_id TEXT not null references incidents (id),
    principal_id TEXT not null references principals (id),
    technician TEXT not null,
    assigned_by TEXT not null,
    text TEXT not null,
    state TEXT not null,
    assigned_at INTEGER not null,
    due_at INTEGER not null,
    ended_at INTEGER,
    reason TEXT,
    exhausted_at INTEGER,
    request_key TEXT unique
  )`,
  'create index incident_assignments_of_incident on incident_assignments (incident_id, assigned_at)',
  'create index incident_assignments_of_person on incident_assignments (principal_id, state)',
  'create index incident_assignments_open on incident_assignments (fact_id) where ended_at is null',
]

/** What is said of incidents, to whom it came, until when the next word is promised, and who was asked to go. */
export const communication: Migration = {
  name: '0019-communication',
  async up({ execute }) {
    for (const statement of statements) await execute(statement)
  },
}
