import type { Migration } from './migration.ts'

const statements = [
  // A freeze that is owed, and what came of it; its own table, so that a lost obligation is found by it.
  `create table incident_freezes (
    incident_id TEXT not null references incidents (id),
    stage TEXT not null,
    due_at INTEGER not null,
    done_at INTEGER,
    primary key (incident_id, stage)
  )`,
  'create index incident_freezes_owed on incident_freezes (incident_id) where done_at is null',
  `create table incident_evidence (
    hash TEXT not null primary key,
    incident_id TEXT not null references incidents (id),
    stage TEXT not null,
    about TEXT not null,
    at INTEGER not null,
    bytes INTEGER not null,
    body TEXT not null
  )`,
  'create index incident_evidence_of on incident_evidence (incident_id, at)',
  // What counting over many incidents needs of each; follows from the facts.
  `create table incident_counted (
    incident_id TEXT not null primary key references incidents (id),
    at INTEGER not null,
    services TEXT not null,
    causes TEXT not null,
    acknowledge_millis INTEGER,
    restore_millis INTEGER,
    calls_attempted INTEGER,
    calls_failed INTEGER
  )`,
  'create index incident_counted_by_at on incident_counted (at)',
  `create table incident_services (
    service TEXT not null,
    number INTEGER not null,
    incident_id TEXT not null references incidents (id),
    primary key (service, number)
  )`,
  'create index incident_services_of on incident_services (incident_id)',
  `create table recurrence_months (
    month TEXT not null primary key,
    due_at INTEGER not null,
    decision TEXT,
    content TEXT,
    signed_by TEXT,
    signed_at INTEGER
  )`,
  'create index recurrence_months_open on recurrence_months (due_at) where decision is null',
  `create table incident_webhook_messages (
    id TEXT not null primary key,
    webhook TEXT not null,
    incident_id TEXT not null references incidents (id),
    event TEXT not null,
    body TEXT not null,
    at INTEGER not null,
    state TEXT not null,
    answer TEXT,
    ended_at INTEGER
  )`,
  "create index incident_webhook_messages_waiting on incident_webhook_messages (id) where state = 'waiting'",
  'create index incident_webhook_messages_by_end on incident_webhook_messages (ended_at)',
  `create table incident_imports (
    reference TEXT not null primary key,
    incident_id TEXT not null references incidents (id),
    content_hash TEXT not null,
    imported_by TEXT not null,
    at INTEGER not null
  )`,
  // Lists by page: each filter has an index that already is in their order.
  'create index incidents_listed_by_state on incidents (state, number)',
  'create index incidents_listed_by_severity on incidents (severity, number)',
  'create index incidents_listed_by_workflow_state on incidents (workflow_state, number)',
]

/** Frozen evidence, figures and recurrences over incidents, webhooks out, imports, and lists by page. */
export const evidence: Migration = {
  name: '0020-evidence',
  async up({ execute }) {
    for (const statement of statements) await execute(statement)
  },
}
