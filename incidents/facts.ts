import {
  amount,
  anything,
  code,
  count,
  currency,
  type Field,
  faultsOfObject,
  flag,
  hash,
  instant,
  isInstant,
  list,
  name,
  optional,
  text,
  type ValueOf,
} from './fields.ts'
import { additionalCauses, additionalCodes, costKinds, rootCauseCodes } from './root-causes.ts'
import { cancelReasons, noPlanReasons, roleNames, staffRoles, stateNames } from './workflow.ts'

/** Milliseconds since the epoch, UTC. */
export type Millis = number

export const certainties = ['actual', 'estimate', 'suggestion'] as const
/** A suggestion comes from a program. Guards take it only when an incident is recorded, where "unknown" would do. */
export type Certainty = (typeof certainties)[number]

/** Who writes what the program itself knows. */
export const hubActor = 'hub'

/** Limits of one fact and of one incident. */
export const limits = {
  textCharacters: 10_000,
  valueBytes: 32_768,
  listEntries: 200,
  /** Facts of one incident; beyond it no more notes, attachments and costs are taken. */
  facts: 5000,
} as const

const says = text(limits.textCharacters)
const person = name('the name of a person')
const names = (what: string) => optional(list(name(what), 1, limits.listEntries))
const keys = <T extends object>(of: T) => Object.keys(of) as (keyof T & string)[]
const causeCode = code([...rootCauseCodes.keys()])

interface Spec<F extends Readonly<Record<string, Field<unknown>>>> {
  /** For the published list. */
  readonly holds: string
  readonly fields: F
  /** `one`: a second one must supersede; `many`: any number; else one for each value of that field. */
  readonly per: 'one' | 'many' | (keyof F & string)
  /** Its *occurred at* is one of the instants of an incident. */
  readonly instant?: true
  /** Still taken when the incident has ended. */
  readonly afterEnd?: true
  /** An attestation covers it: a later one needs another attestation. */
  readonly attested?: true
  /** Faults between fields. */
  readonly check?: (value: ValueOf<F>) => readonly string[]
}

const kind = <const F extends Readonly<Record<string, Field<unknown>>>>(spec: Spec<F>): Spec<F> =>
  spec
const plain = (holds: string) => kind({ holds, fields: { text: says }, per: 'one' })
const instantOf = (holds: string) => ({ ...plain(holds), instant: true, attested: true }) as const

/** How an incident came to light: Implementing Regulation (EU) 2025/302, field 2.7. */
export const discoveries = [
  'monitoring',
  'staff',
  'clients',
  'counterparts',
  'third_party',
  'internal_audit',
  'external_audit',
  'it_security',
  'authority',
  'attacker',
  'other',
] as const

const alertFields = {
  text: says,
  rule: optional(name('a rule', 1000)),
  fingerprint: optional(name('a fingerprint')),
  value: optional(anything()),
}

