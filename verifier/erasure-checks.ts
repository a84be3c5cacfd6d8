import type { Bundle, Row } from './bundle.ts'
import { hex } from './bytes.ts'
import type { Erasures } from './erasures.ts'
import type { History, Told } from './history.ts'
import { entryName } from './log-checks.ts'
import type { Findings } from './report.ts'
import type { RowCheck } from './rows.ts'
import { sha256 } from './sha256.ts'

/** What stands where the name of a file was erased. */
const erasedName = '[erased]'

/** A fact whose value was erased shows what the erasure left, and nothing else. True when it was erased. */
export function checkErasedFact(
  rows: RowCheck,
  history: History,
  what: string,
  added: Told,
  row: Row,
  erasures: Erasures,
): boolean {
  const erasure = erasures.of(added, 'fact', String(row['id']))
  if (erasure === undefined) return false
  rows.compared++
  const left = history.text(erasure, 'left')
  rows.disclosed(what, 'value', row['value'], left, erasure)
  // An erasure leaves something that can be read: less is not what it left.
  if (left.kind !== 'true' && row['value'] === '')
    rows.fault(`${what}: value is not what ${entryName(erasure)} says was left of it`)
  rows.flag(`${what}: ${fieldsOf(erasure)} erased by entry ${erasure.index}`)
  return true
}

/** Files of incidents: each row is its entry's, or what an erasure left of it. */
export function checkAttachmentRows(history: History, rows: RowCheck, erasures: Erasures): void {
  const shown = rows.unique('attachments', 'id')
  const incidents = new Set(rows.table('incidents').map(({ id }) => String(id)))
  const known = new Set<string>()
  for (const [object, entries] of history.byObject) {
    if (!object.startsWith('incident:') || !incidents.has(object.slice(9))) continue
    for (const entry of entries) {
      if (entry.value.action !== 'attachment.added') continue
      const id = String(entry.value.content['attachment'])
      known.add(id)
      const row = shown.get(id)
      if (row === undefined) rows.fault(`attachments: the file of ${entryName(entry)} has no row`)
      else checkAttachment(history, rows, entry, row, erasures)
    }
  }
  for (const [id, row] of shown) {
    if (known.has(id)) continue
    const at = Number(row['added_at'])
    if (!history.complete && (at > history.lastAt || at < history.firstAt))
      rows.skip('files attached outside the range')
    else
      rows.fault(`attachments: file ${id} of incident ${String(row['incident_id'])} has no entry`)
  }
}

function checkAttachment(
  history: History,
  rows: RowCheck,
  entry: Told,
  row: Row,
  erasures: Erasures,
): void {
  const { actor, content, object, occurredAt } = entry.value
  const what = `attachments: file ${String(row['id'])}`
  const erasure = erasures.of(entry, 'attachment', String(row['id']))
  const lasting = {
    incident_id: object.id,
    media_type: content['mediaType'],
    bytes: content['bytes'],
    added_at: occurredAt,
    added_by: actor,
  }
  rows.equal(what, row, lasting, entry)
  if (erasure === undefined) {
    rows.equal(what, row, { erased_at: null }, entry)
    for (const column of ['name', 'sha256'])
      rows.disclosed(what, column, row[column], history.text(entry, column), entry)
    // A hash that is empty would name no file, and so hide one.
    if (row['sha256'] === '')
      rows.fault(`${what}: sha256 is empty, and no entry says that it was erased`)
    return
  }
  const left = { name: erasedName, sha256: '', erased_at: erasure.value.occurredAt }
  rows.equal(what, row, left, erasure)
  rows.flag(`${what}: erased by entry ${erasure.index}`)
}

/** (10) Each file that is shown is the one its hash names. Gives how many there are. */
export function checkFiles({ tables, files }: Bundle, found: Findings): number {
  const seen = new Map<string, { readonly hash: string; readonly bytes: number }>()
  let count = 0
  for (const row of tables.attachments) {
    const hash = String(row['sha256'])
    if (hash === '') continue
    count++
    const bytes = files.get(hash)
    const what = `attachments: file ${String(row['id'])} (${String(row['name'])})`
    if (bytes === undefined) {
      found.fault(`${what} is missing in the bundle`)
      continue
    }
    const read = seen.get(hash) ?? { hash: hex(sha256(bytes)), bytes: bytes.length }
    seen.set(hash, read)
    if (read.hash !== hash) found.fault(`${what} is not the file that ${hash} names`)
    if (read.bytes !== row['bytes'])
      found.fault(`${what} has ${read.bytes} bytes, its row says ${String(row['bytes'])}`)
  }
  for (const name of files.keys())
    if (!tables.attachments.some((row) => row['sha256'] === name))
      found.fault(`attachments: the file ${name} belongs to no row`)
  return count
}

const ofTwo = new Set(['erasure.made', 'hold.released', 'approval.approved'])

/** What takes two people was done by two. Gives how many decisions there are. */
export function checkTwoPeople({ entries, single }: Bundle, found: Findings): number {
  let count = 0
  for (const entry of [...entries, ...single.map((one) => one.entry)]) {
    if (entry.value === undefined || !ofTwo.has(entry.value.action)) continue
    count++
    const { requestedBy } = entry.value.content
    if (typeof requestedBy !== 'string' || requestedBy === entry.value.actor)
      found.fault(`${entryName(entry)} takes two people, and names one`)
  }
  return count
}

function fieldsOf({ value }: Told): string {
  const fields = value.content['fields']
  return Array.isArray(fields) ? fields.map(String).join(', ') : 'texts'
}
