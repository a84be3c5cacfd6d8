import type { Advance } from '../incidents/replay.ts'
import type { Bundle, Entry, EntryValue, Row } from './bundle.ts'
import { isRow } from './bundle.ts'
import { base64, fromBase64, hex, same } from './bytes.ts'
import { Erasures } from './erasures.ts'
import { sha256 } from './sha256.ts'

/** An entry that could be read. */
export type Told = Entry & { readonly value: EntryValue }

export function isTold(entry: Entry): entry is Told {
  return entry.value !== undefined
}

/** Entries the rows agree with, by the object they are about. */
export interface History {
  readonly byObject: ReadonlyMap<string, readonly Told[]>
  /** Alert ids by the number of their incident. */
  readonly alertsOf: ReadonlyMap<number, ReadonlySet<string>>
  /** Whether nothing newer than the range can have changed the rows. */
  readonly complete: boolean
  /** When the first and the last entry of the range were recorded. */
  readonly firstAt: number
  readonly lastAt: number
  readonly erasures: Erasures
  /** How each incident went, by its entries, once it was replayed (`wayOf`). */
  readonly ways: Map<readonly Told[], Advance | undefined>
  /** Hashed once, however many checks ask. */
  text(entry: Told, field: string): Disclosed
  /** The value of a fact, or what an erasure left of it. */
  factText(entry: Told): Disclosed
}

/** A sensitive text: shown and true, shown and false, or not shown (erased, or of another incident). */
export type Disclosed =
  | { readonly kind: 'true'; readonly text: string }
  | { readonly kind: 'false' | 'hidden' | 'none' }

/** Objects of which a bundle shows rows. */
const shownTypes = new Set(['incident', 'alert', 'page', 'notice', 'hold'])

/** Sorts the entries of a bundle by what they are about. */
export function historyOf(bundle: Bundle): History {
  const { manifest, entries, openings } = bundle
  const byObject = new Map<string, Told[]>()
  const alertsOf = new Map<number, Set<string>>()
  const told = entries.filter(isTold)
  for (const entry of told) {
    if (entry.index >= manifest.asOf) continue
    const { object, content } = entry.value
    if (!shownTypes.has(object.type)) continue
    push(byObject, `${object.type}:${object.id}`, entry)
    if (object.type !== 'alert' || typeof content['incident'] !== 'number') continue
    const alerts = alertsOf.get(content['incident']) ?? new Set()
    alertsOf.set(content['incident'], alerts.add(object.id))
  }
  const erasures = new Erasures(bundle)
  const text = textsOf(openings)
  return {
    byObject,
    alertsOf,
    complete: manifest.asked.kind === 'incident' || manifest.to >= manifest.asOf,
    firstAt: told[0]?.value.recordedAt ?? 0,
    lastAt: told.at(-1)?.value.recordedAt ?? 0,
    erasures,
    ways: new Map(),
    text,
    factText(entry) {
      const erasure = erasures.of(entry, 'fact', String(entry.value.content['fact']))
      return erasure === undefined ? text(entry, 'value') : text(erasure, 'left')
    },
  }
}

function textsOf(openings: Bundle['openings']): History['text'] {
  const fields = new Map<string, Map<Told, Disclosed>>()
  return (entry, field) => {
    const known = fields.get(field) ?? new Map<Told, Disclosed>()
    fields.set(field, known)
    const text = known.get(entry) ?? disclosed(entry, field, openings.get(entry.index))
    known.set(entry, text)
    return text
  }
}

/** SHA-256(salt || text) must be what the entry holds. */
function disclosed({ value }: Told, field: string, opening: Row | undefined): Disclosed {
  const wanted = value.sensitive[field]
  if (wanted === undefined) return { kind: 'none' }
  const one = opening?.[field]
  if (one === undefined) return { kind: 'hidden' }
  if (!isRow(one) || typeof one['value'] !== 'string') return { kind: 'false' }
  const [salt, hash] = [fromBase64(one['salt']), fromBase64(wanted)]
  if (salt === undefined || hash === undefined) return { kind: 'false' }
  const found = sha256(salt, one['value'])
  return same(found, hash) ? { kind: 'true', text: one['value'] } : { kind: 'false' }
}

/** The hash of a text as rows name it. */
export function hashOf(text: string): { readonly base64: string; readonly hex: string } {
  const hash = sha256(text)
  return { base64: base64(hash), hex: hex(hash) }
}

/** Milliseconds a UUID of version 7 was made at (RFC 9562 §5.7); NaN for another. */
export function timeOfId(id: unknown): number {
  if (typeof id !== 'string' || !/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}$/.test(id))
    return Number.NaN
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
}

export function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