/** Every kind of fact with what its value holds. `text` is always the line a person reads. */
export const kinds = {
  opened: kind({
    holds: 'how the incident came to be recorded; the first fact',
    fields: {
      text: says,
      how: code(['alert', 'hand', 'webhook', 'complaint', 'import']),
      discovery: code(discoveries),
      workflow: count(1),
    },
    per: 'one',
  }),
  phenomenon: kind({
    holds: 'what was seen',
    fields: { text: says, rule: optional(name('the name of a rule', 1000)) },
    per: 'one',
    attested: true,
  }),
  occurred: instantOf('when the fault began'),
  detected: instantOf('when it was detected'),
  aware: instantOf('when the institution became aware'),
  acknowledged: kind({
    holds: 'who took it',
    fields: { text: says },
    per: 'many',
    instant: true,
  }),
  classified: instantOf('when it was classified'),
  severity: kind({
    holds: 'how severe it is; counted apart from the state',
    fields: { text: says, severity: code(['sev1', 'sev2', 'sev3', 'sev4']) },
    per: 'one',
    attested: true,
  }),
  major: kind({
    holds: 'whether it is major for the regulator; a reclassification supersedes',
    fields: { text: says, major: flag() },
    per: 'one',
    attested: true,
  }),
  impact: kind({
    holds: 'scope: services, hosts, customers, calls, regions, departments',
    fields: {
      text: says,
      services: names('a service'),
      hosts: names('a host'),
      customers: names('a customer'),
      regions: names('a region'),
      departments: names('a department'),
      customersAffected: optional(count()),
      callsAttempted: optional(count()),
      callsFailed: optional(count()),
      callsAbandoned: optional(count()),
      callsUnrecorded: optional(count()),
      evidence: optional(list(hash(), 1, 20)),
    },
    per: 'one',
    attested: true,
    check: ({ callsAttempted, callsFailed, callsAbandoned, callsUnrecorded }) =>
      callsAttempted === undefined
        ? []
        : Object.entries({
            failed: callsFailed,
            abandoned: callsAbandoned,
            unrecorded: callsUnrecorded,
            'failed and abandoned': (callsFailed ?? 0) + (callsAbandoned ?? 0),
          }).flatMap(([what, calls]) =>
            (calls ?? 0) <= callsAttempted
              ? []
              : [
                  `impact: ${calls} calls ${what} of ${callsAttempted} attempted; correct one of them`,
                ],
          ),
  }),
  preliminary_cause: kind({
    holds: 'what is thought to be the cause, with confidence',
    fields: {
      text: says,
      confidence: optional(code(['unknown', 'low', 'medium', 'high'])),
      code: optional(causeCode),
      evidence: optional(list(hash(), 1, 20)),
    },
    per: 'one',
  }),
  runbook: kind({
    holds: 'a runbook as it was, by its SHA-256',
    fields: { text: says, name: name('the name of a runbook'), hash: hash() },
    per: 'many',
  }),
  plan_activated: kind({
    holds: 'the runbook that is followed, by its SHA-256, or why none is',
    fields: {
      text: says,
      runbook: optional(name('the name of a runbook')),
      hash: optional(hash()),
      reason: optional(code(keys(noPlanReasons))),
    },
    per: 'one',
    instant: true,
    check: ({ runbook, hash, reason }) =>
      (runbook !== undefined && hash !== undefined) !== (reason !== undefined)
        ? []
        : ['plan_activated: write runbook and hash, or reason'],
  }),
  assigned: kind({
    holds: 'to whom it was given',
    fields: { text: says, technician: person },
    per: 'many',
    instant: true,
  }),
  accepted: kind({
    holds: 'that the technician took it',
    fields: { text: says, technician: person },
    per: 'many',
    instant: true,
  }),
  declined: kind({
    holds: 'that the technician did not take it, and why',
    fields: { text: says, technician: person },
    per: 'many',
    instant: true,
  }),
  arrived: kind({
    holds: 'that the technician is there or connected',
    fields: { text: says, technician: person, mode: code(['on_site', 'remote']) },
    per: 'many',
    instant: true,
  }),
  role: kind({
    holds: 'whose part somebody has from now on; with ended: true, has no more',
    fields: {
      text: says,
      role: code(staffRoles),
      person,
      ended: optional(flag()),
    },
    per: 'many',
    afterEnd: true,
  }),
  finding: kind({
    holds: 'what a technician found',
    fields: { text: says },
    per: 'many',
    attested: true,
  }),
  part: kind({
    holds: 'a part that was used or ordered',
    fields: { text: says, part: name('the name of a part'), quantity: count(10_000) },
    per: 'many',
  }),
  runbook_step: kind({
    holds: 'how a step of the pinned runbook went, with its output',
    fields: {
      text: says,
      hash: hash(),
      step: count(999),
      outcome: code(['done', 'skipped', 'failed']),
      output: optional(text(limits.textCharacters)),
    },
    per: 'many',
  }),
  evidence: kind({
    holds: 'what the hub froze of its own data, by SHA-256',
    fields: { text: says, about: name('what it shows'), hash: hash(), bytes: count() },
    per: 'many',
    afterEnd: true,
  }),
  clock_paused: kind({
    holds: 'that a clock of the service level stands still, and why',
    fields: { text: says, clock: name('the name of a clock') },
    per: 'many',
    instant: true,
  }),
  clock_resumed: kind({
    holds: 'that it runs again',
    fields: { text: says, clock: name('the name of a clock') },
    per: 'many',
    instant: true,
  }),
  mitigated: kind({
    holds: 'when the effect was reduced, and by whom',
    fields: { text: says, fixer: person },
    per: 'many',
    instant: true,
    attested: true,
  }),
  recovered: kind({
    holds: 'when it worked again, with what proves it',
    fields: {
      text: says,
      evidence: code(['machine', 'person']),
      greenMillis: optional(count()),
      sources: names('what was seen green'),
      verifier: optional(person),
    },
    per: 'many',
    instant: true,
    attested: true,
    check: ({ evidence, greenMillis, sources, verifier }) => {
      if (evidence === 'person')
        return verifier === undefined ? ['recovered: write verifier, who saw it work'] : []
      return greenMillis === undefined || sources === undefined
        ? ['recovered: write greenMillis and sources, how long what was green']
        : []
    },
  }),
  backlog_cleared: instantOf('when delayed work was caught up; downtime lasts until then'),
  root_cause_addressed: kind({
    holds: 'when the root cause was taken away',
    fields: { text: says },
    per: 'one',
    instant: true,
    afterEnd: true,
  }),
  relapse: kind({
    holds: 'that the fault came back',
    fields: { text: says },
    per: 'many',
    instant: true,
  }),
  root_cause: kind({
    holds: 'the root cause by code, with links to its evidence',
    fields: {
      text: says,
      codes: list(causeCode, 1, 5),
      additional: optional(list(code([...additionalCodes.keys()]), 1, 10)),
      other: optional(text(500)),
      evidence: list(name('the id of a fact or an attachment, or an address', 500), 0, 50),
    },
    per: 'one',
    attested: true,
    check: ({ codes, additional = [], other }) => [
      ...(codes.some((one) => one.endsWith('/other')) && other === undefined
        ? ['root_cause.other is missing: a code says "other", write which']
        : []),
      ...codes.flatMap((one) => {
        const third = Object.keys(additionalCauses[one] ?? {})
        return third.length === 0 || third.some((each) => additional.includes(each as never))
          ? []
          : [`root_cause.additional: ${one} needs one of ${third.join(', ')}`]
      }),
    ],
  }),
  five_whys: kind({
    holds: 'why, and why that, and why that',
    fields: { text: says, whys: list(text(2000), 2, 9) },
    per: 'one',
    attested: true,
  }),
  temporary_measure: kind({
    holds: 'what was done for the time being, or why nothing was',
    fields: { text: says, none: optional(flag()) },
    per: 'many',
    attested: true,
  }),
  permanent_measure: kind({
    holds: 'what takes the cause away for good, or why nothing is done',
    fields: { text: says, none: optional(flag()), plannedFor: optional(instant()) },
    per: 'many',
    attested: true,
  }),
  cost: kind({
    holds: 'a cost or loss, in one of nine kinds',
    fields: { text: says, cost: code(keys(costKinds)), amount: amount(), currency: currency() },
    per: 'many',
    afterEnd: true,
  }),
  recovery: kind({
    holds: 'money that came back',
    fields: { text: says, amount: amount(), currency: currency() },
    per: 'many',
    afterEnd: true,
  }),
  note: { ...plain('free text'), per: 'many', afterEnd: true },
  attachment: kind({
    holds:
      'a file by its SHA-256; of a panel also which one, over what time, and the file of its figures',
    fields: {
      text: says,
      name: name('the name of a file'),
      hash: hash(),
      bytes: count(),
      file: optional(name('the id of the attachment')),
      board: optional(name('the title of a board')),
      panel: optional(name('the title of a panel')),
      from: optional(instant()),
      to: optional(instant()),
      data: optional(name('the id of the attachment with its figures')),
    },
    per: 'many',
    afterEnd: true,
  }),
  went_well: { ...plain('what went well'), per: 'many', attested: true },
  went_badly: { ...plain('what went badly'), per: 'many', attested: true },
  action: kind({
    holds: 'what is to be done, by whom and by when',
    fields: {
      text: says,
      number: count(999),
      action: code(['detect', 'mitigate', 'prevent', 'process', 'repair']),
      owner: optional(person),
      dueAt: optional(instant()),
    },
    per: 'number',
    attested: true,
  }),
  action_done: kind({
    holds: 'that an action is done, with what shows it',
    fields: { text: says, number: count(999) },
    per: 'number',
    afterEnd: true,
  }),
  answer: kind({
    holds: 'the answer to one of the four closing questions',
    fields: {
      text: says,
      question: code(['promptness', 'analysis_quality', 'escalation', 'communication']),
    },
    per: 'question',
    attested: true,
  }),
  attestation: { ...plain('the reviewer’s word for the whole record'), per: 'many' },
  reviewed: kind({
    holds: 'when it was reviewed',
    fields: { text: says },
    per: 'many',
    instant: true,
  }),
  closed: kind({
    holds: 'when it was closed; written by the step',
    fields: { text: says },
    per: 'one',
    instant: true,
  }),
  duty_owed: kind({
    holds: 'a regulatory duty with its regime and due time',
    fields: {
      text: says,
      duty: name('the code of a duty'),
      regime: name('a regime'),
      dueAt: optional(instant()),
    },
    per: 'duty',
    afterEnd: true,
  }),
  duty_met: kind({
    holds: 'that a duty was met',
    fields: { text: says, duty: name('the code of a duty') },
    per: 'duty',
    afterEnd: true,
  }),
  duty_waived: kind({
    holds: 'why a duty does not apply',
    fields: { text: says, duty: name('the code of a duty') },
    per: 'duty',
    afterEnd: true,
  }),
  notice: kind({
    holds: 'what was said to whom; to customers with an approver who did not write it',
    fields: {
      text: says,
      audience: code(['management', 'departments', 'customers']),
      form: code(['opening', 'update', 'restored', 'closing']),
      approvedBy: optional(person),
      nextUpdateAt: optional(instant()),
    },
    per: 'many',
    afterEnd: true,
  }),
  notice_not_needed: { ...plain('why customers need no closing notice'), per: 'one' },
  cancelled: kind({
    holds: 'why it was cancelled',
    fields: { text: says, reason: code(keys(cancelReasons)) },
    per: 'one',
  }),
  merged: kind({
    holds: 'the incident it goes into',
    fields: { text: says, into: name('the id of an incident') },
    per: 'one',
  }),
  recurrence_of: kind({
    holds: 'the earlier incident of which this is a recurrence',
    fields: { text: says, incident: name('the id of an incident') },
    per: 'many',
    afterEnd: true,
  }),
  alert_fired: kind({
    holds: 'an alert that joined; a related one does not hold the recovery',
    fields: {
      ...alertFields,
      severity: optional(code(['critical', 'warning', 'info'])),
      related: optional(flag()),
    },
    per: 'many',
    afterEnd: true,
    check: ({ severity, related }) =>
      severity === 'critical' && related !== false
        ? ['alert_fired: related is false for an alert of severity critical']
        : [],
  }),
  alert_resolved: kind({
    holds: 'an alert that ended',
    fields: alertFields,
    per: 'many',
    afterEnd: true,
  }),
  transition: kind({
    holds: 'a step from state to state, with the rule and the role',
    fields: {
      text: says,
      from: code(stateNames),
      to: code(stateNames),
      role: code(roleNames),
      rule: name('a rule'),
    },
    per: 'many',
  }),
  restored: { ...plain('machine evidence, as written before there was a workflow'), per: 'many' },
  resolved: { ...plain('how it ended, as written before there was a workflow'), per: 'many' },
} as const satisfies Readonly<Record<string, unknown>>

