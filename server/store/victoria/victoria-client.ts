import { createHash } from 'node:crypto'
import type { Millis } from '../../clock.ts'
import { endsWithin } from '../../time-limit.ts'
import type { Labels } from '../reader.ts'
import { AnswerTooLong, boundedText, mostAnswerBytes } from '../spool/bounded-text.ts'
import { EngineAway } from '../spool/retry-loop.ts'
import type { SentEntries } from '../spool/sealed-units.ts'
import { matcherOf, type Only } from './counts-in-pieces.ts'
import { authorizationOf, endpointsOf, type VictoriaSettings } from './settings.ts'
import { compressSnappy } from './snappy-encoder.ts'
import { encodeWriteRequest } from './write-request.ts'

/** VictoriaMetrics refused what was sent; sending the same again is of no use. */
export class EntriesRefused extends Error {}

/** One name for a label set, whatever the order of its labels. */
export function seriesKey(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** A selector of exactly these labels, and maybe more. */
export function selectorOf(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
  return `{${parts.join(',')}}`
}

/** As VictoriaMetrics waits itself for room to insert. */
const timeoutMillis = 60_000

/** Of a refusal. */
const mostSaidBytes = 1024 * 1024

const writeHeaders = {
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
  'x-prometheus-remote-write-version': '0.1.0',
}

interface VectorAnswer {
  readonly data: {
    readonly result: readonly {
      readonly metric: Labels
      readonly value: readonly [number, string]
    }[]
  }
}

interface ExportLine {
  readonly metric: Labels
  readonly timestamps: readonly Millis[]
}

/** What the hub asks of VictoriaMetrics, single node or cluster. */
export class VictoriaClient {
  readonly #endpoints: { readonly write: string; readonly read: string }
  readonly #authorization: Readonly<Record<string, string>>
  readonly #maxAnswerBytes: number

  /** Tells one VictoriaMetrics and tenant from another, by their address. */
  readonly target: string

  constructor(settings: VictoriaSettings, maxAnswerBytes = mostAnswerBytes) {
    this.#maxAnswerBytes = maxAnswerBytes
    this.#endpoints = endpointsOf(settings)
    this.target = createHash('sha256').update(this.#endpoints.write).digest('hex')
    this.#authorization = authorizationOf(settings)
  }

  /** Sends samples. An answer is no promise: VictoriaMetrics writes them to its disk seconds later. Throws EngineAway, EntriesRefused. */
  async write(series: readonly SentEntries[], signal: AbortSignal): Promise<void> {
    const body = new Uint8Array(compressSnappy(encodeWriteRequest(series)))
    const url = `${this.#endpoints.write}/api/v1/write`
    const answer = await this.#ask(url, { method: 'POST', headers: writeHeaders, body }, signal)
    const text = await this.#said(answer)
    if ([400, 413, 422].includes(answer.status))
      throw new EntriesRefused(`VictoriaMetrics refused samples with ${answer.status}: ${text}`)
    if (!answer.ok) throw new EngineAway(`VictoriaMetrics answered a write with ${answer.status}`)
  }

  /**
   * Samples (`count_over_time`), their sum (`sum_over_time`) or marks (`stale_samples_over_time`) of each series of a metric in [start, end], by `seriesKey` of its
   * labels without the name; `only`: of some series. Throws EngineAway, AnswerTooLong.
   */
  async counts(
    what: 'count_over_time' | 'sum_over_time' | 'stale_samples_over_time',
    metric: string,
    start: Millis,
    end: Millis,
    signal: AbortSignal,
    only?: Only,
  ): Promise<ReadonlyMap<string, number>> {
    const name = `__name__=${JSON.stringify(metric)}`
    const selector = only === undefined ? name : `${name},${matcherOf(only)}`
    const answer = await this.#form('/api/v1/query', signal, [
      ['query', `${what}({${selector}}[${end - start + 1}ms])`],
      ['time', String(end / 1000)],
      ['nocache', '1'],
    ])
    const { data } = parsed(await this.#text(answer, signal)) as VectorAnswer
    return new Map(
      data.result.map(({ metric: { __name__: _, ...labels }, value }) => [
        seriesKey(labels),
        Number(value[1]),
      ]),
    )
  }

  /**
   * Times of all entries that series have in [start, end], by `seriesKey`; asked for in pieces where one answer would be too long. Throws
   * EngineAway, AnswerTooLong.
   */
  async times(
    series: readonly Labels[],
    start: Millis,
    end: Millis,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, ReadonlySet<Millis>>> {
    try {
      return await this.#timesAtOnce(series, start, end, signal)
    } catch (error) {
      if (!(error instanceof AnswerTooLong) || (series.length < 2 && start === end)) throw error
    }
    const half = series.length >> 1
    const middle = Math.floor((start + end) / 2)
    const pieces: readonly (readonly [readonly Labels[], Millis, Millis])[] =
      half > 0
        ? [
            [series.slice(0, half), start, end],
            [series.slice(half), start, end],
          ]
        : [
            [series, start, middle],
            [series, middle + 1, end],
          ]
    const found = new Map<string, Set<Millis>>()
    for (const [some, from, to] of pieces)
      for (const [key, times] of await this.times(some, from, to, signal))
        found.set(key, new Set([...(found.get(key) ?? []), ...times]))
    return found
  }

  async #timesAtOnce(
    series: readonly Labels[],
    start: Millis,
    end: Millis,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, ReadonlySet<Millis>>> {
    const answer = await this.#form('/api/v1/export', signal, [
      ...series.map((labels) => ['match[]', selectorOf(labels)] as const),
      ['start', String(start / 1000)],
      ['end', String(end / 1000)],
    ])
    const text = await this.#text(answer, signal)
    const found = new Map<string, Set<Millis>>()
    for (const line of text.split('\n')) {
      if (line === '') continue
      const { metric, timestamps } = parsed(line) as ExportLine
      const key = seriesKey(metric)
      const times = found.get(key) ?? new Set()
      for (const time of timestamps) times.add(time)
      found.set(key, times)
    }
    return found
  }

  /** Asks with a form; the answer may be a refusal. Throws EngineAway. */
  question(
    path: string,
    fields: readonly (readonly [string, string])[],
    signal: AbortSignal,
    millis: number,
  ): Promise<Response> {
    const body = new URLSearchParams(fields.map(([name, value]): [string, string] => [name, value]))
    return this.#ask(`${this.#endpoints.read}${path}`, { method: 'POST', body }, signal, millis)
  }

  async #form(
    path: string,
    signal: AbortSignal,
    fields: readonly (readonly [string, string])[],
  ): Promise<Response> {
    const answer = await this.question(path, fields, signal, timeoutMillis)
    if (answer.ok) return answer
    const text = await this.#said(answer)
    throw new EngineAway(`VictoriaMetrics answered a question with ${answer.status}: ${text}`)
  }

  async #text(answer: Response, signal: AbortSignal): Promise<string> {
    try {
      return await boundedText(answer, 'VictoriaMetrics', this.#maxAnswerBytes)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof AnswerTooLong) throw error
      throw new EngineAway('VictoriaMetrics stopped in the middle of an answer')
    }
  }

  /** The beginning of what an answer says; empty when it is too long or breaks off. */
  async #said(answer: Response): Promise<string> {
    const text = await boundedText(answer, 'VictoriaMetrics', mostSaidBytes).catch(() => '')
    return text.slice(0, 300)
  }

  async #ask(
    url: string,
    request: Omit<RequestInit, 'signal'> & { readonly headers?: Readonly<Record<string, string>> },
    signal: AbortSignal,
    millis = timeoutMillis,
  ): Promise<Response> {
    try {
      return await fetch(url, {
        ...request,
        headers: { ...request.headers, ...this.#authorization },
        // A way to elsewhere would take the password along.
        redirect: 'error',
        signal: endsWithin(millis, signal),
      })
    } catch (error) {
      signal.throwIfAborted()
      const { cause, name } = error as Error & { cause?: { code?: unknown } }
      const why = name === 'TimeoutError' ? 'no answer in time' : String(cause?.code ?? 'no answer')
      throw new EngineAway(`VictoriaMetrics cannot be reached (${why})`)
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new EngineAway('VictoriaMetrics gave an answer that is not JSON')
  }
}
