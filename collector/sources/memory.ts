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
import type { OsUtilsReader } from './os-utils.ts'

/**
 * /proc/meminfo, every line. Names: node_exporter `meminfo`. MemTotal, MemFree, Buffers and Cached
 * are node-os-utils' figures; not MemAvailable, for which it puts MemFree when the kernel has none.
 */
export function memorySource(roots: Roots, reader: OsUtilsReader): Source {
  return {
    name: 'memory',
    async read() {
      const text = readKernelFile(join(roots.proc, 'meminfo'))
      const figures = new Map(parseMeminfo(text).map((one) => [one.name, one]))
      const known = await reader.memory(text)
      const named = {
        MemTotal: known.total,
        MemFree: known.free,
        Buffers: known.buffers,
        Cached: known.cached,
      }
      for (const [field, bytes] of Object.entries(named)) {
        const name = `node_memory_${field}_bytes`
        if (figures.has(name)) figures.set(name, metric(name, bytes))
      }
      if (figures.size === 0) throw new Error('/proc/meminfo is empty')
      return seen([...figures.values()])
    },
  }
}

/** `Active(anon): 12 kB` becomes node_memory_Active_anon_bytes 12288; a line without unit keeps its number. */
export function parseMeminfo(text: string): Metric[] {
  const metrics: Metric[] = []
  for (const line of text.split('\n')) {
    const [key = '', value, unit] = line.split(/\s+/)
    if (!key.endsWith(':')) continue
    const field = key.slice(0, -1).replaceAll('(', '_').replaceAll(')', '')
    const amount = number(value, field)
    if (unit === undefined || unit === '') metrics.push(metric(`node_memory_${field}`, amount))
    else if (unit === 'kB') metrics.push(metric(`node_memory_${field}_bytes`, amount * 1024))
    else throw new Error(`${field}: unknown unit "${unit}"`)
  }
  return metrics
}
