import type { Migration } from './migration.ts'

const tables = [
  `create table ledger_witnesses (
    name TEXT not null primary key,
    key TEXT not null,
    since INTEGER not null
  )`,
  `create table ledger_cosignatures (
    epoch INTEGER not null,
    size INTEGER not null,
    key TEXT not null,
    line TEXT not null,
    witnessed_at INTEGER not null,
    received_at INTEGER not null,
    primary key (epoch, size, key),
    foreign key (epoch, size) references ledger_checkpoints (epoch, size)
  )`,
  'create index ledger_cosignatures_of_key on ledger_cosignatures (key, epoch, size)',
]

/** Witnesses of the ledger, and what they cosigned. */
export const witness: Migration = {
  name: '0015-witness',
  async up({ execute }) {
    for (const statement of tables) await execute(statement)
  },
}
