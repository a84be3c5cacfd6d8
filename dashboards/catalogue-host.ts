import type { Metric, MetricType } from './catalogue.ts'
import { serviceMetrics } from './catalogue-services.ts'

/** Rows of the tables below: name after the family's prefix, meaning, and the unit where the family has none in common. */
type Row = readonly [name: string, help: string, unit?: string]

function family(
  section: string,
  prefix: string,
  shared: {
    readonly type: MetricType
    readonly labels?: readonly string[]
    readonly unit?: string
  },
  rows: readonly Row[],
): Metric[] {
  return rows.map(([name, help, unit]) => ({
    name: prefix + name,
    type: shared.type,
    help,
    unit: unit ?? shared.unit ?? '',
    labels: shared.labels ?? [],
    from: `collector: ${section}`,
  }))
}

const counter = (unit?: string, ...labels: string[]) => ({
  type: 'counter' as const,
  labels,
  ...(unit === undefined ? {} : { unit }),
})
const gauge = (unit?: string, ...labels: string[]) => ({
  type: 'gauge' as const,
  labels,
  ...(unit === undefined ? {} : { unit }),
})

/** node_exporter: cpu, stat, loadavg, pressure, schedutil of the kernel. */
const processor: readonly Metric[] = [
  ...family('cpu', 'node_', counter('seconds', 'cpu', 'mode'), [
    ['cpu_seconds_total', 'Seconds a CPU spent in each mode.'],
    ['cpu_guest_seconds_total', 'Seconds a CPU ran guests, by mode.'],
  ]),
  ...family('cpu', 'node_', counter(), [
    ['context_switches_total', 'Context switches.'],
    ['forks_total', 'Processes started.'],
    ['intr_total', 'Interrupts served.'],
  ]),
  ...family('cpu', 'node_', gauge(), [
    ['procs_running', 'Processes able to run.'],
    ['procs_blocked', 'Processes waiting for input or output.'],
    ['boot_time_seconds', 'When the server booted.', 'seconds'],
  ]),
  ...family('load', 'node_', gauge(), [
    ['load1', 'Load average over 1 minute.'],
    ['load5', 'Load average over 5 minutes.'],
    ['load15', 'Load average over 15 minutes.'],
  ]),
  ...family('pressure', 'node_pressure_', counter('seconds'), [
    ['cpu_waiting_seconds_total', 'Time in which some task waited for a CPU.'],
    ['memory_waiting_seconds_total', 'Time in which some task waited for memory.'],
    ['memory_stalled_seconds_total', 'Time in which every task waited for memory.'],
    ['io_waiting_seconds_total', 'Time in which some task waited for a disk.'],
    ['io_stalled_seconds_total', 'Time in which every task waited for a disk.'],
    ['irq_stalled_seconds_total', 'Time in which every task waited for interrupts.'],
  ]),
  ...family('entropy', 'node_entropy_', gauge('bits'), [
    ['available_bits', 'Entropy the kernel holds.'],
    ['pool_size_bits', 'Size of the entropy pool.'],
  ]),
  ...family('filefd', 'node_filefd_', gauge(), [
    ['allocated', 'Open files of the whole server.'],
    ['maximum', 'Open files the kernel allows.'],
  ]),
]

