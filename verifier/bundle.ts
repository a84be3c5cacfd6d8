import { base64, fromBase64, textOf } from './bytes.ts'
import { readCanonical } from './canonical.ts'
import { type Checkpoint, readCheckpoint } from './note.ts'
import { leafHash } from './tree.ts'
import { limits, readZip, Unreadable } from './zip.ts'

/** A row of a table, as the hub has it. */
export type Row = Readonly<Record<string, unknown>>

/** Tables a bundle shows; columns the ledger says nothing of are left out. */
export const tableNames = [
  'incidents',
  'incident_facts',
  'incident_alerts',
  'alerts',
  'pages',
  'page_alerts',
  'page_steps',
  'page_tellings',
  'page_attempts',
  'routing_holds',
  'runbook_versions',
  'attachments',
  'incident_deadlines',
  'time_limits',
  'incident_assignments',
  'incident_notices',
  'incident_notice_deliveries',
  'legal_holds',
] as const
export type TableName = (typeof tableNames)[number]

/** What the hub says it put together. */
export interface Manifest {
  readonly origin: string
  readonly asked:
    | { readonly kind: 'incident'; readonly number: number; readonly id: string }
    | { readonly kind: 'period'; readonly from: string; readonly to: string }
  /** Places of the entries: from the first to before the last. */
  readonly from: number
  readonly to: number
  /** Entries before this place are those the rows agree with. */
  readonly asOf: number
  readonly madeAt: string
  /** Why the hub itself signs nothing any more. */
  readonly inconsistency: string | null
  /** Tables that it put in; an older hub knew fewer. */
  readonly tables: ReadonlySet<string>
}

/** What an entry says, when it says it in the form of format 1. */
export interface EntryValue {
  readonly action: string
  readonly actor: string
  readonly object: { readonly type: string; readonly id: string }
  readonly content: Row
  readonly sensitive: Readonly<Record<string, unknown>>
  /** Milliseconds. */
  readonly occurredAt: number
  readonly recordedAt: number
}

export interface Entry {
  readonly index: number
  /** SHA-256(0x00 || its text). */
  readonly hash: Uint8Array
  /** Whether that is the leaf the hub kept beside it. */
  readonly isLeaf: boolean
  /** What the hub's tree holds at this place, where the hub says that it is something else than the leaf. */
  readonly inTree: Uint8Array | undefined
  /** Undefined where the text is not canonical JSON or lacks a field. */
  readonly value: EntryValue | undefined
}

export interface Bundle {
  readonly manifest: Manifest
  readonly checkpoint: Checkpoint
  readonly entries: readonly Entry[]
  /** For `rootOfRange`. */
  readonly rangeProof: readonly Uint8Array[]
  /** Entries outside the range: how the log began, and the note that this bundle was made. */
  readonly single: readonly { readonly entry: Entry; readonly proof: readonly Uint8Array[] }[]
  /** Consistency with an earlier size, where it was asked for. */
  readonly since?: { readonly size: number; readonly proof: readonly Uint8Array[] }
  /** Salts and texts behind salted hashes, by place and field. */
  readonly openings: ReadonlyMap<number, Readonly<Record<string, unknown>>>
  readonly tables: Readonly<Record<TableName, readonly Row[]>>
  /** Attached files by their names, which are their hashes. */
  readonly files: ReadonlyMap<string, Uint8Array>
  /** What the hub froze of its own data, likewise. */
  readonly evidence: ReadonlyMap<string, Uint8Array>
  /** JSON of the states and transitions, as the hub publishes them. */
  readonly states: string
}

