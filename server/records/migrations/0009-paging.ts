import type { Migration } from './migration.ts'

/** Pages, how each climbed, and whom it reached or not. */
const tables = [
  `create table pages (
    id TEXT not null primary key,
    number INTEGER not null unique,
    group_key TEXT not null,
    lane TEXT not null,
    title TEXT not null,
    severity TEXT not null,
    state TEXT not null,
    policy TEXT not null,
    escalation TEXT not null,
    escalation_due_at INTEGER,
    opened_at INTEGER not null,
    acknowledged_at INTEGER,
    acknowledged_by TEXT,
    closed_at INTEGER
  )`,
  "create unique index pages_open on pages (group_key) where state <> 'closed'",
  'create index pages_by_state on pages (state, number)',
  `create table page_alerts (
    page_id TEXT not null references pages (id),
    alert_id TEXT not null,
    joined_at INTEGER not null,
    resolved_at INTEGER,
    primary key (page_id, alert_id)
  )`,
  'create index page_alerts_of_alert on page_alerts (alert_id)',
  `create table page_steps (
    id TEXT not null primary key,
    page_id TEXT not null references pages (id),
    sequence INTEGER not null,
    at INTEGER not null,
    kind TEXT not null,
    content TEXT not null,
    unique (page_id, sequence)
  )`,
  `create table page_tellings (
    id TEXT not null primary key,
    page_id TEXT not null references pages (id),
    key TEXT not null unique,
    kind TEXT not null,
    recipient_kind TEXT not null,
    recipient_id TEXT not null,
    name TEXT not null,
    place TEXT not null,
    state TEXT not null,
    reason TEXT not null,
    opened_at INTEGER not null,
    ended_at INTEGER
  )`,
  'create index page_tellings_of_page on page_tellings (page_id, opened_at)',
  "create index page_tellings_waiting on page_tellings (kind) where state = 'waiting'",
  'create index page_tellings_of_recipient on page_tellings (recipient_id, opened_at)',
  `create table page_attempts (
    id TEXT not null primary key,
    telling_id TEXT not null references page_tellings (id),
    round INTEGER not null,
    channel TEXT not null,
    contact_point_id TEXT,
    outcome TEXT not null,
    reason TEXT not null,
    at INTEGER not null,
    received_at INTEGER,
    displayed_at INTEGER
  )`,
  'create index page_attempts_of_telling on page_attempts (telling_id, at)',
]

/** Alerts that page somebody. */
export const paging: Migration = {
  name: '0009-paging',
  async up({ execute }) {
    for (const statement of tables) await execute(statement)
  },
}