export type FactKind = keyof typeof kinds
export const factKinds = Object.keys(kinds) as readonly FactKind[]

/** What the value of a kind holds. */
export type FactValue<K extends FactKind> = ValueOf<(typeof kinds)[K]['fields']>

/** A stamped fact of a known kind. */
export interface FactOf<K extends FactKind> {
  readonly id: string
  readonly kind: K
  readonly value: FactValue<K>
  readonly certainty: Certainty
  /** The instant itself, where the kind is one. */
  readonly occurredAt: Millis
  readonly recordedAt: Millis
  readonly recordedBy: string
  /** The id of an earlier fact of the same kind, which stays on file. */
  readonly supersedes: string | null
}
/** A stamped fact. */
export type Fact = { [K in FactKind]: FactOf<K> }[FactKind]
/** A fact before the records give it an id and a time. */
export type NewFact = { [K in FactKind]: Omit<FactOf<K>, 'id' | 'recordedAt'> }[FactKind]

/** What is known of a kind, without the types of its fields. */
export interface KindSpec {
  readonly holds: string
  readonly fields: Readonly<Record<string, Field<unknown>>>
  readonly per: string
  readonly instant?: true
  readonly afterEnd?: true
  readonly attested?: true
  readonly check?: (value: never) => readonly string[]
}

