import type { Migration } from './migration.ts'

/**
 * What tens of thousands of incidents need: the open ones, and the facts that name people, are found without reading the others.
 *
 * A search reads all rows of a common word. On PostgreSQL they lie scattered by incident, a page each; with the weight in the index the
 * rows themselves are not read. On SQLite the index is the table. Building it anew takes some seconds for millions of words.
 */
export const manyIncidents: Migration = {
  name: '0026-many-incidents',
  async up({ kind, execute }) {
    await execute('create index incidents_not_closed on incidents (number) where closed_at is null')
    await execute(
      "create index incident_facts_of_people on incident_facts (incident_id) where kind in ('assigned', 'accepted', 'arrived', 'role')",
    )
    if (kind === 'sqlite') return
    await execute(
      'create unique index incident_words_covering on incident_words (word, number) include (weight)',
    )
    await execute('alter table incident_words drop constraint incident_words_pkey')
    await execute(
      'alter table incident_words add constraint incident_words_pkey primary key using index incident_words_covering',
    )
  },
}
