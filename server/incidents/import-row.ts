import { faultsOfFact, isFactKind, kinds, type NewFact } from '../../incidents/facts.ts'
import { hubSays } from '../../incidents/hub-sentences.ts'
import { rootCauseCodes } from '../../incidents/root-causes.ts'
import { type Role, roleNames, type State, stateNames, workflow } from '../../incidents/workflow.ts'
import type { Millis } from '../clock.ts'
import type { PastChapter, PastIncident } from './past.ts'

/** What is wrong with a line, and in which field; `field` is empty where it is the whole line. */
export interface FieldFault {
  readonly field: string
  readonly text: string
}

/** The columns of CSV and the plain fields of JSON, with what each takes; docs/incidents.md shows this table. */
export const importColumns = {
  reference: 'your own reference, which no other incident has; names it when it is sent again',
  title: 'a line that people say aloud; left out: the first line of phenomenon',
  phenomenon: 'what was seen',
  services: 'affected services; in CSV divided by ;',
  hosts: 'affected hosts; in CSV divided by ;',
  customers: 'affected customers; in CSV divided by ;',
  severity: 'sev1, sev2, sev3 or sev4',
  discovery: 'how it came to light, by the code list; left out: staff',
  occurredAt: 'when the fault began, RFC 3339 with zone',
  detectedAt: 'when it was detected',
  acknowledgedAt: 'when somebody took it',
  acknowledgedBy: 'who took it',
  arrivedAt:
    'when the technician was there or connected; left out: an estimate, the acknowledgement or the detection',
  recoveredAt: 'when it worked again; with technician and verifier',
  technician: 'who fixed it',
  verifier: 'who confirmed that it works; not the technician',
  cause: 'what was thought to be the cause',
  rootCause: 'the root cause in words; with rootCauses',
  rootCauses: 'codes of the root cause; in CSV divided by ;',
  callsAttempted: 'calls attempted while it lasted',
  callsFailed: 'calls failed',
  callsAbandoned: 'calls abandoned',
  customersAffected: 'how many customers were affected',
  note: 'anything else',
} as const
type Column = keyof typeof importColumns
export const columnNames = Object.keys(importColumns) as readonly Column[]

/** Names of the past are marked, so that nobody's account is ever taken for one of them. */
export const markOfImport = ' (imported)'

const lists: ReadonlySet<string> = new Set(['services', 'hosts', 'customers', 'rootCauses'])
const instants: ReadonlySet<string> = new Set([
  ...['occurredAt', 'detectedAt', 'acknowledgedAt', 'arrivedAt', 'recoveredAt'],
])
const counts: ReadonlySet<string> = new Set([
  ...['callsAttempted', 'callsFailed', 'callsAbandoned', 'customersAffected'],
])
const earliest = Date.UTC(1990, 0, 1)
const mostChapters = 200
const mostFacts = 500

type Read = Readonly<Partial<Record<Column, string>>> & {
  readonly lists: Readonly<Record<string, readonly string[]>>
  readonly at: Readonly<Record<string, Millis>>
  readonly counts: Readonly<Record<string, number>>
}

/** A line as it was sent: values of CSV are texts. */
export type Line = Readonly<Record<string, unknown>>

export type ImportRow =
  | { readonly ok: true; readonly reference: string; readonly incident: PastIncident }
  | { readonly ok: false; readonly reference: string; readonly faults: readonly FieldFault[] }

