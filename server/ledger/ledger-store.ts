import { CompiledQuery, type Kysely } from 'kysely'
import type { Millis } from '../clock.ts'
import { later, type Records, type RecordsTransaction } from '../records/records.ts'
import type { LedgerEpochRow, RecordsSchema } from '../records/schema.ts'
import type { LedgerEntry, SealedEntry } from './entry.ts'
import type { Hash } from './merkle.ts'
import type { Tile, TileReader } from './tiles.ts'

/** Where rows are read: in a transaction, or past it. */
export type Database = Kysely<RecordsSchema>

/** An entry with its place. */
export interface StoredEntry {
  readonly number: number
  readonly entry: string
  readonly leaf: string
  readonly opening: string | null
}

const columns = 'number, recorded_at, object_type, object_id, entry, leaf, opening'

/**
 * Entries are numbered without gaps: writers are serial on both databases. The number is also above every place of the tree, so
 * that a deleted last entry leaves a hole and is not written over.
 */
function insertText(kind: Records['kind']): string {
  const largest = kind === 'sqlite' ? 'max' : 'greatest'
  const next = `${largest}((select coalesce(max(number), -1) + 1 from ledger_entries), (select coalesce(max(first_number + size), 0) from ledger_epochs))`
  const places = [1, 2, 3, 4, 5, 6].map((n) => (kind === 'sqlite' ? '?' : `$${n}`)).join(', ')
  return `insert into ledger_entries (${columns}) values (${next}, ${places})`
}

const insertTexts = { sqlite: insertText('sqlite'), postgres: insertText('postgres') } as const

/** Adds an entry at the end, in the caller's transaction: one statement that is not waited for. */
export async function insertEntry(
  tx: RecordsTransaction,
  kind: Records['kind'],
  sealed: SealedEntry,
): Promise<void> {
  const { recordedAt, objectType, objectId, entry, leaf, opening } = sealed
  const values = [recordedAt, objectType, objectId, entry, leaf, opening]
  await later(tx, CompiledQuery.raw(insertTexts[kind], values))
}

