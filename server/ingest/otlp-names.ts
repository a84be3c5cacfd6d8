import type { OtlpAttribute } from './otlp-message.ts'

/**
 * Names as Prometheus' own OTLP receiver gives them with its strategy "UnderscoreEscapingWithSuffixes" (OpenTelemetry specification,
 * compatibility/prometheus_and_openmetrics.md; Prometheus, guides/opentelemetry).
 */
const units: ReadonlyMap<string, string> = new Map([
  ...Object.entries({ d: 'days', h: 'hours', min: 'minutes', s: 'seconds' }),
  ...Object.entries({ ms: 'milliseconds', us: 'microseconds', ns: 'nanoseconds' }),
  ...Object.entries({ By: 'bytes', KiBy: 'kibibytes', MiBy: 'mebibytes', GiBy: 'gibibytes' }),
  ...Object.entries({ TiBy: 'tebibytes', KBy: 'kilobytes', kBy: 'kilobytes', MBy: 'megabytes' }),
  ...Object.entries({ GBy: 'gigabytes', TBy: 'terabytes' }),
  ...Object.entries({ m: 'meters', V: 'volts', A: 'amperes', J: 'joules', W: 'watts' }),
  ...Object.entries({ g: 'grams', Cel: 'celsius', Hz: 'hertz', '1': '', '%': 'percent' }),
])

const perUnits: ReadonlyMap<string, string> = new Map([
  ...Object.entries({ s: 'second', m: 'minute', h: 'hour', d: 'day' }),
  ...Object.entries({ w: 'week', mo: 'month', y: 'year' }),
])

/** What decides the ending of a name. */
export type NameKind = 'counter' | 'gauge' | 'other'

/** The series name of a metric; undefined when nothing of it can stand in a name. */
export function metricName(name: string, unit: string, kind: NameKind): string | undefined {
  let words = name.split(/[^a-zA-Z0-9:]+/).filter((word) => word !== '')
  if (words.length === 0) return undefined
  for (const ending of unitEndings(unit)) if (!words.includes(ending)) words.push(ending)
  const last = kind === 'counter' ? 'total' : kind === 'gauge' && unit === '1' ? 'ratio' : undefined
  if (last !== undefined) words = [...words.filter((word) => word !== last), last]
  const joined = words.join('_')
  return /^\d/.test(joined) ? `_${joined}` : joined
}

/** `By/s` gives `bytes` and `per_second`; what stands in braces is a remark, no unit. */
function unitEndings(unit: string): string[] {
  const slash = unit.indexOf('/')
  const whole = (slash < 0 ? unit : unit.slice(0, slash)).trim()
  const per = slash < 0 ? '' : unit.slice(slash + 1).trim()
  const endings: string[] = []
  if (!/[{}]/.test(whole)) endings.push(ending(units.get(whole) ?? whole))
  if (!/[{}]/.test(per) && ending(per) !== '')
    endings.push(`per_${ending(perUnits.get(per) ?? per)}`)
  return endings.filter((one) => one !== '')
}

function ending(unit: string): string {
  return unit.replace(/[^a-zA-Z0-9:]+/g, '_').replace(/^_|_$/g, '')
}

/** The label of an attribute; undefined when nothing of it can stand in a name. */
export function labelName(key: string): string | undefined {
  // Most keys need little.
  if (/^[a-zA-Z][a-zA-Z0-9_]*$/.test(key)) return key
  const name = key.replace(/[^a-zA-Z0-9_]/gu, '_')
  if (/^_*$/.test(name)) return undefined
  if (/^\d/.test(name)) return `key_${name}`
  return /^_(?!_)/.test(name) ? `key${name}` : name
}

/** Why an attribute cannot become a label, in words; else its labels are added to `into`. */
export function addLabels(
  into: Map<string, string>,
  attributes: readonly OtlpAttribute[],
  prefix = '',
): string | undefined {
  // Keys that become the same label: their values one after the other, in the order of the keys.
  const sorted = [...attributes].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  const own = new Map<string, string>()
  for (const { key, text } of sorted) {
    const name = labelName(prefix + key)
    if (name === undefined || name === '__name__' || name === '__proto__')
      return `the attribute ${shown(key)} cannot be a label`
    if (text === undefined) return `the attribute ${shown(key)} is nested too deep`
    if (notUtf8(text) || notUtf8(key)) return `the attribute ${shown(key)} is not UTF-8`
    const former = own.get(name)
    own.set(name, former === undefined ? text : `${former};${text}`)
  }
  for (const [name, text] of own) into.set(name, text)
  return undefined
}

/** Whether a text has no form in UTF-8. */
export function notUtf8(text: string): boolean {
  return /\p{Surrogate}/u.test(text)
}

/** Text shown to a person: quoted, short. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}

/** A number as Prometheus writes it in `le` and `quantile`: without an exponent. */
export function labelNumber(value: number): string {
  if (value === Infinity) return '+Inf'
  const [, sign, whole, fraction = '', exponent] =
    /^(-?)(\d+)(?:\.(\d+))?e([+-]\d+)$/.exec(String(value)) ?? []
  if (whole === undefined) return String(value)
  const digits = whole + fraction
  const point = whole.length + Number(exponent)
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`
  return sign + digits.padEnd(point, '0')
}