/** An incident of the past from one line, with all that is wrong with its fields. What the workflow says against it is `judgePast`'s. */
export function rowToPast(line: Line, by: string, now: Millis): ImportRow {
  const faults: FieldFault[] = []
  const read = readFields(line, faults, now)
  const reference = read.reference ?? ''
  for (const [field, there] of [
    ['reference', read.reference !== undefined],
    ['phenomenon', read.phenomenon !== undefined],
    ['services', (read.lists['services']?.length ?? 0) > 0],
    ['detectedAt', read.at['detectedAt'] !== undefined],
  ] as const)
    if (!there && !faults.some((fault) => fault.field === field))
      faults.push({ field, text: `is missing: write ${importColumns[field]}` })
  const recovered = read.at['recoveredAt'] !== undefined
  for (const field of ['technician', 'verifier'] as const)
    if (recovered && read[field] === undefined)
      faults.push({
        field,
        text: 'is missing: with recoveredAt write who fixed and who confirmed, two people',
      })
  const more = chaptersOf(line, now, faults)
  if (faults.length > 0) return { ok: false, reference, faults }
  return { ok: true, reference, incident: past(read, by, more) }
}

function readFields(line: Line, faults: FieldFault[], now: Millis): Read {
  const read = {
    texts: {} as Record<string, string>,
    lists: {} as Record<string, readonly string[]>,
    at: {} as Record<string, Millis>,
    counts: {} as Record<string, number>,
  }
  for (const [field, value] of Object.entries(line)) {
    if (field === 'chapters') continue
    const bad = (text: string) => faults.push({ field: field.slice(0, 60), text })
    if (!Object.hasOwn(importColumns, field)) {
      bad('is no column; see docs/incidents.md')
      continue
    }
    if (value === undefined || value === null || value === '') continue
    if (lists.has(field)) {
      const all = Array.isArray(value) ? value : String(value).split(';')
      const names = [...new Set(all.map((one) => String(one).trim()).filter((one) => one !== ''))]
      if (names.length > 200) bad(`holds ${names.length}; write 200 at most`)
      const strange =
        field === 'rootCauses' ? names.filter((name) => !rootCauseCodes.has(name)) : []
      if (strange.length > 0)
        bad(`"${strange[0]?.slice(0, 60)}" is no code of the published list (GET /api/v1/workflow)`)
      read.lists[field] = names
    } else if (instants.has(field)) {
      const at = instantOf(value)
      if (at === undefined || at < earliest || at > now)
        bad(
          'write an instant with its zone, between 1990 and now; example: 2025-03-06T09:00:00+01:00',
        )
      else read.at[field] = at
    } else if (counts.has(field)) {
      const count = typeof value === 'string' ? Number(value.trim()) : value
      if (Number.isSafeInteger(count) && (count as number) >= 0)
        read.counts[field] = count as number
      else bad('write a whole number from 0 on')
    } else if (typeof value === 'string' && /\S/.test(value)) read.texts[field] = value.trim()
    else bad('write text')
  }
  const { texts, ...rest } = read
  if ((texts['reference'] ?? '').length > 200)
    faults.push({ field: 'reference', text: 'write at most 200 characters' })
  return { ...texts, ...rest }
}

/** Only with its zone: a time without one is another instant on another machine. */
export function instantOf(value: unknown): Millis | undefined {
  if (typeof value !== 'string') return undefined
  if (!/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/i.test(value.trim()))
    return undefined
  const at = Date.parse(value.trim().replace(' ', 'T'))
  return Number.isNaN(at) ? undefined : at
}

const person = (name: string) => `${name.slice(0, 180)}${markOfImport}`

