import { sql } from 'kysely'
import type { Millis } from '../clock.ts'
import type { Records } from '../records/records.ts'
import type { PageAttemptRow, PageTellingRow } from '../records/schema.ts'
import { attemptsByTelling } from './views.ts'

/** What is looked for among everybody who was, or was to be, told. */
export interface ToldQuery {
  /** Part of the person's name, case-insensitive. */
  readonly person?: string | undefined
  /** Part of the page's title, or its number. */
  readonly page?: string | undefined
  readonly state?: 'waiting' | 'told' | 'over' | undefined
  readonly from?: Millis | undefined
  readonly to?: Millis | undefined
  /** Id of the last one seen. */
  readonly before?: string | undefined
  readonly limit: number
}

export interface ToldRow extends PageTellingRow {
  readonly number: number
  readonly title: string
  readonly severity: string
  readonly attempts: readonly PageAttemptRow[]
}

/** Tellings, newest first, with their page and every attempt. */
export async function findTold(read: Records['read'], query: ToldQuery): Promise<ToldRow[]> {
  let search = read
    .selectFrom('page_tellings')
    .innerJoin('pages', 'pages.id', 'page_tellings.page_id')
    .selectAll('page_tellings')
    .select(['pages.number', 'pages.title', 'pages.severity'])
    .orderBy('page_tellings.id', 'desc')
    .limit(query.limit)
  const { person, page, state, from, to, before } = query
  if (person !== undefined) search = search.where(contains('page_tellings.name', person))
  if (page !== undefined)
    search = /^\d{1,9}$/.test(page)
      ? search.where('pages.number', '=', Number(page))
      : search.where(contains('pages.title', page))
  if (state !== undefined) search = search.where('page_tellings.state', '=', state)
  if (from !== undefined) search = search.where('page_tellings.opened_at', '>=', from)
  if (to !== undefined) search = search.where('page_tellings.opened_at', '<', to)
  if (before !== undefined) search = search.where('page_tellings.id', '<', before)
  const rows = await search.execute()
  if (rows.length === 0) return []
  const attempts = await read
    .selectFrom('page_attempts')
    .selectAll()
    .where(
      'telling_id',
      'in',
      rows.map(({ id }) => id),
    )
    .orderBy('at')
    .orderBy('id')
    .execute()
  const byTelling = attemptsByTelling(attempts)
  return rows.map((row) => ({ ...row, attempts: byTelling.get(row.id) ?? [] }))
}

/** Holds a text, upper or lower case alike for ASCII letters; `%` and `_` mean themselves. */
function contains(column: 'page_tellings.name' | 'pages.title', text: string) {
  const pattern = `%${text.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`
  return sql<boolean>`lower(${sql.ref(column)}) like ${pattern} escape '\\'`
}
