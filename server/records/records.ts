import type { Kysely, Transaction } from 'kysely'
import type { RecordsSchema } from './schema.ts'

/** A write transaction; whatever must not be lost crosses capabilities as a call that carries it. */
export type RecordsTransaction = Transaction<RecordsSchema>

/** The relational records, on SQLite in a worker or on PostgreSQL. */
export interface Records {
  readonly kind: 'sqlite' | 'postgres'
  /** Read-only queries; sees every committed write. Never write through it. */
  readonly read: Kysely<RecordsSchema>
  /**
   * Runs `work` in one serialised write transaction and resolves after its commit is durable. Rolls back
   * when `work` throws. Do no slow I/O inside: writers wait for each other.
   */
  write<T>(work: (tx: RecordsTransaction) => Promise<T>): Promise<T>
  /** Writes all records, as they stand at one instant, to a new SQLite file; absent on PostgreSQL, which has pg_dump. */
  copyTo?(path: string): Promise<void>
  close(): Promise<void>
}
