import { type Metric, metric, type Source, seen } from '../source.ts'
import type { SourceName } from '../sources/all.ts'
import type { Labels, Millis } from '../wire/frames.ts'
import type { SimulatedFilesystem, SimulatedHostPlan } from './hosts.ts'
import { serviceFamilies } from './simulated-services.ts'
import type { HostFaults } from './story.ts'

const hourMilliseconds = 3_600_000
const daySeconds = 86_400
/** Share of the day's peak by hour, UTC+7: quiet at night, two peaks, a dip at noon. */
const callsByHour = [
  ...[0.04, 0.03, 0.03, 0.03, 0.04, 0.07, 0.18, 0.45, 0.82, 1, 0.97, 0.86],
  ...[0.62, 0.74, 0.95, 0.98, 0.9, 0.72, 0.5, 0.38, 0.26, 0.16, 0.09, 0.06],
]
const hoursEastOfUtc = 7
/** One G.711 call with 20 ms packets: 50 packets of 218 bytes on the wire a second and direction. */
const packetsPerCallSecond = 50
const bytesPerPacket = 218

/** Share of the day's busiest hour at `wall`, 0 to 1, smooth between hours. */
export function callShare(wall: Millis): number {
  const hour = wall / hourMilliseconds + hoursEastOfUtc
  const at = (h: number) => callsByHour[((Math.floor(h) % 24) + 24) % 24]!
  const share = hour - Math.floor(hour)
  return at(hour) * (1 - share) + at(hour + 1) * share
}

/** Repeatable noise, [-1, 1). mulberry32, public domain (Tommy Ettinger). */
function noiseFrom(seedText: string): () => number {
  let state = 0
  for (const character of seedText) state = (state * 31 + character.charCodeAt(0)) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1
  }
}

/** One host that does not exist: counters that grow with a plausible load, and the story's faults. */
export class SimulatedHost {
  readonly plan: SimulatedHostPlan
  readonly #faultsAt: (wall: Millis) => HostFaults
  readonly #noise: () => number
  readonly #startedAt: Millis
  readonly #bootedAt: Millis
  readonly #counters = new Map<string, number>()
  #advancedTo: Millis
  #busy: number
  #calls = 0
  #load = [0, 0, 0]

  /** `from` is the first instant of its history. `faultsAt` takes the host's own clock. */
  constructor(
    plan: SimulatedHostPlan,
    from: Millis,
    startedAt: Millis,
    faultsAt: (wall: Millis) => HostFaults,
  ) {
    this.plan = plan
    this.#faultsAt = faultsAt
    this.#noise = noiseFrom(plan.labels.instance)
    this.#startedAt = startedAt
    this.#bootedAt = from - plan.uptimeDays * daySeconds * 1000
    this.#advancedTo = this.#bootedAt
    this.#busy = plan.busyRatio[0]
    this.#advance(from)
  }

  /** Sources of the same names as a real host's, so that the same agent runs it. */
  sources(): Source[] {
    return Object.entries(families).map(([name, read]) => ({
      name,
      read: async (now) => {
        this.#advance(now)
        return seen(read(this, now))
      },
    }))
  }

  /** Counter grown by `perSecond` times the time since the last instant; kept in `grow`. */
  counter(name: string): number {
    return this.#counters.get(name) ?? 0
  }

  get busyRatio(): number {
    return this.#busy
  }

  get calls(): number {
    return this.#calls
  }

  get load(): readonly number[] {
    return this.#load
  }

  get bootedAt(): Millis {
    return this.#bootedAt
  }

  usedRatio(filesystem: SimulatedFilesystem, now: Millis): number {
    const hours = (now - this.#startedAt) / hourMilliseconds
    const extra =
      filesystem.mountPoint === '/var/spool/recordings'
        ? this.#faultsAt(now).recordingsExtraRatio
        : 0
    return Math.min(
      0.985,
      Math.max(0.01, filesystem.usedRatio + hours * filesystem.growthPerHour + extra),
    )
  }

  #grow(name: string, perSecond: number, seconds: number): void {
    this.#counters.set(name, this.counter(name) + Math.max(0, perSecond) * seconds)
  }

