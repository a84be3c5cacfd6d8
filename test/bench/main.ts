import { execFileSync } from 'node:child_process'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { version } from '../../server/assets.ts'
import { alert } from './alert.ts'
import { collector } from './collector.ts'
import { ingest } from './ingest.ts'
import { type Benchmark, progress } from './kit.ts'
import { query } from './query.ts'
import { recovery } from './recovery.ts'
import { steady } from './steady.ts'
import { printed } from './table.ts'

const benchmarks: readonly Benchmark[] = [ingest, steady, query, alert, collector, recovery]

const help = `npm run bench -- [--markdown] [NAME ...]

  NAME        ${benchmarks.map(({ name }) => name).join(', ')}; all without one (about 20 minutes)
  --markdown  the tables as docs/benchmarks.md has them
`

function machine(): string {
  const [processor] = cpus()
  const memory = Math.round(totalmem() / 1024 ** 3)
  return `${processor?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, ${memory} GiB, Linux ${release()}`
}

const load = () =>
  loadavg()
    .map((value) => value.toFixed(1))
    .join(' ')

function commit(): string {
  try {
    const stdio = ['ignore', 'pipe', 'ignore'] as ['ignore', 'pipe', 'ignore']
    return ` (${execFileSync('git', ['--no-optional-locks', 'describe', '--always', '--dirty'], { encoding: 'utf8', stdio }).trim()})`
  } catch {
    return ''
  }
}

async function main(given: readonly string[]): Promise<number> {
  const names = given.filter((argument) => argument !== '--markdown')
  const markdown = names.length < given.length
  const chosen = benchmarks.filter(({ name }) => names.length === 0 || names.includes(name))
  const unknown = names.filter((name) => !benchmarks.some((one) => one.name === name))
  if (unknown.length > 0) {
    process.stderr.write(unknown.includes('--help') ? help : `Unknown: ${unknown}\n\n${help}`)
    return unknown.includes('--help') ? 0 : 2
  }
  const lines = [
    `Date: ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    `Machine: ${machine()}`,
    `Callward ${version}${commit()}, Node ${process.versions.node}`,
    'Figures: median of 3 [min..max]',
  ]
  process.stdout.write(`${lines.map((line) => (markdown ? `- ${line}` : line)).join('\n')}\n\n`)
  let failed = 0
  for (const benchmark of chosen) {
    const before = load()
    progress(`${benchmark.name}: load average ${before}`)
    try {
      const result = await benchmark.run()
      const note = `Load average (1, 5, 15 min), this benchmark's own work included: before ${before}, after ${load()}.`
      process.stdout.write(`${printed({ ...result, notes: [...result.notes, note] }, markdown)}\n`)
    } catch (error) {
      failed += 1
      process.stderr.write(`${benchmark.name} failed: ${(error as Error).stack}\n`)
    }
  }
  return failed === 0 ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2))
