import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Answer } from '../answer.ts'
import { answerText, type StatisticsWanted } from '../api/encode.ts'
import type { Engine } from '../engine.ts'
import type { Terms } from '../eval/budget.ts'
import { QueryFailure } from '../failure.ts'

/** A query of the HTTP API as any thread can run it; times in milliseconds. */
export interface QueryRequest {
  readonly kind: 'instant' | 'range'
  readonly text: string
  /** An instant has one time, its `start`. */
  readonly start: number
  readonly end: number
  readonly step: number
  readonly timeoutMilliseconds: number
  readonly lookbackMilliseconds: number | undefined
  /** Longest buckets of roll-ups that may stand for samples; undefined: any, 0: none. */
  readonly coarsestMilliseconds?: number | undefined
  /** The most entries of the answer; 0 means all. */
  readonly limit: number
  readonly statistics: StatisticsWanted
  /** How long it waited for its turn. */
  readonly queueSeconds: number
  readonly maxBytes: number
  /** Said beside what the engine says of the answer. */
  readonly warnings?: readonly string[]
}

/** An answer as it goes to the asker: JSON in pieces. */
export type AnswerBytes = readonly Uint8Array<ArrayBuffer>[]

const sliceMilliseconds = 10

/** Evaluates a query and writes its answer, with a turn for others now and then. Throws `QueryFailure`. */
export async function runRequest(
  engine: Engine,
  request: QueryRequest,
  terms: Terms,
): Promise<AnswerBytes> {
  const { kind, text, start, end, step, timeoutMilliseconds } = request
  const { lookbackMilliseconds, coarsestMilliseconds } = request
  const began = performance.now()
  const options = {
    ...terms,
    timeoutMilliseconds,
    ...(lookbackMilliseconds === undefined ? {} : { lookbackMilliseconds }),
    ...(coarsestMilliseconds === undefined ? {} : { coarsestMilliseconds }),
    countSamples: request.statistics !== 'none',
  }
  const answer =
    kind === 'instant'
      ? await engine.instant(text, start, options)
      : await engine.range(text, start, end, step, options)
  const warnings = [...answer.warnings, ...(request.warnings ?? [])]
  return writeAnswer({ ...answer, warnings }, request, terms, began)
}

/**
 * Writes an answer, with a turn for others now and then; `began` is the moment of `performance.now()` that its time counts from. Throws
 * `QueryFailure`.
 */
export async function writeAnswer(
  answer: Answer,
  request: QueryRequest,
  terms: Terms,
  began: number,
): Promise<AnswerBytes> {
  const { timeoutMilliseconds } = request
  const writing = answerText(answer, request)
  let sliceEnd = performance.now() + sliceMilliseconds
  for (;;) {
    const written = writing.next()
    if (written.done === true) return written.value
    const now = performance.now()
    if (terms.signal?.aborted === true || terms.isCancelled?.() === true) {
      throw new QueryFailure('canceled', 'query was canceled in writing the answer')
    }
    if (now - began > timeoutMilliseconds) {
      throw new QueryFailure('timeout', 'query timed out in writing the answer')
    }
    if (now < sliceEnd) continue
    await nextTurn()
    sliceEnd = performance.now() + sliceMilliseconds
  }
}