  #advance(now: Millis): void {
    const seconds = (now - this.#advancedTo) / 1000
    if (seconds <= 0) return
    this.#advancedTo = now
    const { busyRatio, callsAtPeak, cpus, writtenBytesPerSecond } = this.plan
    const share = callShare(now)
    const [quiet, peak] = busyRatio
    this.#busy = clamp(quiet + (peak - quiet) * share * (1 + this.#noise() * 0.12), 0.005, 0.97)
    this.#calls = Math.max(0, Math.round(callsAtPeak * share * (1 + this.#noise() * 0.08)))
    this.#load = [1, 5, 15].map((minutes, i) => {
      const weight = Math.exp(-Math.min(seconds, 3600) / (minutes * 60))
      return (this.#load[i] ?? 0) * weight + this.#busy * cpus * (1 - weight)
    })
    const packets = this.#calls * packetsPerCallSecond + 40
    const rates: Readonly<Record<string, number>> = {
      busy: this.#busy,
      packets,
      written: writtenBytesPerSecond * (0.15 + share * 0.85) * (1 + this.#noise() * 0.2),
      read: writtenBytesPerSecond * 0.2 * (0.3 + share),
      switches: 2500 + packets * 0.6 + this.#busy * 30_000,
      forks: 0.6 + share * 2,
      waiting: this.#busy ** 2 * 0.05,
      lost: this.#busy > 0.5 ? packets * 0.00002 : 0,
    }
    for (const [name, rate] of Object.entries(rates)) this.#grow(name, rate, seconds)
    this.#grow('time', 1, seconds)
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value))
}

type Family = (host: SimulatedHost, now: Millis) => Metric[]

/** Shares of busy time by mode; idle and iowait are what is left. */
const busyShares = {
  user: 0.62,
  system: 0.24,
  softirq: 0.11,
  nice: 0.01,
  irq: 0,
  steal: 0.02,
} as const

const families: Readonly<Partial<Record<SourceName, Family>>> = {
  ...serviceFamilies,
  cpu: (host) => {
    const busy = host.counter('busy')
    const idle = host.counter('time') - busy
    const metrics: Metric[] = []
    for (let cpu = 0; cpu < host.plan.cpus; cpu++) {
      const of = (mode: string, seconds: number) =>
        metric('node_cpu_seconds_total', seconds, { cpu: String(cpu), mode })
      metrics.push(...Object.entries(busyShares).map(([mode, share]) => of(mode, busy * share)))
      metrics.push(of('idle', idle * 0.996), of('iowait', idle * 0.004))
    }
    return [
      ...metrics,
      metric('node_context_switches_total', Math.round(host.counter('switches'))),
      metric('node_intr_total', Math.round(host.counter('switches') * 0.7)),
      metric('node_forks_total', Math.round(host.counter('forks'))),
      metric('node_procs_running', 1 + Math.round(host.busyRatio * host.plan.cpus)),
      metric('node_procs_blocked', 0),
      metric('node_boot_time_seconds', Math.floor(host.bootedAt / 1000)),
    ]
  },
  memory: (host) => memoryMetrics(host.plan.memoryBytes, 0.22 + host.busyRatio * 0.5),
  load: (host) =>
    ['1', '5', '15'].map((minutes, i) => metric(`node_load${minutes}`, round(host.load[i] ?? 0))),
  pressure: (host) => {
    const waiting = host.counter('waiting')
    return [
      metric('node_pressure_cpu_waiting_seconds_total', waiting),
      metric('node_pressure_io_waiting_seconds_total', waiting * 0.3),
      metric('node_pressure_io_stalled_seconds_total', waiting * 0.2),
      metric('node_pressure_memory_waiting_seconds_total', 0),
      metric('node_pressure_memory_stalled_seconds_total', 0),
    ]
  },
  filesystem: (host, now) =>
    host.plan.filesystems.flatMap((one) => filesystemMetrics(one, host.usedRatio(one, now))),
  disk: (host) =>
    host.plan.filesystems.flatMap((one, i) =>
      diskMetrics(host, one, i === host.plan.filesystems.length - 1),
    ),
  network: (host) => networkMetrics(host),
  netstat: (host) => {
    const packets = Math.round(host.counter('packets'))
    const of = (name: string, value: number) => metric(`node_netstat_${name}`, value)
    return [
      of('Udp_InDatagrams', packets),
      of('Udp_OutDatagrams', packets),
      of('Udp_InErrors', Math.round(host.counter('lost'))),
      of('Udp_RcvbufErrors', Math.round(host.counter('lost'))),
      of('Udp_SndbufErrors', 0),
      of('Udp_NoPorts', Math.round(host.counter('time') / 900)),
      of('Tcp_CurrEstab', 24 + Math.round(host.calls / 6)),
      of('Tcp_InSegs', Math.round(packets * 0.05)),
      of('Tcp_OutSegs', Math.round(packets * 0.05)),
      of('Tcp_RetransSegs', Math.round(packets * 0.000_02)),
      of('TcpExt_ListenOverflows', 0),
      of('TcpExt_ListenDrops', 0),
    ]
  },
  sockstat: (host) => [
    metric('node_sockstat_sockets_used', 240 + host.calls * 4),
    metric('node_sockstat_UDP_inuse', 12 + host.calls * 4),
    metric('node_sockstat_TCP_inuse', 38 + Math.round(host.calls / 6)),
  ],
  vmstat: (host) => [
    metric('node_vmstat_oom_kill', 0),
    metric('node_vmstat_pgfault', Math.round(host.counter('switches') * 0.4)),
    metric('node_vmstat_pgmajfault', Math.round(host.counter('time') / 600)),
    metric('node_vmstat_pswpin', 0),
    metric('node_vmstat_pswpout', 0),
  ],
  filefd: (host) => [
    metric('node_filefd_allocated', 1800 + host.calls * 9),
    metric('node_filefd_maximum', 1_048_576),
  ],
  conntrack: (host) => [
    metric('node_nf_conntrack_entries', 60 + host.calls * 5),
    metric('node_nf_conntrack_entries_limit', 262_144),
  ],
  time: (host, now) => [
    metric('node_time_seconds', now / 1000),
    metric('callward_uptime_seconds', Math.max(0, Math.round((now - host.bootedAt) / 1000))),
  ],
  uname: (host) => [
    metric('node_uname_info', 1, {
      sysname: 'Linux',
      release: '6.1.0-28-amd64',
      version: '#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1',
      machine: 'x86_64',
      nodename: host.plan.labels.instance,
      domainname: '(none)',
    }),
  ],
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}

