import type { AlertView, Labels, Millis, Severity } from './alert.ts'
import type { Calendar } from './calendar.ts'
import { readCalendar } from './calendar-reader.ts'
import { type DocumentFault, DocumentReader, type Path } from './document.ts'
import { parseDuration } from './duration.ts'
import { type FlapBand, flapBand } from './flap.ts'

export interface Threshold {
  readonly operator: '>' | '>=' | '<' | '<='
  readonly value: number
}

/** One step of a rule: from this value on the alert is this severe and tells these people. */
export interface Tier {
  readonly severity: Severity
  readonly threshold: Threshold
  /** Once reached, the tier is left only when the value no longer passes this one. */
  readonly recovery: number | undefined
  /** How long the value must pass before the tier is reached. */
  readonly for: Millis
  /** Receivers of its own; empty: the routing tree decides. */
  readonly receivers: readonly string[]
}

/** Severity inside a calendar; `same` leaves it as it is. */
export interface SeverityDuring {
  /** Undefined: whenever no earlier line holds. */
  readonly calendar: string | undefined
  readonly severity: Severity | 'same'
}

/** What Prometheus's rule format lacks. */
export interface RuleExtras {
  /** From mild to severe. */
  readonly tiers: readonly Tier[]
  readonly severities: readonly SeverityDuring[]
  /** A firing alert stays until its value no longer passes this. */
  readonly recovery: Threshold | undefined
  /** A series seen once and missing this long raises the alert. */
  readonly absentFor: Millis | undefined
  readonly flap: FlapBand | 'off'
  /** Below this traffic the rule says nothing: with three calls a ratio means nothing. */
  readonly minimumTraffic: { readonly expr: string; readonly atLeast: number } | undefined
  /** Receivers of the whole rule; empty: the routing tree decides. */
  readonly receivers: readonly string[]
}

/** A rule without extras. */
export const noExtras: RuleExtras = {
  tiers: [],
  severities: [],
  recovery: undefined,
  absentFor: undefined,
  flap: flapBand,
  minimumTraffic: undefined,
  receivers: [],
}

/** A sibling file `<name>.callward.yaml`. */
export interface ExtrasFile {
  readonly byRule: ReadonlyMap<string, RuleExtras>
  readonly calendars: readonly Calendar[]
  readonly faults: readonly DocumentFault[]
}

const examples: Readonly<Record<string, string>> = {
  tiers: 'warning: > 0.05, recovery 0.03; critical: > 0.2, recovery 0.15, for 1m, to voice sms',
  calendar: 'dialling-hours: critical; otherwise: info',
  recovery: '> 0.03',
  absent_for: '10m',
  flap: '25-30 1m',
  minimum_traffic: 'sum by (instance) (rate(callward_calls_total[5m])) >= 10',
  receivers: 'voice, chat',
}
const keys = Object.keys(examples)
const itemsMax = 20
const textMax = 10_000

class ExtrasFault extends Error {}

/**
 * Extras from a rule's annotations `callward_tiers`, `callward_calendar`, `callward_recovery`,
 * `callward_absent_for`, `callward_flap`, `callward_minimum_traffic`, `callward_receivers`. A faulty one is left
 * out, and named.
 */
export function extrasFromAnnotations(annotations: Labels): {
  readonly extras: RuleExtras
  readonly faults: readonly DocumentFault[]
} {
  const reader = new DocumentReader()
  const texts = new Map<string, unknown>()
  for (const key of keys) {
    const text = annotations[`callward_${key}`]
    if (text !== undefined) texts.set(key, text)
  }
  const extras = read(reader, texts, (key) => ['annotations', `callward_${key}`])
  return { extras, faults: reader.faults }
}

/** Extras of alerts: the sibling file's for the rule, else the annotations'. Answers are remembered. */
export function extrasReader(
  byRule: ReadonlyMap<string, RuleExtras>,
): (alert: AlertView) => RuleExtras {
  const known = new WeakMap<Labels, RuleExtras>()
  return (alert) => {
    const annotations = alert.annotations
    const extras =
      byRule.get(alert.rule) ?? known.get(annotations) ?? extrasFromAnnotations(annotations).extras
    known.set(annotations, extras)
    return extras
  }
}

/**
 * Reads a sibling file that was already parsed from YAML: `rules: {Name: {tiers: […], calendar: …}}` with the same
 * keys and texts as the annotations, a list standing for texts joined by `;`, and `calendars` with `except`.
 */
export function parseExtrasFile(document: unknown): ExtrasFile {
  const reader = new DocumentReader()
  const byRule = new Map<string, RuleExtras>()
  const file = reader.mapping(
    document ?? {},
    [],
    ['rules', 'calendars'],
    'rules: {DiskFull: {flap: off}}',
  )
  const rules = file?.['rules'] ?? {}
  if (typeof rules !== 'object' || Array.isArray(rules))
    reader.fault(['rules'], 'must be a mapping of rule names; example: "DiskFull: {flap: off}"')
  else
    for (const [name, item] of Object.entries(rules)) {
      const one = reader.mapping(item, ['rules', name], keys, `calendar: "${examples['calendar']}"`)
      if (one !== undefined)
        byRule.set(
          name,
          read(reader, new Map(Object.entries(one)), (key) => ['rules', name, key]),
        )
    }
  const calendars = reader
    .list(file?.['calendars'], ['calendars'], 1_000, 'calendars: [{name: dialling-hours}]')
    .map((item, i) => readCalendar(reader, item, ['calendars', i]))
    .filter((calendar) => calendar !== undefined)
  return { byRule, calendars, faults: reader.faults }
}

