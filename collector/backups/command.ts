import { spawnSync } from 'node:child_process'
import { setPriority } from 'node:os'
import type { CollectorConfig } from '../config.ts'
import type { DrillRecord } from './evidence.ts'
import { doWork, type WorkResult } from './work.ts'

/** `--backup-work drill:NAME` or `verify:NAME`, started by the collector: prints the result as JSON; stops when its starter is gone. */
export async function backupWorkHere(task: string, config: CollectorConfig): Promise<number> {
  const [what, name] = task.split(':')
  const job = config.backups.jobs.find((one) => one.name === name)
  if (job === undefined || (what !== 'drill' && what !== 'verify')) {
    process.stderr.write(`There is no work "${task}".\n`)
    return 2
  }
  yieldToOthers()
  const stop = stopSignal()
  process.stdin.resume().once('end', stop.now).once('error', stop.now)
  const result = await doWork({ ...optionsOf(config, stop.signal), work: { what, job } })
  await new Promise<void>((resolve) =>
    process.stdout.write(JSON.stringify(result), () => resolve()),
  )
  return 0
}

/** `drill NAME`: one drill now, its evidence as text. Exit code 0 when it passed, 1 when it failed or could not be done. */
export async function drillCommand(
  name: string | undefined,
  config: CollectorConfig,
): Promise<{ readonly text: string; readonly code: number }> {
  const { jobs } = config.backups
  const job = jobs.find((one) => one.name === name)
  if (job === undefined) {
    const known = jobs.map((one) => one.name).join(', ')
    const which = jobs.length === 0 ? 'No backup job is configured.' : `Known are: ${known}.`
    return { text: `There is no backup job "${name ?? ''}". ${which}\n`, code: 2 }
  }
  yieldToOthers()
  const result = await doWork({
    ...optionsOf(config, stopSignal().signal),
    work: { what: 'drill', job },
  })
  return textOf(job.name, result)
}

function optionsOf(config: CollectorConfig, signal: AbortSignal) {
  return { settings: config.backups, collectorFolder: config.folder, now: Date.now, signal }
}

/** SIGINT and SIGTERM end the tools and clean up. */
function stopSignal(): { readonly signal: AbortSignal; readonly now: () => void } {
  const stop = new AbortController()
  const now = () => stop.abort()
  process.once('SIGTERM', now)
  process.once('SIGINT', now)
  return { signal: stop.signal, now }
}

function textOf(name: string, result: WorkResult): { text: string; code: number } {
  const said = result.said.trim()
  const tool =
    said === '' ? '' : `\nThe tool said (shown here only):\n${said.replace(/^/gm, '  ')}\n`
  if (result.state === 'drilled') {
    const { drill } = result
    return { text: `${drillText(name, drill)}${tool}`, code: drill.result === 'passed' ? 0 : 1 }
  }
  const why = result.state === 'notDone' ? result.attempt.detail : 'it was a verification'
  return { text: `${name}: the drill could not be done: ${why}\n${tool}`, code: 1 }
}

function drillText(name: string, drill: DrillRecord): string {
  const lines: [string, string][] = [
    ['result', `${drill.result}: ${drill.detail}`],
    ['started', new Date(drill.startedAt).toISOString()],
    ['took', `${drill.seconds.toFixed(1)} s`],
    ['backup of', drill.copyAt === 0 ? 'unknown' : new Date(drill.copyAt).toISOString()],
    ['restored', `${drill.mode}, ${drill.files} files, ${drill.bytes} bytes`],
    ['tool', drill.tool === '' ? 'unknown' : drill.tool],
    ...drill.checks.map((one): [string, string] => [
      one.ok ? 'check passed' : 'check FAILED',
      `${one.check}: ${one.found}`,
    ]),
  ]
  return `${name}\n${lines.map(([key, value]) => `  ${key.padEnd(12)}  ${value}`).join('\n')}\n`
}

interface BackupsDocument {
  readonly jobs?: readonly {
    readonly name: string
    readonly posture: string
    readonly reasons: readonly { readonly text: string }[]
  }[]
}

/** Each job and its posture for `--check`; empty where there is none. */
export function postureTable(document: unknown): string {
  const { jobs } = (document ?? {}) as BackupsDocument // our own survey wrote it
  if (jobs === undefined || jobs.length === 0) return ''
  const width = Math.max(...jobs.map((one) => one.name.length), 6)
  const rows = jobs.map(({ name, posture, reasons }) => {
    const why = reasons.map((one) => one.text).join('; ')
    return `${name.padEnd(width)}  ${posture.padEnd(11)}  ${why}`.trimEnd()
  })
  return `\n${'backup'.padEnd(width)}  ${'posture'.padEnd(11)}  why\n${rows.join('\n')}\n`
}

/** A host has calls to carry: last in line for CPU and disk, and so is everything started from here. */
function yieldToOthers(): void {
  try {
    setPriority(19)
  } catch {
    // Not allowed here; the budgets hold all the same.
  }
  spawnSync('/usr/bin/ionice', ['-c', '3', '-p', String(process.pid)], { stdio: 'ignore' })
}
