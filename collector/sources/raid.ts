import { join } from 'node:path'
import {
  type Metric,
  metric,
  type Roots,
  readKernelFile,
  type Source,
  seen,
  unseen,
} from '../source.ts'
import { type ArrayState, type MdArray, parseMdstat } from './mdstat.ts'
import { isOffered, readNumber } from './sysfs.ts'

const states: readonly ArrayState[] = ['active', 'inactive', 'recovering', 'resync', 'check']

/**
 * Linux software RAID: /proc/mdstat and /sys/block/md…/md. Names: node_exporter `mdadm`; mismatches, which it lacks, are what the last
 * check found different between the disks. Hardware controllers are not seen here.
 */
export function raidSource(roots: Roots): Source {
  const file = join(roots.proc, 'mdstat')
  return {
    name: 'raid',
    async read() {
      if (!isOffered(file))
        return unseen('absent', 'no Linux software RAID: the md driver is not loaded')
      const arrays = parseMdstat(readKernelFile(file))
      if (arrays.length === 0) return unseen('absent', `${file} names no array`)
      return seen(arrays.flatMap((array) => arrayMetrics(roots, array)))
    },
  }
}

function arrayMetrics(roots: Roots, array: MdArray): Metric[] {
  const { device } = array
  const metrics = states.map((state) =>
    metric('node_md_state', array.state === state ? 1 : 0, { device, state }),
  )
  const disks = (state: string, value: number) => metric('node_md_disks', value, { device, state })
  metrics.push(disks('active', array.active), disks('failed', array.failed))
  metrics.push(disks('spare', array.spare))
  metrics.push(metric('node_md_disks_required', array.required, { device }))
  metrics.push(metric('node_md_blocks', array.blocks, { device }))
  metrics.push(metric('node_md_blocks_synced', array.blocksSynced, { device }))
  const mismatches = readNumber(join(roots.sys, 'block', device, 'md/mismatch_cnt'))
  if (mismatches !== undefined)
    metrics.push(metric('callward_md_mismatch_sectors', mismatches, { device }))
  const degraded = readNumber(join(roots.sys, 'block', device, 'md/degraded'))
  if (degraded !== undefined) metrics.push(metric('node_md_degraded', degraded, { device }))
  return metrics
}
