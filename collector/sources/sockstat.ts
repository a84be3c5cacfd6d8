import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Metric,
  metric,
  number,
  type Roots,
  readKernelFile,
  readOptionalKernelFile,
  type Source,
  seen,
} from '../source.ts'

/** /proc/net/sockstat and sockstat6. Names: node_exporter `sockstat`. */
export function sockstatSource(roots: Roots): Source {
  const pageBytes = kernelPageBytes()
  return {
    name: 'sockstat',
    async read() {
      return seen([
        ...parseSockstat(readKernelFile(join(roots.proc, 'net/sockstat')), pageBytes),
        ...parseSockstat(
          readOptionalKernelFile(join(roots.proc, 'net/sockstat6')) ?? '',
          pageBytes,
        ),
      ])
    },
  }
}

/** `UDP: inuse 4 mem 2`: pages, so `mem` is given in bytes as well. */
export function parseSockstat(text: string, pageBytes: number): Metric[] {
  const metrics: Metric[] = []
  for (const line of text.split('\n')) {
    const [protocol = '', ...pairs] = line.split(/\s+/)
    if (!protocol.endsWith(':')) continue
    const prefix = `node_sockstat_${protocol.slice(0, -1)}`
    for (let i = 0; i + 1 < pairs.length; i += 2) {
      const value = number(pairs[i + 1], protocol)
      metrics.push(metric(`${prefix}_${pairs[i]}`, value))
      if (pairs[i] === 'mem') metrics.push(metric(`${prefix}_mem_bytes`, value * pageBytes))
    }
  }
  return metrics
}

const auxiliaryPageSize = 6n
const commonPageBytes = 4096

/** AT_PAGESZ of this process's auxiliary vector (man 3 getauxval), 64-bit pairs; 4096 where it cannot be read. */
export function kernelPageBytes(): number {
  try {
    const vector = readFileSync('/proc/self/auxv')
    for (let at = 0; at + 16 <= vector.length; at += 16) {
      if (vector.readBigUInt64LE(at) === auxiliaryPageSize)
        return Number(vector.readBigUInt64LE(at + 8))
    }
  } catch {
    // Not Linux, or /proc hidden: the common size is right on every x86 machine.
  }
  return commonPageBytes
}
