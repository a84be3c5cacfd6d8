import type { Migration } from './migration.ts'

/** What a page asks for besides its alerts; time limits that are over on pages of their own come along. */
const statements = [
  `create table page_asks (
    id TEXT not null primary key,
    page_id TEXT not null references pages (id),
    name TEXT not null,
    incident_id TEXT not null,
    title TEXT not null,
    asked_at INTEGER not null,
    ended_at INTEGER
  )`,
  'create unique index page_asks_open on page_asks (name) where ended_at is null',
  'create index page_asks_of_page on page_asks (page_id)',
  // Figures of the last 30 days.
  'create index pages_by_opening on pages (opened_at)',
  // `clock:`, the incident's id of 36 characters, a stroke, the clock.
  `insert into page_asks (id, page_id, name, incident_id, title, asked_at, ended_at)
    select id, id, group_key, substr(group_key, 7, 36), title, opened_at, null
    from pages where state <> 'closed' and group_key like 'clock:%'`,
]

/** One page for an incident and its time limits. */
export const pageAsks: Migration = {
  name: '0025-page-asks',
  async up({ execute }) {
    for (const statement of statements) await execute(statement)
  },
}
