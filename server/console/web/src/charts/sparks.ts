import { signal } from '@preact/signals'
import { postForm } from '../api.ts'
import { align, type MatrixSeries, sparkQueries, timesOf, window as windowOf } from '../curves.ts'

const seconds = 900
const stepSeconds = 30
const everyMs = 15_000

export type Sparks = Partial<Record<keyof typeof sparkQueries, readonly (number | null)[]>>
interface Matrix {
  readonly data: { readonly result: readonly MatrixSeries[] }
}

/** The last 15 minutes of every host, by instance. */
export const sparks = signal<ReadonlyMap<string, Sparks>>(new Map())

async function load(): Promise<void> {
  const { start, end } = windowOf(Date.now(), seconds, stepSeconds)
  const times = timesOf(start, end, stepSeconds)
  const found = new Map<string, Sparks>()
  for (const name of ['cpu', 'memory', 'load'] as const) {
    const { data } = await queryRange(sparkQueries[name], start, end, stepSeconds)
    for (const series of data.result) {
      const instance = series.metric['instance'] ?? ''
      found.set(instance, { ...found.get(instance), [name]: align(series, times) })
    }
  }
  sparks.value = found
}

/** One range query; times are seconds. Throws ApiError. */
export function queryRange(
  query: string,
  start: number,
  end: number,
  step: number,
): Promise<Matrix> {
  const fields = { query, start: String(start), end: String(end), step: String(step) }
  return postForm<Matrix>('/prom/api/v1/query_range', fields)
}

/** Keeps the sparklines fresh until the returned function is called; rests while the tab is hidden. */
export function watchSparks(): () => void {
  let timer: ReturnType<typeof setTimeout>
  let stopped = false
  const round = async () => {
    // Sparklines are decoration: when the query fails the numbers stand, and the next round tries again.
    if (!document.hidden) await load().catch(() => {})
    if (!stopped) timer = setTimeout(round, everyMs)
  }
  void round()
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}
