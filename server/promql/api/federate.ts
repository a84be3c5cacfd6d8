import type { Labels, Matcher, StoreReader } from '../../store/reader.ts'
import { formatSample } from '../syntax/float.ts'

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
  return `${labels['__name__']}{${shown.join(',')}} ${formatSample(value)} ${time}`
}

/**
 * The newest samples of the selected series as Prometheus's text format, for a Prometheus that scrapes the hub. Series that
 * have ended are left out.
 */
export async function federate(
  reader: StoreReader,
  selectors: readonly (readonly Matcher[])[],
  now: number,
): Promise<string> {
  const families = new Map<string, Set<string>>()
  for (const matchers of selectors) {
    for (const series of await reader.select(matchers, now - lookback + 1, now)) {
      const last = series.times.length - 1
      const time = series.times[last]
      const name = series.labels['__name__']
      if (time === undefined || name === undefined || (series.staleTimes.at(-1) ?? 0) >= time)
        continue
      const lines = families.get(name) ?? new Set()
      families.set(name, lines.add(line(series.labels, series.values[last]!, time)))
    }
  }
  return [...families.keys()]
    .sort()
    .map((name) => `# TYPE ${name} untyped\n${[...families.get(name)!].sort().join('\n')}\n`)
    .join('')
}
