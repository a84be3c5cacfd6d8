import { join } from 'node:path'
import { metric, type Roots, readKernelFile, type Source, seen } from '../source.ts'

/** Column that holds the CPU since Linux 5.10; before that the line's number is the CPU. */
const cpuColumn = 12

/** Columns of newer kernels: packets another CPU handed over, and those a flow's limit dropped. */
const furtherColumns = [
  ['node_softnet_received_rps_total', 9],
  ['node_softnet_flow_limit_count_total', 10],
] as const

/** /proc/net/softnet_stat: packets the kernel had no time for. Names: node_exporter `softnet`. */
export function softnetSource(roots: Roots): Source {
  return {
    name: 'softnet',
    async read() {
      const lines = readKernelFile(join(roots.proc, 'net/softnet_stat'))
        .split('\n')
        .filter((line) => line !== '')
      return seen(
        lines.flatMap((line, i) => {
          const columns = line
            .trim()
            .split(/\s+/)
            .map((field) => hexadecimal(field))
          if (columns.length < 3) throw new Error(`softnet_stat: ${columns.length} columns`)
          const labels = { cpu: String(columns[cpuColumn] ?? i) }
          const metrics = [
            metric('node_softnet_processed_total', columns[0]!, labels),
            metric('node_softnet_dropped_total', columns[1]!, labels),
            metric('node_softnet_times_squeezed_total', columns[2]!, labels),
          ]
          for (const [name, column] of furtherColumns) {
            const value = columns[column]
            if (value !== undefined) metrics.push(metric(name, value, labels))
          }
          return metrics
        }),
      )
    },
  }
}

function hexadecimal(field: string): number {
  if (!/^[0-9a-f]+$/.test(field)) throw new Error(`softnet_stat: "${field}" is not hexadecimal`)
  return Number.parseInt(field, 16)
}
