import { Temporal } from 'temporal-polyfill'
import { type DocumentFault, DocumentReader, type Mapping, type Path, shown } from './document.ts'
import type { Case } from './evaluate.ts'
import { byRecording, type Fact, factsMax, type Millis } from './fact.ts'
import { readHolidays, readWeekend, readWorkingHours, readZone } from './read-calendar.ts'
import type { Institution, Regime } from './regime.ts'
import { readYaml, type TextFault } from './yaml-text.ts'

const attributesMax = 50
const kindsMax = 20
const earliest = Date.parse('1970-01-01T00:00:00Z')
const latest = Date.parse('2200-01-01T00:00:00Z')

/** Reads the YAML or JSON text of a file of facts; with a fault there is no case. Never throws. */
export function readCaseText(
  text: string,
  now: Millis,
): { readonly value: Case | undefined; readonly faults: readonly TextFault[] } {
  return readYaml(text, (content) => readCase(content, now))
}

/** Reads facts, attributes and institution; a fact without `recorded_at` counts as recorded when it was, or now. */
export function readCase(
  content: unknown,
  now: Millis,
): { readonly value: Case | undefined; readonly faults: readonly DocumentFault[] } {
  const reader = new DocumentReader()
  const example = 'facts: [{ fact: aware, at: 2026-03-06T09:00:00+01:00 }]'
  const item = reader.mapping(content, [], ['institution', 'attributes', 'facts'], example)
  if (item === undefined) return { value: undefined, faults: reader.faults }
  const institution = readInstitution(reader, item['institution'] ?? {})
  const attributes = readAttributes(reader, item['attributes'] ?? {})
  const given = reader.list(item['facts'], ['facts'], factsMax, example)
  const facts = given
    .map((one, i) => readFact(reader, one, i, now))
    .filter((one) => one !== undefined)
  if (facts.length === given.length) checkSupersession(reader, facts)
  const faults = reader.faults
  return { value: faults.length > 0 ? undefined : { facts, attributes, institution }, faults }
}

function readInstitution(reader: DocumentReader, value: unknown): Institution {
  const keys = ['kinds', 'zone', 'weekend', 'holidays', 'working_hours']
  const at = (key: string) => ['institution', key]
  const example = 'institution: { kinds: [credit-institution], zone: Europe/Paris }'
  const item: Mapping = reader.mapping(value, ['institution'], keys, example) ?? {}
  const kinds = reader
    .list(item['kinds'], at('kinds'), kindsMax, '[credit-institution]')
    .map((kind, i) => reader.name(kind, [...at('kinds'), i], 'credit-institution'))
    .filter((kind) => kind !== undefined)
  return {
    kinds: kinds.length === 0 ? undefined : kinds,
    zone: readZone(reader, item['zone'], at('zone')),
    weekend: readWeekend(reader, item['weekend'], at('weekend')),
    holidays: readHolidays(reader, item['holidays'], at('holidays')),
    workingHours: readWorkingHours(reader, item['working_hours'], at('working_hours')),
  }
}

function readAttributes(reader: DocumentReader, value: unknown): Case['attributes'] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    reader.fault(['attributes'], 'must be a mapping; example: attributes: { severity: sev1 }')
    return {}
  }
  const entries = Object.entries(value)
  if (entries.length > attributesMax)
    reader.fault(['attributes'], `has ${entries.length} entries; at most ${attributesMax} are read`)
  return Object.fromEntries(
    entries.slice(0, attributesMax).map(([key, one]) => {
      const path = ['attributes', key]
      return [
        reader.name(key, path, 'severity') ?? key,
        reader.required(one, path, 'sev1', 200) ?? '',
      ]
    }),
  )
}

const factKeys = [
  'id',
  'fact',
  'at',
  'certainty',
  'recorded_at',
  'supersedes',
  'reason',
  'withdrawn',
]