const memoryBytes: readonly Row[] = [
  ['MemTotal', 'Memory there is.'],
  ['MemFree', 'Memory nobody uses, caches counted as used.'],
  ['MemAvailable', 'Memory a new program could have without swapping: the figure to judge by.'],
  ['Buffers', 'Cache of block devices.'],
  ['Cached', 'Cache of files.'],
  ['SwapCached', 'Swapped pages that are in memory too.'],
  ['Active', 'Pages used lately.'],
  ['Inactive', 'Pages not used lately.'],
  ['Active_anon', 'Memory of programs used lately.'],
  ['Inactive_anon', 'Memory of programs not used lately.'],
  ['Active_file', 'File cache used lately.'],
  ['Inactive_file', 'File cache not used lately.'],
  ['Unevictable', 'Pages that may not leave memory.'],
  ['Mlocked', 'Pages locked by programs.'],
  ['SwapTotal', 'Swap there is.'],
  ['SwapFree', 'Swap nobody uses.'],
  ['Zswap', 'Memory the compressed swap cache takes.'],
  ['Zswapped', 'Memory kept in the compressed swap cache.'],
  ['Dirty', 'Written, but not yet on a disk.'],
  ['Writeback', 'On its way to a disk.'],
  ['AnonPages', 'Memory of programs.'],
  ['Mapped', 'Files mapped into programs.'],
  ['Shmem', 'Shared memory and tmpfs.'],
  ['KReclaimable', 'Kernel memory that can be freed.'],
  ['Slab', 'Kernel’s own objects.'],
  ['SReclaimable', 'Kernel’s objects that can be freed.'],
  ['SUnreclaim', 'Kernel’s objects that cannot be freed.'],
  ['KernelStack', 'Stacks of kernel threads.'],
  ['PageTables', 'Page tables.'],
  ['SecPageTables', 'Page tables of virtual machines.'],
  ['NFS_Unstable', 'Sent to an NFS server, not yet stored there.'],
  ['Bounce', 'Copies for devices that reach little memory.'],
  ['WritebackTmp', 'FUSE pages on their way out.'],
  ['CommitLimit', 'Memory that may be promised to programs.'],
  ['Committed_AS', 'Memory promised to programs.'],
  ['VmallocTotal', 'Kernel’s virtual range.'],
  ['VmallocUsed', 'Kernel’s virtual range in use.'],
  ['VmallocChunk', 'Largest free part of it.'],
  ['Percpu', 'Kernel memory kept for each CPU.'],
  ['HardwareCorrupted', 'Memory taken out of use because it failed.'],
  ['AnonHugePages', 'Programs’ memory in huge pages.'],
  ['ShmemHugePages', 'Shared memory in huge pages.'],
  ['ShmemPmdMapped', 'Shared memory mapped as huge pages.'],
  ['FileHugePages', 'File cache in huge pages.'],
  ['FilePmdMapped', 'Files mapped as huge pages.'],
  ['CmaTotal', 'Memory kept for devices.'],
  ['CmaFree', 'Memory kept for devices, free.'],
  ['Balloon', 'Memory the hypervisor took back.'],
  ['Hugepagesize', 'Size of a huge page.'],
  ['Hugetlb', 'Memory in huge pages of every size.'],
  ['DirectMap4k', 'Memory the kernel maps in 4 KiB pages.'],
  ['DirectMap2M', 'Memory the kernel maps in 2 MiB pages.'],
  ['DirectMap4M', 'Memory the kernel maps in 4 MiB pages.'],
  ['DirectMap1G', 'Memory the kernel maps in 1 GiB pages.'],
]

/** node_exporter: meminfo (fields depend on the kernel) and vmstat. */
const memory: readonly Metric[] = [
  ...family(
    'memory',
    'node_memory_',
    gauge('bytes'),
    memoryBytes.map(([name, help]) => [`${name}_bytes`, help] as const),
  ),
  ...family('memory', 'node_memory_', gauge(), [
    ['HugePages_Total', 'Huge pages there are.'],
    ['HugePages_Free', 'Huge pages nobody uses.'],
    ['HugePages_Rsvd', 'Huge pages promised, not yet used.'],
    ['HugePages_Surp', 'Huge pages above the configured number.'],
  ]),
  ...family('vmstat', 'node_vmstat_', counter(), [
    ['oom_kill', 'Processes the kernel killed because memory ran out.'],
    ['pgpgin', 'KiB read from disks by paging.'],
    ['pgpgout', 'KiB written to disks by paging.'],
    ['pswpin', 'Pages brought back from swap.'],
    ['pswpout', 'Pages put into swap.'],
    ['pgfault', 'Page faults.'],
    ['pgmajfault', 'Page faults that had to read a disk.'],
  ]),
]

const filesystemLabels = ['device', 'fstype', 'mountpoint'] as const

