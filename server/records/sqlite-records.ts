import {
  type CompiledQuery,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import type { Clock } from '../clock.ts'
import { bindable } from './bindings.ts'
import type { Migration } from './migrations/migration.ts'
import { allMigrations, migrate } from './migrations.ts'
import type { RecordsSchema } from './schema.ts'
import { ReadDriver, type Scope, ScopedDriver } from './scoped-driver.ts'
import { copyDatabase } from './sqlite-copy.ts'
import type { SqliteEngine } from './sqlite-engines.ts'
import { brokeGroup, errorOf, SqliteThread } from './sqlite-thread.ts'
import {
  type CountedRecords,
  type LateFailures,
  type WriteEngine,
  type WriteLimits,
  WriteQueue,
} from './write-queue.ts'

export interface SqliteRecordsOptions {
  /** The database file; its folder must exist. */
  readonly path: string
  readonly clock?: Clock
  readonly engine?: SqliteEngine
  readonly limits?: Partial<WriteLimits>
  readonly migrations?: readonly Migration[]
  /** Hears why a database thread ended unasked; from then on its calls throw that. */
  readonly onFault?: (reason: string) => void
}

/**
 * Opens (and migrates) records in a SQLite file: one writer and one reader thread, so that this thread never waits
 * for a disk. Throws RecordsError, or Error when a newer program made the file.
 */
export async function openSqliteRecords(options: SqliteRecordsOptions): Promise<CountedRecords> {
  const { path, clock, limits, migrations = allMigrations } = options
  const engine = options.engine === undefined ? {} : { engine: options.engine }
  const writer = await SqliteThread.start({ path, mode: 'writer', ...engine }, options.onFault)
  const queue = new WriteQueue(new SqliteWriteEngine(writer), clock, limits)
  let reader: SqliteThread
  try {
    await migrate({
      kind: 'sqlite',
      write: (work) => queue.write(work, Infinity),
      clock,
      migrations,
    })
    reader = await SqliteThread.start({ path, mode: 'reader', ...engine }, options.onFault)
  } catch (error) {
    await writer.close()
    throw error
  }
  const read = kyselyOver(new ReadDriver((query) => execute(reader, query)))
  let closing: Promise<void> | undefined
  const close = async () => {
    await queue.close()
    await reader.close()
    await writer.close()
  }
  return {
    kind: 'sqlite',
    read,
    write: (work) => queue.write(work),
    copyTo: (to) => copyDatabase(path, to),
    close: () => (closing ??= close()),
    get statistics() {
      return queue.statistics
    },
  }
}

class SqliteWriteEngine implements WriteEngine {
  readonly database: Kysely<RecordsSchema>
  readonly #thread: SqliteThread
  #lastScope = 0
  #broken = false
  /** Whether any statement went out since the last commit. */
  #used = false

  constructor(thread: SqliteThread) {
    this.#thread = thread
    this.database = kyselyOver(new ScopedDriver(async () => this.#open()))
  }

  broken(): boolean {
    return this.#broken
  }

  get lastScope(): number {
    return this.#lastScope
  }

  async commit(): Promise<LateFailures> {
    const used = this.#used
    this.#used = false
    this.#broken = false
    if (!used) return new Map()
    const { failed = [] } = await this.#thread.ask({ kind: 'commit' })
    return new Map(failed.map(({ scope, failure }) => [scope, errorOf(failure)]))
  }

  #open(): Scope {
    this.#lastScope += 1
    const scope = this.#lastScope
    return {
      execute: async (query) => {
        this.#used = true
        try {
          return await execute(this.#thread, query, scope)
        } catch (error) {
          this.#broken ||= brokeGroup(error)
          throw error
        }
      },
      send: ({ sql, parameters }) => {
        this.#thread.send(scope, sql, bindable(parameters))
        this.#used = true
      },
      release: async () => this.#thread.tell({ kind: 'release', scope }),
      rollback: async () => this.#thread.tell({ kind: 'rollback', scope }),
    }
  }
}

async function execute(
  thread: SqliteThread,
  query: CompiledQuery,
  scope?: number,
): Promise<QueryResult<Record<string, unknown>>> {
  const reply = await thread.ask({
    kind: 'statement',
    sql: query.sql,
    parameters: bindable(query.parameters),
    wantsRows: wantsRows(query),
    ...(scope === undefined ? {} : { scope }),
  })
  const rows = [...reply.rows]
  if (query.query.kind === 'SelectQueryNode') return { rows }
  return { rows, numAffectedRows: BigInt(reply.changes ?? rows.length) }
}

/** Whether a statement gives rows; written by hand it is known by its words. */
function wantsRows({ query, sql }: CompiledQuery): boolean {
  switch (query.kind) {
    case 'SelectQueryNode':
      return true
    case 'InsertQueryNode':
    case 'UpdateQueryNode':
    case 'DeleteQueryNode':
      return query.returning !== undefined
    case 'RawNode':
      return /^\s*(?:select|with|values|pragma|explain)\b|\breturning\b/i.test(sql)
    default:
      return false
  }
}

/** Names in backticks: in double quotes an old SQLite takes a misspelt name for a text. */
class BacktickCompiler extends SqliteQueryCompiler {
  protected override getLeftIdentifierWrapper(): string {
    return '`'
  }
  protected override getRightIdentifierWrapper(): string {
    return '`'
  }
  protected override sanitizeIdentifier(identifier: string): string {
    return identifier.replaceAll('`', '``')
  }
}

function kyselyOver(driver: Driver): Kysely<RecordsSchema> {
  return new Kysely<RecordsSchema>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => driver,
      createIntrospector: (database) => new SqliteIntrospector(database),
      createQueryCompiler: () => new BacktickCompiler(),
    },
  })
}
