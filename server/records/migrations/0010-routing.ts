import type { Migration } from './migration.ts'

/** Who is told of which alerts with what others, what holds alerts back, and what people silenced. */
const tables = [
  `create table routing_state (
    id TEXT not null primary key,
    revision TEXT not null,
    at INTEGER not null,
    next_at INTEGER,
    plan TEXT
  )`,
  `create table routing_alerts (
    fingerprint TEXT not null primary key,
    alert_id TEXT not null,
    firing INTEGER not null,
    paged INTEGER not null,
    held INTEGER not null,
    body TEXT not null
  )`,
  'create index routing_alerts_of_alert on routing_alerts (alert_id)',
  'create table routing_groups (id TEXT not null primary key, body TEXT not null)',
  'create table routing_silences (id TEXT not null primary key, principal_id TEXT, body TEXT not null)',
  `create table routing_holds (
    key TEXT not null primary key,
    alert_id TEXT not null,
    at INTEGER not null,
    stage TEXT not null,
    receiver TEXT,
    because TEXT not null,
    until_at INTEGER
  )`,
  'create index routing_holds_of_alert on routing_holds (alert_id, at)',
  'create index pages_of_group on pages (group_key)',
  'create index routing_holds_by_time on routing_holds (at)',
]

/** Routing of alerts to receivers. */
export const routing: Migration = {
  name: '0010-routing',
  async up({ execute }) {
    for (const statement of tables) await execute(statement)
  },
}
