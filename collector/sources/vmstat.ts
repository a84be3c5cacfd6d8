import { join } from 'node:path'
import { metric, number, type Roots, readKernelFile, type Source, seen } from '../source.ts'

/** node_exporter's default choice: OOM kills, paging, swapping, faults. */
const chosenFields = /^(oom_kill|pgpg|pswp|pg.*fault).*/

/** /proc/vmstat. Names: node_exporter `vmstat`. */
export function vmstatSource(roots: Roots): Source {
  return {
    name: 'vmstat',
    async read() {
      const metrics = []
      for (const line of readKernelFile(join(roots.proc, 'vmstat')).split('\n')) {
        const [field = '', value] = line.split(/\s+/)
        if (chosenFields.test(field))
          metrics.push(metric(`node_vmstat_${field}`, number(value, field)))
      }
      return seen(metrics)
    },
  }
}
