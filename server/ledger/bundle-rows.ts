import { type Kysely, sql } from 'kysely'
import { CallwardError } from '../errors.ts'
import type { RecordsSchema } from '../records/schema.ts'

type Database = Kysely<RecordsSchema>
type Row = Readonly<Record<string, unknown>>

/** Rows a bundle shows, by table, and what they are about. */
export interface BundleRows {
  readonly tables: Readonly<Record<string, readonly Row[]>>
  readonly objects: Readonly<
    Record<'incident' | 'alert' | 'page' | 'notice' | 'hold', ReadonlySet<string>>
  >
}

/** Whose rows are asked for: one incident, or what the entries and the times of a period name. */
export type RowsOf =
  | { readonly kind: 'incident'; readonly id: string }
  | {
      readonly kind: 'period'
      readonly from: number
      readonly to: number
      /** Numbers of entries: from the first to before the last. */
      readonly first: number
      readonly below: number
    }

/** Rows of one bundle, all tables together. */
export const maxBundleRows = 200_000
const maxObjects = 20_000
const idsPerQuery = 500
const maxTimeLimits = 1000

/** What the ledger says nothing of (housekeeping, plans, receipts of screens) is left out. */
const columns = {
  incidents:
    'id number title severity state join_key server runbook_name runbook_hash opened_at acknowledged_at acknowledged_by resolved_at workflow_state major attended closed_at',
  incident_facts:
    'id incident_id sequence kind value certainty occurred_at recorded_at recorded_by supersedes',
  incident_alerts: 'incident_id alert_id joined_at',
  alerts:
    'id fingerprint rule severity instance labels state fired_at resolved_at acknowledged_at acknowledged_by',
  pages:
    'id number group_key lane title severity state policy opened_at acknowledged_at acknowledged_by closed_at',
  page_alerts: 'page_id alert_id joined_at resolved_at',
  page_steps: 'id page_id sequence at kind content',
  page_tellings:
    'id page_id key kind recipient_kind recipient_id name place state reason opened_at ended_at',
  page_attempts: 'id telling_id round channel contact_point_id outcome reason at',
  routing_holds: 'alert_id at stage receiver because until_at',
  runbook_versions: 'hash name body',
  incident_deadlines: 'incident_id regime code state due_at at_risk_at satisfied_at tells',
  incident_assignments:
    'fact_id incident_id principal_id technician assigned_by state assigned_at due_at ended_at exhausted_at',
  incident_notices:
    'id incident_id series_id version audience form language text_hash state contact_points approval_id fact_id next_update_at written_by approved_by written_at sent_at',
  incident_notice_deliveries:
    'id notice_id contact_point_id recipient channel key state attempts reason opened_at updated_at',
  legal_holds:
    'id incident_id from_at to_at reason until_at set_at set_by released_at release_asked_by released_by release_reason',
  time_limits: 'id in_force_at sha256 body',
  attachments: 'id incident_id name media_type bytes sha256 added_at added_by erased_at',
} as const
type Table = keyof typeof columns

/** PostgreSQL gives 64-bit numbers as text. */
const numbers = /(?:^|_)(?:at|number|sequence|round|bytes|tells|version|attempts)$/

/** Reads the rows; several statements, so the caller must know that nothing changed between. Throws unprocessable. */
export async function bundleRows(database: Database, asked: RowsOf): Promise<BundleRows> {
  const reader = new Reader(database)
  const incidents = await incidentIds(database, asked)
  await reader.take('incidents', 'id', incidents)
  await reader.take('incident_facts', 'incident_id', incidents, 'incident_id, sequence')
  const links = await reader.take(
    'incident_alerts',
    'incident_id',
    incidents,
    'incident_id, joined_at',
  )
  const alerts = new Set([
    ...links.map(({ alert_id }) => String(alert_id)),
    ...(asked.kind === 'period' ? await idsOf(database, asked, 'alert', 'alerts', 'fired_at') : []),
  ])
  await reader.take('alerts', 'id', alerts)
  const pages = await pageIds(database, asked, alerts)
  await reader.take('pages', 'id', pages)
  await reader.take('page_alerts', 'page_id', pages)
  await reader.take('page_steps', 'page_id', pages, 'page_id, sequence')
  const tellings = await reader.take('page_tellings', 'page_id', pages)
  await reader.take('page_attempts', 'telling_id', new Set(tellings.map(({ id }) => String(id))))
  await reader.take('routing_holds', 'alert_id', alerts, 'at')
  const hashes = (reader.tables['incidents'] ?? []).flatMap(({ runbook_hash: hash }) =>
    hash === null ? [] : [String(hash)],
  )
  await reader.take('runbook_versions', 'hash', new Set(hashes))
  await reader.take('attachments', 'incident_id', incidents, 'incident_id, added_at, id')
  await reader.take('incident_deadlines', 'incident_id', incidents, 'incident_id, regime, code')
  await reader.take('time_limits', 'id', await timeLimitsOf(database))
  await reader.take('incident_assignments', 'incident_id', incidents, 'incident_id, fact_id')
  const notices = await noticesOf(database, incidents)
  await reader.take('incident_notices', 'id', notices)
  await reader.take('incident_notice_deliveries', 'notice_id', notices, 'notice_id, id')
  const holds = await holdsOf(database, asked, incidents)
  await reader.take('legal_holds', 'id', holds)
  return {
    tables: reader.tables,
    objects: { incident: incidents, alert: alerts, page: pages, notice: notices, hold: holds },
  }
}

