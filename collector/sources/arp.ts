import { join } from 'node:path'
import { metric, type Roots, readKernelFile, type Source, seen } from '../source.ts'

/** Neighbours the kernel knows, by interface. Names: node_exporter `arp`. */
export function arpSource(roots: Roots): Source {
  return {
    name: 'arp',
    async read() {
      const entries = new Map<string, number>()
      for (const line of readKernelFile(join(roots.proc, 'net/arp')).split('\n').slice(1)) {
        const device = line.trim().split(/\s+/)[5]
        if (device !== undefined) entries.set(device, (entries.get(device) ?? 0) + 1)
      }
      return seen(
        [...entries].map(([device, count]) => metric('node_arp_entries', count, { device })),
      )
    },
  }
}
