import { allowed, type Door, type DoorRow, insertRow, once, type Value } from './door.ts'
import type { Ground, Made } from './edits.ts'

/** Why somebody was not told is not ledgered; the report says so where it counts. */
const unledgered = new Set(['routing_holds'])

/** A row that the untouched bundle shows. */
export interface ShownRow {
  readonly table: string
  /** The columns that are shown. */
  readonly columns: readonly string[]
  readonly row: DoorRow
}

/** Any row of any table of which the bundle shows rows, and that is as it was. */
export function randomRow(ground: Ground): ShownRow {
  const { shown, draw } = ground
  const tables = Object.keys(shown).filter(
    (name) => !unledgered.has(name) && shown[name]!.length > 0,
  )
  for (;;) {
    const row = rowOf(ground, tables[draw(tables.length)]!)
    if (row !== undefined) return row
  }
}

/** Undefined where hardly any row of a table is as it was. */
function rowOf({ shown, draw, touched }: Ground, table: string): ShownRow | undefined {
  for (let tries = 0; tries < 1000; tries++) {
    const row = shown[table]![draw(shown[table]!.length)]! as DoorRow
    const one = { table, columns: Object.keys(row), row }
    if (!touchesOfRow(one).some((name) => touched.has(name))) return one
  }
  return undefined
}

/** Who has a part in many. */
const shared = new Set(['contact_point_id', 'principal_id'])

/** What an edit of a row must keep apart from others: it and all it belongs to. */
export function touchesOfRow({ table, row }: ShownRow): string[] {
  const ids = Object.keys(row).filter(
    (name) => /^(?:id|hash)$|_id$/.test(name) && !shared.has(name),
  )
  const number = table === 'incidents' ? [`incident ${String(row['number'])}`] : []
  return [...ids.map((name) => String(row[name])), ...number]
}

/** Columns that say which row it is. */
function keyOf({ columns }: ShownRow): readonly string[] {
  for (const name of ['id', 'hash', 'fact_id']) if (columns.includes(name)) return [name]
  return columns.filter((name) => /_id$|^regime$|^code$/.test(name))
}

function whereOf(shown: ShownRow, row: DoorRow) {
  const key = keyOf(shown)
  return {
    text: key.map((name) => `${name} = ?`).join(' and '),
    values: key.map((name) => row[name] ?? null),
  }
}

/** All columns, also those that no bundle shows. */
async function wholeRow(door: Door, shown: ShownRow): Promise<DoorRow> {
  const { text, values } = whereOf(shown, shown.row)
  const [row] = await door.all(`select * from ${shown.table} where ${text}`, values)
  if (row === undefined) throw new Error(`BUG: no ${shown.table} ${values}`)
  return row
}

/** How a fault names a row: its id or number, or the entry that tells of it. */
async function nameOf(door: Door, shown: ShownRow, row: DoorRow): Promise<RegExp> {
  const { table } = shown
  const own = String(row[keyOf(shown).at(-1)!])
  const names = [`${own}(?![\\w-])`]
  if (table === 'incidents' || table === 'pages')
    names.push(`${table.slice(0, -1)} ${String(row['number'])}\\b`)
  // A receiver that has no row any more is named by what it should have got.
  if (table === 'incident_notice_deliveries') names.push(String(row['notice_id']))
  const owner = row['incident_id'] ?? row['page_id'] ?? null
  if (('id' in row || 'fact_id' in row) && owner !== null) {
    const entries = await door.all(
      "select number from ledger_entries where object_type in ('incident', 'page') and object_id = ? and entry like ? and entry not like ?",
      [owner, `%"${own}"%`, `%"supersedes":"${own}"%`],
    )
    for (const { number } of entries) names.push(`entry ${String(number)}\\b`)
  }
  return new RegExp(names.join('|'))
}

async function setColumn(
  door: Door,
  shown: ShownRow,
  key: DoorRow,
  column: string,
  value: Value,
): Promise<void> {
  const { text, values } = whereOf(shown, key)
  await once(door, `update ${shown.table} set ${column} = ? where ${text}`, [value, ...values])
}

/** Every deadline rests on it: without it no other edit of one can be named. */
const alone = 'time_limits'

