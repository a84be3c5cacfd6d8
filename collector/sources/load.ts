import { join } from 'node:path'
import { metric, number, type Roots, readKernelFile, type Source, seen } from '../source.ts'
import type { OsUtilsReader } from './os-utils.ts'

/** /proc/loadavg by node-os-utils; the text is checked first, since the package reads nonsense as 0. */
export function loadSource(roots: Roots, reader: OsUtilsReader): Source {
  return {
    name: 'load',
    async read() {
      const text = readKernelFile(join(roots.proc, 'loadavg'))
      for (const field of text.split(/\s+/, 3)) number(field, 'loadavg')
      const load = await reader.loadAverage(text)
      return seen([
        metric('node_load1', load.load1),
        metric('node_load5', load.load5),
        metric('node_load15', load.load15),
      ])
    },
  }
}
