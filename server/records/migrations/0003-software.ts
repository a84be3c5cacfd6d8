import { sql } from 'kysely'
import type { Migration, MigrationContext } from './migration.ts'

/** A document is held once, however many hosts and versions show it. */
const documents = [
  `create table documents (
    hash TEXT not null primary key,
    encoding TEXT not null,
    body TEXT not null
  )`,
  `insert into documents (hash, encoding, body) select hash, 'json', min(body) from facts group by hash`,
  'alter table facts drop column body',
  `alter table facts add column instance TEXT not null default ''`,
  'create index facts_of_instance on facts (instance, name, received_at)',
  'create index facts_of_hash on facts (hash)',
]

/** What people plan, and who approved it. */
const changes = [
  `create table changes (
    id TEXT not null primary key,
    number INTEGER not null unique,
    state TEXT not null,
    content TEXT not null,
    starts_at INTEGER not null,
    ends_at INTEGER not null,
    requested_by TEXT not null,
    requested_at INTEGER not null,
    approved_by TEXT,
    approved_at INTEGER,
    updated_at INTEGER not null
  )`,
  'create index changes_by_window on changes (state, ends_at)',
  `create table change_entries (
    id TEXT not null primary key,
    change_id TEXT not null references changes (id),
    sequence INTEGER not null,
    kind TEXT not null,
    value TEXT not null,
    recorded_at INTEGER not null,
    recorded_by TEXT not null,
    principal_id TEXT not null,
    supersedes TEXT references change_entries (id),
    unique (change_id, sequence)
  )`,
]

/** What really changed on hosts. */
const versions = [
  `create table known_versions (
    instance TEXT not null,
    name TEXT not null,
    hash TEXT not null references documents (hash),
    primary key (instance, name)
  )`,
  'create index known_versions_of_hash on known_versions (hash)',
  `create table version_changes (
    id TEXT not null primary key,
    number INTEGER not null unique,
    instance TEXT not null,
    document TEXT not null,
    from_hash TEXT not null,
    to_hash TEXT not null,
    items TEXT not null,
    omitted INTEGER not null,
    uncovered INTEGER not null,
    state TEXT not null,
    detected_at INTEGER not null
  )`,
  'create index version_changes_of_host on version_changes (instance, number)',
  'create index version_changes_by_state on version_changes (state, number)',
  `create table version_change_links (
    id TEXT not null primary key,
    version_change_id TEXT not null references version_changes (id),
    change_id TEXT not null references changes (id),
    kind TEXT not null,
    reason TEXT not null,
    linked_at INTEGER not null,
    linked_by TEXT not null
  )`,
  'create index version_change_links_of_event on version_change_links (version_change_id)',
  'create index version_change_links_of_change on version_change_links (change_id)',
]

/** Each version of a baseline as it was first read: the same version never says something else later. */
const baselines = [
  `create table baseline_versions (
    role TEXT not null,
    version TEXT not null,
    hash TEXT not null,
    body TEXT not null,
    first_seen_at INTEGER not null,
    primary key (role, version)
  )`,
]

/** Documents by hash and host, change records, version changes, baselines. */
export const software: Migration = {
  name: '0003-software',
  async up(context) {
    for (const statement of [...documents, ...changes, ...versions, ...baselines])
      await context.execute(statement)
    await nameInstances(context)
  },
}

/** Facts stay with their host when its collector is replaced. */
async function nameInstances({ tx }: MigrationContext): Promise<void> {
  const { rows } = await sql<{
    id: string
    labels: string
  }>`select id, labels from collectors`.execute(tx)
  for (const { id, labels } of rows) {
    const { instance } = JSON.parse(labels) as { instance?: string }
    if (instance === undefined) continue
    await sql`update facts set instance = ${instance} where collector_id = ${id}`.execute(tx)
  }
}
