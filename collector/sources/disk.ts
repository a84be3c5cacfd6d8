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
import type { DiskFigures, OsUtilsReader } from './os-utils.ts'

/** node_exporter's default: no RAM and loop devices, no partitions. */
const excludedDevices = /^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$/

/**
 * /proc/diskstats (kernel's iostats.rst). Names: node_exporter `diskstats`. Reads, writes, bytes and
 * times are node-os-utils' figures; merged, in flight, discards and flushes it lacks.
 */
export function diskSource(roots: Roots, reader: OsUtilsReader): Source {
  return {
    name: 'disk',
    async read() {
      const text = readKernelFile(join(roots.proc, 'diskstats'))
      const known = await reader.disks(text)
      const metrics: Metric[] = []
      for (const line of text.split('\n')) {
        const fields = line.trim().split(/\s+/)
        const device = fields[2]
        if (device === undefined || excludedDevices.test(device)) continue
        const figures = known.get(device)
        const numbers = fields.slice(3).map((field) => number(field, device))
        if (figures === undefined)
          throw new Error(`${device}: ${numbers.length} figures, 11 expected`)
        metrics.push(...diskMetrics(device, figures), ...furtherMetrics(device, numbers))
      }
      return seen(metrics)
    },
  }
}

function diskMetrics(device: string, figures: DiskFigures): Metric[] {
  const labels = { device }
  const of = (name: string, value: number) => metric(`node_disk_${name}`, value, labels)
  return [
    of('reads_completed_total', figures.reads),
    of('read_bytes_total', figures.readBytes),
    of('read_time_seconds_total', figures.readMilliseconds / 1000),
    of('writes_completed_total', figures.writes),
    of('written_bytes_total', figures.writtenBytes),
    of('write_time_seconds_total', figures.writeMilliseconds / 1000),
    of('io_time_seconds_total', figures.busyMilliseconds / 1000),
  ]
}

/** Columns after the device name; 15 since Linux 4.18 (discards), 17 since 5.5 (flushes). */
function furtherMetrics(device: string, columns: readonly number[]): Metric[] {
  const labels = { device }
  const metrics: Metric[] = []
  const add = (name: string, column: number, divisor = 1) => {
    const value = columns[column]
    if (value !== undefined) metrics.push(metric(`node_disk_${name}`, value / divisor, labels))
  }
  add('reads_merged_total', 1)
  add('writes_merged_total', 5)
  add('io_now', 8)
  add('io_time_weighted_seconds_total', 10, 1000)
  add('discards_completed_total', 11)
  add('discards_merged_total', 12)
  add('discarded_sectors_total', 13)
  add('discard_time_seconds_total', 14, 1000)
  add('flush_requests_total', 15)
  add('flush_requests_time_seconds_total', 16, 1000)
  return metrics
}
