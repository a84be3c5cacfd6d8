import { leafHash } from '../../server/ledger/merkle.ts'
import { type Door, type DoorRow, insertRow, type Value } from './door.ts'

/** One edit that was made. */
export interface Made {
  readonly kind: EditKind
  /** For the table of what was missed. */
  readonly what: string
  /** What a fault must say. */
  readonly named: RegExp
  /** What it is about beside its entry. */
  readonly also?: readonly string[]
  /** Every entry after it is out of its place as well: nothing else can be told apart. */
  readonly isAlone?: boolean
  undo(): Promise<unknown>
}

/** An edit, and the entries and objects it is about. */
export type Edited = Made & { readonly touches: readonly string[] }

export const editKinds = ['change', 'delete', 'insert', 'swap'] as const
export type EditKind = (typeof editKinds)[number]

/** A number below `below`. */
export type Draw = (below: number) => number

/** Where somebody edits: the ledger's entries are `[2, size)`, those before are the log's own. */
export interface Ground {
  readonly door: Door
  readonly size: number
  readonly draw: Draw
}

type Edit = (ground: Ground, entry: Entry) => Promise<Made | undefined>

/** A random entry and what it is about. */
interface Entry {
  readonly number: number
  readonly row: DoorRow
  readonly action: string
  readonly content: Readonly<Record<string, unknown>>
  readonly objectId: string
}

/** Makes one random edit: which entry, which kind, which table and column. */
export async function randomEdit(ground: Ground): Promise<Edited> {
  const { draw, size } = ground
  for (;;) {
    const entry = await entryAt(ground, 2 + draw(size - 2))
    const kind = editKinds[draw(editKinds.length)]!
    const choices = edits[kind]
    const made = await choices[draw(choices.length)]!(ground, entry)
    // Not every entry has a row, or a neighbour that differs.
    if (made !== undefined)
      return { ...made, touches: [`entry ${entry.number}`, entry.objectId, ...(made.also ?? [])] }
  }
}

const edits: Readonly<Record<EditKind, readonly Edit[]>> = {
  change: [changeText, changeTextAndLeaf, changeColumn, changeRow, changeRow],
  delete: [deleteEntry, deleteRow],
  insert: [insertEntry, insertFact, insertAlert, insertLink],
  swap: [swapTexts, swapPlaces, swapFacts],
}

async function entryAt({ door }: Ground, number: number): Promise<Entry> {
  const [row] = await door.all('select * from ledger_entries where number = ?', [number])
  if (row === undefined) throw new Error(`BUG: no entry ${number}`)
  const { action, content, object } = JSON.parse(String(row['entry'])) as {
    action: string
    content: Record<string, unknown>
    object: { id: string }
  }
  return { number, row, action, content, objectId: object.id }
}

const entryNamed = (number: number) => new RegExp(`entry ${number}\\b`)
const leafOf = (entry: string) => leafHash(entry).toString('base64')

/** Another letter or digit somewhere in a text. */
function spoiled(text: string, draw: Draw): string {
  const places = [...text.matchAll(/[a-z0-9]/g)].map(({ index }) => index)
  const at = places[draw(places.length)] ?? 0
  const other = /\d/.test(text[at] ?? '') ? '7' : 'q'
  const swapped = text[at] === other ? (other === '7' ? '3' : 'z') : other
  return `${text.slice(0, at)}${swapped}${text.slice(at + 1)}`
}

async function setEntry(
  { door }: Ground,
  { number, row }: Entry,
  set: DoorRow,
  what: string,
): Promise<Made> {
  const columns = Object.keys(set)
  const text = `update ledger_entries set ${columns.map((name) => `${name} = ?`).join(', ')} where number = ?`
  await once(door, text, [...Object.values(set), number])
  return {
    kind: 'change',
    what: `entry ${number}: ${what}`,
    named: entryNamed(number),
    undo: () => once(door, text, [...columns.map((name) => row[name] ?? null), number]),
  }
}

async function once(door: Door, sql: string, parameters: readonly Value[]): Promise<void> {
  const changed = await door.run(sql, parameters)
  if (changed !== 1) throw new Error(`BUG: ${changed} rows changed by ${sql}`)
}

function changeText(ground: Ground, entry: Entry): Promise<Made> {
  const text = spoiled(String(entry.row['entry']), ground.draw)
  return setEntry(ground, entry, { entry: text }, 'text')
}

/** The text and its leaf together: only the tree still knows. */
function changeTextAndLeaf(ground: Ground, entry: Entry): Promise<Made> {
  const text = String(entry.row['entry']).replace(/"actor":"[^"]*"/, '"actor":"mallory"')
  return setEntry(ground, entry, { entry: text, leaf: leafOf(text) }, 'text and leaf')
}

