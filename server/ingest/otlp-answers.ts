import type { OtlpRejection } from './otlp-series.ts'

/** The encodings of OTLP over HTTP; an answer has that of its request. */
export type OtlpEncoding = 'protobuf' | 'json'

export const otlpTypes = {
  protobuf: 'application/x-protobuf',
  json: 'application/json',
} as const

/**
 * The body of ExportMetricsServiceResponse: empty when all is stored, else with how many points were left out and why
 * (specification, protocol/otlp.md, "Partial Success").
 */
export function successBody(
  encoding: OtlpEncoding,
  rejections: readonly OtlpRejection[],
): Buffer | string {
  const points = rejections.reduce((sum, one) => sum + one.points, 0)
  const message = rejectionSentence(rejections)
  if (encoding === 'json')
    return message === ''
      ? '{}'
      : JSON.stringify({
          partialSuccess: { rejectedDataPoints: String(points), errorMessage: message },
        })
  if (message === '') return Buffer.alloc(0)
  return block(1, Buffer.concat([whole(1, points), block(2, message)]))
}

/** What was left out, in sentences. */
export function rejectionSentence(rejections: readonly OtlpRejection[]): string {
  const parts = rejections.map(({ points, why }) =>
    points === 0 ? `${why}.` : `${points} data points not stored: ${why}.`,
  )
  return parts.length === 0 ? '' : `${parts.join(' ')} The rest is stored.`
}

/** google.rpc.Code by HTTP status (googleapis, google/rpc/code.proto). */
const codes: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  413: 3,
  415: 3,
  429: 8,
  500: 13,
  503: 14,
}

/** The body of google.rpc.Status: what an answer other than 200 holds. */
export function statusBody(
  encoding: OtlpEncoding,
  status: number,
  message: string,
): Buffer | string {
  const code = codes[status] ?? 2
  return encoding === 'json'
    ? JSON.stringify({ code, message })
    : Buffer.concat([whole(1, code), block(2, message)])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  bytes.push(rest)
  return Buffer.from(bytes)
}

/** A varint field; a zero is left out, as proto3 does. */
function whole(field: number, value: number): Buffer {
  return value === 0 ? Buffer.alloc(0) : Buffer.concat([varint(field * 8), varint(value)])
}

/** A length-delimited field. */
function block(field: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content)
  return Buffer.concat([varint(field * 8 + 2), varint(bytes.length), bytes])
}
