import type { Migration } from './migration.ts'

/**
 * A search reads all rows of a common word. On PostgreSQL they lie scattered by incident, a page each; with the weight in the index the
 * rows themselves are not read. On SQLite the index is the table. Builds the index anew: some seconds for millions of words.
 */
export const coveringWords: Migration = {
  name: '0026-covering-words',
  async up({ kind, execute }) {
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
