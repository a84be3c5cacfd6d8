import { type DocumentFault, DocumentReader, type Mapping } from './document.ts'

const document = 'Delegated Regulation (EU) 2024/1772'

/** What an incident did; a figure that is left out is unknown, not zero. Shares are of 1. */
export interface DoraImpact {
  /** Art. 6(a): supports critical or important functions. */
  readonly criticalFunctionAffected?: boolean
  /** Art. 6(b): a service that needs authorisation or is supervised. */
  readonly supervisedServiceAffected?: boolean
  /** Art. 6(c): successful, malicious and unauthorised access. */
  readonly maliciousAccess?: boolean
  /** Art. 9(5)(b): that access may result in data losses. */
  readonly accessMayLoseData?: boolean
  readonly clientsAffected?: number
  readonly clientsAffectedShare?: number
  readonly counterpartsAffectedShare?: number
  /** Of the daily average number, and of the daily average value. */
  readonly transactionsNumberShare?: number
  readonly transactionsValueShare?: number
  readonly relevantClientsAffected?: boolean
  readonly inMedia?: boolean
  readonly repeatedComplaints?: boolean
  readonly regulatoryRequirementsMissed?: boolean
  readonly clientsLost?: boolean
  readonly durationHours?: number
  /** Of ICT services that support critical or important functions. */
  readonly criticalDowntimeHours?: number
  readonly memberStates?: number
  /** Art. 9(5)(a): data losses that hurt business objectives or regulatory requirements. */
  readonly dataLossAdverse?: boolean
  /** Costs and losses, incurred or likely, in euro, without recoveries. */
  readonly costsEuro?: number
}

/** True, false, or undefined where a figure that decides is unknown. */
export type Answer = boolean | undefined

/** One criterion with what decided it. */
export interface CriterionResult {
  readonly code: string
  readonly met: Answer
  readonly because: string
  readonly citation: string
}

export interface DoraClassification {
  /** Undefined: cannot be said yet; `unknown` names the figures that are missing. */
  readonly major: Answer
  readonly because: string
  /** Critical services affected (Art. 6): without it nothing is major, and it does not count as one of the two. */
  readonly gate: CriterionResult
  /** Malicious access that may lose data (Art. 9(5)(b)): with the gate it decides alone. */
  readonly alone: CriterionResult
  /** The six criteria of which two are needed (Art. 8(1)(b)). */
  readonly criteria: readonly CriterionResult[]
  readonly unknown: readonly (keyof DoraImpact)[]
}

type Test = readonly [key: keyof DoraImpact, met: (impact: DoraImpact) => Answer, words: string]

const flag = (key: keyof DoraImpact, words: string): Test => [
  key,
  (impact) => impact[key] as boolean | undefined,
  words,
]
const over = (key: keyof DoraImpact, limit: number, words: string): Test => [
  key,
  (impact) => {
    const figure = impact[key] as number | undefined
    return figure === undefined ? undefined : figure > limit
  },
  words,
]

const gateTests: readonly Test[] = [
  flag('criticalFunctionAffected', 'a critical or important function was affected'),
  flag('supervisedServiceAffected', 'a service that is authorised or supervised was affected'),
  flag('maliciousAccess', 'there was successful malicious access'),
]

const tests: readonly {
  readonly code: string
  readonly article: string
  readonly any: readonly Test[]
}[] = [
  {
    code: 'clients, counterparts and transactions',
    article: 'Art. 9(1)',
    any: [
      over('clientsAffectedShare', 0.1, 'over 10 % of the clients of the service'),
      over('clientsAffected', 100_000, 'over 100 000 clients'),
      over('counterpartsAffectedShare', 0.3, 'over 30 % of the counterparts'),
      over('transactionsNumberShare', 0.1, 'over 10 % of the daily number of transactions'),
      over('transactionsValueShare', 0.1, 'over 10 % of the daily value of transactions'),
      flag('relevantClientsAffected', 'relevant clients or counterparts'),
    ],
  },
  {
    code: 'reputational impact',
    article: 'Art. 9(2), Art. 2(1)',
    any: [
      flag('inMedia', 'in the media'),
      flag('repeatedComplaints', 'repeated complaints of different clients'),
      flag('regulatoryRequirementsMissed', 'regulatory requirements cannot be met'),
      flag('clientsLost', 'clients are or will be lost'),
    ],
  },
  {
    code: 'duration and service downtime',
    article: 'Art. 9(3)',
    any: [
      over('durationHours', 24, 'longer than 24 hours'),
      over('criticalDowntimeHours', 2, 'over 2 hours of downtime of critical functions'),
    ],
  },
  {
    code: 'geographical spread',
    article: 'Art. 9(4)',
    any: [over('memberStates', 1, 'impact in two or more Member States')],
  },
  {
    code: 'data losses',
    article: 'Art. 9(5)(a)',
    any: [flag('dataLossAdverse', 'data losses with adverse impact')],
  },
  {
    code: 'economic impact',
    article: 'Art. 9(6)',
    any: [over('costsEuro', 100_000, 'costs and losses over EUR 100 000')],
  },
]

/**
 * The test of Art. 8(1): critical services affected, and either malicious access that may lose data or two of the six
 * thresholds. A figure that is missing leaves the answer open only where it could change it. One incident alone:
 * recurring incidents (Art. 8(2)) are put together by the caller.
 */