/** Reads a bundle. Throws Unreadable for anything the hub does not write. */
export function readBundle(file: Uint8Array): Bundle {
  const members = readZip(file)
  const manifest = manifestOf(documentOf(members, 'manifest.json'))
  const note = readCheckpoint(textMember(members, 'checkpoint.txt'))
  if (note === undefined) throw new Unreadable('checkpoint.txt is no signed checkpoint.')
  const proofs = recordOf(documentOf(members, 'proofs.json'), 'proofs.json')
  const single = listOf(proofs['single'], 'proofs.json: single', limits.single).map((one) => {
    const row = recordOf(one, 'proofs.json: single')
    return { entry: entryOf(row), proof: hashesOf(row['proof']) }
  })
  const since =
    proofs['since'] === null ? undefined : recordOf(proofs['since'], 'proofs.json: since')
  return {
    manifest,
    checkpoint: note,
    entries: entriesOf(members),
    rangeProof: hashesOf(proofs['range']),
    single,
    ...(since === undefined
      ? {}
      : { since: { size: whole(since['size'], 'since'), proof: hashesOf(since['proof']) } }),
    openings: openingsOf(members),
    tables: Object.fromEntries(
      tableNames.map((name) => [name, [...lines(members, `rows/${name}`, limits.rows)]]),
    ) as unknown as Bundle['tables'],
    files: filesOf(members, 'attachments/'),
    evidence: filesOf(members, 'evidence/'),
    states: textMember(members, 'states.json'),
  }
}

function manifestOf(value: unknown): Manifest {
  const row = recordOf(value, 'manifest.json')
  if (row['format'] !== 'callward-evidence' || row['version'] !== 1)
    throw new Unreadable(
      'This verifier reads evidence bundles of format 1; get the one that came with the hub.',
    )
  const range = recordOf(row['range'], 'manifest.json: range')
  const asked = recordOf(row['asked'], 'manifest.json: asked')
  const [from, to] = [whole(range['from'], 'range.from'), whole(range['to'], 'range.to')]
  if (to <= from || to - from > limits.entries)
    throw new Unreadable(`A bundle holds 1 to ${limits.entries} entries.`)
  return {
    origin: text(row['origin'], 'origin'),
    asked:
      asked['kind'] === 'incident'
        ? {
            kind: 'incident',
            number: whole(asked['number'], 'number'),
            id: text(asked['id'], 'id'),
          }
        : { kind: 'period', from: text(asked['from'], 'from'), to: text(asked['to'], 'to') },
    from,
    to,
    asOf: whole(row['asOf'], 'asOf'),
    madeAt: text(row['madeAt'], 'madeAt'),
    inconsistency:
      row['inconsistency'] === null ? null : text(row['inconsistency'], 'inconsistency'),
    tables: new Set(Object.keys(isRow(row['counts']) ? row['counts'] : {})),
  }
}

function entriesOf(members: ReadonlyMap<string, Uint8Array>): Entry[] {
  const entries: Entry[] = []
  for (const row of lines(members, 'entries', limits.entries)) entries.push(entryOf(row))
  return entries
}

function entryOf(row: Row): Entry {
  const entry = text(row['entry'], 'entry', limits.lineBytes)
  const hash = leafHash(entry)
  const { tree } = row
  return {
    index: whole(row['index'], 'index'),
    hash,
    isLeaf: base64(hash) === text(row['leaf'], 'leaf'),
    inTree: tree === undefined ? undefined : hashesOf([tree])[0],
    value: entryValue(readCanonical(entry)),
  }
}

function entryValue(value: unknown): EntryValue | undefined {
  if (!isRow(value) || value['v'] !== 1 || typeof value['id'] !== 'string') return undefined
  const { action, actor, object, content, sensitive = {} } = value
  const recordedAt = timeOf(value['recordedAt'])
  const isAtOnce = value['occurredAt'] === value['recordedAt']
  const occurredAt = isAtOnce ? recordedAt : timeOf(value['occurredAt'])
  if (typeof action !== 'string' || typeof actor !== 'string' || !isRow(object)) return undefined
  if (typeof object['type'] !== 'string' || typeof object['id'] !== 'string') return undefined
  if (!isRow(sensitive) || Number.isNaN(occurredAt) || Number.isNaN(recordedAt)) return undefined
  return {
    action,
    actor,
    object: { type: object['type'], id: object['id'] },
    content: isRow(content) ? content : {},
    sensitive,
    occurredAt,
    recordedAt,
  }
}

