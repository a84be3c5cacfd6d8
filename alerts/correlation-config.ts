import type { Millis } from './alert.ts'
import { type DocumentFault, DocumentReader, type Mapping, type Path } from './document.ts'
import { type Matcher, MatcherFault, parseMatchers } from './matchers.ts'

export const correlationActions = ['open', 'join', 'ignore'] as const
/** `open` opens an incident or joins one of the same key, `join` only joins, `ignore` does neither. */
export type CorrelationAction = (typeof correlationActions)[number]

export const incidentSeverities = ['sev1', 'sev2', 'sev3', 'sev4'] as const
export type IncidentSeverity = (typeof incidentSeverities)[number]

/** So many different values of a label, among alerts that fire and began within a time. */
export interface CorrelationCount {
  readonly atLeast: number
  /** The label whose different values are counted. */
  readonly of: string
  readonly within: Millis
}

/** What an incident that a rule opens begins with. */
export interface CorrelationOpening {
  readonly severity: IncidentSeverity
  readonly major: boolean
  /** Empty: what the alert's labels say. */
  readonly services: readonly string[]
  /** Absent: the alert's own. */
  readonly runbook?: string | undefined
}

export interface CorrelationRule {
  readonly name: string
  /** All must match; none: every alert. */
  readonly matchers: readonly Matcher[]
  readonly action: CorrelationAction
  /** Labels; alerts that have equal values of all of them belong together. */
  readonly same: readonly string[]
  /** How old an incident may be that is joined; absent: any age while it is open. */
  readonly within?: Millis | undefined
  /** Absent: the first alert opens one. */
  readonly count?: CorrelationCount | undefined
  readonly opening: CorrelationOpening
}

export interface CorrelationRead {
  /** Absent with any fault. */
  readonly rules?: readonly CorrelationRule[]
  readonly faults: readonly DocumentFault[]
}

/** Rules of one document, and what one rule may name. */
export const correlationLimits = { rules: 200, matchers: 20, same: 5, services: 20, count: 1000 }
const maxWithin = 7 * 86_400_000
const maxCountWithin = 86_400_000
const labelName = /^[a-zA-Z_][a-zA-Z0-9_]{0,99}$/
const common = ['name', 'matchers', 'action', 'same', 'within']
const ofOpening = ['count', 'severity', 'major', 'services', 'runbook']
const example = 'rules: [{ name: faults, matchers: [\'severity="critical"\'], action: open }]'

/** Reads a document that was parsed from YAML; every fault is named with its place and what to write. Never throws. */
export function parseCorrelation(content: unknown): CorrelationRead {
  const reader = new DocumentReader()
  const whole = reader.mapping(content, [], ['rules'], example)
  const list = reader.list(whole?.['rules'], ['rules'], correlationLimits.rules, example)
  if (whole !== undefined && whole['rules'] == null)
    reader.fault([], `"rules" is missing; example: "${example}". A list "rules: []" opens nothing`)
  const names = new Set<string>()
  const rules = list.map((one, i) => ruleOf(reader, one, ['rules', i], names))
  const read = rules.filter((rule) => rule !== undefined)
  return reader.faults.length > 0 ? { faults: reader.faults } : { rules: read, faults: [] }
}

function ruleOf(
  reader: DocumentReader,
  value: unknown,
  path: Path,
  names: Set<string>,
): CorrelationRule | undefined {
  const rule = reader.mapping(value, path, [...common, ...ofOpening], example)
  if (rule === undefined) return undefined
  const name = nameOf(reader, rule, path, names)
  const action = codeOf(reader, rule['action'], [...path, 'action'], correlationActions)
  if (rule['action'] == null) reader.fault(path, 'action is missing; example: "action: open"')
  if (action !== 'open')
    for (const key of ofOpening)
      if (rule[key] !== undefined)
        reader.fault([...path, key], 'belongs to rules with "action: open" only; take it out')
  const within = lengthOf(reader, rule['within'], [...path, 'within'], maxWithin, 'within: 2h')
  const count = countOf(reader, rule['count'], [...path, 'count'])
  return {
    name: name ?? '',
    matchers: matchersOf(reader, rule['matchers'], [...path, 'matchers']),
    action: action ?? 'ignore',
    same: sameOf(reader, rule['same'], [...path, 'same']),
    within,
    count,
    opening: openingOf(reader, rule, path),
  }
}

