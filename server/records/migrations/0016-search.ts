import type { Migration } from './migration.ts'

/**
 * Words by which incidents are found, how much of each incident they hold, and what runbooks are used. The key is the table on SQLite:
 * there are millions of words.
 */
export const search: Migration = {
  name: '0016-search',
  async up({ kind, execute }) {
    const end = kind === 'sqlite' ? ') without rowid,' : ')'
    await execute(`create table incident_words (
      word TEXT not null,
      number INTEGER not null,
      weight INTEGER not null,
      primary key (word, number)
    ${end}`)
    await execute(`create table incident_search (
      number INTEGER not null primary key,
      facts INTEGER not null,
      version INTEGER not null
    )`)
    await execute(`create table runbook_uses (
      name TEXT not null,
      how TEXT not null,
      times INTEGER not null,
      first_at INTEGER not null,
      last_at INTEGER not null,
      primary key (name, how)
    )`)
  },
}