function readFact(
  reader: DocumentReader,
  value: unknown,
  index: number,
  now: Millis,
): Fact | undefined {
  const path: Path = ['facts', index]
  const example = '{ fact: aware, at: 2026-03-06T09:00:00+01:00 }'
  const item = reader.mapping(value, path, factKeys, example)
  if (item === undefined) return undefined
  const name = reader.name(item['fact'], [...path, 'fact'], 'fact: aware')
  const supersedes = reader.text(item['supersedes'], [...path, 'supersedes'], 'a1', 100)
  const withdrawn = item['withdrawn'] === true
  if (item['withdrawn'] !== undefined && !withdrawn)
    reader.fault([...path, 'withdrawn'], 'can only be true')
  if (withdrawn && (supersedes === undefined || item['at'] !== undefined))
    reader.fault(path, 'a withdrawn fact names what it supersedes, and has no "at"')
  const at = withdrawn ? undefined : readInstant(reader, item['at'], [...path, 'at'])
  const recorded = item['recorded_at']
  if (recorded === undefined && supersedes !== undefined)
    reader.fault([...path, 'recorded_at'], 'is missing: a correction says when it was recorded')
  const certainty =
    item['certainty'] === undefined
      ? 'actual'
      : reader.oneOf(item['certainty'], [...path, 'certainty'], ['actual', 'estimate'] as const)
  const recordedAt =
    recorded === undefined
      ? Math.min(at ?? now, now)
      : readInstant(reader, recorded, [...path, 'recorded_at'])
  const reason = reader.text(item['reason'], [...path, 'reason'], 'waiting for the customer', 200)
  const id = reader.text(item['id'], [...path, 'id'], 'a1', 100) ?? `fact ${index + 1}`
  if (name === undefined || recordedAt === undefined || certainty === undefined) return undefined
  if (at === undefined && !withdrawn) return undefined
  return { id, name, at, certainty, recordedAt, supersedes, reason }
}

const instantPattern =
  /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d{2}:\d{2})$/

/** Milliseconds of an RFC 3339 instant with its zone, from 1970 to 2200; undefined for anything else. */
export function instantOf(value: unknown): Millis | undefined {
  if (typeof value !== 'string' || !instantPattern.test(value)) return undefined
  try {
    const at = Temporal.Instant.from(value).epochMilliseconds
    return at >= earliest && at < latest ? at : undefined
  } catch {
    return undefined
  }
}

function readInstant(reader: DocumentReader, value: unknown, path: Path): Millis | undefined {
  const at = instantOf(value)
  if (at !== undefined) return at
  const given = value === undefined ? 'is missing' : `${shown(value)} is no instant with its zone`
  return reader.fault(path, `${given}, from 1970 to 2200; example: 2026-03-06T09:00:00+01:00`)
}

/** A correction names one earlier fact of the same name, and no fact is corrected twice. */
function checkSupersession(reader: DocumentReader, facts: readonly Fact[]): void {
  const byId = new Map<string, Fact>()
  const corrected = new Map<string, string>()
  for (const [i, fact] of facts.entries()) {
    if (byId.has(fact.id))
      reader.fault(['facts', i, 'id'], `"${shown(fact.id)}" is there twice; give each fact its own`)
    byId.set(fact.id, fact)
  }
  for (const [i, fact] of facts.entries()) {
    if (fact.supersedes === undefined) continue
    const path = ['facts', i, 'supersedes']
    const old = byId.get(fact.supersedes)
    const said = shown(fact.supersedes)
    if (old === undefined) reader.fault(path, `there is no fact with the id "${said}"`)
    else if (old.name !== fact.name)
      reader.fault(path, `"${said}" is ${old.name}; a correction keeps the name ${fact.name}`)
    else if (old.recordedAt >= fact.recordedAt || byRecording(old, fact) >= 0)
      reader.fault(path, `"${said}" was not recorded before this; correct recorded_at`)
    const other = corrected.get(fact.supersedes)
    if (other !== undefined)
      reader.fault(path, `"${said}" is superseded by "${shown(other)}" already; supersede that one`)
    corrected.set(fact.supersedes, fact.id)
  }
}

/** Why supposed facts cannot be taken for a regime, or undefined. */
export function supposedFault(
  supposed: readonly { readonly name: string; readonly at: string }[],
  regime: Regime,
): string | undefined {
  for (const { name, at } of supposed) {
    if (!Object.hasOwn(regime.facts, name))
      return `"${shown(name)}" is no fact of ${regime.name}; known are ${Object.keys(regime.facts).join(', ')}`
    if (instantOf(at) === undefined)
      return `${name}: ${shown(at)} is no instant with its zone; example: 2026-03-06T18:00:00+01:00`
  }
  return undefined
}
