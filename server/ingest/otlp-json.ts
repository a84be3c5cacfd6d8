import { isUtf8 } from 'node:buffer'
import { jsonWithin } from './json-bounds.ts'
import {
  type ExponentialBuckets,
  type OtlpAttribute,
  OtlpCounts,
  type OtlpData,
  type OtlpMetric,
  type OtlpPoint,
  type OtlpRequest,
  otlpLimits,
  type Temporality,
  tooMany,
} from './otlp-message.ts'
import { millisOf, type OtlpValue, valueText } from './otlp-value.ts'
import { WriteRefused } from './write-refused.ts'

/** Levels of the JSON text; a level of an attribute takes three. */
const mostLevels = 128

/**
 * Decodes an ExportMetricsServiceRequest in OTLP's JSON (specification, protocol/otlp.md, "JSON Protobuf Encoding"): lowerCamelCase
 * keys, 64-bit numbers as text or number, enumerations as numbers; unknown keys are passed over. Throws WriteRefused.
 */
export function decodeOtlpJson(body: Buffer): OtlpRequest {
  if (!isUtf8(body)) throw malformed('it is not UTF-8 text')
  if (!jsonWithin(body, mostLevels, otlpLimits.elements * 2))
    throw tooMany(`${mostLevels} levels or ${otlpLimits.elements * 2} values`)
  let parsed: unknown
  try {
    parsed = JSON.parse(body.toString('utf8'))
  } catch {
    throw malformed('it is not JSON')
  }
  const counts = new OtlpCounts()
  const resources = list(fieldsOf(parsed, 'it'), 'resourceMetrics').map((one) => {
    counts.group()
    return {
      attributes: attributes(fieldsOf(one['resource'] ?? {}, 'resource'), counts),
      scopes: list(one, 'scopeMetrics').map((scope) => readScope(scope, counts)),
    }
  })
  return { resources, exemplars: counts.exemplars }
}

/** A JSON object. */
type Fields = Readonly<Record<string, unknown>>

function malformed(detail: string): WriteRefused {
  return new WriteRefused('malformed', `The body is not an OTLP metrics request: ${detail}.`)
}

function fieldsOf(value: unknown, name: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed(`${name} is not an object`)
  return value as Fields
}

/** The objects of a list; none when the key is absent. */
function list(fields: Fields, key: string): Fields[] {
  return values(fields, key).map((one) => fieldsOf(one, `an entry of ${key}`))
}

function values(fields: Fields, key: string): readonly unknown[] {
  const value = fields[key] ?? []
  if (!Array.isArray(value)) throw malformed(`${key} is not a list`)
  return value
}

function text(fields: Fields, key: string): string {
  const value = fields[key] ?? ''
  if (typeof value !== 'string') throw malformed(`${key} is not text`)
  return value
}

const wordNumbers: ReadonlyMap<unknown, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
])

/** A number, or its text. */
function numberOf(value: unknown, key: string): number {
  if (typeof value === 'number') return value
  const word = wordNumbers.get(value)
  if (word !== undefined) return word
  if (typeof value === 'string' && /^-?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,4})?$/.test(value))
    return Number(value)
  throw malformed(`${key} is not a number`)
}

function number(fields: Fields, key: string): number {
  return optionalNumber(fields, key) ?? 0
}

function optionalNumber(fields: Fields, key: string): number | undefined {
  const value = fields[key] ?? undefined
  return value === undefined ? undefined : numberOf(value, key)
}

/** A number that counts something. */
function count(fields: Fields, key: string): number {
  return notNegative(number(fields, key), key)
}

function notNegative(value: number, key: string): number {
  if (value >= 0) return value
  throw malformed(`${key} is not a count`)
}

/** Nanoseconds of an unsigned 64-bit number, as milliseconds. */
function time(fields: Fields, key: string): number {
  const value = fields[key] ?? 0
  if (typeof value === 'string' && /^\d{1,20}$/.test(value)) return millisOfNanos(BigInt(value))
  // A JSON number is rounded to 256 ns and may have come out just below the millisecond it means.
  if (typeof value === 'number' && value >= 0 && value <= 2 ** 64)
    return millisOfNanos(BigInt(Math.round(value)) + (value > 2 ** 53 ? 256n : 0n))
  throw malformed(`${key} is not a time in nanoseconds`)
}

function millisOfNanos(nanos: bigint): number {
  return millisOf(Number(nanos >> 32n), Number(nanos & 0xffff_ffffn))
}

function readScope(fields: Fields, counts: OtlpCounts) {
  counts.group()
  const scope = fieldsOf(fields['scope'] ?? {}, 'scope')
  return {
    name: text(scope, 'name'),
    version: text(scope, 'version'),
    schemaUrl: text(fields, 'schemaUrl'),
    attributes: attributes(scope, counts),
    metrics: list(fields, 'metrics').map((metric) => readMetric(metric, counts)),
  }
}

function readMetric(fields: Fields, counts: OtlpCounts): OtlpMetric {
  counts.group()
  return { name: text(fields, 'name'), unit: text(fields, 'unit'), data: readData(fields, counts) }
}

