import { join } from 'node:path'
import {
  type Metric,
  metric,
  type Roots,
  readKernelFile,
  readOptionalKernelFile,
  type Source,
  seen,
} from '../source.ts'

/** Bytes waiting in all UDP sockets, where SIP and RTP pile up. Names: node_exporter `udp_queues`. */
export function udpQueuesSource(roots: Roots): Source {
  return {
    name: 'udp_queues',
    async read() {
      const v6 = readOptionalKernelFile(join(roots.proc, 'net/udp6'))
      return seen([
        ...queueMetrics('v4', readKernelFile(join(roots.proc, 'net/udp'))),
        ...(v6 === undefined ? [] : queueMetrics('v6', v6)),
      ])
    },
  }
}

function queueMetrics(ip: string, text: string): Metric[] {
  let sending = 0
  let receiving = 0
  for (const line of text.split('\n').slice(1)) {
    const queues = line.trim().split(/\s+/, 5)[4]
    if (queues === undefined) continue
    const [sent, received] = queues.split(':').map((field) => Number.parseInt(field, 16))
    if (sent === undefined || received === undefined || Number.isNaN(sent + received)) {
      throw new Error(`/proc/net/udp: "${queues}" is not a pair of queues`)
    }
    sending += sent
    receiving += received
  }
  return [
    metric('node_udp_queues', sending, { ip, queue: 'tx' }),
    metric('node_udp_queues', receiving, { ip, queue: 'rx' }),
  ]
}
