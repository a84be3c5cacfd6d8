import { join } from 'node:path'
import { metric, number, type Roots, readKernelFile, type Source, seen } from '../source.ts'

/** Open files of the whole host and their limit. Names: node_exporter `filefd`. */
export function filefdSource(roots: Roots): Source {
  return {
    name: 'filefd',
    async read() {
      const [allocated, , maximum] = readKernelFile(join(roots.proc, 'sys/fs/file-nr'))
        .trim()
        .split(/\s+/)
      return seen([
        metric('node_filefd_allocated', number(allocated, 'file-nr')),
        metric('node_filefd_maximum', number(maximum, 'file-nr')),
      ])
    },
  }
}

/** Connection tracking, which drops calls silently when full. Names: node_exporter `conntrack`. Absent without the module. */
export function conntrackSource(roots: Roots): Source {
  const folder = join(roots.proc, 'sys/net/netfilter')
  return {
    name: 'conntrack',
    async read() {
      return seen([
        metric(
          'node_nf_conntrack_entries',
          number(readKernelFile(join(folder, 'nf_conntrack_count')), 'count'),
        ),
        metric(
          'node_nf_conntrack_entries_limit',
          number(readKernelFile(join(folder, 'nf_conntrack_max')), 'max'),
        ),
      ])
    },
  }
}

/** Names: node_exporter `entropy`. */
export function entropySource(roots: Roots): Source {
  const folder = join(roots.proc, 'sys/kernel/random')
  return {
    name: 'entropy',
    async read() {
      return seen([
        metric(
          'node_entropy_available_bits',
          number(readKernelFile(join(folder, 'entropy_avail')), 'entropy_avail'),
        ),
        metric(
          'node_entropy_pool_size_bits',
          number(readKernelFile(join(folder, 'poolsize')), 'poolsize'),
        ),
      ])
    },
  }
}