export function specOf(kind: FactKind): KindSpec {
  return kinds[kind] as KindSpec
}

export function isFactKind(kind: string): kind is FactKind {
  return Object.hasOwn(kinds, kind)
}

/** Faults of a fact by itself, each saying what to write; what its incident says against it is `admit`'s. */
export function faultsOfFact(fact: Omit<NewFact, 'kind'> & { readonly kind: string }): string[] {
  if (!isFactKind(fact.kind))
    return [
      `kind: "${String(fact.kind).slice(0, 40)}" is not known; take one of the published list`,
    ]
  const spec = specOf(fact.kind)
  const faults = faultsOfObject(spec.fields, fact.value, fact.kind)
  if (faults.length === 0 && spec.check !== undefined) {
    // The fields were checked on the line above, so the value is of the type the check takes.
    faults.push(...spec.check(fact.value as never))
  }
  const bytes =
    faults.length === 0 ? new TextEncoder().encode(JSON.stringify(fact.value)).length : 0
  if (bytes > limits.valueBytes)
    faults.push(`${fact.kind}: ${bytes} bytes; shorten it to ${limits.valueBytes}`)
  if (!certainties.includes(fact.certainty))
    faults.push(`certainty: write one of ${certainties.join(', ')}`)
  if (!isInstant(fact.occurredAt))
    faults.push('occurredAt: write an instant in milliseconds since 1970, UTC')
  faults.push(...person.faultsOf(fact.recordedBy, 'recordedBy'))
  return faults
}
