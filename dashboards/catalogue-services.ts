import type { Metric, MetricType } from './catalogue.ts'

function metricOf(section: string, type: MetricType, labels: readonly string[]) {
  return (name: string, help: string, unit = ''): Metric => ({
    name: `callward_${name}`,
    type,
    help,
    unit,
    labels,
    from: `collector: ${section}`,
  })
}

const service = metricOf('services', 'gauge', ['service'])
const serviceCounter = metricOf('services', 'counter', ['service'])
const files = metricOf('service_files', 'gauge', ['service'])
const socket = metricOf('udp_sockets', 'gauge', ['port', 'service'])
const socketCounter = metricOf('udp_sockets', 'counter', ['port', 'service'])
const clock = metricOf('clock_sync', 'gauge', [])
const clockOf = metricOf('clock_sync', 'gauge', ['daemon'])
const clockReference = metricOf('clock_sync', 'gauge', ['reference'])

/** Named services, their sockets, and the host's time service. */
export const serviceMetrics: readonly Metric[] = [
  service(
    'service_up',
    '1 for a service of which a process runs, 0 for one that should and does not.',
  ),
  service('service_processes', 'Processes of a service.'),
  service('service_threads', 'Threads of all its processes; absent while it is down.'),
  service(
    'service_resident_memory_bytes',
    'Memory its processes hold; what they share counts once for each.',
    'bytes',
  ),
  service('service_start_timestamp_seconds', 'When its main process started.', 'seconds'),
  serviceCounter(
    'service_restarts_total',
    'Times another main process took over, since the collector watches.',
  ),
  serviceCounter('service_cpu_seconds_total', 'CPU time its processes took.', 'seconds'),
  files(
    'service_open_files',
    'Open files of the process of a service that is nearest to its limit.',
  ),
  files('service_open_files_limit', 'Files that process may open; absent without a limit.'),
  socketCounter(
    'udp_socket_drops_total',
    'Datagrams sockets at a port or range dropped because nobody read them in time.',
  ),
  socket(
    'udp_sockets',
    'UDP sockets at a port or range; `other` is what has no series of its own.',
  ),
  socket('udp_socket_receive_queue_bytes', 'Bytes waiting in these sockets.', 'bytes'),
  clockOf('ntp_up', '1 while the time service answers, 0 when it did or should and does not.'),
  clockOf('ntp_synchronised', '1 while the clock follows a source other than itself.'),
  clock('ntp_leap_status', '0 normal, 1 and 2 a leap second today, 3 not synchronised.'),
  clock('ntp_stratum', 'Steps to a reference clock; 0 for none.'),
  clockReference('ntp_reference_info', 'The source the clock follows; always 1.'),
  clock(
    'ntp_offset_seconds',
    'The server’s clock minus the true time, as its time service finds it.',
    'seconds',
  ),
  clock('ntp_root_delay_seconds', 'Network delay to the reference clock.', 'seconds'),
  clock('ntp_root_dispersion_seconds', 'Error gathered on the way from it.', 'seconds'),
  clock('ntp_last_update_timestamp_seconds', 'When a source was last heard.', 'seconds'),
]