function memoryMetrics(total: number, usedRatio: number): Metric[] {
  const pages = (bytes: number) => Math.round(bytes / 4096) * 4096
  const cached = total * 0.35 * (1 - usedRatio)
  const buffers = total * 0.01
  const free = total * (1 - usedRatio) - cached - buffers
  const figures = {
    MemTotal: total,
    MemFree: free,
    MemAvailable: free + cached * 0.92 + buffers,
    Buffers: buffers,
    Cached: cached,
    SReclaimable: total * 0.012,
    Slab: total * 0.02,
    Dirty: 2_400_000,
    AnonPages: total * usedRatio * 0.8,
    SwapTotal: 4 * 1024 ** 3,
    SwapFree: 4 * 1024 ** 3,
    Committed_AS: total * usedRatio * 1.4,
    CommitLimit: total * 0.5 + 4 * 1024 ** 3,
  }
  return Object.entries(figures).map(([name, bytes]) =>
    metric(`node_memory_${name}_bytes`, pages(bytes)),
  )
}

function filesystemMetrics(one: SimulatedFilesystem, usedRatio: number): Metric[] {
  const labels: Labels = { device: one.device, mountpoint: one.mountPoint, fstype: one.type }
  const of = (name: string, value: number) => metric(`node_filesystem_${name}`, value, labels)
  const free = Math.round((one.sizeBytes * (1 - usedRatio)) / 4096) * 4096
  const files = Math.round(one.sizeBytes / 16_384)
  return [
    of('size_bytes', one.sizeBytes),
    of('free_bytes', free),
    of('avail_bytes', free),
    of('files', files),
    of('files_free', Math.round(files * (1 - usedRatio * 0.1))),
    of('readonly', 0),
    of('device_error', 0),
  ]
}

function diskMetrics(
  host: SimulatedHost,
  one: SimulatedFilesystem,
  takesTheLoad: boolean,
): Metric[] {
  const share = takesTheLoad ? 0.9 : 0.1
  const labels = { device: one.device.replace('/dev/', '').replace(/\d+$/, '') }
  const of = (name: string, value: number) => metric(`node_disk_${name}`, value, labels)
  const written = Math.round(host.counter('written') * share)
  const read = Math.round(host.counter('read') * share)
  const writes = Math.round(written / 40_000)
  const reads = Math.round(read / 30_000)
  const busySeconds = writes * 0.0009 + reads * 0.0006
  return [
    of('reads_completed_total', reads),
    of('read_bytes_total', read),
    of('read_time_seconds_total', reads * 0.0006),
    of('writes_completed_total', writes),
    of('written_bytes_total', written),
    of('write_time_seconds_total', writes * 0.0011),
    of('io_time_seconds_total', busySeconds),
    of('io_time_weighted_seconds_total', busySeconds * 1.3),
    of('io_now', 0),
  ]
}

function networkMetrics(host: SimulatedHost): Metric[] {
  const labels = { device: 'eth0' }
  const of = (name: string, value: number) => metric(`node_network_${name}`, value, labels)
  const packets = Math.round(host.counter('packets'))
  const directions = ['receive', 'transmit'].flatMap((direction) => [
    of(`${direction}_bytes_total`, packets * bytesPerPacket),
    of(`${direction}_packets_total`, packets),
    of(`${direction}_errs_total`, 0),
    of(
      `${direction}_drop_total`,
      direction === 'receive' ? Math.round(host.counter('lost') * 0.1) : 0,
    ),
  ])
  return [
    ...directions,
    of('up', 1),
    of('carrier', 1),
    of('mtu_bytes', 1500),
    of('speed_bytes', 125_000_000),
    of('carrier_changes_total', 2),
  ]
}
