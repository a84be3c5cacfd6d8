import { execFileSync } from 'node:child_process'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { version } from '../../server/assets.ts'
import { alert } from './alert.ts'
import { alertLoad } from './alert-load.ts'
import { boardPanels } from './boards.ts'
import { collector } from './collector.ts'
import { fleet } from './collectors.ts'
import { disk } from './disk.ts'
import { incidents } from './incidents.ts'
import { ingest } from './ingest.ts'
import { inventory } from './inventory.ts'
import { type Benchmark, canPin, pinLoad, progress, repeats, settings } from './kit.ts'
import { ledger } from './ledger.ts'
import { memory } from './memory.ts'
import { outlets } from './outlets.ts'
import { push } from './push.ts'
import { query } from './query.ts'
import { reconnect } from './reconnect.ts'
import { recovery } from './recovery.ts'
import { ruleRounds } from './rules.ts'
import { search } from './search.ts'
import { spool } from './spool.ts'
import { steady } from './steady.ts'
import { storm } from './storm.ts'
import { printed } from './table.ts'
import { verification } from './verify.ts'
import { write } from './write.ts'

const benchmarks: readonly Benchmark[] = [
  ingest,
  write,
  outlets,
  disk,
  query,
  boardPanels,
  memory,
  recovery,
  fleet,
  steady,
  alert,
  collector,
  spool,
  reconnect,
  inventory,
  ledger,
  verification,
  storm,
  push,
  ruleRounds,
  alertLoad,
  search,
  incidents,
]

/** Those that drive the hub through a profile of its own. */
const profilable = [
  'ingest',
  'remote-write',
  'outlets',
  'query',
  'boards',
  'fleet',
  'reconnect',
  'storm',
  'push',
  'rules',
  'alert-load',
  'incidents',
]

const help = `npm run bench -- [--quick] [--markdown] [--profile] [NAME ...]

  NAME        ${benchmarks.map(({ name }) => name).join(', ')}; all without one (about half an hour)
  --quick     one repeat of small loads: shows that all works; its figures say little
  --markdown  the tables as docs/benchmarks.md has them
  --profile   only the hub, once: prints its functions by their own time and writes .cpuprofile files here
              (${profilable.join(', ')})
  --keep DIR  incidents: keeps its filled databases in DIR and measures those that are there
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

function heading(): string {
  const lines = [
    `Command: npm run bench -- ${process.argv.slice(2).join(' ')}`.trimEnd(),
    `Date: ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    `Machine: ${machine()}`,
    `Callward ${version}${commit()}, Node ${process.versions.node}`,
    `Figures: ${repeats === 1 ? 'one measurement' : `median of ${repeats} [min..max]`}`,
    canPin
      ? 'Servers have core 0, the load has core 1.'
      : 'Servers and load share the cores (no taskset, or one core).',
  ]
  if (settings.quick) lines.push('A quick run: small loads; no figure of it counts.')
  if (settings.profile) lines.push('Under the profiler: slower than without.')
  return `${lines.map((line) => (settings.markdown ? `- ${line}` : line)).join('\n')}\n\n`
}

/** Why the names of the command line cannot be run; undefined when they can. */
function nameFault(names: readonly string[]): string | undefined {
  const unknown = names.filter((name) => !benchmarks.some((one) => one.name === name))
  if (unknown.length > 0) return `Unknown: ${unknown.join(', ')}`
  const not = names.filter((name) => settings.profile && !profilable.includes(name))
  return not.length > 0 ? `Cannot be profiled: ${not.join(', ')}` : undefined
}

async function runOne({ name, run }: Benchmark): Promise<boolean> {
  const before = load()
  const began = performance.now()
  progress(`${name}: load average ${before}`)
  try {
    const result = await run()
    const seconds = Math.round((performance.now() - began) / 1000)
    const note = `Took ${seconds} s. Load average (1, 5, 15 min), this benchmark's own work included: before ${before}, after ${load()}.`
    process.stdout.write(
      `${printed({ ...result, notes: [...result.notes, note] }, settings.markdown)}\n`,
    )
    return true
  } catch (error) {
    process.stderr.write(`${name} failed: ${(error as Error).stack}\n`)
    return false
  }
}

async function main(): Promise<number> {
  if (settings.help) {
    process.stdout.write(help)
    return 0
  }
  const fault = nameFault(settings.names)
  if (fault !== undefined) {
    process.stderr.write(`${fault}\n\n${help}`)
    return 2
  }
  const offered = settings.profile ? profilable : benchmarks.map(({ name }) => name)
  const names = settings.names.length === 0 ? offered : settings.names
  pinLoad()
  process.stdout.write(heading())
  let failed = 0
  for (const one of benchmarks.filter(({ name }) => names.includes(name)))
    if (!(await runOne(one))) failed += 1
  return failed === 0 ? 0 : 1
}

process.exitCode = await main()
