import { join } from 'node:path'
import {
  type Metric,
  metric,
  number,
  type Roots,
  readKernelFile,
  type Source,
  seen,
} from '../source.ts'

/** Ticks a second of /proc/stat: USER_HZ, 100 on every Linux port (man 5 proc). */
const ticksPerSecond = 100
const modes = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal'] as const

/** Idle seconds that must be lost before a fall counts as a restart of the counter (node_exporter's rule). */
const idleRestartSeconds = 3

/** Seconds of one CPU by mode, then guest and guest_nice. */
type CpuSeconds = number[]

/**
 * /proc/stat. Source of names: node_exporter `cpu` and `stat`. The kernel lets idle and iowait step
 * back by a few ticks; a counter keeps its highest value then.
 */
export function cpuSource(roots: Roots): Source {
  const before = new Map<string, CpuSeconds>()
  return {
    name: 'cpu',
    async read() {
      const metrics: Metric[] = []
      for (const line of readKernelFile(join(roots.proc, 'stat')).split('\n')) {
        const [key = '', ...values] = line.split(/\s+/)
        if (/^cpu\d+$/.test(key)) metrics.push(...cpuMetrics(key.slice(3), values, before))
        else metrics.push(...counterMetrics(key, values[0]))
      }
      if (!metrics.some((one) => one.name === 'node_cpu_seconds_total')) {
        throw new Error('/proc/stat names no CPU')
      }
      return seen(metrics)
    },
  }
}

function cpuMetrics(
  cpu: string,
  ticks: readonly string[],
  before: Map<string, CpuSeconds>,
): Metric[] {
  const count = Math.min(ticks.length, modes.length + 2)
  const now = ticks.slice(0, count).map((text) => number(text, `cpu${cpu}`) / ticksPerSecond)
  const seconds = withoutStepsBack(now, before.get(cpu))
  before.set(cpu, seconds)
  const metrics = modes
    .slice(0, count)
    .map((mode, i) => metric('node_cpu_seconds_total', seconds[i]!, { cpu, mode }))
  const [user = 0, nice = 0] = seconds.slice(modes.length)
  metrics.push(metric('node_cpu_guest_seconds_total', user, { cpu, mode: 'user' }))
  metrics.push(metric('node_cpu_guest_seconds_total', nice, { cpu, mode: 'nice' }))
  return metrics
}

function withoutStepsBack(now: CpuSeconds, before: CpuSeconds | undefined): CpuSeconds {
  if (before === undefined) return now
  const idle = modes.indexOf('idle')
  const restarted = (before[idle] ?? 0) - (now[idle] ?? 0) >= idleRestartSeconds
  return restarted ? now : now.map((value, i) => Math.max(value, before[i] ?? 0))
}

const counters: Readonly<Record<string, string>> = {
  intr: 'node_intr_total',
  ctxt: 'node_context_switches_total',
  processes: 'node_forks_total',
  btime: 'node_boot_time_seconds',
  procs_running: 'node_procs_running',
  procs_blocked: 'node_procs_blocked',
}

function counterMetrics(key: string, value: string | undefined): Metric[] {
  const name = counters[key]
  return name === undefined ? [] : [metric(name, number(value, key))]
}