/** node_exporter: filesystem and diskstats. */
const disks: readonly Metric[] = [
  ...family('filesystem', 'node_filesystem_', gauge('bytes', ...filesystemLabels), [
    ['size_bytes', 'Size of a file system.'],
    ['free_bytes', 'Free, with the part only root may use.'],
    ['avail_bytes', 'Free for every user.'],
  ]),
  ...family('filesystem', 'node_filesystem_', gauge(undefined, ...filesystemLabels), [
    ['files', 'Inodes there are.'],
    ['files_free', 'Inodes that are free.'],
    ['readonly', '1 for a file system mounted read only.'],
    ['device_error', '1 for a file system that did not answer.'],
  ]),
  ...family('disk', 'node_disk_', counter('seconds', 'device'), [
    ['io_time_seconds_total', 'Time a disk had work.'],
    ['io_time_weighted_seconds_total', 'Time a disk had work, times the work that waited.'],
    ['read_time_seconds_total', 'Time all reads took.'],
    ['write_time_seconds_total', 'Time all writes took.'],
    ['discard_time_seconds_total', 'Time all discards took.'],
    ['flush_requests_time_seconds_total', 'Time all flushes took.'],
  ]),
  ...family('disk', 'node_disk_', counter(undefined, 'device'), [
    ['reads_completed_total', 'Reads done.'],
    ['read_bytes_total', 'Bytes read.', 'bytes'],
    ['reads_merged_total', 'Reads joined to another.'],
    ['writes_completed_total', 'Writes done.'],
    ['written_bytes_total', 'Bytes written.', 'bytes'],
    ['writes_merged_total', 'Writes joined to another.'],
    ['discards_completed_total', 'Discards done.'],
    ['discards_merged_total', 'Discards joined to another.'],
    ['discarded_sectors_total', 'Sectors discarded.'],
    ['flush_requests_total', 'Flushes done.'],
  ]),
  ...family('disk', 'node_disk_', gauge(undefined, 'device'), [
    ['io_now', 'Requests a disk works on now.'],
  ]),
]

const directions: readonly (readonly [prefix: string, words: string])[] = [
  ['receive', 'received'],
  ['transmit', 'sent'],
]

/** node_exporter: netdev, netclass, softnet, conntrack, udp_queues. */
const network: readonly Metric[] = [
  ...directions.flatMap(([prefix, words]) =>
    family('network', `node_network_${prefix}_`, counter(undefined, 'device'), [
      ['bytes_total', `Bytes ${words}.`, 'bytes'],
      ['packets_total', `Packets ${words}.`],
      ['errs_total', `Packets not ${words} for an error.`],
      ['drop_total', `Packets not ${words} for want of room.`],
      ['fifo_total', `Overruns of the device while packets were ${words}.`],
      ['compressed_total', `Compressed packets ${words}.`],
    ]),
  ),
  ...family('network', 'node_network_', counter(undefined, 'device'), [
    ['receive_frame_total', 'Frames received out of shape.'],
    ['receive_multicast_total', 'Multicast packets received.'],
    ['transmit_colls_total', 'Collisions.'],
    ['transmit_carrier_total', 'Packets not sent because the carrier was lost.'],
    ['carrier_changes_total', 'Times a link went up or down.'],
    ['carrier_up_changes_total', 'Times a link went up.'],
    ['carrier_down_changes_total', 'Times a link went down.'],
  ]),
  ...family('network', 'node_network_', gauge(undefined, 'device'), [
    ['up', '1 for an interface whose state is up.'],
    ['carrier', '1 for an interface with a link.'],
    ['mtu_bytes', 'Largest packet.', 'bytes'],
    ['speed_bytes', 'Speed of the link, a second; absent where it is not known.', 'bytes'],
    ['transmit_queue_length', 'Packets the send queue holds.'],
  ]),
  ...family('softnet', 'node_softnet_', counter(undefined, 'cpu'), [
    ['processed_total', 'Packets a CPU handled.'],
    ['dropped_total', 'Packets a CPU dropped because its backlog was full.'],
    ['times_squeezed_total', 'Times a CPU ran out of time with packets left.'],
  ]),
  ...family('conntrack', 'node_nf_conntrack_', gauge(), [
    ['entries', 'Tracked connections.'],
    ['entries_limit', 'Tracked connections the kernel allows; beyond it packets are dropped.'],
  ]),
  ...family('udp_queues', 'node_udp_', gauge('bytes', 'ip', 'queue'), [
    ['queues', 'Bytes waiting in all UDP sockets, where SIP and RTP pile up.'],
  ]),
]

