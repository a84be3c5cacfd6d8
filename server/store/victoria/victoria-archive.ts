import type { Millis } from '../../clock.ts'
import { CallwardError } from '../../errors.ts'
import {
  type Archive,
  ArchiveAway,
  type ArchiveLimits,
  type ArchiveQuestion,
  ArchiveRefusal,
  type ArchiveSelection,
  type ArchiveSeries,
} from '../archive.ts'
import type { Labels, Matcher } from '../reader.ts'
import { AnswerTooLong, boundedText } from '../spool/bounded-text.ts'
import { EngineAway } from '../spool/retry-loop.ts'
import type { VictoriaClient } from './victoria-client.ts'

/** Longest part of VictoriaMetrics' own words that is shown. */
const shownLetters = 300

type Point = readonly [seconds: number, value: string]

/** A result of `query` and `query_range`, vector or matrix. */
interface ResultEntry {
  readonly metric: Labels
  readonly value?: Point
  readonly values?: readonly Point[]
}

type Fields = readonly (readonly [string, string])[]

export interface VictoriaArchiveParts {
  readonly client: Pick<VictoriaClient, 'question'>
  readonly heldFrom: () => Millis
  readonly keptFrom: () => Millis
  readonly heldTo: () => Millis
}

/**
 * What VictoriaMetrics holds, asked for by its Prometheus API, single node or cluster. Only the fields made here go out: an asker cannot
 * add any of VictoriaMetrics' own, such as `extra_label`.
 */
export class VictoriaArchive implements Archive {
  readonly name = 'VictoriaMetrics'
  readonly heldFrom: () => Millis
  readonly keptFrom: () => Millis
  readonly heldTo: () => Millis
  readonly #client: Pick<VictoriaClient, 'question'>

  constructor({ client, heldFrom, keptFrom, heldTo }: VictoriaArchiveParts) {
    this.#client = client
    this.heldFrom = heldFrom
    this.keptFrom = keptFrom
    this.heldTo = heldTo
  }

  async query(question: ArchiveQuestion, limits: ArchiveLimits): Promise<readonly ArchiveSeries[]> {
    const { text, start, end, step, lookbackMilliseconds } = question
    const common: Fields = [
      ['query', text],
      ['max_lookback', durationText(lookbackMilliseconds)],
      // With its cache it moves start and end to multiples of the step.
      ['nocache', '1'],
      ['timeout', durationText(limits.timeoutMilliseconds)],
    ]
    const times: Fields =
      step === 0
        ? [['time', String(start / 1000)]]
        : [
            ['start', String(start / 1000)],
            ['end', String(end / 1000)],
            ['step', durationText(step)],
          ]
    const path = step === 0 ? '/api/v1/query' : '/api/v1/query_range'
    return this.#data(path, [...common, ...times], limits, (data) =>
      (data as { readonly result: readonly ResultEntry[] }).result.map(seriesOf),
    )
  }

  series(selection: ArchiveSelection, limits: ArchiveLimits): Promise<readonly Labels[]> {
    return this.#data('/api/v1/series', selectionFields(selection), limits, (data) =>
      (data as readonly Labels[]).map((labels) => ({ ...labels })),
    )
  }

  labelNames(selection: ArchiveSelection, limits: ArchiveLimits): Promise<readonly string[]> {
    return this.#data('/api/v1/labels', selectionFields(selection), limits, textsOf)
  }

  labelValues(
    name: string,
    selection: ArchiveSelection,
    limits: ArchiveLimits,
  ): Promise<readonly string[]> {
    const path = `/api/v1/label/${encodeURIComponent(name)}/values`
    return this.#data(path, selectionFields(selection), limits, textsOf)
  }

  /** What `read` makes of an answer's data; what it stumbles over is no answer. */
  async #data<T>(
    path: string,
    fields: Fields,
    limits: ArchiveLimits,
    read: (data: unknown) => T,
  ): Promise<T> {
    const { signal, timeoutMilliseconds, maxBytes } = limits
    const late = AbortSignal.timeout(timeoutMilliseconds)
    try {
      const ends = AbortSignal.any([signal, late])
      const answer = await this.#client.question(path, fields, ends, timeoutMilliseconds)
      const text = await boundedText(answer, this.name, maxBytes)
      if (!answer.ok) throw refusal(answer.status, text)
      return read((JSON.parse(text) as { readonly data: unknown }).data)
    } catch (cause) {
      signal.throwIfAborted()
      if (late.aborted) throw new CallwardError('query_timeout', 'VictoriaMetrics took too long')
      if (cause instanceof CallwardError || cause instanceof ArchiveRefusal) throw cause
      if (cause instanceof AnswerTooLong) throw tooLarge(maxBytes)
      const why =
        cause instanceof EngineAway ? cause.message : 'VictoriaMetrics gave no whole answer'
      throw new ArchiveAway(why)
    }
  }
}

function seriesOf({ metric, value, values = value && [value] }: ResultEntry): ArchiveSeries {
  const points = values ?? []
  return {
    labels: { ...metric },
    times: Float64Array.from(points, ([at]) => Math.round(at * 1000)),
    values: Float64Array.from(points, ([, text]) => Number(text.replace('Inf', 'Infinity'))),
  }
}

function textsOf(data: unknown): readonly string[] {
  return (data as readonly unknown[]).map(String)
}

/** With its unit: a bare number may mean seconds or milliseconds. */
function durationText(millis: Millis): string {
  return `${millis}ms`
}

function selectionFields({ selectors, start, end }: ArchiveSelection): Fields {
  return [
    ...selectors.map((matchers) => ['match[]', selectorText(matchers)] as const),
    ['start', String(Math.max(0, start) / 1000)],
    ['end', String(end / 1000)],
  ]
}

function selectorText(matchers: readonly Matcher[]): string {
  return `{${matchers.map(({ name, op, value }) => `${labelName(name)}${op}${JSON.stringify(value)}`).join(',')}}`
}

/** MetricsQL writes what is no letter, digit or underscore of a name after a backslash. */
function labelName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_]/gu, (letter) => `\\${letter}`)
}

function tooLarge(maxBytes: number): CallwardError {
  return new CallwardError(
    'query_too_large',
    `The answer of VictoriaMetrics is longer than ${Math.round(maxBytes / 1_048_576)} MiB; ask for a shorter time, a longer step or fewer series.`,
  )
}

function refusal(status: number, text: string): Error {
  const shown = text.slice(0, shownLetters)
  if (status === 400 || status === 422)
    return new ArchiveRefusal(`VictoriaMetrics does not answer this: ${errorOf(text) ?? shown}`)
  return new ArchiveAway(`VictoriaMetrics answered a question with ${status}`)
}

/** The `error` of an answer in Prometheus's shape. */
function errorOf(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as { readonly error?: unknown }
    return typeof error === 'string' ? error.slice(0, shownLetters) : undefined
  } catch {
    return undefined
  }
}
