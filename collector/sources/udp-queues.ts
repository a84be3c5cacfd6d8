import { type Metric, metric, type Source, seen } from '../source.ts'
import type { Millis } from '../wire/frames.ts'
import type { UdpTables } from './udp-table.ts'

/** Bytes waiting in all UDP sockets, where SIP and RTP pile up. Names: node_exporter `udp_queues`. */
export function udpQueuesSource(tables: (now: Millis) => UdpTables): Source {
  return {
    name: 'udp_queues',
    async read(now) {
      const { v4, v6 } = tables(now)
      return seen([...queueMetrics('v4', v4), ...(v6 === undefined ? [] : queueMetrics('v6', v6))])
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
