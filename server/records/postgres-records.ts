import {
  type CompiledQuery,
  type Driver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from 'kysely'
import pg from 'pg'
import type { Clock } from '../clock.ts'
import { bindable } from './bindings.ts'
import type { Migration } from './migrations/migration.ts'
import { allMigrations, migrate } from './migrations.ts'
import { commitText, PostgresPipe, PreparedNames } from './postgres-pipe.ts'
import { fromPostgres, RecordsError } from './records-error.ts'
import type { RecordsSchema } from './schema.ts'
import { ReadDriver, type Scope, ScopedDriver } from './scoped-driver.ts'
import {
  type CountedRecords,
  type LateFailures,
  type WriteEngine,
  type WriteLimits,
  WriteQueue,
} from './write-queue.ts'

export interface PostgresRecordsOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; behind PgBouncer only in session mode. */
  readonly connectionString: string
  readonly clock?: Clock
  readonly limits?: Partial<WriteLimits>
  readonly migrations?: readonly Migration[]
}

/** Connections for reading; writing has one more. */
const readConnections = 4
const connectMilliseconds = 10_000
/** A server that answers nothing for this long is given up. */
const answerMilliseconds = 60_000
/** Every hub that writes takes this advisory lock ("callward" in ASCII), so that writes are serial across hubs. */
const writeLockKey = '7161124095610942052'
/** How long a write waits for another hub's. */
const lockMilliseconds = 10_000

/**
 * Opens (and migrates) records on PostgreSQL. Writes are serial (one connection, one advisory lock), which makes READ
 * COMMITTED equal to SQLite's isolation without serialisation failures. Throws RecordsError, or Error when a newer
 * program made the database.
 */
export async function openPostgresRecords(
  options: PostgresRecordsOptions,
): Promise<CountedRecords> {
  const { connectionString, clock, limits, migrations = allMigrations } = options
  const writers = poolOf(connectionString, 1, prepareWriter, true)
  const readers = poolOf(connectionString, readConnections, prepareReader)
  const queue = new WriteQueue(new PostgresWriteEngine(writers), clock, limits)
  let closing: Promise<void> | undefined
  const close = async () => {
    await queue.close()
    await Promise.all([readers.end(), writers.end()])
  }
  try {
    await checkEncoding(writers)
    await migrate({
      kind: 'postgres',
      write: (work) => queue.write(work, Infinity),
      clock,
      migrations,
    })
  } catch (error) {
    await close()
    throw error
  }
  return {
    kind: 'postgres',
    read: kyselyOver(new ReadDriver((query) => execute(readers, query))),
    write: (work) => queue.write(work),
    close: () => (closing ??= close()),
    get statistics() {
      return queue.statistics
    },
  }
}

class PostgresWriteEngine implements WriteEngine {
  readonly database: Kysely<RecordsSchema>
  readonly #pool: pg.Pool
  readonly #names = new PreparedNames()
  #client: pg.PoolClient | undefined
  #pipe: PostgresPipe | undefined
  #unreachable: RecordsError | undefined
  #lastScope = 0

  constructor(pool: pg.Pool) {
    this.#pool = pool
    this.database = kyselyOver(new ScopedDriver(() => this.#open()))
  }

  get lastScope(): number {
    return this.#lastScope
  }

  broken(): boolean {
    return this.#failure !== undefined
  }

  get #failure(): RecordsError | undefined {
    return this.#unreachable ?? this.#pipe?.broken
  }

  async commit(): Promise<LateFailures> {
    const pipe = this.#pipe
    if (pipe !== undefined && !this.broken()) await this.#commitGroup(pipe)
    const failure = this.#failure
    const client = this.#client
    this.#client = undefined
    this.#pipe = undefined
    this.#unreachable = undefined
    client?.release(failure !== undefined) // a client whose group failed is thrown away, and the server rolls back
    if (failure !== undefined) throw failure
    return pipe?.failed ?? new Map()
  }

  async #commitGroup(pipe: PostgresPipe): Promise<void> {
    try {
      const { command } = await pipe.ask(undefined, commitText)
      if (command !== 'COMMIT')
        throw new RecordsError('other', `PostgreSQL answered the commit with ${command}.`)
    } catch (error) {
      this.#unreachable = fromPostgres(error)
    }
  }

