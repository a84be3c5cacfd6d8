import type { Series, Value } from '../engine.ts'
import type { FailureKind } from '../failure.ts'
import { formatSample } from '../syntax/float.ts'

const statuses: Readonly<Record<FailureKind, number>> = {
  bad_data: 400,
  execution: 422,
  timeout: 503,
  canceled: 499,
  not_found: 404,
  not_acceptable: 406,
  unavailable: 500,
  internal: 500,
}

/** The HTTP status of a failure. */
export function statusOf(kind: FailureKind): number {
  return statuses[kind]
}

/** Remarks that go with an answer. */
export interface Remarks {
  readonly warnings?: readonly string[]
  readonly infos?: readonly string[]
}

function remarksText({ warnings = [], infos = [] }: Remarks): string {
  const warned = warnings.length === 0 ? '' : `,"warnings":${JSON.stringify(warnings)}`
  const informed = infos.length === 0 ? '' : `,"infos":${JSON.stringify(infos)}`
  return warned + informed
}

/** Prometheus's success envelope around data that is JSON already. */
export function envelope(data: string, remarks: Remarks = {}): string {
  return `{"status":"success","data":${data}${remarksText(remarks)}}`
}

/** Prometheus's error envelope. */
export function errorEnvelope(errorType: string, message: string): string {
  return JSON.stringify({ status: 'error', errorType, error: message })
}

/** `[seconds, "value"]`: the time a number with at most three decimals, the value a string. */
function pair(time: number, value: number): string {
  return `[${time / 1000},"${formatSample(value)}"]`
}

function* seriesText({ labels, times, values }: Series): Generator<string> {
  yield `{"metric":${JSON.stringify(labels)},"values":[`
  let chunk = ''
  for (let index = 0; index < times.length; index += 1) {
    chunk += `${index === 0 ? '' : ','}${pair(times[index] ?? 0, values[index] ?? 0)}`
    if (chunk.length > 32_768) {
      yield chunk
      chunk = ''
    }
  }
  yield `${chunk}]}`
}

function* resultText(value: Value): Generator<string> {
  switch (value.kind) {
    case 'scalar':
      yield pair(value.time, value.value)
      break
    case 'string':
      yield `[${value.time / 1000},${JSON.stringify(value.value)}]`
      break
    case 'vector':
      yield '['
      for (const [index, { labels, time, value: number }] of value.samples.entries()) {
        const comma = index === 0 ? '' : ','
        yield `${comma}{"metric":${JSON.stringify(labels)},"value":${pair(time, number)}}`
      }
      yield ']'
      break
    case 'matrix':
      yield '['
      for (const [index, series] of value.series.entries()) {
        if (index > 0) yield ','
        yield* seriesText(series)
      }
      yield ']'
  }
}

/** A query's whole answer in pieces; `resultType` stands before `result`. */
export function* queryText(value: Value, remarks: Remarks): Generator<string> {
  yield `{"status":"success","data":{"resultType":"${value.kind}","result":`
  yield* resultText(value)
  yield `}${remarksText(remarks)}}`
}

/** Collects small pieces into ones worth sending. */
export function* gathered(pieces: Iterable<string>): Generator<string> {
  let chunk = ''
  for (const piece of pieces) {
    chunk += piece
    if (chunk.length < 65_536) continue
    yield chunk
    chunk = ''
  }
  if (chunk !== '') yield chunk
}

/** How many entries an answer has, for `limit`. */
export function entriesOf(value: Value): number {
  if (value.kind === 'vector') return value.samples.length
  return value.kind === 'matrix' ? value.series.length : 0
}

/** The first entries of an answer. */
export function truncated(value: Value, limit: number): Value {
  if (value.kind === 'vector') return { ...value, samples: value.samples.slice(0, limit) }
  return value.kind === 'matrix' ? { ...value, series: value.series.slice(0, limit) } : value
}
