import { sql } from 'kysely'
import { type Clock, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { LedgerEpochRow } from '../records/schema.ts'
import { evidenceNamed, filesOf } from './bundle-files.ts'
import { boundsOf, rangeOf } from './bundle-range.ts'
import { type BundleRows, bundleRows, type RowsOf, tooMuch } from './bundle-rows.ts'
import { publishedStates } from './bundle-states.ts'
import { readCheckpoint } from './checkpoint.ts'
import {
  type Database,
  entriesFrom,
  lastCheckpoint,
  nextNumber,
  type StoredEntry,
  tileReader,
} from './ledger-store.ts'
import {
  consistencyRanges,
  type Hash,
  inclusionRanges,
  outsideRanges,
  type Range,
} from './merkle.ts'
import type { LedgerInside } from './plugin.ts'
import { rangeHashes, TreeBroken } from './tiles.ts'
import { cosignatureLines } from './witness-store.ts'

/** What somebody asks to have proven. */
export type Asked =
  | { readonly kind: 'incident'; readonly number: number; readonly id: string }
  | { readonly kind: 'period'; readonly from: number; readonly to: number }

/** Everything of a bundle but the entries of its range, which are read while it is sent. */
export interface BundlePlan {
  readonly epoch: LedgerEpochRow
  readonly range: Range
  readonly rows: BundleRows
  /** Attached files by their SHA-256: where they lie. */
  readonly files: ReadonlyMap<string, string>
  /** Entries outside the range. */
  readonly single: readonly StoredEntry[]
  /** Every member but the entries and what they disclose. */
  readonly documents: readonly { readonly name: string; readonly value: string }[]
}

/** Entries and their disclosures, in bytes. */
const maxBundleBytes = 512 * 1024 * 1024
const snapshotTries = 3
/** A freeze as it commonly is. */
const evidenceBytes = 32 * 1024
const maxErasures = 2000
const idsPerQuery = 500

/** What a bundle is made from. */
export interface BundleSource {
  readonly records: Records
  readonly ledger: LedgerInside
  readonly clock: Clock
  /** Folder of attached files, each named by its SHA-256. */
  readonly attachments: string
}

/** Notes the reading in the ledger, fixes rows, range and checkpoint, and proves them. Throws bad_request, not_found, conflict, unprocessable. */
export async function planBundle(
  source: BundleSource,
  asked: Asked,
  by: { readonly name: string; readonly role: string },
  since: number | undefined,
): Promise<BundlePlan> {
  const { ledger, records, clock } = source
  const id = uuid(clock.now())
  await records.write((tx) => noteBundle(ledger, tx, id, asked, by, clock.now()))
  const { rows, asOf } = await snapshot(source, asked)
  const { epoch, note, inconsistency } = await newestCheckpoint(source)
  const size = readCheckpoint(note)?.size ?? 0
  const own = await numberOfBundle(records.read, id)
  const cosigned = await cosignatureLines(records.read, epoch.number, [size])
  const range = await rangeOf(records.read, epoch, size, asked, rows)
  const files = filesOf(rows, source.attachments)
  await requireBytes(records.read, epoch, range, rows)
  const erasures = await erasuresOf(records.read, epoch, rows)
  const limits = await timeLimitsOf(records.read, epoch)
  const singles = [
    ...new Set([
      0,
      ...(own === undefined ? [] : [own - epoch.first_number]),
      ...erasures,
      ...limits,
    ]),
  ].filter((index) => index < size && (index < range.begin || index >= range.end))
  try {
    const single = await entriesAt(records.read, epoch, singles)
    const proofs = await proofsOf(records.read, epoch, size, range, single, since)
    const manifest = {
      format: 'callward-evidence',
      version: 1,
      origin: epoch.origin,
      epoch: Number(epoch.number),
      asked:
        asked.kind === 'incident'
          ? asked
          : { kind: 'period', from: rfc3339(asked.from), to: rfc3339(asked.to) },
      range: { from: range.begin, to: range.end },
      asOf: asOf - epoch.first_number,
      size,
      madeAt: rfc3339(clock.now()),
      inconsistency,
      counts: Object.fromEntries(
        Object.entries(rows.tables).map(([name, { length }]) => [name, length]),
      ),
    }
    const documents = [
      { name: 'manifest.json', value: manifest },
      { name: 'proofs.json', value: proofs },
      { name: 'states.json', value: publishedStates },
    ].map(({ name, value }) => ({ name, value: JSON.stringify(value) }))
    return {
      epoch,
      range,
      rows,
      files,
      single,
      documents: [
        ...documents,
        { name: 'checkpoint.txt', value: `${note}${cosigned.get(size) ?? ''}` },
      ],
    }
  } catch (error) {
    if (!(error instanceof TreeBroken)) throw error
    throw new CallwardError('conflict', `Nothing can be proven: ${error.message}`)
  }
}

function noteBundle(
  ledger: LedgerInside,
  tx: RecordsTransaction,
  id: string,
  asked: Asked,
  by: { readonly name: string; readonly role: string },
  now: number,
): Promise<void> {
  const { kind } = asked
  const content =
    kind === 'incident'
      ? { kind, incident: asked.number, role: by.role }
      : { kind, from: rfc3339(asked.from), to: rfc3339(asked.to), role: by.role }
  const object = { type: 'bundle', id }
  return ledger.append(tx, {
    ...{ action: 'ledger.bundle', object, actor: by.name, occurredAt: now, content },
  })
}

/**
 * Rows as they stood at one entry: read past the writers, and again where an incident, alert or page changed meanwhile; at
 * last inside a write transaction, which nobody can get in between.
 */
async function snapshot({ records }: BundleSource, asked: Asked) {
  for (let tries = 0; tries < snapshotTries; tries++) {
    const asOf = await nextNumber(records.read)
    const rows = await bundleRows(records.read, rowsOf(asked, await boundsOf(records.read, asked)))
    const after = await nextNumber(records.read)
    if (after === asOf || !(await isTouched(records.read, asOf))) return { rows, asOf }
  }
  return records.write(async (tx) => ({
    rows: await bundleRows(tx, rowsOf(asked, await boundsOf(tx, asked))),
    asOf: await nextNumber(tx),
  }))
}

async function isTouched(read: Database, from: number): Promise<boolean> {
  const row = await read
    .selectFrom('ledger_entries')
    .select('number')
    .where('number', '>=', from)
    .where('object_type', 'in', ['incident', 'alert', 'page', 'notice', 'hold', 'time-limits'])
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

function rowsOf(asked: Asked, bounds: Range): RowsOf {
  return asked.kind === 'incident'
    ? { kind: 'incident', id: asked.id }
    : { ...asked, first: bounds.begin, below: bounds.end }
}

/** The newest checkpoint; the last one that was signed, and why, where none may be signed any more. */
async function newestCheckpoint({ ledger, records }: BundleSource) {
  const made = await ledger.sequencer.checkpoint()
  const epoch = await ledger.log.epoch()
  if (made.kind === 'checkpoint') return { epoch, note: made.note, inconsistency: null }
  const last = await lastCheckpoint(records.read, epoch.number)
  if (last === undefined)
    throw new CallwardError('conflict', `No checkpoint is signed: ${made.reason}`)
  return { epoch, note: last.note, inconsistency: made.reason }
}

async function numberOfBundle(read: Database, id: string): Promise<number | undefined> {
  const row = await read
    .selectFrom('ledger_entries')
    .select('number')
    .where('object_type', '=', 'bundle')
    .where('object_id', '=', id)
    .executeTakeFirst()
  return row === undefined ? undefined : Number(row.number)
}

async function requireBytes(
  read: Database,
  epoch: LedgerEpochRow,
  range: Range,
  { tables, objects }: BundleRows,
): Promise<void> {
  const attached = (tables['attachments'] ?? []).reduce(
    (sum, row) => sum + Number(row['sha256'] === '' ? 0 : row['bytes']),
    0,
  )
  const evidence = evidenceNamed({ tables, objects }).size * evidenceBytes
  const { bytes } = await read
    .selectFrom('ledger_entries')
    .select(sql<number | null>`sum(length(entry) + coalesce(length(opening), 0))`.as('bytes'))
    .where('number', '>=', epoch.first_number + range.begin)
    .where('number', '<', epoch.first_number + range.end)
    .executeTakeFirstOrThrow()
  if (Number(bytes ?? 0) + attached + evidence > maxBundleBytes) tooMuch(`${maxBundleBytes} bytes`)
}

/** Places of the entries that say what was erased of the incidents shown: later than a period, they explain its rows. */
async function erasuresOf(
  read: Database,
  { first_number }: LedgerEpochRow,
  { objects }: BundleRows,
): Promise<number[]> {
  const ids = [...objects.incident]
  const places: number[] = []
  for (let from = 0; from < ids.length; from += idsPerQuery) {
    const rows = await read
      .selectFrom('ledger_entries')
      .select('number')
      .where('object_type', '=', 'incident')
      .where('object_id', 'in', ids.slice(from, from + idsPerQuery))
      .where('entry', 'like', '{"action":"erasure.made",%')
      .where('number', '>=', first_number)
      .orderBy('number')
      .limit(maxErasures + 1)
      .execute()
    for (const { number } of rows) places.push(Number(number) - first_number)
  }
  if (places.length > maxErasures) tooMuch(`${maxErasures} erasures`)
  return places
}

/** Places of the entries that say which time limits came into force: deadlines rest on those of before, and of after. */
async function timeLimitsOf(read: Database, { first_number }: LedgerEpochRow): Promise<number[]> {
  const rows = await read
    .selectFrom('ledger_entries')
    .select('number')
    .where('object_type', '=', 'time-limits')
    .where('number', '>=', first_number)
    .orderBy('number')
    .execute()
  return rows.map(({ number }) => Number(number) - first_number)
}

async function entriesAt(
  read: Database,
  { first_number }: LedgerEpochRow,
  places: readonly number[],
): Promise<StoredEntry[]> {
  const found: StoredEntry[] = []
  for (const place of places) {
    const from = first_number + place
    found.push(...(await entriesFrom(read, { from, below: from + 1, limit: 1 })))
  }
  return found
}

async function proofsOf(
  read: Database,
  epoch: LedgerEpochRow,
  size: number,
  range: Range,
  singles: readonly StoredEntry[],
  since: number | undefined,
) {
  const hashOf = rangeHashes(tileReader(read, epoch.number))
  const hashes = async (ranges: readonly Range[]) => {
    const found: Hash[] = []
    for (const one of ranges) found.push(await hashOf(one))
    return found.map((hash) => hash.toString('base64'))
  }
  const single = []
  for (const row of singles) {
    const index = Number(row.number) - epoch.first_number
    const proof = await hashes(inclusionRanges(index, size))
    single.push({ index, entry: row.entry, leaf: row.leaf, proof })
  }
  const older = since === undefined || since > size ? undefined : since
  return {
    range: await hashes(outsideRanges(range, size)),
    single,
    since:
      older === undefined
        ? null
        : { size: older, proof: await hashes(consistencyRanges(older, size)) },
  }
}
