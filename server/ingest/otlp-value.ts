import { otlpLimits } from './otlp-message.ts'

/** A value of an attribute: AnyValue of the protocol. `undefined`: nested deeper than is read. */
export type OtlpValue =
  | string
  | boolean
  | number
  | bigint
  | null
  | Buffer
  | readonly OtlpValue[]
  | ReadonlyMap<string, OtlpValue>
  | undefined

/**
 * An attribute's value as the text of a label: text as it is, bytes in base64, lists and maps as JSON (OpenTelemetry,
 * common/README.md, "AnyValue representation for non-OTLP protocols"). `undefined` when it is nested too deep.
 */
export function valueText(value: OtlpValue): string | undefined {
  if (value === null) return ''
  if (typeof value === 'string') return value
  if (Buffer.isBuffer(value)) return value.toString('base64')
  return typeof value === 'object' ? jsonText(value, 1) : value?.toString()
}

/** A value within a list or map. */
function jsonText(value: OtlpValue, depth: number): string | undefined {
  if (value === undefined || depth > otlpLimits.attributeDepth) return undefined
  if (value === null) return 'null'
  if (typeof value === 'string') return JSON.stringify(value)
  if (Buffer.isBuffer(value)) return JSON.stringify(value.toString('base64'))
  if (typeof value === 'number' && !Number.isFinite(value)) return JSON.stringify(String(value))
  if (typeof value !== 'object') return value.toString()
  if (Array.isArray(value)) {
    const parts = value.map((one: OtlpValue) => jsonText(one, depth + 1))
    return parts.includes(undefined) ? undefined : `[${parts.join(',')}]`
  }
  const parts: string[] = []
  for (const [key, one] of value as ReadonlyMap<string, OtlpValue>) {
    const text = jsonText(one, depth + 1)
    if (text === undefined) return undefined
    parts.push(`${JSON.stringify(key)}:${text}`)
  }
  return `{${parts.join(',')}}`
}

const nanosLow = 4_294_967_296 % 1_000_000
const nanosHigh = Math.floor(4_294_967_296 / 1_000_000)

/** Milliseconds, rounded down, of nanoseconds given as two 32-bit halves: their sum does not fit a number. */
export function millisOf(high: number, low: number): number {
  return high * nanosHigh + Math.floor((high * nanosLow + low) / 1_000_000)
}
