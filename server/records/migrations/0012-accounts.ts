import type { Migration } from './migration.ts'

/** Passwords, second factors, teams, sessions that can be told apart, and what waits for a second person. */
const tables = [
  `create table accounts (
    principal_id TEXT not null primary key references principals (id),
    email TEXT,
    password TEXT,
    password_set_at INTEGER,
    totp_sealed TEXT,
    totp_confirmed_at INTEGER,
    totp_pending TEXT,
    totp_step INTEGER
  )`,
  `create table recovery_codes (
    principal_id TEXT not null references principals (id),
    hash TEXT not null,
    used_at INTEGER,
    primary key (principal_id, hash)
  )`,
  `create table teams (
    id TEXT not null primary key,
    name TEXT not null,
    created_at INTEGER not null
  )`,
  `create table team_members (
    team_id TEXT not null references teams (id),
    principal_id TEXT not null references principals (id),
    added_at INTEGER not null,
    primary key (team_id, principal_id)
  )`,
  'create index team_members_of_principal on team_members (principal_id)',
  `create table approvals (
    id TEXT not null primary key,
    kind TEXT not null,
    subject TEXT not null,
    content TEXT not null,
    state TEXT not null,
    requested_by TEXT not null references principals (id),
    requested_at INTEGER not null,
    expires_at INTEGER not null,
    decided_by TEXT references principals (id),
    decided_at INTEGER,
    reason TEXT
  )`,
  "create unique index approvals_open on approvals (kind, subject) where state = 'open'",
  'create index approvals_by_time on approvals (requested_at)',
  'alter table console_sessions add column id TEXT',
  'alter table console_sessions add column way TEXT',
  'alter table console_sessions add column address TEXT',
  'alter table console_sessions add column last_seen_at INTEGER',
  'create index console_sessions_of_principal on console_sessions (principal_id)',
  'alter table sign_in_links add column purpose TEXT',
]

/** Accounts with passwords, teams and two-person approval. */
export const accounts: Migration = {
  name: '0012-accounts',
  async up({ execute }) {
    for (const statement of tables) await execute(statement)
  },
}
