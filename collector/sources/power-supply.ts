import { join } from 'node:path'
import { type Metric, metric, type Roots, type Source, seen, unseen } from '../source.ts'
import { atMostEvery, listFolder, minute, readNumber } from './sysfs.ts'

const files = ['online', 'present', 'capacity'] as const

/** /sys/class/power_supply, once a minute, since a battery may answer slowly. Names: node_exporter `powersupplyclass`. */
export function powerSupplySource(roots: Roots): Source {
  const folder = join(roots.sys, 'class/power_supply')
  const figures = atMostEvery(minute, () => readSupplies(folder))
  return {
    name: 'power_supply',
    async read(now) {
      const metrics = figures(now)
      if (metrics.length > 0) return seen(metrics)
      return unseen(
        'absent',
        'no power supply the kernel knows; those of a server belong to its BMC',
      )
    },
  }
}

function readSupplies(folder: string): Metric[] {
  const metrics: Metric[] = []
  for (const supply of listFolder(folder, /./, 64)) {
    for (const file of files) {
      const value = readNumber(join(folder, supply, file))
      if (value !== undefined)
        metrics.push(metric(`node_power_supply_${file}`, value, { power_supply: supply }))
    }
  }
  return metrics
}
