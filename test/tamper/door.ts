import pg from 'pg'
import { openSqlite, type SqliteValue } from '../../server/records/sqlite-port.ts'

export type Value = SqliteValue
/** A row as the database has it; numbers of 64 bits as numbers. */
export type DoorRow = Record<string, Value>

/** A database in the hands of somebody who should not have it: past the hub, its rules off. Parameters are `?`. */
export interface Door {
  all(sql: string, parameters?: readonly Value[]): Promise<DoorRow[]>
  /** Gives the number of changed rows. */
  run(sql: string, parameters?: readonly Value[]): Promise<number>
  close(): Promise<void>
}

export function sqliteDoor(path: string): Door {
  const database = openSqlite(path)
  database.exec('pragma foreign_keys = off')
  return {
    all: async (sql, parameters = []) => database.all(sql, parameters),
    run: async (sql, parameters = []) => database.run(sql, parameters).changes,
    close: async () => database.close(),
  }
}

/** Neither foreign keys nor triggers are looked at (`session_replication_role`). */
export async function postgresDoor(connectionString: string): Promise<Door> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  await client.query('set session_replication_role = replica')
  const ask = (sql: string, parameters: readonly Value[]) => {
    let place = 0
    return client.query(
      sql.replace(/\?/g, () => `$${++place}`),
      [...parameters],
    )
  }
  return {
    async all(sql, parameters = []) {
      const { rows, fields } = await ask(sql, parameters)
      const bigints = fields.filter(({ dataTypeID }) => dataTypeID === pg.types.builtins.INT8)
      for (const row of rows as DoorRow[])
        for (const { name } of bigints) if (row[name] !== null) row[name] = Number(row[name])
      return rows as DoorRow[]
    },
    run: async (sql, parameters = []) => (await ask(sql, parameters)).rowCount ?? 0,
    close: () => client.end(),
  }
}

export async function insertRow(door: Door, table: string, row: DoorRow): Promise<void> {
  const names = Object.keys(row)
  const places = names.map(() => '?').join(', ')
  await door.run(
    `insert into ${table} (${names.map((name) => `"${name}"`).join(', ')}) values (${places})`,
    Object.values(row),
  )
}

/** One row, no more and no less. */
export async function once(door: Door, sql: string, parameters: readonly Value[]): Promise<void> {
  const changed = await door.run(sql, parameters)
  if (changed !== 1) throw new Error(`BUG: ${changed} rows changed by ${sql}`)
}

/** Makes an edit as one, or not at all; false where the database's own rules let no two rows be alike. */
export async function allowed(door: Door, edit: () => Promise<void>): Promise<boolean> {
  await door.run('begin')
  try {
    await edit()
    await door.run('commit')
    return true
  } catch (error) {
    await door.run('rollback')
    if (!/unique/i.test(String(error))) throw error
    return false
  }
}