function read(
  reader: DocumentReader,
  values: ReadonlyMap<string, unknown>,
  pathOf: (key: string) => Path,
): RuleExtras {
  const take = <T>(key: string, parse: (text: string) => T, otherwise: T): T => {
    const value = values.get(key)
    if (value === undefined || value === null) return otherwise
    try {
      const text = Array.isArray(value) ? value.map(String).join(';') : String(value)
      if (text.length > textMax) throw new ExtrasFault(`longer than ${textMax} characters`)
      return parse(text)
    } catch (error) {
      if (!(error instanceof ExtrasFault)) throw error
      reader.fault(pathOf(key), `${error.message}; example: "${examples[key]}"`)
      return otherwise
    }
  }
  return {
    tiers: take('tiers', parseTiers, []),
    severities: take('calendar', parseSeverities, []),
    recovery: take('recovery', parseThreshold, undefined),
    absentFor: take('absent_for', duration, undefined),
    flap: take('flap', parseFlap, flapBand),
    minimumTraffic: take('minimum_traffic', parseTraffic, undefined),
    receivers: take('receivers', (text) => text.split(/[,;\s]+/).filter((name) => name !== ''), []),
  }
}

function parts(text: string, separator: RegExp): string[] {
  const found = text
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== '')
  if (found.length > itemsMax) throw new ExtrasFault(`more than ${itemsMax} items`)
  return found
}

function severity(text: string): Severity {
  if (text === 'critical' || text === 'warning' || text === 'info') return text
  throw new ExtrasFault(`"${text}" is not critical, warning or info`)
}

function duration(text: string): Millis {
  const length = parseDuration(text.trim())
  if (length === undefined || length === 0) throw new ExtrasFault(`"${text}" is not a duration`)
  return length
}

function number(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value))
    throw new ExtrasFault(`"${text}" is not a number`)
  return value
}

function parseThreshold(text: string): Threshold {
  const match = /^\s*(>=|<=|>|<)\s*(\S+)\s*$/.exec(text)
  if (match === null) throw new ExtrasFault(`"${text}" is not a comparison`)
  return { operator: match[1] as Threshold['operator'], value: number(match[2]!) }
}

function parseTiers(text: string): readonly Tier[] {
  const tiers = parts(text, /[;\n]/).map(parseTier)
  for (const [i, tier] of tiers.entries()) {
    const milder = tiers[i - 1]
    if (milder === undefined) continue
    const up = tier.threshold.operator.startsWith('>')
    if (up !== milder.threshold.operator.startsWith('>'))
      throw new ExtrasFault('tiers compare in one direction')
    if (
      up
        ? tier.threshold.value <= milder.threshold.value
        : tier.threshold.value >= milder.threshold.value
    )
      throw new ExtrasFault('tiers stand from mild to severe')
  }
  return tiers
}

function parseTier(text: string): Tier {
  const colon = text.indexOf(':')
  if (colon < 0) throw new ExtrasFault(`"${text}" has no severity before a colon`)
  const [first, ...rest] = parts(text.slice(colon + 1), /,/)
  const threshold = parseThreshold(first ?? '')
  let [recovery, wait, receivers]: [number | undefined, Millis, string[]] = [undefined, 0, []]
  for (const item of rest) {
    const [word, ...values] = item.split(/\s+/)
    if (word === 'recovery' && values.length === 1) recovery = number(values[0]!)
    else if (word === 'for' && values.length === 1) wait = duration(values[0]!)
    else if (word === 'to' && values.length > 0) receivers = values
    else
      throw new ExtrasFault(`"${item}" is not "recovery NUMBER", "for DURATION" or "to RECEIVERS"`)
  }
  const up = threshold.operator.startsWith('>')
  if (recovery !== undefined && (up ? recovery > threshold.value : recovery < threshold.value))
    throw new ExtrasFault(`recovery ${recovery} lies beyond the threshold ${threshold.value}`)
  return {
    severity: severity(text.slice(0, colon).trim()),
    threshold,
    recovery,
    for: wait,
    receivers,
  }
}

function parseSeverities(text: string): readonly SeverityDuring[] {
  return parts(text, /[;\n]/).map((item) => {
    const match = /^([^:]+):\s*(\w+)$/.exec(item)
    if (match === null) throw new ExtrasFault(`"${item}" is not "CALENDAR: SEVERITY"`)
    const name = match[1]!.trim()
    const word = match[2]!
    return {
      calendar: name === 'otherwise' ? undefined : name,
      severity: word === 'same' ? word : severity(word),
    }
  })
}

function parseFlap(text: string): FlapBand | 'off' {
  // YAML 1.1 readers turn a bare `off` into false.
  if (text.trim() === 'off' || text.trim() === 'false') return 'off'
  const match = /^\s*([\d.]+)\s*-\s*([\d.]+)(?:\s+(\S+))?\s*$/.exec(text)
  if (match === null) throw new ExtrasFault(`"${text}" is not "off" or "LOW-HIGH INTERVAL"`)
  const [low, high] = [number(match[1]!), number(match[2]!)]
  if (low > high || high > 100) throw new ExtrasFault('low must be below high, high at most 100')
  return { low, high, interval: match[3] === undefined ? flapBand.interval : duration(match[3]) }
}

function parseTraffic(text: string): RuleExtras['minimumTraffic'] {
  const match = /^(.+?)\s*>=\s*([\d.eE+-]+)\s*$/s.exec(text)
  if (match === null) throw new ExtrasFault(`"${text}" does not end with ">= NUMBER"`)
  return { expr: match[1]!.trim(), atLeast: number(match[2]!) }
}
