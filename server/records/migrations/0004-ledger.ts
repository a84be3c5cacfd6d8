import type { Migration } from './migration.ts'

const tables = [
  `create table ledger_epochs (
    number INTEGER not null primary key,
    id TEXT not null unique,
    origin TEXT not null unique,
    first_number INTEGER not null,
    size INTEGER not null,
    opened_at INTEGER not null
  )`,
  `create table ledger_entries (
    number INTEGER not null primary key,
    recorded_at INTEGER not null,
    object_type TEXT not null,
    object_id TEXT not null,
    entry TEXT not null,
    leaf TEXT not null,
    opening TEXT
  )`,
  'create index ledger_entries_of_object on ledger_entries (object_type, object_id, number)',
  `create table ledger_tiles (
    epoch INTEGER not null references ledger_epochs (number),
    level INTEGER not null,
    tile INTEGER not null,
    hashes TEXT not null,
    primary key (epoch, level, tile)
  )`,
  `create table ledger_checkpoints (
    epoch INTEGER not null references ledger_epochs (number),
    size INTEGER not null,
    root TEXT not null,
    note TEXT not null,
    signed_at INTEGER not null,
    primary key (epoch, size)
  )`,
  `create table ledger_keys (
    public_key TEXT not null primary key,
    added_at INTEGER not null
  )`,
]

/** Entries of the ledger, the tiles of its tree, and its signed checkpoints. */
export const ledger: Migration = {
  name: '0004-ledger',
  async up({ execute }) {
    for (const statement of tables) await execute(statement)
  },
}
