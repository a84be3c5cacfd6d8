import { existsSync } from 'node:fs'
import { type Bindable, bindable, checkText } from './bindings.ts'
import { fromSqlite, RecordsError } from './records-error.ts'
import { scanSql } from './sql-scan.ts'
import {
  type EngineDatabase,
  type EngineStatement,
  openEngine,
  type SqliteEngine,
} from './sqlite-engines.ts'

export type SqliteValue = null | number | string | Uint8Array
export type SqliteRow = Record<string, SqliteValue>

export interface SqliteOptions {
  /** Only queries; the file must exist. */
  readonly readOnly?: boolean
  /** Default: node:sqlite from Node 22.14 on, else libsql. */
  readonly engine?: SqliteEngine
}

/** One SQLite connection; everything it does blocks the thread. */
export interface SqliteConnection {
  readonly engine: SqliteEngine
  /** Runs any number of statements without parameters. */
  exec(sql: string): void
  run(sql: string, parameters?: readonly unknown[]): { changes: number; lastInsertRowid: number }
  all(sql: string, parameters?: readonly unknown[]): SqliteRow[]
  /** Further calls throw. Closing twice is allowed. */
  close(): void
}

interface Prepared {
  readonly statement: EngineStatement
  readonly parameters: number
  readonly returning: boolean
}

const lastChange = 'select changes() as changes, last_insert_rowid() as rowid'
/** How long a statement waits for another process's lock. */
const busyTimeoutMilliseconds = 5000
/** Prepared statements kept by each connection. */
const maxPreparedStatements = 256
const cachedVerbs: ReadonlySet<string> = new Set(
  'select insert update delete replace values with savepoint release rollback begin commit'.split(
    ' ',
  ),
)
const readOnlyVerbs: ReadonlySet<string> = new Set(['select', 'values', 'with', 'explain'])

/**
 * Opens a database file, made when missing unless `readOnly`. The same behaviour on both engines: write-ahead log,
 * synchronous FULL, foreign keys on; every other parameter type and count is refused with TypeError before an engine
 * sees it; integers beyond 2^53 throw when read. Throws RecordsError.
 */
export function openSqlite(path: string, options: SqliteOptions = {}): SqliteConnection {
  checkText(path, 'The path')
  const readOnly = options.readOnly === true
  if (readOnly && !existsSync(path))
    throw new RecordsError('other', `There is no database ${path}.`)
  const connection = new PortConnection(openEngine(path, options.engine), readOnly)
  try {
    connection.configure(path)
  } catch (error) {
    connection.close()
    throw error
  }
  return connection
}

class PortConnection implements SqliteConnection {
  readonly engine: SqliteEngine
  readonly #readOnly: boolean
  readonly #prepared = new Map<string, Prepared>()
  #database: EngineDatabase | undefined

  constructor(database: EngineDatabase, readOnly: boolean) {
    this.engine = database.engine
    this.#database = database
    this.#readOnly = readOnly
  }

  configure(path: string): void {
    const database = this.#live()
    try {
      database.exec(`pragma busy_timeout = ${busyTimeoutMilliseconds}`)
      const mode = database.prepare('pragma journal_mode = wal').all([])[0]?.['journal_mode']
      if (mode !== 'wal' && path !== ':memory:') {
        throw new RecordsError(
          'other',
          `${path} cannot use a write-ahead log; put it on a local disk.`,
        )
      }
      database.exec('pragma synchronous = full')
      database.exec('pragma foreign_keys = on')
      if (this.#readOnly) database.exec('pragma query_only = on')
    } catch (error) {
      throw fromSqlite(error)
    }
  }

  exec(sql: string): void {
    if (typeof sql !== 'string') throw new TypeError('SQL must be a string.')
    checkText(sql, 'SQL')
    if (this.#readOnly) throw new RecordsError('readonly', 'This connection only reads.')
    const database = this.#live()
    this.#prepared.clear()
    try {
      database.exec(sql)
    } catch (error) {
      throw fromSqlite(error)
    }
  }

  run(sql: string, parameters: readonly unknown[] = []) {
    const { statement, values, returning } = this.#bind(sql, parameters)
    try {
      if (!returning) return statement.run(values)
      statement.all(values) // with rows on offer, run() stops at the first and miscounts: libsql, Node 22.14
      const { changes, rowid } = this.#live().prepare(lastChange).all([])[0] ?? {}
      return { changes: Number(changes), lastInsertRowid: Number(rowid) }
    } catch (error) {
      throw fromSqlite(error)
    }
  }

  all(sql: string, parameters: readonly unknown[] = []): SqliteRow[] {
    const { statement, values } = this.#bind(sql, parameters)
    let rows: Record<string, unknown>[]
    try {
      rows = statement.all(values)
    } catch (error) {
      throw fromSqlite(error)
    }
    return rows.map(plainRow)
  }

  close(): void {
    this.#prepared.clear()
    const database = this.#database
    this.#database = undefined
    try {
      database?.close()
    } catch (error) {
      throw fromSqlite(error)
    }
  }

  #bind(sql: string, parameters: readonly unknown[]) {
    const values = bindable(parameters).map(asInteger)
    const prepared = this.#prepare(sql)
    if (prepared.parameters !== values.length) {
      throw new TypeError(
        `The statement has ${prepared.parameters} parameters, ${values.length} were given.`,
      )
    }
    return { ...prepared, values }
  }

  #prepare(sql: string): Prepared {
    const database = this.#live()
    const known = this.#prepared.get(sql)
    if (known !== undefined) {
      this.#prepared.delete(sql)
      this.#prepared.set(sql, known)
      return known
    }
    const { parameters, verb, returning } = scanSql(sql)
    if (this.#readOnly && !readOnlyVerbs.has(verb)) {
      throw new RecordsError('readonly', `This connection only reads; it refuses "${verb}".`)
    }
    let statement: EngineStatement
    try {
      statement = database.prepare(sql)
    } catch (error) {
      throw fromSqlite(error)
    }
    if (!cachedVerbs.has(verb)) {
      this.#prepared.clear()
      return { statement, parameters, returning }
    }
    if (this.#prepared.size >= maxPreparedStatements) {
      this.#prepared.delete(this.#prepared.keys().next().value!)
    }
    const prepared = { statement, parameters, returning }
    this.#prepared.set(sql, prepared)
    return prepared
  }

  #live(): EngineDatabase {
    if (this.#database === undefined) throw new RecordsError('other', 'The database is closed.')
    return this.#database
  }
}

/** Both engines bind every JavaScript number as a float, which a text column would keep as "5.0". */
function asInteger(value: Bindable): Bindable {
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
}

function plainRow(row: Record<string, unknown>): SqliteRow {
  const plain: SqliteRow = {}
  for (const key of Object.keys(row)) plain[key] = plainValue(row[key], key)
  return plain
}

function plainValue(value: unknown, column: string): SqliteValue {
  if (typeof value === 'bigint') {
    const number = Number(value)
    if (Number.isSafeInteger(number)) return number
    throw new RecordsError(
      'other',
      `Column "${column}" holds ${value}, beyond 2^53; cast it to text to read it.`,
    )
  }
  if (value instanceof ArrayBuffer) return new Uint8Array(value)
  return value as SqliteValue // engines give nothing else: null, number, string, Uint8Array
}
