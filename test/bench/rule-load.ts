import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SeriesShape } from './fleet.ts'

/** Series of a host that the rules look at: gauges, counters, and the same in copies that no rule names. */
export function ruledShapes(copies: number): SeriesShape[] {
  const gauge = (name: string, labels: Record<string, string>): SeriesShape => ({
    name,
    labels,
    first: (random) => Math.round(random() * 900) / 10,
    next: (value, random) =>
      Math.min(99, Math.max(0, Math.round((value + (random() - 0.5) * 4) * 10) / 10)),
  })
  const counter = (name: string, labels: Record<string, string>): SeriesShape => ({
    name,
    labels,
    first: (random) => Math.floor(random() * 1e6),
    next: (value, random) => value + Math.floor(random() * 100),
  })
  return Array.from({ length: copies }, (_, copy) => {
    const labels = { copy: String(copy) }
    return [
      ...Array.from({ length: 10 }, (_none, at) => gauge(`bench_gauge_${at}`, labels)),
      ...Array.from({ length: 10 }, (_none, at) => counter(`bench_counter_${at}_total`, labels)),
    ]
  }).flat()
}

/** One of `count` rules, none of which fires: seven of ten compare a gauge, two a rate over a minute, one a ratio. */
function expression(index: number): string {
  const [at, other] = [index % 10, (index + 3) % 10]
  const limit = 1_000 + index
  const of = (name: string) => `${name}{copy="0"}`
  if (index % 10 < 7) return `${of(`bench_gauge_${Math.floor(index / 10) % 10}`)} > ${limit}`
  if (index % 10 < 9)
    return `rate(${of(`bench_counter_${Math.floor(index / 10) % 10}_total`)}[1m]) > ${limit}`
  return `${of(`bench_gauge_${at}`)} / (${of(`bench_gauge_${other}`)} + 1) > ${limit}`
}

/** The rule that a trial makes true. */
export const trialRule = 'BenchTrial'

/** Writes `count` rules in groups of 100, and the rule of the trials, into a new folder; gives its path. */
export function writeRules(folder: string, count: number): string {
  const rulesFolder = join(folder, 'bench-rules')
  mkdirSync(rulesFolder, { recursive: true })
  const lines = ['groups:']
  for (let index = 0; index < count; index++) {
    if (index % 100 === 0) lines.push(`  - name: bench-${index / 100}`, '    rules:')
    lines.push(
      `      - alert: Bench${index}`,
      `        expr: '${expression(index)}'`,
      '        labels: {severity: warning}',
    )
  }
  lines.push(
    '  - name: trial',
    '    rules:',
    `      - alert: ${trialRule}`,
    '        expr: bench_trial > 0',
    '        labels: {severity: warning}',
    '',
  )
  writeFileSync(join(rulesFolder, 'bench.yaml'), lines.join('\n'))
  return rulesFolder
}