/** node_exporter: netstat (it types all of these as unknown) and sockstat. */
const protocols: readonly Metric[] = [
  ...family('netstat', 'node_netstat_', counter(), [
    ...['Icmp', 'Icmp6'].flatMap((protocol): Row[] => [
      [`${protocol}_InMsgs`, 'ICMP messages received.'],
      [`${protocol}_OutMsgs`, 'ICMP messages sent.'],
      [`${protocol}_InErrors`, 'ICMP messages received with errors.'],
    ]),
    ...['IpExt', 'Ip6'].flatMap((protocol): Row[] => [
      [`${protocol}_InOctets`, 'Bytes received over IP.', 'bytes'],
      [`${protocol}_OutOctets`, 'Bytes sent over IP.', 'bytes'],
    ]),
    ['Tcp_ActiveOpens', 'TCP connections opened from here.'],
    ['Tcp_PassiveOpens', 'TCP connections opened from outside.'],
    ['Tcp_InSegs', 'TCP segments received.'],
    ['Tcp_OutSegs', 'TCP segments sent.'],
    ['Tcp_RetransSegs', 'TCP segments sent again.'],
    ['Tcp_InErrs', 'TCP segments received with errors.'],
    ['Tcp_OutRsts', 'TCP resets sent.'],
    ['TcpExt_ListenDrops', 'Connections dropped while they were opened.'],
    ['TcpExt_ListenOverflows', 'Connections dropped because a listen queue was full.'],
    ['TcpExt_SyncookiesFailed', 'Wrong SYN cookies received.'],
    ['TcpExt_SyncookiesRecv', 'SYN cookies received.'],
    ['TcpExt_SyncookiesSent', 'SYN cookies sent.'],
    ['TcpExt_TCPSynRetrans', 'SYN segments sent again.'],
    ['TcpExt_TCPTimeouts', 'TCP timeouts.'],
    ['TcpExt_TCPOFOQueue', 'Segments that came out of order.'],
    ['TcpExt_TCPRcvQDrop', 'Segments dropped because a receive queue was full.'],
    ...['Udp', 'Udp6'].flatMap((protocol): Row[] => [
      [`${protocol}_InDatagrams`, 'Datagrams received.'],
      [`${protocol}_OutDatagrams`, 'Datagrams sent.'],
      [`${protocol}_InErrors`, 'Datagrams lost on receipt: SIP or RTP that no program saw.'],
      [`${protocol}_NoPorts`, 'Datagrams for ports nobody listens on.'],
      [`${protocol}_RcvbufErrors`, 'Datagrams lost because a receive buffer was full.'],
      [`${protocol}_SndbufErrors`, 'Datagrams not sent because a send buffer was full.'],
    ]),
    ['UdpLite_InErrors', 'UDP-Lite datagrams lost on receipt.'],
    ['UdpLite6_InErrors', 'UDP-Lite datagrams lost on receipt, IPv6.'],
  ]),
  ...family('netstat', 'node_netstat_', gauge(), [
    ['Ip_Forwarding', '1 for a server that forwards packets, 2 for one that does not.'],
    ['Tcp_CurrEstab', 'TCP connections open.'],
  ]),
  ...family('sockstat', 'node_sockstat_', gauge(), [
    ['sockets_used', 'Sockets of every kind.'],
    ...['TCP', 'UDP', 'UDPLITE', 'RAW', 'FRAG', 'TCP6', 'UDP6', 'UDPLITE6', 'RAW6', 'FRAG6'].map(
      (protocol): Row => [`${protocol}_inuse`, `${protocol} sockets in use.`],
    ),
    ['TCP_orphan', 'TCP sockets without a program.'],
    ['TCP_tw', 'TCP sockets in time wait.'],
    ['TCP_alloc', 'TCP sockets of every state.'],
    ['TCP_mem', 'Pages TCP buffers take.'],
    ['TCP_mem_bytes', 'Memory TCP buffers take.', 'bytes'],
    ['UDP_mem', 'Pages UDP buffers take.'],
    ['UDP_mem_bytes', 'Memory UDP buffers take.', 'bytes'],
    ['FRAG_memory', 'Memory packets in pieces take.', 'bytes'],
    ['FRAG6_memory', 'Memory packets in pieces take, IPv6.', 'bytes'],
  ]),
]

const identity: readonly Metric[] = [
  ...family('time', '', gauge('seconds'), [
    ['node_time_seconds', 'The server’s clock.'],
    ['callward_uptime_seconds', 'Seconds since boot, by a clock that cannot be set.'],
  ]),
  ...family(
    'uname',
    'node_uname_',
    gauge(undefined, 'sysname', 'release', 'version', 'machine', 'nodename', 'domainname'),
    [['info', 'The kernel’s names; always 1.']],
  ),
]

/** The host’s figures, under node_exporter's names so that its boards and rules work unchanged. */
export const hostMetrics: readonly Metric[] = [
  ...processor,
  ...memory,
  ...disks,
  ...network,
  ...protocols,
  ...identity,
  ...serviceMetrics,
]
