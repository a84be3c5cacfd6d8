import { join } from 'node:path'
import {
  type Metric,
  metric,
  number,
  type Roots,
  readKernelFile,
  type Source,
  seen,
  unseen,
} from '../source.ts'
import { isOffered } from './sysfs.ts'

const nanosecondsPerSecond = 1e9

/** Time tasks ran and waited, by CPU (kernel's scheduler/sched-stats.rst). Names: node_exporter `schedstat`. */
export function schedstatSource(roots: Roots): Source {
  const file = join(roots.proc, 'schedstat')
  return {
    name: 'schedstat',
    async read() {
      if (!isOffered(file)) return unseen('absent', 'the kernel keeps no scheduler statistics')
      return seen(parseSchedstat(readKernelFile(file)))
    },
  }
}

/** `cpu0` and nine figures, the last three: nanoseconds run, nanoseconds waited, slices. */
export function parseSchedstat(text: string): Metric[] {
  const metrics: Metric[] = []
  for (const line of text.split('\n')) {
    if (!line.startsWith('cpu')) continue
    const fields = line.split(/\s+/)
    const labels = { cpu: fields[0]!.slice('cpu'.length) }
    const of = (column: number) => number(fields[column], `schedstat ${fields[0]}`)
    const seconds = (column: number) => of(column) / nanosecondsPerSecond
    metrics.push(metric('node_schedstat_running_seconds_total', seconds(7), labels))
    metrics.push(metric('node_schedstat_waiting_seconds_total', seconds(8), labels))
    metrics.push(metric('node_schedstat_timeslices_total', of(9), labels))
  }
  return metrics
}
