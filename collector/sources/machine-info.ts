import { join } from 'node:path'
import { type Metric, metric, type Roots, type Source, seen, unseen } from '../source.ts'
import { atMostEvery, hour, listFolder, minute, readAttribute } from './sysfs.ts'

/** Label by file of /sys/class/dmi/id. Serial numbers and the UUID are only root's, and are not sent even then. */
const dmiLabels = [
  ...['bios_date', 'bios_release', 'bios_vendor', 'bios_version'],
  ...['board_asset_tag', 'board_name', 'board_vendor', 'board_version'],
  ...['chassis_asset_tag', 'chassis_vendor', 'chassis_version'],
  ...['product_family', 'product_name', 'product_sku', 'product_version', 'sys_vendor'],
] as const

/** Maker, model and firmware of the machine, read once an hour. Names: node_exporter `dmi`. */
export function dmiSource(roots: Roots): Source {
  const folder = join(roots.sys, 'class/dmi/id')
  const labels = atMostEvery(hour, () => readDmi(folder))
  return {
    name: 'dmi',
    async read(now) {
      const found = labels(now)
      if (Object.keys(found).length > 0) return seen([metric('node_dmi_info', 1, found)])
      return unseen('absent', 'the firmware tells nothing about the machine (no DMI table)')
    },
  }
}

function readDmi(folder: string): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const file of dmiLabels) {
    const text = readAttribute(join(folder, file))
    if (text === undefined) continue
    labels[file === 'sys_vendor' ? 'system_vendor' : file] = text.slice(0, 128)
  }
  return labels
}

/** NVMe controllers and their state (`live`, `dead`, `resetting` …), once a minute. Names: node_exporter `nvme`. */
export function nvmeSource(roots: Roots): Source {
  const folder = join(roots.sys, 'class/nvme')
  const controllers = atMostEvery(minute, () => readControllers(folder))
  return {
    name: 'nvme',
    async read(now) {
      const metrics = controllers(now)
      return metrics.length > 0 ? seen(metrics) : unseen('absent', 'no NVMe disk')
    },
  }
}

function readControllers(folder: string): Metric[] {
  return listFolder(folder, /^nvme\d+$/).map((device) => {
    const of = (file: string) => (readAttribute(join(folder, device, file)) ?? '').slice(0, 128)
    const state = of('state')
    const identity = { firmware_revision: of('firmware_rev'), model: of('model') }
    return metric('node_nvme_info', 1, { device, ...identity, serial: of('serial'), state })
  })
}
