import { leafHash } from '../../server/ledger/merkle.ts'
import type { Bundle, Row } from '../../verifier/bundle.ts'
import { type Door, type DoorRow, insertRow, once } from './door.ts'
import {
  changeRow,
  deleteRow,
  insertCopy,
  randomRow,
  type ShownRow,
  swapColumn,
  touchesOfRow,
} from './row-edits.ts'

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

/** Where somebody edits: the ledger's entries are `[3, size)`, those before are the log's own. */
export interface Ground {
  readonly door: Door
  /** Rows by table, as the untouched bundle shows them: a table it has is edited. */
  readonly shown: Bundle['tables'] & Readonly<Record<string, readonly Row[]>>
  readonly size: number
  readonly draw: Draw
  /** Entries and objects that other edits of the same bundle are about. */
  readonly touched: ReadonlySet<string>
}

type EntryEdit = (ground: Ground, entry: Entry) => Promise<Made>
type RowEdit = (ground: Ground, row: ShownRow) => Promise<Made | undefined>

/** A random entry and what it is about. */
interface Entry {
  readonly number: number
  readonly row: DoorRow
  /** The object it is about, and the incident it names. */
  readonly about: readonly string[]
}

/** Makes one random edit, of an entry or of a row: which one, which kind, which column. */
export async function randomEdit(ground: Ground): Promise<Edited> {
  const { draw } = ground
  for (;;) {
    const kind = editKinds[draw(editKinds.length)]!
    if (draw(2) === 0) {
      const entry = await randomEntry(ground)
      const choices = entryEdits[kind]
      const made = await choices[draw(choices.length)]!(ground, entry)
      const touches = [`entry ${entry.number}`, ...entry.about, ...(made.also ?? [])]
      return { ...made, touches }
    }
    const row = randomRow(ground)
    const made = await rowEdits[kind](ground, row)
    // Not every row has another that differs.
    if (made !== undefined)
      return { ...made, touches: [...touchesOfRow(row), ...(made.also ?? [])] }
  }
}

const entryEdits: Readonly<Record<EditKind, readonly EntryEdit[]>> = {
  change: [changeText, changeTextAndLeaf, changeColumn],
  delete: [deleteEntry],
  insert: [insertEntry],
  swap: [swapTexts, swapPlaces],
}
const rowEdits: Readonly<Record<EditKind, RowEdit>> = {
  change: changeRow,
  delete: deleteRow,
  insert: insertCopy,
  swap: swapColumn,
}

/** Before it are the log's own entries, and the time limits that every deadline rests on. */
const first = 3

async function randomEntry(ground: Ground): Promise<Entry> {
  for (;;) {
    const number = first + ground.draw(ground.size - first)
    if (!ground.touched.has(`entry ${number}`)) return entryAt(ground, number)
  }
}

async function entryAt({ door }: Ground, number: number): Promise<Entry> {
  const [row] = await door.all('select * from ledger_entries where number = ?', [number])
  if (row === undefined) throw new Error(`BUG: no entry ${number}`)
  const { content, object } = JSON.parse(String(row['entry'])) as {
    content: Record<string, unknown>
    object: { id: string }
  }
  const { incident } = content
  const named = incident === undefined ? [] : [`incident ${String(incident)}`]
  return { number, row, about: [object.id, ...named] }
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

function changeText(ground: Ground, entry: Entry): Promise<Made> {
  const text = spoiled(String(entry.row['entry']), ground.draw)
  return setEntry(ground, entry, { entry: text }, 'text')
}

/** The text and its leaf together: only the tree still knows. */
function changeTextAndLeaf(ground: Ground, entry: Entry): Promise<Made> {
  const text = String(entry.row['entry']).replace(/"actor":"[^"]*"/, '"actor":"mallory"')
  return setEntry(ground, entry, { entry: text, leaf: leafOf(text) }, 'text and leaf')
}

async function changeColumn(ground: Ground, entry: Entry): Promise<Made> {
  const { row } = entry
  const isHidden = row['opening'] !== null
  if (!isHidden || ground.draw(2) === 0)
    return setEntry(ground, entry, { leaf: leafOf('another') }, 'leaf')
  const opening = JSON.parse(String(row['opening'])) as Record<string, { value: string }>
  for (const field of Object.values(opening)) field.value = `${field.value} `
  return setEntry(ground, entry, { opening: JSON.stringify(opening) }, 'opening')
}

async function deleteEntry({ door }: Ground, { number, row }: Entry): Promise<Made> {
  await once(door, 'delete from ledger_entries where number = ?', [number])
  return {
    ...{ kind: 'delete', what: `entry ${number}`, named: entryNamed(number) },
    undo: () => insertRow(door, 'ledger_entries', row),
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

/** Another entry, not far away. */
async function neighbour(ground: Ground, { number }: Entry): Promise<Entry> {
  for (;;) {
    const far = 1 + ground.draw(Math.min(500, ground.size - first - 1))
    const other = first + ((number - first + far) % (ground.size - first))
    if (!ground.touched.has(`entry ${other}`)) return entryAt(ground, other)
  }
}

async function swapTexts(ground: Ground, entry: Entry): Promise<Made> {
  const second = await neighbour(ground, entry)
  const set = (one: Entry, of: Entry) =>
    setEntry(ground, one, { entry: of.row['entry']!, leaf: of.row['leaf']! }, 'swapped')
  const [a, b] = [await set(entry, second), await set(second, entry)]
  return {
    ...{ kind: 'swap', what: `texts of ${entry.number} and ${second.number}`, named: a.named },
    also: [`entry ${second.number}`, ...second.about],
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
    also: [`entry ${second.number}`, ...second.about],
    undo: swap,
  }
}
