import { createRequire } from 'node:module'
import type { Bindable } from './bindings.ts'
import { fromSqlite, RecordsError } from './records-error.ts'

export type SqliteEngine = 'node' | 'libsql'

/** What the port needs of an engine; integers are read as bigint. */
export interface EngineDatabase {
  readonly engine: SqliteEngine
  exec(sql: string): void
  prepare(sql: string): EngineStatement
  close(): void
}

export interface EngineStatement {
  /** For statements that give no rows. */
  run(values: readonly Bindable[]): { changes: number; lastInsertRowid: number }
  all(values: readonly Bindable[]): Record<string, unknown>[]
}

/** The part of node:sqlite used here (Node 22.14 and later). */
interface NodeSqlite {
  DatabaseSync: new (
    path: string,
  ) => {
    exec(sql: string): void
    prepare(sql: string): NodeStatement
    close(): void
  }
}
interface NodeStatement {
  setReadBigInts(on: boolean): void
  run(...values: Bindable[]): { changes: number | bigint; lastInsertRowid: number | bigint }
  all(...values: Bindable[]): Record<string, unknown>[]
}

/** The part of libsql used here (0.5). */
type Libsql = new (
  path: string,
) => {
  exec(sql: string): void
  prepare(sql: string): LibsqlStatement
  close(): void
}
interface LibsqlStatement {
  safeIntegers(on: boolean): void
  run(values: readonly Bindable[]): { changes: number; lastInsertRowid: number }
  all(values: readonly Bindable[]): Record<string, unknown>[]
}

/** The engine this Node runs: node:sqlite from 22.14 on, else libsql. */
export function defaultEngine(): SqliteEngine {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const recent = major > 22 || (major === 22 && minor >= 14)
  return recent && loadNodeSqlite() !== undefined ? 'node' : 'libsql'
}

/** Opens `path` with an engine. Throws RecordsError. */
export function openEngine(path: string, engine: SqliteEngine = defaultEngine()): EngineDatabase {
  return engine === 'node' ? openNode(path) : openLibsql(path)
}

function loadNodeSqlite(): NodeSqlite | undefined {
  const emitWarning = process.emitWarning
  process.emitWarning = () => {} // node:sqlite calls itself experimental on Node 22; that is our choice, not the operator's
  try {
    return process.getBuiltinModule('node:sqlite') as NodeSqlite | undefined
  } finally {
    process.emitWarning = emitWarning
  }
}

function openNode(path: string): EngineDatabase {
  const sqlite = loadNodeSqlite()
  if (sqlite === undefined)
    throw new RecordsError('other', 'This Node has no node:sqlite; use Node 22.14 or later.')
  const database = rethrowing(() => new sqlite.DatabaseSync(path))
  return {
    engine: 'node',
    exec: (sql) => database.exec(sql),
    close: () => database.close(),
    prepare(sql) {
      const statement = database.prepare(sql)
      statement.setReadBigInts(true)
      return {
        all: (values) => statement.all(...values),
        run(values) {
          const { changes, lastInsertRowid } = statement.run(...values)
          return { changes: Number(changes), lastInsertRowid: Number(lastInsertRowid) }
        },
      }
    },
  }
}

/** A libsql statement keeps the file open until it is collected, so few are held. */
function openLibsql(path: string): EngineDatabase {
  const Database = loadLibsql()
  const database = rethrowing(() => new Database(path))
  return {
    engine: 'libsql',
    exec: (sql) => database.exec(sql),
    close: () => database.close(),
    prepare(sql) {
      const statement = database.prepare(sql)
      statement.safeIntegers(true)
      return {
        all: (values) => statement.all(values),
        run(values) {
          const { changes, lastInsertRowid } = statement.run(values)
          return { changes, lastInsertRowid }
        },
      }
    },
  }
}

function loadLibsql(): Libsql {
  try {
    return createRequire(import.meta.url)('libsql') as Libsql
  } catch (cause) {
    throw new RecordsError(
      'other',
      'No SQLite engine: use Node 22.14 or later, or install the optional package libsql (npm install libsql).',
      { cause },
    )
  }
}

function rethrowing<T>(open: () => T): T {
  try {
    return open()
  } catch (error) {
    throw fromSqlite(error)
  }
}