function past(read: Read, by: string, more: readonly PastChapter[]): PastIncident {
  const detectedAt = read.at['detectedAt'] ?? 0
  const said = (
    kind: string,
    occurredAt: Millis,
    value: object,
    recordedBy = by,
    certainty = 'actual',
  ) => ({ kind, value, certainty, occurredAt, recordedBy, supersedes: null }) as NewFact
  const phenomenon = read.phenomenon ?? ''
  const first: NewFact[] = [
    said('opened', detectedAt, {
      text: hubSays('openedByImport', { name: by, reference: read.reference ?? '' }),
      ...{ how: 'import', discovery: read.discovery ?? 'staff', workflow: workflow.version },
    }),
    said('phenomenon', read.at['occurredAt'] ?? detectedAt, { text: phenomenon }),
    ...(read.at['occurredAt'] === undefined
      ? []
      : [said('occurred', read.at['occurredAt'], { text: hubSays('asImported') })]),
    said('detected', detectedAt, { text: hubSays('asImported') }),
    said('impact', detectedAt, impactOf(read)),
    said(
      'preliminary_cause',
      detectedAt,
      read.cause === undefined
        ? { text: hubSays('unknown'), confidence: 'unknown' }
        : { text: read.cause, confidence: 'low' },
    ),
    ...(read.severity === undefined
      ? []
      : [said('severity', detectedAt, { text: hubSays('asImported'), severity: read.severity })]),
  ]
  const codes = read.lists['rootCauses'] ?? []
  const later: NewFact[] = [
    ...(codes.length === 0
      ? []
      : [
          said('root_cause', read.at['recoveredAt'] ?? detectedAt, {
            ...{ text: read.rootCause ?? codes.join(', '), codes },
            ...(codes.some((code) => code.endsWith('/other'))
              ? { other: (read.rootCause ?? 'as imported').slice(0, 500) }
              : {}),
            evidence: [`reference ${read.reference}`],
          }),
        ]),
    ...(read.note === undefined ? [] : [said('note', detectedAt, { text: read.note })]),
  ]
  return {
    title: (read.title ?? phenomenon.split('\n')[0] ?? '').slice(0, 500),
    server: read.lists['hosts']?.[0] ?? '',
    chapters: [
      { facts: first, step: { to: 'recorded', role: 'scribe', by, at: detectedAt } },
      ...handled(read, said),
      ...(later.length === 0 ? [] : [{ facts: later }]),
      ...more,
    ],
  }
}

function impactOf(read: Read) {
  const { services = [], hosts = [], customers = [] } = read.lists
  return {
    text: hubSays('servicesNamed', { services: services.join(', ') }).slice(0, 10_000),
    services,
    ...(hosts.length === 0 ? {} : { hosts }),
    ...(customers.length === 0 ? {} : { customers }),
    ...read.counts,
  }
}

/** Who took it, fixed it and confirmed it, each by the marked name; times that nobody kept are estimates. */
function handled(
  read: Read,
  said: (kind: string, at: Millis, value: object, by?: string, certainty?: string) => NewFact,
): PastChapter[] {
  const detectedAt = read.at['detectedAt'] ?? 0
  const { acknowledgedAt, arrivedAt, recoveredAt } = read.at
  const chapters: PastChapter[] = []
  const taker = person(read.acknowledgedBy ?? read.technician ?? 'somebody')
  if (acknowledgedAt !== undefined)
    chapters.push({
      facts: [
        said('acknowledged', acknowledgedAt, { text: hubSays('taken', { name: taker }) }, taker),
      ],
    })
  if (recoveredAt === undefined || read.technician === undefined || read.verifier === undefined)
    return chapters
  const technician = person(read.technician)
  const verifier = person(read.verifier)
  const from = acknowledgedAt ?? detectedAt
  const cameAt = arrivedAt ?? from
  const kept = (at: Millis | undefined) => (at === undefined ? 'estimate' : 'actual')
  const as = (value: object) => ({ text: hubSays('asImported'), ...value })
  chapters.push(
    {
      facts: [
        said(
          'plan_activated',
          from,
          as({ reason: 'none_exists' }),
          technician,
          kept(acknowledgedAt),
        ),
      ],
      step: { to: 'plan_active', role: 'commander', by: technician, at: from },
    },
    {
      facts: [said('accepted', from, as({ technician }), technician, kept(acknowledgedAt))],
      step: { to: 'dispatched', role: 'commander', by: technician, at: from },
    },
    {
      facts: [
        said('arrived', cameAt, as({ technician, mode: 'remote' }), technician, kept(arrivedAt)),
      ],
      step: { to: 'investigating', role: 'technician', by: technician, at: cameAt },
    },
    {
      facts: [said('recovered', recoveredAt, as({ evidence: 'person', verifier }), verifier)],
      step: { to: 'restored', role: 'verifier', by: verifier, at: recoveredAt },
    },
  )
  return chapters
}