export async function changeRow({ door, draw }: Ground, shown: ShownRow): Promise<Made> {
  const { table, columns, row } = shown
  const column = columns[draw(columns.length)]!
  const value = other(row[column] ?? null, column)
  const named = await nameOf(door, shown, row)
  await setColumn(door, shown, row, column, value)
  return {
    ...{ kind: 'change', what: `${table} ${keyText(shown)}: ${column}`, named },
    isAlone: table === alone,
    undo: () => setColumn(door, shown, { ...row, [column]: value }, column, row[column] ?? null),
  }
}

function keyText(shown: ShownRow): string {
  return whereOf(shown, shown.row).values.join(' ')
}

/** Yes and no change places, other numbers stay free, times move by two hours. */
function other(value: Value, column: string): Value {
  if (value === null) return column.endsWith('_at') ? 1_700_000_000_000 : 'x'
  if (value === 0 || value === 1) return 1 - value
  if (typeof value === 'number') return value > 1e12 ? value - 7_200_000 : value + 1_000_000
  const text = String(value)
  return text.startsWith('{') ? text.replace(/[a-z](?=[^a-z]*$)/, '~') : `${text}~`
}

export async function deleteRow({ door }: Ground, shown: ShownRow): Promise<Made> {
  const { table } = shown
  const row = await wholeRow(door, shown)
  const named = await nameOf(door, shown, row)
  const { text, values } = whereOf(shown, row)
  await once(door, `delete from ${table} where ${text}`, values)
  return {
    ...{ kind: 'delete', what: `${table} ${keyText(shown)}`, named },
    isAlone: table === alone,
    undo: () => insertRow(door, table, row),
  }
}

/** A copy under another id; where ids belong to two others, what belongs to one of them joins the other. */
export async function insertCopy(ground: Ground, shown: ShownRow): Promise<Made | undefined> {
  const { door } = ground
  const { table } = shown
  // Bundles show those that entries name, and a further one is nothing to anybody.
  if (table === alone) return undefined
  const key = keyOf(shown).at(-1)!
  const whole = await wholeRow(door, shown)
  const stranger = rowOf(ground, table)?.row
  if (stranger === undefined) return undefined
  const value = key.endsWith('_id') ? stranger[key]! : `${String(whole[key]).slice(0, -4)}beef`
  const row = { ...whole, [key]: value }
  for (const name of ['number', 'sequence', 'version'])
    if (typeof row[name] === 'number') row[name] = Number(row[name]) + 1_000_000
  if (table === 'incident_notice_deliveries') row['key'] = `${String(row['key'])}beef`
  const { text, values } = whereOf(shown, row)
  const there = await door.all(`select 1 from ${table} where ${text}`, values)
  if (there.length > 0) return undefined
  if (!(await allowed(door, () => insertRow(door, table, row)))) return undefined
  return {
    ...{ kind: 'insert', what: `${table} ${values.join(' ')}` },
    named: await nameOf(door, shown, row),
    also: touchesOfRow({ ...shown, row }),
    undo: () => once(door, `delete from ${table} where ${text}`, values),
  }
}

/** When an alert was linked to its incident is checked to a minute: docs/verifier.md. */
const toAMinute = 60_000

/** Two rows of a table exchange what they say in one column. */
export async function swapColumn(ground: Ground, shown: ShownRow): Promise<Made | undefined> {
  const { door, draw } = ground
  const { table, row: a } = shown
  const b = rowOf(ground, table)?.row
  if (b === undefined) return undefined
  const free = shown.columns.filter((name) => !keyOf(shown).includes(name))
  const column = free[draw(free.length)]
  if (column === undefined || a[column] === b[column]) return undefined
  const [first, second] = [a[column] ?? null, b[column] ?? null]
  if (column === 'joined_at' && Math.abs(Number(first) - Number(second)) < toAMinute)
    return undefined
  const named = await nameOf(door, shown, a)
  const exchange = async (ofA: Value, ofB: Value) => {
    // Where each value may be there once only.
    await setColumn(door, shown, a, column, other(ofB, column))
    await setColumn(door, shown, b, column, ofB)
    await setColumn(door, shown, a, column, ofA)
  }
  if (!(await allowed(door, () => exchange(second, first)))) return undefined
  return {
    ...{ kind: 'swap', what: `${table} ${keyText(shown)}: ${column} with another row`, named },
    also: touchesOfRow({ ...shown, row: b }),
    undo: () => exchange(first, second),
  }
}
