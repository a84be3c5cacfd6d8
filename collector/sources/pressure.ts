import { join } from 'node:path'
import {
  type Metric,
  metric,
  number,
  type Roots,
  readKernelFile,
  readOptionalKernelFile,
  type Source,
  seen,
} from '../source.ts'

const microsecondsPerSecond = 1_000_000

/** Resource, line of its file, name. A CPU has no `full` line worth keeping (kernel's psi.rst). */
const figures = [
  ['cpu', 'some', 'node_pressure_cpu_waiting_seconds_total'],
  ['io', 'some', 'node_pressure_io_waiting_seconds_total'],
  ['io', 'full', 'node_pressure_io_stalled_seconds_total'],
  ['memory', 'some', 'node_pressure_memory_waiting_seconds_total'],
  ['memory', 'full', 'node_pressure_memory_stalled_seconds_total'],
  ['irq', 'full', 'node_pressure_irq_stalled_seconds_total'],
] as const

/** /proc/pressure, total stall times. Names: node_exporter `pressure`. Absent before Linux 4.20 or with psi=0. */
export function pressureSource(roots: Roots): Source {
  return {
    name: 'pressure',
    async read() {
      const texts = new Map<string, string | undefined>()
      texts.set('cpu', readKernelFile(join(roots.proc, 'pressure/cpu')))
      for (const resource of ['io', 'memory', 'irq']) {
        texts.set(resource, readOptionalKernelFile(join(roots.proc, 'pressure', resource)))
      }
      const metrics: Metric[] = []
      for (const [resource, line, name] of figures) {
        const total = stallMicroseconds(texts.get(resource) ?? '', line)
        if (total !== undefined) metrics.push(metric(name, total / microsecondsPerSecond))
      }
      return seen(metrics)
    },
  }
}

function stallMicroseconds(text: string, line: string): number | undefined {
  const match = new RegExp(`^${line} .*\\btotal=(\\S+)`, 'm').exec(text)
  return match === null ? undefined : number(match[1], `pressure ${line}`)
}