/** The epoch that entries go to; undefined before the first start. */
export async function currentEpoch(database: Database): Promise<LedgerEpochRow | undefined> {
  return database
    .selectFrom('ledger_epochs')
    .selectAll()
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** Number after the last entry's. */
export async function nextNumber(database: Database): Promise<number> {
  const row = await database
    .selectFrom('ledger_entries')
    .select((s) => s.fn.max('number').as('last'))
    .executeTakeFirst()
  return row?.last === null || row?.last === undefined ? 0 : Number(row.last) + 1
}

/** When the oldest entry from `number` on was recorded. */
export async function recordedAtFrom(
  database: Database,
  number: number,
): Promise<Millis | undefined> {
  const row = await database
    .selectFrom('ledger_entries')
    .select('recorded_at')
    .where('number', '>=', number)
    .orderBy('number')
    .limit(1)
    .executeTakeFirst()
  return row?.recorded_at
}

/** Leaves of the entries from `number` on, at most `limit`; a gap ends them. */
export async function leavesFrom(
  database: Database,
  number: number,
  limit: number,
): Promise<{ readonly leaves: Hash[]; readonly gapAt: number | undefined }> {
  const rows = await database
    .selectFrom('ledger_entries')
    .select(['number', 'leaf'])
    .where('number', '>=', number)
    .orderBy('number')
    .limit(limit)
    .execute()
  const gap = rows.findIndex((row, index) => row.number !== number + index)
  const dense = gap < 0 ? rows : rows.slice(0, gap)
  return {
    leaves: dense.map(({ leaf }) => Buffer.from(leaf, 'base64')),
    gapAt: gap < 0 ? undefined : number + gap,
  }
}

/** Tiles of an epoch's tree. */
export function tileReader(database: Database, epoch: number): TileReader {
  return async ({ level, index }) => {
    const row = await database
      .selectFrom('ledger_tiles')
      .select('hashes')
      .where('epoch', '=', epoch)
      .where('level', '=', level)
      .where('tile', '=', index)
      .executeTakeFirst()
    return row === undefined ? undefined : Buffer.from(row.hashes, 'base64')
  }
}

/** Keeps tiles that are new or longer than before, and the tree's new size. */
export async function saveGrowth(
  tx: RecordsTransaction,
  epoch: number,
  tiles: readonly Tile[],
  size: number,
): Promise<void> {
  for (const { level, index, hashes } of tiles) {
    const text = hashes.toString('base64')
    await tx
      .insertInto('ledger_tiles')
      .values({ epoch, level, tile: index, hashes: text })
      .onConflict((conflict) =>
        conflict.columns(['epoch', 'level', 'tile']).doUpdateSet({ hashes: text }),
      )
      .execute()
  }
  await tx.updateTable('ledger_epochs').set({ size }).where('number', '=', epoch).execute()
}

/** The newest checkpoint of an epoch. */
export async function lastCheckpoint(database: Database, epoch: number) {
  return database
    .selectFrom('ledger_checkpoints')
    .selectAll()
    .where('epoch', '=', epoch)
    .orderBy('size', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** Entries of an epoch by place, at most `limit`. */
export async function entriesFrom(
  database: Database,
  query: {
    readonly from: number
    readonly below: number
    readonly limit: number
    readonly object?: { readonly type: string; readonly id: string | undefined } | undefined
  },
): Promise<StoredEntry[]> {
  let select = database
    .selectFrom('ledger_entries')
    .select(['number', 'entry', 'leaf', 'opening'])
    .where('number', '>=', query.from)
    .where('number', '<', query.below)
  if (query.object !== undefined) {
    const { type, id } = query.object
    select = select.where('object_type', '=', type)
    if (id !== undefined) select = select.where('object_id', '=', id)
  }
  return select.orderBy('number').limit(query.limit).execute()
}

/** What is erased of entries. */
export interface Erased {
  readonly object: { readonly type: string; readonly id: string }
  readonly action: string
  /** Fields of the content that name the entries, as `{ fact: id }`. */
  readonly of: Readonly<Record<string, string>>
  /** Names of sensitive texts. */
  readonly fields: readonly string[]
}

/** Deletes salts and texts behind hashes; gives the leaves of the entries that lost some. */
export async function eraseOpenings(
  tx: RecordsTransaction,
  { object, action, of, fields }: Erased,
): Promise<string[]> {
  const rows = await tx
    .selectFrom('ledger_entries')
    .select(['number', 'entry', 'leaf', 'opening'])
    .where('object_type', '=', object.type)
    .where('object_id', '=', object.id)
    .where('opening', 'is not', null)
    .orderBy('number')
    .execute()
  const leaves: string[] = []
  for (const { number, entry, leaf, opening } of rows) {
    const told = JSON.parse(entry) as { action: string; content: Record<string, unknown> }
    const isMeant =
      told.action === action &&
      Object.entries(of).every(([name, value]) => told.content[name] === value)
    const kept = Object.entries(JSON.parse(opening ?? '{}') as object)
    const left = kept.filter(([field]) => !fields.includes(field))
    if (!isMeant || left.length === kept.length) continue
    await tx
      .updateTable('ledger_entries')
      .set({ opening: left.length === 0 ? null : JSON.stringify(Object.fromEntries(left)) })
      .where('number', '=', number)
      .execute()
    leaves.push(leaf)
  }
  return leaves
}

/** Whether an entry of a log is about an object. */
export async function isKnown(
  tx: RecordsTransaction,
  { first_number }: LedgerEpochRow,
  { type, id }: LedgerEntry['object'],
): Promise<boolean> {
  const row = await tx
    .selectFrom('ledger_entries')
    .select('number')
    .where('object_type', '=', type)
    .where('object_id', '=', id)
    .where('number', '>=', first_number)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}