class Reader {
  readonly tables: Record<string, Row[]> = {}
  #rows = 0
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** Rows of a table whose column is one of the ids. */
  async take(
    table: Table,
    column: string,
    ids: ReadonlySet<string>,
    order = column,
  ): Promise<Row[]> {
    const all = [...ids]
    const names = columns[table].split(' ')
    const whole = names.filter((name) => numbers.test(name))
    const rows: Row[] = []
    this.tables[table] = rows
    for (let from = 0; from < all.length; from += idsPerQuery) {
      const some = all.slice(from, from + idsPerQuery)
      const list = sql.join(names.map((name) => sql.ref(name)))
      const found = await sql<Record<string, unknown>>`select ${list} from ${sql.table(table)}
        where ${sql.ref(column)} in (${sql.join(some)}) order by ${sql.raw(order)}
        limit ${maxBundleRows - this.#rows + 1}`.execute(this.#database)
      this.#rows += found.rows.length
      if (this.#rows > maxBundleRows) tooMuch(`${maxBundleRows} rows`)
      for (const row of found.rows) rows.push(plain(row, whole))
    }
    return rows
  }
}

/** The row, its 64-bit numbers as numbers. */
function plain(row: Record<string, unknown>, whole: readonly string[]): Row {
  for (const name of whole) if (row[name] !== null) row[name] = Number(row[name])
  return row
}

/** Notices to others; of words to an incident's own people the ledger holds only how they ended. */
async function noticesOf(database: Database, incidents: ReadonlySet<string>): Promise<Set<string>> {
  const found = new Set<string>()
  const all = [...incidents]
  for (let from = 0; from < all.length; from += idsPerQuery) {
    const rows = await database
      .selectFrom('incident_notices')
      .select('id')
      .where('incident_id', 'in', all.slice(from, from + idsPerQuery))
      .where('audience', '<>', 'staff')
      .limit(maxBundleRows + 1)
      .execute()
    for (const { id } of rows) found.add(id)
    if (found.size > maxBundleRows) tooMuch(`${maxBundleRows} rows`)
  }
  return found
}

/** Holds of the incidents; in a period also those that were set or released in it. */
async function holdsOf(
  database: Database,
  asked: RowsOf,
  incidents: ReadonlySet<string>,
): Promise<Set<string>> {
  const found = new Set(
    asked.kind === 'period' ? await idsOf(database, asked, 'hold', 'legal_holds', 'set_at') : [],
  )
  const rows = await database
    .selectFrom('legal_holds')
    .select(['id', 'incident_id'])
    .where('incident_id', 'is not', null)
    .execute()
  for (const { id, incident_id } of rows) if (incidents.has(incident_id!)) found.add(id)
  return found
}

/** What the log that goes on names of the time limits; they are few, and by each some deadline may have been worked out. */
async function timeLimitsOf(database: Database): Promise<Set<string>> {
  const rows = await database
    .selectFrom('ledger_entries')
    .select('object_id')
    .where('object_type', '=', 'time-limits')
    .where('number', '>=', (is) =>
      is.selectFrom('ledger_epochs').select((of) => of.fn.max('first_number').as('first')),
    )
    .orderBy('number', 'desc')
    .limit(maxTimeLimits + 1)
    .execute()
  if (rows.length > maxTimeLimits) tooMuch(`${maxTimeLimits} changes of time limits`)
  return new Set(rows.map(({ object_id: id }) => id))
}

async function incidentIds(database: Database, asked: RowsOf): Promise<Set<string>> {
  if (asked.kind === 'incident') return new Set([asked.id])
  return new Set(await idsOf(database, asked, 'incident', 'incidents', 'opened_at'))
}

async function pageIds(
  database: Database,
  asked: RowsOf,
  alerts: ReadonlySet<string>,
): Promise<Set<string>> {
  const found = new Set<string>()
  const all = [...alerts]
  for (let from = 0; from < all.length; from += idsPerQuery) {
    const rows = await database
      .selectFrom('page_alerts')
      .select('page_id')
      .distinct()
      .where('alert_id', 'in', all.slice(from, from + idsPerQuery))
      .execute()
    for (const { page_id } of rows) found.add(page_id)
  }
  if (asked.kind === 'incident') {
    const rows = await database
      .selectFrom('pages')
      .select('id')
      .where('group_key', '=', `incident:${asked.id}`)
      .execute()
    for (const { id } of rows) found.add(id)
  } else for (const id of await idsOf(database, asked, 'page', 'pages', 'opened_at')) found.add(id)
  return found
}

/** Ids that the entries of a period name, and those of rows whose time lies in it: one that has no entry must be seen. */
async function idsOf(
  database: Database,
  { from, to, first, below }: Extract<RowsOf, { kind: 'period' }>,
  type: string,
  table: Table,
  column: string,
): Promise<string[]> {
  const limit = maxObjects + 1
  const named = await sql<{ id: string }>`select distinct object_id as id from ledger_entries
    where object_type = ${type} and number >= ${first} and number < ${below} limit ${limit}`.execute(
    database,
  )
  const timed = await sql<{ id: string }>`select id from ${sql.table(table)}
    where ${sql.ref(column)} >= ${from} and ${sql.ref(column)} < ${to} limit ${limit}`.execute(
    database,
  )
  const ids = new Set([...named.rows, ...timed.rows].map(({ id }) => id))
  if (ids.size > maxObjects) tooMuch(`${maxObjects} ${type}s`)
  return [...ids]
}

/** Throws unprocessable. */
export function tooMuch(limit: string): never {
  throw new CallwardError(
    'unprocessable',
    `A bundle holds at most ${limit}: ask for a shorter period, or for the incident itself.`,
  )
}
