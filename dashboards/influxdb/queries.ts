import type { InfluxTarget } from '../layer/influxql.ts'
import { gauge, hostTags, math, notLoopback, overall, rate, realFilesystems } from './selectors.ts'

/** InfluxQL of a board's panels, by the panel's number. */
type Queries = Readonly<Record<number, readonly InfluxTarget[]>>

const hostName = '$tag_customer $tag_server'

/** `1 - A / B`: the share that is not left. */
const used = (left: string, whole: string, more: object, labels: readonly string[]) => [
  gauge({ metric: left, hidden: true, ...more }),
  gauge({ metric: whole, hidden: true, ...more }),
  math('1 - $A / $B', ...labels),
]

const memoryUsed = (...labels: string[]) =>
  used('node_memory_MemAvailable_bytes', 'node_memory_MemTotal_bytes', {}, labels)

const filesystems = (...labels: string[]) =>
  used(
    'node_filesystem_avail_bytes',
    'node_filesystem_size_bytes',
    { where: realFilesystems, by: [...hostTags, 'mountpoint'] },
    [...labels, 'mountpoint'],
  )

/** Divided by the time that was counted and not by the interval: a server that falls silent does not look busy. */
const cpuBusy = (...labels: string[]) => [
  rate({ metric: 'node_cpu_seconds_total', where: `"mode" = 'idle'`, hidden: true }),
  rate({ metric: 'node_cpu_seconds_total', hidden: true }),
  math('1 - $A / $B', ...labels),
]

const pressure = (what: string, alias: string) =>
  rate({ metric: `node_pressure_${what}_seconds_total`, alias })

const network = (what: string, alias: string, by: readonly string[]) =>
  rate({ metric: `node_network_${what}_total`, where: notLoopback, by, alias })

export const fleetQueries: Queries = {
  1: [
    overall({ metric: 'callward_collector_up', how: 'sum', alias: 'reporting' }),
    overall({ metric: 'callward_collector_up', how: 'count', alias: 'known' }),
  ],
  12: cpuBusy('customer', 'server'),
  13: [pressure('cpu_waiting', hostName)],
  14: memoryUsed('customer', 'server'),
  15: filesystems('customer', 'server'),
  16: [
    network('receive_bytes', '$tag_customer $tag_site received', ['customer', 'site']),
    network('transmit_bytes', '$tag_customer $tag_site sent', ['customer', 'site']),
  ],
  19: [
    gauge({ metric: 'callward_clock_offset_seconds', hidden: true }),
    math('abs($A)', 'customer', 'server'),
  ],
}

const perDevice = [...hostTags, 'device']
const disk = (what: string) =>
  rate({
    metric: `node_disk_${what}_seconds_total`,
    by: perDevice,
    alias: '$tag_server $tag_device',
  })
const each = (metric: string, alias: string) => rate({ metric, alias: `$tag_server ${alias}` })

export const serverQueries: Queries = {
  1: [gauge({ metric: 'callward_collector_up', alias: '$tag_server' })],
  4: cpuBusy('server'),
  5: memoryUsed('server'),
  7: cpuBusy('server'),
  8: [pressure('cpu_waiting', '$tag_server waiting')],
  9: memoryUsed('server'),
  10: [
    pressure('memory_waiting', '$tag_server waiting'),
    pressure('memory_stalled', '$tag_server stalled'),
  ],
  11: [
    network('receive_bytes', '$tag_server $tag_device received', perDevice),
    network('transmit_bytes', '$tag_server $tag_device sent', perDevice),
  ],
  12: [
    network('receive_drop', '$tag_server receive dropped', hostTags),
    network('transmit_drop', '$tag_server send dropped', hostTags),
    network('receive_errs', '$tag_server receive errors', hostTags),
    network('transmit_errs', '$tag_server send errors', hostTags),
  ],
  13: filesystems('server'),
  15: [disk('io_time')],
  16: [disk('io_time_weighted')],
  17: [
    pressure('io_waiting', '$tag_server waiting'),
    pressure('io_stalled', '$tag_server stalled'),
  ],
  21: [each('node_vmstat_pswpin', 'in'), each('node_vmstat_pswpout', 'out')],
  22: [
    each('node_netstat_Udp_InErrors', 'lost on receipt'),
    each('node_netstat_Udp_RcvbufErrors', 'of these, buffer full'),
    each('node_netstat_Udp_SndbufErrors', 'not sent, buffer full'),
  ],
  24: [gauge({ metric: 'callward_clock_offset_seconds', alias: '$tag_server' })],
}

const perBackup = [...hostTags, 'backup']
const named = '$tag_server $tag_backup'
const one = (metric: string) => gauge({ metric, by: perBackup, alias: named })
const ratio = (part: string, whole: string): readonly InfluxTarget[] => [
  gauge({ metric: part, by: perBackup, hidden: true }),
  gauge({ metric: whole, by: perBackup, where: '"value" > 0', hidden: true }),
  math('$A / $B', 'server', 'backup'),
]
const inState = (state: string): readonly InfluxTarget[] => [
  overall({ metric: 'callward_backup_posture', where: `"state" = '${state}'`, how: 'sum' }),
]

export const backupsQueries: Queries = {
  1: inState('unprotected'),
  2: inState('unknown'),
  3: inState('attention'),
  7: ratio('callward_backup_size_bytes', 'callward_backup_size_median_bytes'),
  8: [one('callward_backup_size_bytes')],
  9: [one('callward_backup_duration_seconds')],
  11: ratio('callward_restore_drill_duration_seconds', 'callward_restore_drill_rto_seconds'),
  12: [one('callward_restore_drill_duration_seconds')],
}
