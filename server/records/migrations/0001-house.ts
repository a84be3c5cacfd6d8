import type { Migration } from './migration.ts'

/** Accounts and their secrets (hashes only). */
const people = [
  `create table principals (
    id TEXT not null primary key,
    name TEXT not null unique,
    role TEXT not null,
    kind TEXT not null,
    created_at INTEGER not null,
    disabled_at INTEGER
  )`,
  `create table tokens (
    id TEXT not null primary key,
    principal_id TEXT not null references principals (id),
    hash TEXT not null unique,
    label TEXT not null,
    created_at INTEGER not null,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER
  )`,
  'create index tokens_of_principal on tokens (principal_id)',
  `create table sign_in_links (
    hash TEXT not null primary key,
    principal_id TEXT not null references principals (id),
    created_at INTEGER not null,
    expires_at INTEGER not null,
    used_at INTEGER
  )`,
  `create table console_sessions (
    hash TEXT not null primary key,
    principal_id TEXT not null references principals (id),
    created_at INTEGER not null,
    expires_at INTEGER not null,
    revoked_at INTEGER
  )`,
  'create index console_sessions_by_expiry on console_sessions (expires_at)',
]

/** Collectors and what they told. */
const inventory = [
  `create table collectors (
    id TEXT not null primary key,
    instance TEXT not null unique,
    labels TEXT not null,
    version TEXT not null,
    epoch TEXT not null,
    interval_seconds REAL not null,
    simulated INTEGER not null,
    first_seen_at INTEGER not null,
    last_seen_at INTEGER not null
  )`,
  `create table facts (
    collector_id TEXT not null references collectors (id),
    name TEXT not null,
    hash TEXT not null,
    body TEXT not null,
    received_at INTEGER not null,
    primary key (collector_id, name, received_at)
  )`,
  `create table sections (
    collector_id TEXT not null references collectors (id),
    name TEXT not null,
    state TEXT not null,
    detail TEXT not null,
    changed_at INTEGER not null,
    primary key (collector_id, name)
  )`,
]

/** Lives of alerts; one life of a fingerprint at a time. */
const alerts = [
  `create table alerts (
    id TEXT not null primary key,
    fingerprint TEXT not null,
    rule TEXT not null,
    rule_group TEXT not null,
    severity TEXT not null,
    instance TEXT,
    labels TEXT not null,
    annotations TEXT not null,
    state TEXT not null,
    value TEXT not null,
    active_at INTEGER not null,
    fired_at INTEGER,
    keep_firing_since INTEGER,
    resolved_at INTEGER,
    acknowledged_at INTEGER,
    acknowledged_by TEXT,
    updated_at INTEGER not null
  )`,
  "create unique index alerts_alive on alerts (fingerprint) where state <> 'resolved'",
  'create index alerts_by_state on alerts (state, active_at)',
  'create index alerts_by_resolution on alerts (state, resolved_at)',
  'create index alerts_by_fingerprint on alerts (fingerprint, active_at)',
]

/** Incidents, their stamped facts and the runbooks they were handled by. */
const incidents = [
  `create table runbook_versions (
    hash TEXT not null primary key,
    name TEXT not null,
    body TEXT not null,
    recorded_at INTEGER not null
  )`,
  'create index runbook_versions_by_name on runbook_versions (name, recorded_at)',
  `create table incidents (
    id TEXT not null primary key,
    number INTEGER not null unique,
    title TEXT not null,
    severity TEXT not null,
    state TEXT not null,
    join_key TEXT not null,
    server TEXT not null,
    runbook_name TEXT,
    runbook_hash TEXT references runbook_versions (hash),
    opened_at INTEGER not null,
    acknowledged_at INTEGER,
    acknowledged_by TEXT,
    resolved_at INTEGER,
    updated_at INTEGER not null
  )`,
  'create index incidents_by_state on incidents (state, opened_at)',
  'create index incidents_by_join_key on incidents (join_key, state)',
  `create table incident_facts (
    id TEXT not null primary key,
    incident_id TEXT not null references incidents (id),
    sequence INTEGER not null,
    kind TEXT not null,
    value TEXT not null,
    certainty TEXT not null,
    occurred_at INTEGER not null,
    recorded_at INTEGER not null,
    recorded_by TEXT not null,
    supersedes TEXT references incident_facts (id),
    unique (incident_id, sequence)
  )`,
  `create table incident_alerts (
    incident_id TEXT not null references incidents (id),
    alert_id TEXT not null references alerts (id),
    joined_at INTEGER not null,
    primary key (incident_id, alert_id)
  )`,
  'create index incident_alerts_of_alert on incident_alerts (alert_id)',
]

/** Each person's queue of pushed messages, and settings. */
const live = [
  `create table live_messages (
    principal_id TEXT not null references principals (id),
    sequence INTEGER not null,
    at INTEGER not null,
    kind TEXT not null,
    body TEXT not null,
    primary key (principal_id, sequence)
  )`,
  `create table settings (
    key TEXT not null primary key,
    value TEXT not null
  )`,
]

/** Every table of the first release. Foreign keys are checked at once: a deferred one would fail a whole group's commit. */
export const house: Migration = {
  name: '0001-house',
  async up({ execute }) {
    for (const statement of [...people, ...inventory, ...alerts, ...incidents, ...live])
      await execute(statement)
  },
}