async function changeColumn(ground: Ground, entry: Entry): Promise<Made | undefined> {
  const { row } = entry
  const isHidden = row['opening'] !== null
  if (!isHidden || ground.draw(2) === 0)
    return setEntry(ground, entry, { leaf: leafOf('another') }, 'leaf')
  const opening = JSON.parse(String(row['opening'])) as Record<string, { value: string }>
  for (const field of Object.values(opening)) field.value = `${field.value} `
  return setEntry(ground, entry, { opening: JSON.stringify(opening) }, 'opening')
}

/** The table that an entry is about, and which of its rows. */
function rowOf({ action, content, objectId }: Entry) {
  if (action === 'incident.fact') return { table: 'incident_facts', id: String(content['fact']) }
  if (action === 'incident.state') return { table: 'incidents', id: objectId }
  return action.startsWith('alert.') ? { table: 'alerts', id: objectId } : undefined
}

const columns: Readonly<Record<string, readonly string[]>> = {
  incidents: [
    ...['number', 'title', 'severity', 'state', 'join_key', 'server', 'runbook_hash'],
    ...['opened_at', 'acknowledged_at', 'acknowledged_by', 'resolved_at'],
  ],
  incident_facts: [
    ...['sequence', 'kind', 'value', 'certainty', 'occurred_at', 'recorded_at', 'recorded_by'],
    ...['supersedes', 'incident_id'],
  ],
  alerts: [
    ...['fingerprint', 'rule', 'severity', 'instance', 'labels', 'state', 'fired_at'],
    ...['resolved_at', 'acknowledged_at', 'acknowledged_by'],
  ],
}

async function rowNamed(door: Door, table: string, id: string) {
  const [row] = await door.all(`select * from ${table} where id = ?`, [id])
  if (row === undefined) throw new Error(`BUG: no ${table} ${id}`)
  const name = table === 'incidents' ? `incident ${String(row['number'])}\\b` : id
  return { row, named: new RegExp(name) }
}

async function changeRow({ door, draw }: Ground, entry: Entry): Promise<Made | undefined> {
  const about = rowOf(entry)
  if (about === undefined) return undefined
  const { table, id } = about
  const { row, named } = await rowNamed(door, table, id)
  const column = columns[table]![draw(columns[table]!.length)]!
  const text = `update ${table} set ${column} = ? where id = ?`
  await once(door, text, [other(row[column] ?? null, column), id])
  // A fact that went to another incident is missing in its own: its entry is named.
  const said = column === 'incident_id' ? entryNamed(entry.number) : named
  return {
    ...{ kind: 'change', what: `${table} ${id}: ${column}`, named: said },
    undo: () => once(door, text, [row[column] ?? null, id]),
  }
}

/** Numbers stay small and free, times move by two hours. */
function other(value: Value, column: string): Value {
  if (value === null) return column.endsWith('_at') ? 1_700_000_000_000 : 'x'
  if (typeof value === 'number') return value > 1e12 ? value - 7_200_000 : value + 1_000_000
  const text = String(value)
  return text.startsWith('{') ? text.replace(/[a-z](?=[^a-z]*$)/, '~') : `${text}~`
}

async function deleteEntry({ door }: Ground, { number, row }: Entry): Promise<Made> {
  await once(door, 'delete from ledger_entries where number = ?', [number])
  return {
    ...{ kind: 'delete', what: `entry ${number}`, named: entryNamed(number) },
    undo: () => insertRow(door, 'ledger_entries', row),
  }
}

async function deleteRow({ door }: Ground, entry: Entry): Promise<Made | undefined> {
  const about = rowOf(entry)
  if (about === undefined) return undefined
  const { table, id } = about
  const { row, named } = await rowNamed(door, table, id)
  await once(door, `delete from ${table} where id = ?`, [id])
  // A missing fact is named by its entry.
  const said = table === 'incident_facts' ? entryNamed(entry.number) : named
  return {
    ...{ kind: 'delete', what: `${table} ${id}`, named: said },
    undo: () => insertRow(door, table, row),
  }
}

/** Between two others, its leaf true; all after it move on by one. The copy of an entry says the same a second time. */
async function insertEntry({ door, size }: Ground, { number, row }: Entry): Promise<Made> {
  await shift(door, number, 1, size)
  const text = String(row['entry']).replace(/"actor":"[^"]*"/, '"actor":"mallory"')
  await insertRow(door, 'ledger_entries', { ...row, entry: text, leaf: leafOf(text) })
  return {
    ...{ kind: 'insert', what: `entry before ${number}`, named: entryNamed(number) },
    isAlone: true,
    async undo() {
      // What the hub itself has added meanwhile is in the way.
      await door.run('delete from ledger_entries where number > ?', [size])
      await once(door, 'delete from ledger_entries where number = ?', [number])
      await shift(door, number + 1, -1, size + 1)
    },
  }
}

/** By way of numbers that nobody has, since each must be there once. */
async function shift(door: Door, from: number, by: number, below: number): Promise<void> {
  const away = 'update ledger_entries set number = -1 - number where number >= ? and number < ?'
  await door.run(away, [from, below])
  await door.run('update ledger_entries set number = -1 - number + ? where number < 0', [by])
}

