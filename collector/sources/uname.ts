import { machine } from 'node:os'
import { join } from 'node:path'
import { metric, type Roots, readKernelFile, type Source, seen } from '../source.ts'

/** The kernel's names from /proc/sys/kernel. Names: node_exporter `uname`. */
export function unameSource(roots: Roots): Source {
  const of = (file: string) => readKernelFile(join(roots.proc, 'sys/kernel', file)).trim()
  return {
    name: 'uname',
    async read() {
      const labels = {
        sysname: of('ostype'),
        release: of('osrelease'),
        version: of('version'),
        machine: machine(),
        nodename: of('hostname'),
        domainname: of('domainname'),
      }
      return seen([metric('node_uname_info', 1, labels)])
    },
  }
}
