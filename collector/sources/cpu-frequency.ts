import { join } from 'node:path'
import { type Metric, metric, type Roots, type Source, seen, unseen } from '../source.ts'
import { atMostEvery, listFolder, minute, readNumber } from './sysfs.ts'

const hertzPerKilohertz = 1000
const files = [
  ['scaling_cur_freq', 'node_cpu_scaling_frequency_hertz'],
  ['scaling_min_freq', 'node_cpu_scaling_frequency_min_hertz'],
  ['scaling_max_freq', 'node_cpu_scaling_frequency_max_hertz'],
] as const

/** CPU clocks, once a minute: asking one interrupts that CPU. Names: node_exporter `cpufreq`. */
export function cpuFrequencySource(roots: Roots): Source {
  const folder = join(roots.sys, 'devices/system/cpu')
  const figures = atMostEvery(minute, () => readFrequencies(folder))
  return {
    name: 'cpu_frequency',
    async read(now) {
      const metrics = figures(now)
      if (metrics.length > 0) return seen(metrics)
      return unseen('absent', 'no CPU offers frequency scaling; virtual machines have none')
    },
  }
}

function readFrequencies(folder: string): Metric[] {
  const metrics: Metric[] = []
  for (const entry of listFolder(folder, /^cpu\d+$/)) {
    const labels = { cpu: entry.slice('cpu'.length) }
    for (const [file, name] of files) {
      const kilohertz = readNumber(join(folder, entry, 'cpufreq', file))
      if (kilohertz === undefined) break // no cpufreq here: the other files are missing as well
      metrics.push(metric(name, kilohertz * hertzPerKilohertz, labels))
    }
  }
  return metrics
}
