import { SqliteThread } from './sqlite-thread.ts'

/** Copies a database in use to a new file, as it stands at one instant, without holding up who reads or writes. Throws RecordsError. */
export async function copyDatabase(path: string, to: string): Promise<void> {
  const thread = await SqliteThread.start({ path, mode: 'writer' })
  try {
    await thread.ask({
      kind: 'statement',
      sql: 'vacuum into ?',
      parameters: [to],
      wantsRows: false,
    })
  } finally {
    await thread.close()
  }
}

/** Rows by table of a database that nothing else has open; checks its pages. Throws RecordsError, or Error when it is damaged. */
export async function countRows(path: string): Promise<Record<string, number>> {
  const thread = await SqliteThread.start({ path, mode: 'writer' })
  const all = async (sql: string) =>
    (await thread.ask({ kind: 'statement', sql, parameters: [], wantsRows: true })).rows
  try {
    const [check] = await all('pragma quick_check(1)')
    if (Object.values(check ?? {})[0] !== 'ok')
      throw new Error(`The database ${path} is damaged: ${JSON.stringify(check)}.`)
    const tables = await all(
      "select name from sqlite_master where type = 'table' and name not like 'sqlite\\_%' escape '\\' order by name",
    )
    const counts: Record<string, number> = {}
    for (const { name } of tables) {
      const [row] = await all(`select count(*) as n from \`${String(name).replaceAll('`', '``')}\``)
      counts[String(name)] = Number(row?.['n'])
    }
    return counts
  } finally {
    await thread.close()
  }
}
