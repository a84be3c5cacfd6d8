import type { Series } from '../answer.ts'
import type { QueryDesk } from './query-desk.ts'
import type { AnswerBytes } from './query-request.ts'

export interface HistoryLimits {
  readonly signal: AbortSignal
  readonly timeoutMilliseconds: number
  /** Longest answer; it is read on the hub's own thread in one piece, some 8 ms a MiB. */
  readonly maxBytes: number
}

/**
 * A range query for the hub's own use that may be heavy: it waits for its turn among those of the HTTP API and runs in a query worker
 * where it outgrows its allowance. Both ends are included, milliseconds. Throws `QueryFailure`; its kind is `execution` where the answer
 * is too long or reads too much.
 */
export type History = (
  text: string,
  start: number,
  end: number,
  step: number,
  limits: HistoryLimits,
) => Promise<readonly Series[]>

interface MatrixAnswer {
  readonly data: {
    readonly result: readonly {
      readonly metric: Readonly<Record<string, string>>
      readonly values: readonly (readonly [seconds: number, value: string])[]
    }[]
  }
}

/** The series of an answer to a range query that the hub wrote itself. */
export function matrixOf(bytes: AnswerBytes): readonly Series[] {
  const { data } = JSON.parse(Buffer.concat(bytes).toString('utf8')) as MatrixAnswer
  return data.result.map(({ metric, values }) => ({
    labels: metric,
    times: Float64Array.from(values, ([seconds]) => Math.round(seconds * 1000)),
    values: Float64Array.from(values, ([, value]) => Number(value.replace('Inf', 'Infinity'))),
  }))
}

/** See `History`. */
export function historyOf(queries: QueryDesk): History {
  return async (text, start, end, step, { signal, timeoutMilliseconds, maxBytes }) => {
    const request = {
      kind: 'range',
      text,
      start,
      end,
      step,
      timeoutMilliseconds,
      maxBytes,
    } as const
    const rest = { lookbackMilliseconds: undefined, limit: 0, statistics: 'none' } as const
    const bytes = await queries.answer({ ...request, ...rest }, signal)
    return matrixOf(bytes)
  }
}
