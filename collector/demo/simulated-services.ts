import { type Metric, metric } from '../source.ts'
import type { Millis } from '../wire/frames.ts'

/** What the services of a simulated host are read from. */
interface Host {
  readonly plan: { readonly labels: { readonly role: string }; readonly memoryBytes: number }
  readonly calls: number
  readonly bootedAt: Millis
  counter(name: string): number
}

const servicesByRole: Readonly<Record<string, readonly string[]>> = {
  pbx: ['asterisk', 'nginx'],
  sbc: ['kamailio', 'rtpengine'],
  dialler: ['asterisk', 'mariadbd'],
  ivr: ['freeswitch'],
  queue: ['asterisk'],
  db: ['postgres'],
}

function servicesOf(host: Host): readonly string[] {
  return servicesByRole[host.plan.labels.role] ?? ['nginx']
}

/** Figures of a simulated host's services, sockets and time service, by section. */
export const serviceFamilies: Readonly<
  Record<'services' | 'service_files' | 'udp_sockets' | 'clock_sync', (host: Host) => Metric[]>
> = {
  services: (host) =>
    servicesOf(host).flatMap((service, i) => {
      const of = (name: string, value: number) =>
        metric(`callward_service_${name}`, value, { service })
      return [
        of('up', 1),
        of('restarts_total', 0),
        of('processes', i === 0 ? 1 : 9),
        of('threads', 40 + host.calls),
        of('cpu_seconds_total', host.counter('busy') * (i === 0 ? 2.1 : 0.4)),
        of('resident_memory_bytes', Math.round(host.plan.memoryBytes * (i === 0 ? 0.08 : 0.03))),
        of('start_timestamp_seconds', Math.floor(host.bootedAt / 1000) + 22 + i),
      ]
    }),
  service_files: (host) =>
    servicesOf(host).flatMap((service) => [
      metric('callward_service_open_files', 60 + host.calls * 8, { service }),
      metric('callward_service_open_files_limit', 65_536, { service }),
    ]),
  udp_sockets: (host) => {
    const [service = ''] = servicesOf(host)
    const lost = Math.round(host.counter('lost'))
    return [['5060', 2, 0] as const, ['10000-29999', host.calls * 4, lost] as const].flatMap(
      ([port, sockets, drops]) => [
        metric('callward_udp_sockets', sockets, { port, service }),
        metric('callward_udp_socket_drops_total', drops, { port, service }),
        metric('callward_udp_socket_receive_queue_bytes', 0, { port, service }),
      ],
    )
  },
  clock_sync: (host) => [
    metric('callward_ntp_up', 1, { daemon: 'chronyd' }),
    metric('callward_ntp_synchronised', 1, { daemon: 'chronyd' }),
    metric('callward_ntp_stratum', 3),
    metric('callward_ntp_offset_seconds', 0.000_4 * (1 + Math.sin(host.counter('time') / 700))),
  ],
}
