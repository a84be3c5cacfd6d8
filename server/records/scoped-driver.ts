import type { CompiledQuery, DatabaseConnection, Driver, QueryResult } from 'kysely'
import { isUnawaited } from './records.ts'
import { RecordsError } from './records-error.ts'

/** One transaction of a group, as an engine gives it. */
export interface Scope {
  execute(query: CompiledQuery): Promise<QueryResult<Record<string, unknown>>>
  /** Sends a statement; when it fails, so do those after it, and the transaction at the group's commit. */
  send(query: CompiledQuery): void
  /** Keeps what it did, for the group's commit. */
  release(): Promise<void>
  rollback(): Promise<void>
}

/** Statements sent without waiting, in one transaction; then one is waited for. */
const maxSent = 256

/**
 * Kysely's driver for write transactions inside a group. A statement that fails dooms its transaction, on SQLite as
 * on PostgreSQL: further statements are refused and it is rolled back, even when the caller swallowed the error.
 */
export class ScopedDriver implements Driver {
  readonly #open: () => Promise<Scope>

  constructor(open: () => Promise<Scope>) {
    this.#open = open
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<ScopedConnection> {
    return new ScopedConnection()
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    scoped(connection).begin(await this.#open())
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await scoped(connection).release()
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await scoped(connection).rollback()
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {}
}

class ScopedConnection implements DatabaseConnection {
  readonly #pending = new Set<Promise<unknown>>()
  #scope: Scope | undefined
  #doomed: { readonly cause: unknown } | undefined
  #sent = 0

  begin(scope: Scope): void {
    this.#scope = scope
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const scope = this.#scope
    if (scope === undefined) {
      throw new RecordsError(
        'other',
        'This write transaction is over; finish its statements before it returns.',
      )
    }
    if (this.#doomed !== undefined) throw this.#doomed.cause
    if (isUnawaited(query)) {
      this.#sent += 1
      if (this.#sent % maxSent !== 0) return this.#send(scope, query)
    }
    const execution = scope.execute(query)
    this.#pending.add(execution)
    try {
      return (await execution) as QueryResult<R> // Kysely's caller says what the rows are
    } catch (cause) {
      this.#doomed ??= { cause }
      throw cause
    } finally {
      this.#pending.delete(execution)
    }
  }

  #send<R>(scope: Scope, query: CompiledQuery): QueryResult<R> {
    try {
      scope.send(query)
      return { rows: [] }
    } catch (cause) {
      this.#doomed ??= { cause }
      throw cause
    }
  }

  // biome-ignore lint/correctness/useYield: streams are refused
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new RecordsError('other', 'The records do not stream; select fewer rows.')
  }

  async release(): Promise<void> {
    while (this.#pending.size > 0) await Promise.allSettled(this.#pending)
    if (this.#doomed !== undefined) throw this.#doomed.cause
    const scope = this.#scope
    this.#scope = undefined
    await scope?.release()
  }

  async rollback(): Promise<void> {
    const scope = this.#scope
    this.#scope = undefined
    await scope?.rollback()
  }
}

function scoped(connection: DatabaseConnection): ScopedConnection {
  if (connection instanceof ScopedConnection) return connection
  throw new Error('BUG: a connection of another driver')
}

/** Kysely's driver for reading: no transactions, one statement at a time wherever `execute` sends it. */
export class ReadDriver implements Driver {
  readonly #connection: DatabaseConnection

  constructor(execute: (query: CompiledQuery) => Promise<QueryResult<Record<string, unknown>>>) {
    this.#connection = {
      executeQuery: <R>(query: CompiledQuery) => execute(query) as Promise<QueryResult<R>>,
      // biome-ignore lint/correctness/useYield: streams are refused
      async *streamQuery() {
        throw new RecordsError('other', 'The records do not stream; select fewer rows.')
      },
    }
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection
  }

  async beginTransaction(): Promise<void> {
    throw new RecordsError('readonly', 'records.read has no transactions; use records.write.')
  }

  async commitTransaction(): Promise<void> {}

  async rollbackTransaction(): Promise<void> {}

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {}
}
