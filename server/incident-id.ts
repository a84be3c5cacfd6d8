import type { Kysely } from 'kysely'
import { CallwardError } from './errors.ts'
import type { RecordsSchema } from './records/schema.ts'

/** The id of an incident that a path or a query names by its id or its number. Throws not_found. */
export function incidentIdOf(db: Kysely<RecordsSchema>, name: string): Promise<string> {
  return idOf(db, name, /^\d{1,9}$/.exec(name)?.[0])
}

/** Likewise where people may write the number as they say it, `#12`. Throws not_found. */
export function spokenIncidentIdOf(db: Kysely<RecordsSchema>, name: string): Promise<string> {
  return idOf(db, name, /^#?(\d{1,9})$/.exec(name)?.[1])
}

async function idOf(
  db: Kysely<RecordsSchema>,
  name: string,
  number: string | undefined,
): Promise<string> {
  const query = db.selectFrom('incidents').select('id')
  const named =
    number === undefined ? query.where('id', '=', name) : query.where('number', '=', Number(number))
  const row = await named.executeTakeFirst()
  if (row === undefined) throw new CallwardError('not_found', `There is no incident ${name}.`)
  return row.id
}