function filesOf(
  members: ReadonlyMap<string, Uint8Array>,
  folder: string,
): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  for (const [name, bytes] of members)
    if (name.startsWith(folder)) files.set(name.slice(folder.length), bytes)
  return files
}

function openingsOf(members: ReadonlyMap<string, Uint8Array>) {
  const openings = new Map<number, Row>()
  for (const row of lines(members, 'disclosures', limits.entries)) {
    const index = whole(row['index'], 'disclosures: index')
    if (openings.has(index)) throw new Unreadable(`Entry ${index} is disclosed twice.`)
    openings.set(index, recordOf(row['opening'], 'disclosures: opening'))
  }
  return openings
}

/** Lines of the members `NAME/000000.jsonl`, `NAME/000001.jsonl` and so on, each a JSON object. */
function* lines(
  members: ReadonlyMap<string, Uint8Array>,
  name: string,
  most: number,
): Generator<Row> {
  let count = 0
  for (let part = 0; ; part++) {
    const path = `${name}/${String(part).padStart(6, '0')}.jsonl`
    const bytes = members.get(path)
    if (bytes === undefined) return
    // At once: decoding line by line costs more than reading what they say.
    const all = textOf(bytes)
    if (all === undefined) throw new Unreadable(`${path} is not JSON.`)
    let begin = 0
    while (begin < all.length) {
      const end = all.indexOf('\n', begin)
      if (end < 0 || end - begin > 2 * limits.lineBytes)
        throw new Unreadable(`${path} has a line that is cut short or too long.`)
      count++
      if (count > most) throw new Unreadable(`${name} has more than ${most} lines.`)
      yield recordOf(parsed(all.slice(begin, end), path), path)
      begin = end + 1
    }
  }
}

function documentOf(members: ReadonlyMap<string, Uint8Array>, path: string): unknown {
  return parsed(textOf(member(members, path)) ?? '', path)
}

function textMember(members: ReadonlyMap<string, Uint8Array>, path: string): string {
  const content = textOf(member(members, path))
  if (content === undefined) throw new Unreadable(`${path} is no text.`)
  return content
}

function member(members: ReadonlyMap<string, Uint8Array>, path: string): Uint8Array {
  const bytes = members.get(path)
  if (bytes === undefined) throw new Unreadable(`The bundle has no ${path}: fetch it again.`)
  if (bytes.length > limits.documentBytes) throw new Unreadable(`${path} is too large.`)
  return bytes
}

function parsed(text: string, path: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new Unreadable(`${path} is not JSON.`)
  }
}

export function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function recordOf(value: unknown, what: string): Row {
  if (!isRow(value)) throw new Unreadable(`${what} should be a JSON object.`)
  return value
}

function listOf(value: unknown, what: string, most: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > most)
    throw new Unreadable(`${what} should be a list of at most ${most}.`)
  return value
}

function hashesOf(value: unknown): Uint8Array[] {
  return listOf(value, 'A proof', limits.hashes).map((one) => {
    const hash = fromBase64(one)
    if (hash?.length !== 32) throw new Unreadable('A proof holds something that is no hash.')
    return hash
  })
}

function whole(value: unknown, what: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0)
    throw new Unreadable(`${what} should be a whole number.`)
  return value as number
}

function text(value: unknown, what: string, most = 512): string {
  if (typeof value !== 'string' || value.length > most)
    throw new Unreadable(`${what} should be a text of at most ${most} characters.`)
  return value
}

const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** Milliseconds of an instant in UTC as entries write it; NaN for anything else. */
function timeOf(value: unknown): number {
  return typeof value === 'string' && instant.test(value) ? Date.parse(value) : Number.NaN
}