export function classifyDora(impact: DoraImpact): DoraClassification {
  const gate = anyOf('critical services affected', 'Art. 6', gateTests, impact)
  const alone = allOf(impact)
  const criteria = tests.map(({ code, article, any }) => anyOf(code, article, any, impact))
  const met = criteria.filter((one) => one.met === true).map(({ code }) => code)
  const open = criteria.filter((one) => one.met === undefined)
  const two: Answer = met.length >= 2 ? true : met.length + open.length < 2 ? false : undefined
  const grounds = or([alone.met, two])
  const major = gate.met === false || grounds === false ? false : and([gate.met, grounds])
  const unknown = major === undefined ? unknownOf(impact, gate, alone, open) : []
  return {
    major,
    because: reason(major, gate, alone, met, unknown),
    gate,
    alone,
    criteria,
    unknown,
  }
}

function or(answers: readonly Answer[]): Answer {
  if (answers.includes(true)) return true
  return answers.includes(undefined) ? undefined : false
}

function and(answers: readonly Answer[]): Answer {
  if (answers.includes(false)) return false
  return answers.includes(undefined) ? undefined : true
}

function anyOf(
  code: string,
  article: string,
  any: readonly Test[],
  impact: DoraImpact,
): CriterionResult {
  const citation = `${document} ${article}`
  const found = any.find(([, met]) => met(impact) === true)
  if (found !== undefined) return { code, met: true, because: found[2], citation }
  const open = any.filter(([, met]) => met(impact) === undefined).map(([key]) => key)
  if (open.length === 0) return { code, met: false, because: 'no condition holds', citation }
  return { code, met: undefined, because: `not known: ${open.join(', ')}`, citation }
}

function allOf({ maliciousAccess, accessMayLoseData }: DoraImpact): CriterionResult {
  const met = and([maliciousAccess, accessMayLoseData])
  const words = { true: 'malicious access may lose data', false: 'no such access' }
  const because = met === undefined ? 'not known' : words[`${met}`]
  const code = 'malicious access that may lose data'
  return { code, met, because, citation: `${document} Art. 8(1)(a), Art. 9(5)(b)` }
}

function unknownOf(
  impact: DoraImpact,
  gate: CriterionResult,
  alone: CriterionResult,
  open: readonly CriterionResult[],
): (keyof DoraImpact)[] {
  const asked = [
    ...(gate.met === undefined ? gateTests : []),
    ...(alone.met === undefined
      ? [flag('maliciousAccess', ''), flag('accessMayLoseData', '')]
      : []),
    ...tests.filter(({ code }) => open.some((one) => one.code === code)).flatMap(({ any }) => any),
  ]
  const keys = asked.filter(([key]) => impact[key] === undefined).map(([key]) => key)
  return [...new Set(keys)]
}

function reason(
  major: Answer,
  gate: CriterionResult,
  alone: CriterionResult,
  met: readonly string[],
  unknown: readonly string[],
): string {
  if (major === undefined) return `cannot be said yet; not known: ${unknown.join(', ')}`
  if (gate.met === false)
    return 'not major: no critical service was affected (Art. 6), whatever else'
  const thresholds = `${met.length} of two thresholds${met.length > 0 ? `: ${met.join(', ')}` : ''}`
  if (!major) return `not major: ${thresholds} (Art. 8(1)(b))`
  if (alone.met === true) return 'major: critical services and malicious access (Art. 8(1)(a))'
  return `major: critical services and ${met.join(', ')} (Art. 8(1)(b))`
}

const booleans = [
  ...gateTests.map(([key]) => key),
  ...(['accessMayLoseData', 'relevantClientsAffected', 'inMedia', 'repeatedComplaints'] as const),
  ...(['regulatoryRequirementsMissed', 'clientsLost', 'dataLossAdverse'] as const),
]
const shares = [
  ...(['clientsAffectedShare', 'counterpartsAffectedShare'] as const),
  ...(['transactionsNumberShare', 'transactionsValueShare'] as const),
]
const numbers = [
  ...(['clientsAffected', 'durationHours', 'criticalDowntimeHours'] as const),
  ...(['memberStates', 'costsEuro'] as const),
]

/** Reads impact figures; every fault carries its place. Never throws. */
export function readDoraImpact(content: unknown): {
  readonly value: DoraImpact | undefined
  readonly faults: readonly DocumentFault[]
} {
  const reader = new DocumentReader()
  const known = [...booleans, ...shares, ...numbers]
  const item: Mapping = reader.mapping(content, [], known, 'clientsAffectedShare: 0.12') ?? {}
  for (const [key, value] of Object.entries(item)) {
    if ((booleans as readonly string[]).includes(key)) {
      if (typeof value !== 'boolean')
        reader.fault([key], 'must be true or false; leave it out if not known')
    } else if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
      reader.fault([key], 'must be a number from 0 up; leave it out if not known')
    // A share of downtime or of transactions may be above the daily average; of clients and counterparts it cannot.
    else if (/^(clients|counterparts).*Share$/.test(key) && value > 1)
      reader.fault([key], 'is a share from 0 to 1; example: 0.12 for 12 %')
  }
  return {
    value: reader.faults.length > 0 ? undefined : (item as DoraImpact),
    faults: reader.faults,
  }
}
