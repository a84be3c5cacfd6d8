import type { CompiledQuery, Kysely, Transaction } from 'kysely'
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

const unawaited = new WeakSet<CompiledQuery>()

/**
 * Sends a statement whose answer nobody needs: resolves when it is on its way, before it is done. Statements keep their order. When
 * it fails, its transaction is rolled back and `write` rejects, as if it had been awaited.
 */
export async function later(
  tx: RecordsTransaction,
  statement: CompiledQuery | { compile(): CompiledQuery },
): Promise<void> {
  const query = 'compile' in statement ? statement.compile() : statement
  unawaited.add(query)
  await tx.executeQuery(query)
}

/** Whether nobody needs a statement's answer. */
export function isUnawaited(query: CompiledQuery): boolean {
  return unawaited.has(query)
}

type EndWork = Map<unknown, () => Promise<void>>
const ends = new WeakMap<RecordsTransaction, EndWork>()

/** Does `work` once, at the end of the transaction, however often it is asked for with the same `key`; the first asking counts. */
export function atEnd(tx: RecordsTransaction, key: unknown, work: () => Promise<void>): void {
  const works: EndWork = ends.get(tx) ?? new Map()
  ends.set(tx, works)
  if (!works.has(key)) works.set(key, work)
}

/** Does what was asked for the end of a transaction, and what that asks for. */
export async function runEnds(tx: RecordsTransaction): Promise<void> {
  for (let works = ends.get(tx); works !== undefined; works = ends.get(tx)) {
    ends.delete(tx)
    for (const work of works.values()) await work()
  }
}