function nameOf(
  reader: DocumentReader,
  rule: Mapping,
  path: Path,
  names: Set<string>,
): string | undefined {
  const where = [...path, 'name']
  const name = shortText(reader, rule['name'], where, 'name: site down')
  if (rule['name'] == null) reader.fault(path, 'name is missing; example: "name: site down"')
  if (name === undefined) return undefined
  if (names.has(name))
    reader.fault(where, `there is a rule "${name}" already; give each a name of its own`)
  names.add(name)
  return name
}

function openingOf(reader: DocumentReader, rule: Mapping, path: Path): CorrelationOpening {
  const severity = codeOf(reader, rule['severity'], [...path, 'severity'], incidentSeverities)
  const where = [...path, 'services']
  const { services: max } = correlationLimits
  return {
    severity: severity ?? 'sev2',
    major: reader.flag(rule['major'], [...path, 'major']) ?? false,
    services: reader
      .list(rule['services'], where, max, 'services: [telephony]')
      .map((one, i) => shortText(reader, one ?? '', [...where, i], 'telephony'))
      .filter((one) => one !== undefined),
    runbook: shortText(reader, rule['runbook'], [...path, 'runbook'], 'runbook: SiteDown'),
  }
}

function matchersOf(reader: DocumentReader, value: unknown, path: Path): readonly Matcher[] {
  const sample = 'matchers: [\'alertname="HostSilent"\', \'site=~"hanoi|hue"\']'
  const matchers: Matcher[] = []
  for (const [i, one] of reader.texts(value, path, correlationLimits.matchers, sample).entries())
    try {
      matchers.push(...parseMatchers(one))
    } catch (error) {
      if (!(error instanceof MatcherFault)) throw error
      reader.fault([...path, i], error.message)
    }
  return matchers
}

function sameOf(reader: DocumentReader, value: unknown, path: Path): readonly string[] {
  const sample = 'same: [site]'
  const labels = reader.texts(value, path, correlationLimits.same, sample)
  for (const [i, label] of labels.entries())
    if (!labelName.test(label))
      reader.fault([...path, i], `"${label}" is no label; example: "${sample}"`)
  if (Array.isArray(value) && value.length === 0)
    reader.fault(path, `names no label; example: "${sample}"; without it: [instance]`)
  return value == null ? ['instance'] : [...new Set(labels)].sort()
}

function countOf(reader: DocumentReader, value: unknown, path: Path): CorrelationCount | undefined {
  if (value === undefined || value === null) return undefined
  const sample = 'count: { at_least: 3, of: instance, within: 5m }'
  const count = reader.mapping(value, path, ['at_least', 'of', 'within'], sample)
  if (count === undefined) return undefined
  const atLeast = reader.number(count['at_least'], [...path, 'at_least'], 'at_least: 3')
  const { count: most } = correlationLimits
  if (atLeast === undefined || !Number.isInteger(atLeast) || atLeast < 2 || atLeast > most)
    reader.fault(path, `at_least must be a whole number from 2 to ${most}; example: "${sample}"`)
  const of = reader.text(count['of'] ?? 'instance', [...path, 'of'], 'of: instance')
  if (of !== undefined && !labelName.test(of))
    reader.fault([...path, 'of'], `"${of}" is no label; example: "of: instance"`)
  const where = [...path, 'within']
  const within = lengthOf(reader, count['within'], where, maxCountWithin, 'within: 5m')
  if (count['within'] == null) reader.fault(path, `within is missing; example: "${sample}"`)
  return { atLeast: atLeast ?? 2, of: of ?? 'instance', within: within ?? 1 }
}

function lengthOf(
  reader: DocumentReader,
  value: unknown,
  path: Path,
  max: Millis,
  sample: string,
): Millis | undefined {
  const length = reader.duration(value, path, sample)
  if (length === undefined || (length > 0 && length <= max)) return length
  return reader.fault(path, `must be over 0 and at most ${max / 3_600_000}h; example: "${sample}"`)
}

function shortText(
  reader: DocumentReader,
  value: unknown,
  path: Path,
  sample: string,
): string | undefined {
  const text = reader.text(value, path, sample)
  // A fact takes it as a name: one line, no control characters.
  if (
    text === undefined ||
    (text.length <= 100 && /\S/.test(text) && !/[\p{Cc}\p{Cs}]/u.test(text))
  )
    return text
  return reader.fault(path, `must be one line of at most 100 characters; example: "${sample}"`)
}

function codeOf<const Code extends string>(
  reader: DocumentReader,
  value: unknown,
  path: Path,
  codes: readonly Code[],
): Code | undefined {
  if (value === undefined || value === null) return undefined
  const found = codes.find((code) => code === value)
  return found ?? reader.fault(path, `must be one of ${codes.join(', ')}; example: "${codes[0]}"`)
}
