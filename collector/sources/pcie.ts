import { join } from 'node:path'
import { type Metric, metric, type Roots, type Source, seen, unseen } from '../source.ts'
import { atMostEvery, listFolder, minute, readAttribute } from './sysfs.ts'

const kinds = [
  ['correctable', 'aer_dev_correctable', 'TOTAL_ERR_COR'],
  ['nonfatal', 'aer_dev_nonfatal', 'TOTAL_ERR_NONFATAL'],
  ['fatal', 'aer_dev_fatal', 'TOTAL_ERR_FATAL'],
] as const
const devicesLimit = 512

/**
 * PCI Express Advanced Error Reporting (kernel's ABI/testing/sysfs-bus-pci-devices-aer_stats), once a minute: the sum of the host, and
 * the devices that have counted any.
 */
export function pcieSource(roots: Roots): Source {
  const folder = join(roots.sys, 'bus/pci/devices')
  const devices = atMostEvery(10 * minute, () =>
    listFolder(folder, /./, devicesLimit).filter(
      (device) => readAttribute(join(folder, device, kinds[0][1])) !== undefined,
    ),
  )
  const figures = atMostEvery(minute, (now) => errorMetrics(folder, devices(now)))
  return {
    name: 'pcie',
    async read(now) {
      const metrics = figures(now)
      if (metrics.length > 0) return seen(metrics)
      return unseen(
        'absent',
        'no PCI Express device reports errors; virtual machines and older firmware do not',
      )
    },
  }
}

function errorMetrics(folder: string, devices: readonly string[]): Metric[] {
  if (devices.length === 0) return []
  const metrics: Metric[] = []
  for (const [kind, file, total] of kinds) {
    let sum = 0
    for (const device of devices) {
      const count = totalOf(readAttribute(join(folder, device, file)) ?? '', total)
      sum += count
      if (count > 0)
        metrics.push(metric('callward_pcie_device_errors_total', count, { device, kind }))
    }
    metrics.push(metric('callward_pcie_errors_total', sum, { kind }))
  }
  return metrics
}

function totalOf(text: string, total: string): number {
  const count = Number(new RegExp(`^${total} (\\d+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
  if (text !== '' && Number.isNaN(count)) throw new Error(`"${text.slice(0, 60)}" has no ${total}`)
  return Number.isNaN(count) ? 0 : count
}