async function insertFact({ door }: Ground, entry: Entry): Promise<Made | undefined> {
  if (entry.action !== 'incident.fact') return undefined
  const { row } = await rowNamed(door, 'incident_facts', String(entry.content['fact']))
  const id = `${String(row['id']).slice(0, -4)}beef`
  await insertRow(door, 'incident_facts', { ...row, id, sequence: 99, recorded_by: 'mallory' })
  return {
    ...{ kind: 'insert', what: `incident_facts ${id}`, named: new RegExp(id) },
    undo: () => once(door, 'delete from incident_facts where id = ?', [id]),
  }
}

/** An alert that nobody heard of. */
async function insertAlert({ door }: Ground, entry: Entry): Promise<Made | undefined> {
  if (!entry.action.startsWith('alert.')) return undefined
  const { row } = await rowNamed(door, 'alerts', entry.objectId)
  const id = `${entry.objectId}-beef`
  await insertRow(door, 'alerts', { ...row, id })
  return {
    ...{ kind: 'insert', what: `alerts ${id}`, named: new RegExp(id) },
    undo: () => once(door, 'delete from alerts where id = ?', [id]),
  }
}

/** An alert of another incident joins this one. */
async function insertLink({ door }: Ground, entry: Entry): Promise<Made | undefined> {
  if (entry.action !== 'incident.state') return undefined
  const others = 'select * from incident_alerts where incident_id <> ? order by joined_at limit 1'
  const [row] = await door.all(others, [entry.objectId])
  if (row === undefined) return undefined
  await insertRow(door, 'incident_alerts', { ...row, incident_id: entry.objectId })
  const number = String(entry.content['number'])
  const where = 'where incident_id = ? and alert_id = ?'
  return {
    ...{ kind: 'insert', what: `incident_alerts of incident ${number}` },
    named: new RegExp(`incident_alerts: alert ${String(row['alert_id'])} .*incident ${number}\\b`),
    undo: () =>
      once(door, `delete from incident_alerts ${where}`, [entry.objectId, row['alert_id'] ?? null]),
  }
}

/** Another entry, not far away. */
async function neighbour(ground: Ground, { number }: Entry): Promise<Entry> {
  const far = 1 + ground.draw(Math.min(500, ground.size - 3))
  return entryAt(ground, 2 + ((number - 2 + far) % (ground.size - 2)))
}

async function swapTexts(ground: Ground, entry: Entry): Promise<Made> {
  const second = await neighbour(ground, entry)
  const set = (one: Entry, of: Entry) =>
    setEntry(ground, one, { entry: of.row['entry']!, leaf: of.row['leaf']! }, 'swapped')
  const [a, b] = [await set(entry, second), await set(second, entry)]
  return {
    ...{ kind: 'swap', what: `texts of ${entry.number} and ${second.number}`, named: a.named },
    also: [`entry ${second.number}`],
    undo: async () => [await a.undo(), await b.undo()],
  }
}

/** Whole rows change places, with all they have. */
async function swapPlaces(ground: Ground, entry: Entry): Promise<Made> {
  const { door } = ground
  const second = await neighbour(ground, entry)
  const move = (from: number, to: number) =>
    once(door, 'update ledger_entries set number = ? where number = ?', [to, from])
  const swap = async () => {
    await move(entry.number, -1)
    await move(second.number, entry.number)
    await move(-1, second.number)
  }
  await swap()
  return {
    kind: 'swap',
    what: `entries ${entry.number} and ${second.number}`,
    named: entryNamed(entry.number),
    also: [`entry ${second.number}`],
    undo: swap,
  }
}

/** Two facts exchange what they say; the incident's other facts stay. */
async function swapFacts(ground: Ground, entry: Entry): Promise<Made | undefined> {
  const { door, draw } = ground
  const second = await neighbour(ground, entry)
  if (entry.action !== 'incident.fact' || second.action !== 'incident.fact') return undefined
  const [a, b] = [rowOf(entry)!.id, rowOf(second)!.id]
  const column = ['value', 'recorded_by', 'kind', 'occurred_at'][draw(4)]!
  const [first, other] = [
    (await rowNamed(door, 'incident_facts', a)).row[column] ?? null,
    (await rowNamed(door, 'incident_facts', b)).row[column] ?? null,
  ]
  if (first === other) return undefined
  const text = `update incident_facts set ${column} = ? where id = ?`
  const set = async (ofA: Value, ofB: Value) => {
    await once(door, text, [ofA, a])
    await once(door, text, [ofB, b])
  }
  await set(other, first)
  return {
    ...{ kind: 'swap', what: `incident_facts ${a} and ${b}: ${column}`, named: new RegExp(a) },
    also: [`entry ${second.number}`, second.objectId],
    undo: () => set(first, other),
  }
}