function readData(metric: Fields, counts: OtlpCounts): OtlpData | undefined {
  const has = (key: string) => (metric[key] ?? undefined) !== undefined
  const data = (key: string) => fieldsOf(metric[key], key)
  const points = <T>(key: string, own: (point: Fields) => T) =>
    list(data(key), 'dataPoints').map((one) => ({ ...readPoint(one, counts), ...own(one) }))
  if (has('gauge')) return { kind: 'gauge', points: points('gauge', readValue) }
  if (has('sum'))
    return {
      kind: 'sum',
      points: points('sum', readValue),
      temporality: temporality(data('sum')),
      monotonic: data('sum')['isMonotonic'] === true,
    }
  if (has('histogram'))
    return {
      kind: 'histogram',
      points: points('histogram', (one) => readHistogram(one, counts)),
      temporality: temporality(data('histogram')),
    }
  if (has('exponentialHistogram'))
    return {
      kind: 'exponential',
      points: points('exponentialHistogram', (one) => readExponential(one, counts)),
      temporality: temporality(data('exponentialHistogram')),
    }
  if (has('summary'))
    return { kind: 'summary', points: points('summary', (one) => readSummary(one, counts)) }
  return undefined
}

const temporalityNames = [
  'AGGREGATION_TEMPORALITY_UNSPECIFIED',
  'AGGREGATION_TEMPORALITY_DELTA',
  'AGGREGATION_TEMPORALITY_CUMULATIVE',
]

/** The protocol asks for numbers; some encoders write the names of plain protobuf JSON. */
function temporality(fields: Fields): Temporality {
  const value = fields['aggregationTemporality']
  const named = temporalityNames.indexOf(String(value))
  return named >= 0 ? named : number(fields, 'aggregationTemporality')
}

function readPoint(fields: Fields, counts: OtlpCounts): OtlpPoint {
  counts.point()
  counts.exemplars += values(fields, 'exemplars').length
  return {
    attributes: attributes(fields, counts),
    t: time(fields, 'timeUnixNano'),
    ended: (number(fields, 'flags') & 1) !== 0,
  }
}

function readValue(fields: Fields) {
  return { value: optionalNumber(fields, 'asDouble') ?? optionalNumber(fields, 'asInt') }
}

function countAndSum(fields: Fields) {
  return { count: count(fields, 'count'), sum: optionalNumber(fields, 'sum') }
}

function numbers(fields: Fields, key: string, counts: OtlpCounts): number[] {
  return values(fields, key).map((one) => {
    counts.element()
    return numberOf(one, key)
  })
}

function bucketCounts(fields: Fields, counts: OtlpCounts): number[] {
  return numbers(fields, 'bucketCounts', counts).map((one) => notNegative(one, 'bucketCounts'))
}

function readHistogram(fields: Fields, counts: OtlpCounts) {
  return {
    ...countAndSum(fields),
    counts: bucketCounts(fields, counts),
    bounds: numbers(fields, 'explicitBounds', counts),
  }
}

function readExponential(fields: Fields, counts: OtlpCounts) {
  const buckets = (key: string): ExponentialBuckets => {
    const side = fieldsOf(fields[key] ?? {}, key)
    return { offset: number(side, 'offset'), counts: bucketCounts(side, counts) }
  }
  return {
    ...countAndSum(fields),
    scale: number(fields, 'scale'),
    zeroCount: count(fields, 'zeroCount'),
    zeroThreshold: number(fields, 'zeroThreshold'),
    positive: buckets('positive'),
    negative: buckets('negative'),
  }
}

function readSummary(fields: Fields, counts: OtlpCounts) {
  const quantiles = list(fields, 'quantileValues').map((one) => {
    counts.element()
    return { quantile: number(one, 'quantile'), value: number(one, 'value') }
  })
  return { ...countAndSum(fields), quantiles }
}

function attributes(fields: Fields, counts: OtlpCounts): OtlpAttribute[] {
  return list(fields, 'attributes').map((one) => {
    counts.element()
    const value = readValueOf(fieldsOf(one['value'] ?? {}, 'value'), counts, 0)
    return { key: text(one, 'key'), text: valueText(value) }
  })
}

/** Reads an AnyValue. */
function readValueOf(fields: Fields, counts: OtlpCounts, depth: number): OtlpValue {
  counts.element()
  if (depth > otlpLimits.attributeDepth) return undefined
  const has = (key: string) => (fields[key] ?? undefined) !== undefined
  if (has('stringValue')) return text(fields, 'stringValue')
  if (has('boolValue')) return fields['boolValue'] === true
  if (has('intValue')) return wholeOf(fields['intValue'])
  if (has('doubleValue')) return number(fields, 'doubleValue')
  if (has('bytesValue')) return Buffer.from(text(fields, 'bytesValue'), 'base64')
  if (has('arrayValue'))
    return list(fieldsOf(fields['arrayValue'], 'arrayValue'), 'values').map((one) =>
      readValueOf(one, counts, depth + 1),
    )
  if (!has('kvlistValue')) return null
  const entries = list(fieldsOf(fields['kvlistValue'], 'kvlistValue'), 'values')
  return new Map(
    entries.map((one) => {
      const value = readValueOf(fieldsOf(one['value'] ?? {}, 'value'), counts, depth + 1)
      return [text(one, 'key'), value]
    }),
  )
}

/** A signed 64-bit number; every digit counts where it becomes a label. */
function wholeOf(value: unknown): bigint {
  if (typeof value === 'string' && /^-?\d{1,19}$/.test(value)) return BigInt(value)
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value)
  throw malformed('intValue is not a whole number')
}
