import type { Metric } from './catalogue.ts'

function gauge(name: string, help: string, unit: string, ...labels: string[]): Metric {
  return { name, type: 'gauge', help, unit, labels, from: 'collector: software' }
}

/** What the collector's software survey found, said again in each report until the next one. */
export const softwareMetrics: readonly Metric[] = [
  gauge(
    'callward_certificate_not_after_timestamp_seconds',
    'When a certificate ends, by its file (or `tls://address:port`) and its place in it.',
    'seconds',
    'path',
    'index',
  ),
  gauge('callward_licence_expires_timestamp_seconds', 'When a licence ends.', 'seconds', 'path'),
  gauge(
    'callward_software_updates_pending',
    'Updates that wait, by the host’s own package lists: with security="true" those that mend known faults.',
    '',
    'security',
  ),
  gauge('callward_reboot_required', '1 while an update waits for a reboot.', ''),
  gauge(
    'callward_process_outdated',
    '1 while a running service’s program was replaced on the disk and the service not restarted.',
    '',
    'service',
  ),
  gauge(
    'callward_os_end_of_life_timestamp_seconds',
    'When support of the operating system’s release ends, where the host knows.',
    'seconds',
  ),
]
