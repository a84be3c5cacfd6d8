import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { sql } from 'kysely'
import { type Clock, rfc3339 } from '../clock.ts'
import { CallwardError } from '../errors.ts'
import { uuid } from '../ids.ts'
import type { Records, RecordsTransaction } from '../records/records.ts'
import type { LedgerEpochRow } from '../records/schema.ts'
import { type BundleRows, bundleRows, type RowsOf, tooMuch } from './bundle-rows.ts'
import { publishedStates } from './bundle-states.ts'
import { readCheckpoint } from './checkpoint.ts'
import {
  type Database,
  entriesFrom,
  lastCheckpoint,
  nextNumber,
  recordedAtFrom,
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
import { treeLeaves } from './tree-leaves.ts'
import { cosignatureLines } from './witness-store.ts'
import { ZipWriter } from './zip-writer.ts'

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

/** Entries of one bundle. */
export const maxBundleEntries = 250_000
/** An incident's bundle goes on to the newest entry while it stays below this. */
const maxTailEntries = 20_000
/** Entries and their disclosures, in bytes. */
const maxBundleBytes = 512 * 1024 * 1024
const entriesPerMember = 1000
const rowsPerMember = 5000
const snapshotTries = 3
const maxFiles = 2000
/** A freeze as it commonly is, and the most of one. */
const evidenceBytes = 32 * 1024
const maxEvidenceBytes = 4 * 1024 * 1024
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
  const singles = [
    ...new Set([0, ...(own === undefined ? [] : [own - epoch.first_number]), ...erasures]),
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

/** The bundle as it goes out: members of bounded size, one after the other. */
export async function* bundleBytes(read: Database, plan: BundlePlan): AsyncGenerator<Buffer> {
  const zip = new ZipWriter()
  for (const { name, value } of plan.documents) yield* zip.add(name, Buffer.from(value))
  for (const [name, rows] of Object.entries(plan.rows.tables))
    for (let part = 0; part * rowsPerMember < rows.length; part++) {
      const some = rows.slice(part * rowsPerMember, (part + 1) * rowsPerMember)
      yield* zip.add(memberName(`rows/${name}`, part), jsonLines(some))
    }
  for (const [hash, path] of plan.files) {
    const content = await readFile(path).catch(() => undefined)
    // A file that is gone is missed by the verifier, which names it.
    if (content !== undefined) yield* zip.add(`attachments/${hash}`, content)
  }
  for (const hash of evidenceNamed(plan.rows)) {
    const content = await evidenceOf(read, hash)
    if (content !== undefined) yield* zip.add(`evidence/${hash}`, content)
  }
  const { epoch, range } = plan
  const below = epoch.first_number + range.end
  let part = 0
  let from = epoch.first_number + range.begin
  while (from < below) {
    const entries = await entriesFrom(read, { from, below, limit: entriesPerMember })
    const last = entries.at(-1)
    if (last === undefined) break
    const leafAt = treeLeaves(read, epoch.number)
    const lines = await Promise.all(entries.map((one) => entryLine(plan, one, leafAt)))
    yield* zip.add(memberName('entries', part), jsonLines(lines))
    yield* zip.add(
      memberName('disclosures', part),
      jsonLines(entries.flatMap((one) => disclosureLine(plan, one))),
    )
    from = last.number + 1
    part++
  }
  if (plan.single.length > 0)
    yield* zip.add(
      memberName('disclosures', part),
      jsonLines(plan.single.flatMap((one) => disclosureLine(plan, one))),
    )
  yield* zip.end()
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
    .where('object_type', 'in', ['incident', 'alert', 'page'])
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

function rowsOf(asked: Asked, bounds: Range): RowsOf {
  return asked.kind === 'incident'
    ? { kind: 'incident', id: asked.id }
    : { ...asked, first: bounds.begin, below: bounds.end }
}

/** Numbers of the entries of a period, by the time they were recorded. */
async function boundsOf(database: Database, asked: Asked): Promise<Range> {
  const end = await nextNumber(database)
  if (asked.kind === 'incident') return { begin: 0, end }
  const [begin, stop] = [
    await firstSince(database, asked.from, end),
    await firstSince(database, asked.to, end),
  ]
  if (stop - begin > maxBundleEntries) tooMuch(`${maxBundleEntries} entries`)
  return { begin, end: stop }
}

/** The first number whose entry was recorded at `at` or later; entries are recorded in their order. */
async function firstSince(database: Database, at: number, end: number): Promise<number> {
  let [low, high] = [0, end]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const found = await recordedAtFrom(database, middle)
    if (found === undefined || Number(found) >= at) high = middle
    else low = middle + 1
  }
  return low
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

/** Places of the entries to show, without a gap: what is left out between two could be what matters. */
async function rangeOf(
  read: Database,
  { first_number, number }: LedgerEpochRow,
  size: number,
  asked: Asked,
  rows: BundleRows,
): Promise<Range> {
  const found =
    asked.kind === 'incident'
      ? await incidentRange(read, asked, rows, first_number + size)
      : widened(await boundsOf(read, asked), size + first_number)
  const [begin, end] = [Math.max(0, found.begin - first_number), found.end - first_number]
  if (found.begin < first_number && asked.kind === 'incident')
    throw new CallwardError(
      'unprocessable',
      `Incident ${asked.number} is in an earlier log than number ${number}; verify that one with: callward ledger verify --epoch ${number - 1}`,
    )
  if (end <= begin)
    throw new CallwardError('not_found', 'The ledger has no entry of that time in this log.')
  if (end - begin > maxBundleEntries) tooMuch(`${maxBundleEntries} entries`)
  return { begin, end: Math.min(end, size) }
}

/** One more on each side shows that none of the period is left out. */
function widened({ begin, end }: Range, below: number): Range {
  return { begin: Math.max(0, begin - 1), end: Math.min(below, end + 1) }
}

/** From the first entry about the incident and its pages to the newest of all, or to the last about them where that is too far. */
async function incidentRange(
  read: Database,
  asked: Extract<Asked, { kind: 'incident' }>,
  { objects }: BundleRows,
  below: number,
): Promise<Range> {
  let [begin, end] = [Number.POSITIVE_INFINITY, 0]
  for (const [type, ids] of Object.entries(objects))
    for (const id of ids) {
      const row = await read
        .selectFrom('ledger_entries')
        .select((is) => [is.fn.min('number').as('first'), is.fn.max('number').as('last')])
        .where('object_type', '=', type)
        .where('object_id', '=', id)
        .where('number', '<', below)
        .where('number', '>=', 0)
        .executeTakeFirst()
      if (row?.first === null || row === undefined) continue
      // What an alert did before has no place in the incident.
      if (type !== 'alert') begin = Math.min(begin, Number(row.first))
      end = Math.max(end, Number(row.last) + 1)
    }
  if (begin > below)
    throw new CallwardError('not_found', `The ledger has no entry of incident ${asked.number}.`)
  return { begin, end: below - begin <= maxTailEntries ? below : end }
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

/** Hashes of the evidence that the hub froze, as the facts shown name them. */
function evidenceNamed({ tables }: BundleRows): Set<string> {
  const hashes = new Set<string>()
  for (const { kind, value } of tables['incident_facts'] ?? []) {
    if (kind !== 'evidence') continue
    const { hash } = JSON.parse(String(value)) as { hash?: unknown }
    if (typeof hash === 'string' && /^[0-9a-f]{64}$/.test(hash)) hashes.add(hash)
  }
  return hashes
}

/** The JSON as it was frozen; nothing when it is gone, which the verifier then names. */
async function evidenceOf(read: Database, hash: string): Promise<Buffer | undefined> {
  const row = await read
    .selectFrom('incident_evidence')
    .select('body')
    .where('hash', '=', hash)
    .executeTakeFirst()
  if (row === undefined) return undefined
  try {
    return gunzipSync(Buffer.from(row.body, 'base64'), { maxOutputLength: maxEvidenceBytes })
  } catch {
    return undefined
  }
}

/** Files of the incidents that are shown; each once. */
function filesOf({ tables }: BundleRows, folder: string): Map<string, string> {
  const files = new Map<string, string>()
  for (const { sha256 } of tables['attachments'] ?? [])
    if (typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256))
      files.set(sha256, join(folder, sha256))
  if (files.size > maxFiles) tooMuch(`${maxFiles} attached files`)
  return files
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

/** An entry; what the tree holds at its place goes along where that is another leaf. */
async function entryLine(
  { epoch }: BundlePlan,
  { number, entry, leaf }: StoredEntry,
  leafAt: ReturnType<typeof treeLeaves>,
) {
  const index = Number(number) - epoch.first_number
  const tree = await leafAt(index)
  return tree === null || tree === leaf ? { index, entry, leaf } : { index, entry, leaf, tree }
}

/** Texts behind the hashes of what is shown, and of nothing else. */
function disclosureLine(
  { epoch, rows: { objects } }: BundlePlan,
  { number, entry, opening }: StoredEntry,
) {
  if (opening === null) return []
  const { type, id } = objectOf(entry)
  const shown = objects[type as keyof typeof objects]?.has(id) === true
  const index = Number(number) - epoch.first_number
  return shown ? [{ index, opening: jsonOf(opening) }] : []
}

const objectBegin = '"object":{'
const objectEnd = '},"occurredAt":'

function objectOf(entry: string): { readonly type: string; readonly id: string } {
  // In the canonical form nothing but hashes and times comes after it (`seal`).
  const at = entry.lastIndexOf(objectBegin)
  const end = entry.indexOf(objectEnd, at)
  const { type, id } = jsonOf(entry.slice(at + objectBegin.length - 1, end + 1)) as {
    type?: unknown
    id?: unknown
  }
  return { type: String(type), id: String(id) }
}

/** An entry that somebody damaged is shown as it is; the verifier names it. */
function jsonOf(text: string): object {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

function jsonLines(rows: readonly unknown[]): Buffer {
  return Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
}

function memberName(name: string, part: number): string {
  return `${name}/${String(part).padStart(6, '0')}.jsonl`
}
