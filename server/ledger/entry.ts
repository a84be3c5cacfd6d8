import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { type Millis, rfc3339 } from '../clock.ts'
import { random, uuid } from '../ids.ts'
import { leafHash } from './merkle.ts'

/** One ledgered change, as a capability tells it. */
export interface LedgerEntry {
  /** One of docs/ledger.md. */
  readonly action: string
  readonly object: { readonly type: string; readonly id: string }
  /** Account that did it, or `hub`. */
  readonly actor: string
  readonly occurredAt: Millis
  /** JSON. Nothing that must be erasable later: that goes into `sensitive`. */
  readonly content: unknown
  /** Texts of which the entry holds salted hashes only: addresses, free text of people. Salt and text are kept beside it and can be erased. */
  readonly sensitive?: Readonly<Record<string, string | null | undefined>>
}

/** An entry as it is stored. */
export interface SealedEntry {
  readonly objectType: string
  readonly objectId: string
  readonly recordedAt: Millis
  /** Canonical JSON (RFC 8785). */
  readonly entry: string
  /** SHA-256(0x00 || entry), base64. */
  readonly leaf: string
  /** JSON of `Opening` by field; null when nothing is hidden. */
  readonly opening: string | null
}

/** What turns a salted hash back into its text. */
export interface Opening {
  /** 16 random bytes, base64. */
  readonly salt: string
  readonly value: string
}

/** A content of more bytes is replaced by its SHA-256 and length: the tree takes any change, and no entry may fill the disk. */
export const maxContentBytes = 65_536
const maxDepth = 32
const maxTextLength = 200
const maxSensitiveLength = 65_536

/** Turns a change into its canonical entry and leaf. Never throws: what JSON does not know is written as text, since no change may be held up by its record. */
export function seal(change: LedgerEntry, now: Millis): SealedEntry {
  const { hashes, opening } = hidden(change.sensitive ?? {})
  const object = { type: shortText(change.object.type), id: shortText(change.object.id) }
  // In the order of RFC 8785.
  const fields = [
    `"action":${JSON.stringify(shortText(change.action))}`,
    `"actor":${JSON.stringify(shortText(change.actor))}`,
    `"content":${bounded(change.content)}`,
    `"id":"${uuid(now)}"`,
    `"object":${canonical(object)}`,
    `"occurredAt":"${timeText(change.occurredAt)}"`,
    `"recordedAt":"${timeText(now)}"`,
    ...(hashes === undefined ? [] : [`"sensitive":${canonical(hashes)}`]),
    '"v":1',
  ]
  const entry = `{${fields.join(',')}}`
  return {
    objectType: object.type,
    objectId: object.id,
    recordedAt: now,
    entry,
    leaf: leafHash(entry).toString('base64'),
    opening: opening === undefined ? null : JSON.stringify(opening),
  }
}

/** SHA-256(salt || text), base64: what an entry holds of a sensitive text. */
export function saltedHash({ salt, value }: Opening): string {
  const hash = createHash('sha256').update(Buffer.from(salt, 'base64'))
  return hash.update(value, 'utf8').digest('base64')
}

/** Whether a text is an entry in its one canonical form. */
export function isCanonical(text: string): boolean {
  try {
    return canonicalize(JSON.parse(text)) === text
  } catch {
    return false
  }
}

function hidden(sensitive: NonNullable<LedgerEntry['sensitive']>): {
  hashes?: Record<string, string>
  opening?: Record<string, Opening>
} {
  const openings = Object.entries(sensitive).flatMap(([field, text]): [string, Opening][] => {
    if (text === null || text === undefined) return []
    const value = wellFormed(text).slice(0, maxSensitiveLength)
    return [[field, { salt: random(16).toString('base64'), value }]]
  })
  if (openings.length === 0) return {}
  return {
    hashes: Object.fromEntries(openings.map(([field, opening]) => [field, saltedHash(opening)])),
    opening: Object.fromEntries(openings),
  }
}

/** The content as canonical JSON. */
function bounded(content: unknown): string {
  const text = canonical(plain(content, maxDepth) ?? null)
  const bytes = Buffer.byteLength(text)
  if (bytes <= maxContentBytes) return text
  return canonical({ bytes, sha256: createHash('sha256').update(text).digest('base64') })
}

/** JSON of whatever it is given: what JSON does not know becomes text, what is too deep becomes "…". */
function plain(value: unknown, depth: number): unknown {
  if (value === null || typeof value === 'boolean') return value
  if (typeof value === 'string') return wellFormed(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value !== 'object') return value === undefined ? undefined : String(value)
  if (depth === 0) return '…'
  if (Array.isArray(value)) return value.map((item) => plain(item, depth - 1) ?? null)
  if (value instanceof Date) return timeText(value.getTime())
  const fields = Object.entries(value)
    .map(([key, item]) => [wellFormed(key), plain(item, depth - 1)] as const)
    .filter(([, item]) => item !== undefined)
  return Object.fromEntries(fields)
}

/** Canonical JSON (RFC 8785 §3.2) of what `plain` gives; a test holds it against `canonicalize`. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`
}

/** Columns cannot hold every text that JSON can. */
function shortText(text: string): string {
  return wellFormed(wellFormed(text).replaceAll('\u0000', '\ufffd').slice(0, maxTextLength))
}

function timeText(at: Millis): string {
  return Math.abs(at) <= 8.64e15 ? rfc3339(at) : String(at)
}

/** Halves of characters are no characters: UTF-8 has no form of them. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd')
}