/** Further facts and steps, as JSON Lines may hold them: `chapters: [{ facts: [...], step }]`. */
function chaptersOf(line: Line, now: Millis, faults: FieldFault[]): PastChapter[] {
  const given = line['chapters']
  if (given === undefined) return []
  if (!Array.isArray(given) || given.length > mostChapters) {
    faults.push({ field: 'chapters', text: `write a list of at most ${mostChapters}` })
    return []
  }
  let count = 0
  return given.map((one: unknown, index) => {
    const place = `chapters[${index}]`
    const { facts, step } = (one ?? {}) as { facts?: unknown; step?: unknown }
    const list = Array.isArray(facts) ? facts : []
    count += list.length
    if (count > mostFacts)
      faults.push({ field: `${place}.facts`, text: `more than ${mostFacts} facts in all` })
    const read = list.slice(0, mostFacts).flatMap((fact: unknown, position) => {
      const at = `${place}.facts[${position}]`
      return factOf(fact, at, now, faults)
    })
    return step === undefined
      ? { facts: read }
      : { facts: read, ...stepOf(step, `${place}.step`, now, faults) }
  })
}

function factOf(given: unknown, field: string, now: Millis, faults: FieldFault[]): NewFact[] {
  const { kind, value, certainty = 'actual', at, by } = (given ?? {}) as Record<string, unknown>
  const bad = (text: string) => void faults.push({ field, text })
  const occurredAt = instantOf(at)
  if (typeof kind !== 'string' || !isFactKind(kind) || notImported.has(kind)) {
    bad(
      `kind: write one of ${Object.keys(kinds).filter((one) => !notImported.has(one)).length} kinds that people write`,
    )
    return []
  }
  if (typeof by !== 'string' || !/\S/.test(by)) bad('by: write who')
  if (occurredAt === undefined || occurredAt < earliest || occurredAt > now)
    bad('at: write an instant with its zone, between 1990 and now')
  const fact = {
    ...{ kind, value: withPeople(value), certainty, occurredAt: occurredAt ?? 0 },
    ...{ recordedBy: person(String(by ?? '')), supersedes: null },
  } as NewFact
  const own = faultsOfFact(fact)
  for (const text of own) bad(text)
  return own.length > 0 ? [] : [fact]
}

/** Kinds that programs or steps write, and machine evidence, which is the hub's own. */
const notImported: ReadonlySet<string> = new Set([
  ...['opened', 'transition', 'closed', 'alert_fired', 'alert_resolved', 'evidence', 'attachment'],
  ...['notice', 'restored', 'resolved', 'merged', 'duty_owed', 'duty_met', 'duty_waived'],
])
const people: ReadonlySet<string> = new Set([
  ...['technician', 'fixer', 'verifier', 'person', 'owner', 'approvedBy'],
])

function withPeople(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, content]) => [
      name,
      people.has(name) && typeof content === 'string' ? person(content) : content,
    ]),
  )
}

function stepOf(
  given: unknown,
  field: string,
  now: Millis,
  faults: FieldFault[],
): Pick<PastChapter, 'step'> {
  const { to, role, at, by } = (given ?? {}) as Record<string, unknown>
  const when = instantOf(at)
  const known =
    (stateNames as readonly unknown[]).includes(to) &&
    (roleNames as readonly unknown[]).includes(role) &&
    role !== 'hub' &&
    typeof by === 'string' &&
    /\S/.test(by)
  if (!known || when === undefined || when > now || when < earliest) {
    faults.push({ field, text: 'write to (a state), role (not hub), by and at (with its zone)' })
    return {}
  }
  return { step: { to: to as State, role: role as Role, by: person(by as string), at: when } }
}
