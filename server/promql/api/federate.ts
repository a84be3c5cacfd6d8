import { sortInTurns, type Turns } from '../../sort-in-turns.ts'
import type { Labels, Matcher, ReadLimits, StoreReader } from '../../store/reader.ts'
import { formatSample } from '../syntax/float.ts'
import type { AnswerBytes } from '../workers/query-request.ts'
import { ByteText } from './byte-text.ts'

/** How far back a series' newest sample may lie. */
const lookback = 300_000

function escaped(text: string): string {
  return text.replace(/[\\\n"]/g, (one) => (one === '\n' ? '\\n' : `\\${one}`))
}

function line(labels: Labels, value: number, time: number): string {
  // Without an instance the scraping server would put its own.
  const own = { instance: '', ...labels }
  const shown = Object.entries(own)
    .filter(([name]) => name !== '__name__')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => `${name}="${escaped(text)}"`)
  return `${labels['__name__']}{${shown.join(',')}} ${formatSample(value)} ${time}\n`
}

/** What bounds a federation. */
export interface FederationBounds {
  /** Of each selector. */
  readonly limits: ReadLimits
  readonly maxAnswerBytes: number
  readonly turns: Turns
}

/**
 * The newest samples of the selected series as Prometheus's text format, for a Prometheus that scrapes the hub. Series that
 * have ended are left out. Throws `query_too_large`, and `QueryFailure` for an answer that is too long.
 */
export async function federate(
  reader: StoreReader,
  selectors: readonly (readonly Matcher[])[],
  now: number,
  { limits, maxAnswerBytes, turns }: FederationBounds,
): Promise<AnswerBytes> {
  const families = new Map<string, Set<string>>()
  for (const matchers of selectors) {
    for (const series of await reader.select(matchers, now - lookback + 1, now, limits)) {
      if (turns.due) await turns.take()
      const last = series.times.length - 1
      const time = series.times[last]
      const name = series.labels['__name__']
      if (time === undefined || name === undefined || (series.staleTimes.at(-1) ?? 0) >= time)
        continue
      const lines = families.get(name) ?? new Set()
      families.set(name, lines.add(line(series.labels, series.values[last]!, time)))
    }
  }
  const out = new ByteText(maxAnswerBytes)
  for (const name of await sortInTurns([...families.keys()], turns)) {
    out.text(`# TYPE ${name} untyped\n`)
    for (const one of await sortInTurns([...families.get(name)!], turns)) {
      out.text(one)
      if (turns.due) await turns.take()
    }
  }
  return out.finish()
}
