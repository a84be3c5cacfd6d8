import { type Metric, metric, type Source, seen } from '../source.ts'
import type { Millis } from '../wire/frames.ts'
import { parseUdpTable, type UdpSocket, type UdpTables } from './udp-table.ts'

/** SIP, then RTP as Asterisk, FreeSWITCH and rtpengine choose it, in two groups. */
export const defaultUdpPorts: readonly string[] = [
  '5060',
  '5061',
  '5080',
  '10000-29999',
  '30000-40000',
]

/** Ports beyond the configured ones that get a series of their own, once they have lost something. */
const furtherPortsLimit = 32

/** From here on ports are the kernel's to hand out (net.ipv4.ip_local_port_range): theirs come and go. */
const ephemeralFrom = 32_768

/** Label of what belongs to no configured port and has no series of its own. */
const otherPorts = 'other'

/** A port or a range of ports, as the label writes it. */
interface PortGroup {
  readonly label: string
  readonly from: number
  readonly to: number
}

/** `5060` or `10000-20000`; throws for anything else. */
export function portGroup(label: string): PortGroup {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(label)
  const from = Number(match?.[1] ?? Number.NaN)
  const to = Number(match?.[2] ?? from)
  if (!(from >= 1 && to >= from && to <= 65_535))
    throw new Error(`"${label}" is not a port or a range of ports, e.g. 5060 or 10000-20000`)
  return { label, from, to }
}

/** What is kept of a group over time. */
class Drops {
  total = 0
  sockets = 0
  receiveQueueBytes = 0
  service = ''
}

/**
 * Datagrams each socket dropped because its program did not read them in time, by local port: SIP and RTP nobody heard.
 * A counter goes on when a socket closes, as RTP sockets do with each call. `serviceOf` names the service of a user.
 */
export function udpSocketsSource(
  tables: (now: Millis) => UdpTables,
  serviceOf: (userId: number) => string | undefined,
  ports: readonly string[] = defaultUdpPorts,
): Source {
  const groups = ports.map(portGroup)
  const drops = new Map<string, Drops>()
  let before = new Map<string, number>()
  return {
    name: 'udp_sockets',
    async read(now) {
      const { v4, v6 } = tables(now)
      const sockets = [...parseUdpTable(v4), ...(v6 === undefined ? [] : parseUdpTable(v6))]
      const present = new Map<string, number>()
      for (const one of drops.values()) {
        one.sockets = 0
        one.receiveQueueBytes = 0
      }
      for (const socket of sockets) {
        const key = `${socket.inode}/${socket.port}`
        const last = before.get(key) ?? 0
        const grown = socket.drops >= last ? socket.drops - last : socket.drops
        present.set(key, Math.max(socket.drops, present.get(key) ?? 0))
        count(drops, labelOf(groups, drops, socket), socket, grown, serviceOf)
      }
      before = present
      return seen([...drops].flatMap(([port, one]) => dropMetrics(port, one)))
    },
  }
}

function count(
  drops: Map<string, Drops>,
  label: string,
  socket: UdpSocket,
  grown: number,
  serviceOf: (userId: number) => string | undefined,
): void {
  const one = drops.get(label) ?? new Drops()
  drops.set(label, one)
  one.total += grown
  one.sockets++
  one.receiveQueueBytes += socket.receiveQueueBytes
  if (label !== otherPorts) one.service = serviceOf(socket.userId) ?? one.service
}

function labelOf(
  groups: readonly PortGroup[],
  drops: ReadonlyMap<string, Drops>,
  { port, drops: lost }: UdpSocket,
): string {
  const group = groups.find(({ from, to }) => port >= from && port <= to)
  if (group !== undefined) return group.label
  const label = String(port)
  if (drops.has(label)) return label
  const room = drops.size < groups.length + furtherPortsLimit
  return lost > 0 && port < ephemeralFrom && room ? label : otherPorts
}

function dropMetrics(port: string, one: Drops): Metric[] {
  const labels = { port, service: one.service }
  return [
    metric('callward_udp_socket_drops_total', one.total, labels),
    metric('callward_udp_sockets', one.sockets, labels),
    metric('callward_udp_socket_receive_queue_bytes', one.receiveQueueBytes, labels),
  ]
}
