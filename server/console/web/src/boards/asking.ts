import type { Answered, AnsweredSeries } from '../../../../../dashboards/drawing/series.ts'
import type { Window } from '../../../../../dashboards/drawing/time.ts'
import { get, postForm } from '../api.ts'

/** Requests of one board that are under way at once. */
const mostAtOnce = 4

/** Asks the queries of one board, a few at a time, until it is left. */
export class Asking {
  readonly #left = new AbortController()
  readonly #waiting: (() => void)[] = []
  #running = 0

  /** Gives up what is under way and what waits. */
  stop(): void {
    this.#left.abort()
  }

  /** Throws ApiError; after `stop` too. */
  async #inTurn<T>(ask: () => Promise<T>): Promise<T> {
    while (this.#running >= mostAtOnce)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#running++
    try {
      return await ask()
    } finally {
      this.#running--
      this.#waiting.shift()?.()
    }
  }

  /** The series of an expression over the window. */
  range(query: string, { start, end, step }: Window): Promise<readonly AnsweredSeries[]> {
    const fields = { query, start: String(start), end: String(end), step: String(step) }
    return this.#ask('/prom/api/v1/query_range', fields)
  }

  /** The series of an expression at a time, seconds. */
  instant(query: string, time: number): Promise<readonly AnsweredSeries[]> {
    return this.#ask('/prom/api/v1/query', { query, time: String(time) })
  }

  async #ask(path: string, fields: Record<string, string>): Promise<Answered['series']> {
    const { data } = await this.#inTurn(() =>
      postForm<{ data: { result: readonly AnsweredSeries[] } }>(path, fields, this.#left.signal),
    )
    return data.result
  }

  /** The values of a label among the series of a selector, over the window. */
  async values(label: string, series: string, { start, end }: Window): Promise<readonly string[]> {
    const query = new URLSearchParams({ 'match[]': series, start: `${start}`, end: `${end}` })
    const path = `/prom/api/v1/label/${encodeURIComponent(label)}/values?${query}`
    // Ahead of the panels' queries: which of those are asked depends on it.
    return (await get<{ data: readonly string[] }>(path)).data
  }
}
