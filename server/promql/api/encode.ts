import type { Answer, Series, Statistics, Value } from '../answer.ts'
import type { FailureKind } from '../failure.ts'
import { formatSample } from '../syntax/float.ts'
import { ByteText, Instants } from './byte-text.ts'

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

/** Remarks as the members of an envelope that follow its data. */
export function remarksText({ warnings = [], infos = [] }: Remarks): string {
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

/** Points written between two chances for others. */
const pointsOfTurn = 20_000

function* seriesText(
  out: ByteText,
  { labels, times, values }: Series,
  instants: Instants,
): Generator<void, void, void> {
  out.text(`{"metric":${JSON.stringify(labels)},"values":[`)
  for (let from = 0; from < times.length; from += pointsOfTurn) {
    if (from > 0) yield
    out.points(instants, times, values, from, Math.min(times.length, from + pointsOfTurn))
  }
  out.text(']}')
}

/** The instants of the longest series, which are mostly those of all; a series with others brings its own. */
function commonInstants(series: readonly Series[]): Instants {
  let longest: Float64Array = new Float64Array(0)
  for (const { times } of series) if (times.length > longest.length) longest = times
  return new Instants(longest)
}

function stands(times: Float64Array, among: Float64Array): boolean {
  if (times === among) return true
  let at = 0
  for (let index = 0; index < times.length; index += 1) {
    while (at < among.length && among[at]! < times[index]!) at += 1
    if (among[at] !== times[index]) return false
  }
  return true
}

function* matrixText(out: ByteText, series: readonly Series[]): Generator<void, void, void> {
  const common = commonInstants(series)
  let written = 0
  for (let index = 0; index < series.length; index += 1) {
    const one = series[index]!
    if (index > 0) out.text(',')
    const instants = stands(one.times, common.times) ? common : new Instants(one.times)
    yield* seriesText(out, one, instants)
    written += 20 + one.times.length
    if (written < pointsOfTurn) continue
    written = 0
    yield
  }
}

function* resultText(out: ByteText, value: Value): Generator<void, void, void> {
  switch (value.kind) {
    case 'scalar':
      out.text(pair(value.time, value.value))
      break
    case 'string':
      out.text(`[${value.time / 1000},${JSON.stringify(value.value)}]`)
      break
    case 'vector':
      out.text('[')
      for (let index = 0; index < value.samples.length; index += 1) {
        const { labels, time, value: number } = value.samples[index]!
        const comma = index === 0 ? '' : ','
        out.text(`${comma}{"metric":${JSON.stringify(labels)},"value":${pair(time, number)}}`)
        if (index % 2000 === 1999) yield
      }
      out.text(']')
      break
    case 'matrix':
      out.text('[')
      yield* matrixText(out, value.series)
      out.text(']')
  }
}

/** How much of a query's statistics are wanted. */
export type StatisticsWanted = 'none' | 'summary' | 'all'

/** Prometheus's `stats`; `queueSeconds` is how long the query waited for its turn. */
function statisticsText(
  statistics: Statistics,
  wanted: StatisticsWanted,
  queueSeconds: number,
): string {
  const { preparationSeconds, evaluationSeconds, sortSeconds, samplesPerStep } = statistics
  const total = preparationSeconds + evaluationSeconds + sortSeconds
  const perStep =
    wanted !== 'all' || samplesPerStep === undefined
      ? {}
      : {
          totalQueryableSamplesPerStep: Array.from(samplesPerStep.times, (time, step) => [
            time / 1000,
            samplesPerStep.counts[step] ?? 0,
          ]),
        }
  return JSON.stringify({
    timings: {
      evalTotalTime: total,
      resultSortTime: sortSeconds,
      queryPreparationTime: preparationSeconds,
      innerEvalTime: evaluationSeconds,
      execQueueTime: queueSeconds,
      execTotalTime: total + queueSeconds,
    },
    samples: {
      ...perStep,
      totalQueryableSamples: statistics.totalQueryableSamples,
      peakSamples: statistics.peakSamples,
    },
  })
}

/** How an answer is to be written. */
export interface Wording {
  /** The most entries; 0 means all. Cut answers carry a warning. */
  readonly limit: number
  readonly statistics: StatisticsWanted
  readonly queueSeconds: number
  /** Longer answers throw `QueryFailure`. */
  readonly maxBytes: number
}

/** Writes a query's whole answer, `resultType` before `result`; yields now and then for others. */
export function* answerText(
  answer: Answer,
  { limit, statistics, queueSeconds, maxBytes }: Wording,
): Generator<void, readonly Uint8Array<ArrayBuffer>[], void> {
  const cut = limit > 0 && entriesOf(answer.value) > limit
  const value = cut ? truncated(answer.value, limit) : answer.value
  const warnings = cut ? [...answer.warnings, 'results truncated due to limit'] : answer.warnings
  const out = new ByteText(maxBytes)
  out.text(`{"status":"success","data":{"resultType":"${value.kind}","result":`)
  yield* resultText(out, value)
  if (statistics !== 'none') {
    out.text(`,"stats":${statisticsText(answer.statistics, statistics, queueSeconds)}`)
  }
  out.text(`}${remarksText({ warnings, infos: answer.infos })}}`)
  return out.finish()
}

function entriesOf(value: Value): number {
  if (value.kind === 'vector') return value.samples.length
  return value.kind === 'matrix' ? value.series.length : 0
}

function truncated(value: Value, limit: number): Value {
  if (value.kind === 'vector') return { ...value, samples: value.samples.slice(0, limit) }
  return value.kind === 'matrix' ? { ...value, series: value.series.slice(0, limit) } : value
}