  async #open(): Promise<Scope> {
    await this.#enter()
    const failure = this.#failure
    if (failure !== undefined) throw failure
    const pipe = this.#pipe
    if (pipe === undefined) throw new Error('BUG: a group without a connection')
    this.#lastScope += 1
    const scope = this.#lastScope
    pipe.begin(scope)
    return {
      execute: async (query) =>
        resultOf(await pipe.ask(scope, query.sql, bindable(query.parameters))),
      send: (query) => pipe.send(scope, query),
      release: async () => pipe.release(scope),
      rollback: async () => pipe.rollback(scope),
    }
  }

  /** Opens the group when there is none. */
  async #enter(): Promise<void> {
    if (this.#pipe !== undefined || this.#unreachable !== undefined) return
    try {
      this.#client = await this.#pool.connect()
    } catch (error) {
      this.#unreachable = fromPostgres(error)
      return
    }
    this.#pipe = new PostgresPipe(
      this.#client,
      this.#names,
      `begin isolation level read committed; set local lock_timeout = ${lockMilliseconds}; select pg_advisory_xact_lock(${writeLockKey})`,
    )
  }
}

async function execute(
  target: pg.Pool,
  query: CompiledQuery,
): Promise<QueryResult<Record<string, unknown>>> {
  const values = bindable(query.parameters)
  try {
    return resultOf(await target.query<Record<string, unknown>>(query.sql, values))
  } catch (error) {
    throw fromPostgres(error)
  }
}

function resultOf({
  command,
  rowCount,
  rows,
}: pg.QueryResult): QueryResult<Record<string, unknown>> {
  if (command === 'SELECT') return { rows }
  return { rows: rows ?? [], numAffectedRows: BigInt(rowCount ?? 0) }
}

function poolOf(
  connectionString: string,
  max: number,
  prepare: (client: pg.ClientBase) => Promise<void>,
  pipeline = false,
): pg.Pool {
  // `pipeline` is newer than the published types.
  const options: pg.PoolConfig & { readonly pipeline: boolean } = {
    pipeline,
    connectionString,
    max,
    connectionTimeoutMillis: connectMilliseconds,
    query_timeout: answerMilliseconds,
    application_name: 'callward',
    keepAlive: true,
    idleTimeoutMillis: 0,
    types: { getTypeParser },
    onConnect: prepare,
  }
  const pool = new pg.Pool(options)
  // A connection lost while idle is replaced at the next use; one lost in use rejects its query.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

async function prepareReader(client: pg.ClientBase): Promise<void> {
  await client.query('set default_transaction_read_only = on')
}

/** "Acknowledged means durable", also where the server's default is to answer before the disk has it. */
async function prepareWriter(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ synchronous_commit: string }>('show synchronous_commit')
  if (rows[0]?.synchronous_commit === 'off') await client.query('set synchronous_commit = on')
}

async function checkEncoding(pool: pg.Pool): Promise<void> {
  let encoding: string | undefined
  try {
    const { rows } = await pool.query<{ server_encoding: string }>('show server_encoding')
    encoding = rows[0]?.server_encoding
  } catch (error) {
    throw fromPostgres(error)
  }
  if (encoding !== 'UTF8') {
    throw new RecordsError(
      'other',
      `The records' database has the encoding ${encoding}; create it with: create database callward encoding 'UTF8' template template0`,
    )
  }
}

const booleanOid = 16
const bigintOid = 20
const numericOid = 1700

/** Flags as 0 or 1, whole numbers as numbers: what SQLite gives. Beyond 2^53 it throws. */
function getTypeParser(oid: number, format?: 'text' | 'binary'): (text: string) => unknown {
  if (oid === booleanOid) return (text) => (text === 't' ? 1 : 0)
  if (oid === bigintOid || oid === numericOid) return safeNumber
  return pg.types.getTypeParser(oid, format as 'text')
}

function safeNumber(text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && !Number.isSafeInteger(number)) {
    throw new RecordsError(
      'other',
      `A column holds ${text}, beyond 2^53; cast it to text to read it.`,
    )
  }
  return number
}

function kyselyOver(driver: Driver): Kysely<RecordsSchema> {
  return new Kysely<RecordsSchema>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => driver,
      createIntrospector: (database) => new PostgresIntrospector(database),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
}
