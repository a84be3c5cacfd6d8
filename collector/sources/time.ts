import { join } from 'node:path'
import { metric, number, type Roots, readKernelFile, type Source, seen } from '../source.ts'

/** The host's clock, and seconds since boot that no clock step can bend. */
export function timeSource(roots: Roots): Source {
  return {
    name: 'time',
    async read(now) {
      const uptime = readKernelFile(join(roots.proc, 'uptime')).split(' ', 1)[0]
      return seen([
        metric('node_time_seconds', now / 1000),
        metric('callward_uptime_seconds', number(uptime, 'uptime')),
      ])
    },
  }
}
