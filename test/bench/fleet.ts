import type { HostLabels } from '../../collector/wire/frames.ts'

/** One series of a host and how its value moves; `random` gives numbers in [0, 1). */
export interface SeriesShape {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  first(random: () => number): number
  next(value: number, random: () => number): number
}

type Motion = Pick<SeriesShape, 'first' | 'next'>

/** A counter of whole steps, on average `perSecond`; reports are ten seconds apart. */
const counter = (perSecond: number): Motion => ({
  first: (random) => Math.floor(random() * 1e9),
  next: (value, random) => value + Math.floor(perSecond * 20 * random() * random()),
})
/** A counter of seconds in steps of 10 ms, `perRound` seconds or less in ten. */
const secondsCounter = (perRound: number): Motion => ({
  first: (random) => Math.round(random() * 1e7) / 100,
  next: (value, random) =>
    Math.round((value + perRound * 2 * random() * (random() < 0.7 ? 1 : 0.2)) * 100) / 100,
})
/** A counter of seconds in steps of 1 ms. */
const millisCounter = (millisPerSecond: number): Motion => ({
  first: (random) => Math.floor(random() * 1e9) / 1000,
  next: (value, random) =>
    Math.round(value * 1000 + Math.floor(millisPerSecond * 20 * random() * random())) / 1000,
})
const constant = (value: number): Motion => ({ first: () => value, next: (same) => same })
/** A size in pages that changes in six of ten rounds. */
const pages = (low: number, high: number): Motion => ({
  first: (random) => low + Math.floor((random() * (high - low)) / 4096) * 4096,
  next: (value, random) => {
    if (random() >= 0.6) return value
    return Math.max(0, value + Math.floor((random() - 0.5) * 400) * 4096)
  },
})
/** A whole number that changes by up to three in every other round. */
const whole = (low: number, high: number): Motion => ({
  first: (random) => low + Math.floor(random() * (high - low)),
  next: (value, random) =>
    random() < 0.5 ? Math.max(0, value + Math.floor((random() - 0.5) * 7)) : value,
})
/** A gauge that walks by up to `by` in every round, rounded to 1 / `steps`, within its bounds. */
const walk = (low: number, high: number, by: number, steps: number): Motion => ({
  first: (random) => Math.round((low + random() * (high - low)) * steps) / steps,
  next: (value, random) => {
    const moved = Math.round((value + (random() - 0.5) * 2 * by) * steps) / steps
    return Math.min(high, Math.max(low, moved))
  },
})

const gibibyte = 1024 ** 3

function cpuShapes(): SeriesShape[] {
  const modes = { user: 1.2, nice: 0, system: 0.5, idle: 7.9, iowait: 0.2, irq: 0, softirq: 0.1 }
  return Array.from({ length: 8 }, (_, cpu) => String(cpu)).flatMap((cpu) =>
    Object.entries({ ...modes, steal: 0.05 }).map(([mode, perRound]) => ({
      name: 'node_cpu_seconds_total',
      labels: { cpu, mode },
      ...(perRound === 0 ? constant(0) : secondsCounter(perRound)),
    })),
  )
}

function memoryShapes(): SeriesShape[] {
  const walking =
    'MemAvailable MemFree Cached Buffers Active Inactive AnonPages Mapped Slab Dirty Shmem PageTables KernelStack Committed_AS Writeback SReclaimable'
  const still = 'SwapTotal HugePages_Total HardwareCorrupted'
  const one = (name: string, motion: Motion) => ({
    name: `node_memory_${name}_bytes`,
    labels: {},
    ...motion,
  })
  return [
    one('MemTotal', constant(16 * gibibyte)),
    ...still.split(' ').map((name) => one(name, constant(0))),
    ...walking.split(' ').map((name) => one(name, pages(6 * gibibyte, 8 * gibibyte))),
  ]
}

function deviceShapes(
  prefix: string,
  devices: readonly string[],
  motions: Readonly<Record<string, Motion>>,
): SeriesShape[] {
  return devices.flatMap((device) =>
    Object.entries(motions).map(([name, motion]) => ({
      name: `${prefix}_${name}_total`,
      labels: { device },
      ...motion,
    })),
  )
}

const diskMotions: Readonly<Record<string, Motion>> = {
  reads_completed: counter(20),
  read_bytes: counter(400_000),
  writes_completed: counter(90),
  written_bytes: counter(2_000_000),
  read_time_seconds: millisCounter(30),
  write_time_seconds: millisCounter(200),
  io_time_seconds: millisCounter(150),
  io_time_weighted_seconds: millisCounter(260),
}

const networkMotions: Readonly<Record<string, Motion>> = {
  receive_bytes: counter(1_500_000),
  transmit_bytes: counter(900_000),
  receive_packets: counter(2200),
  transmit_packets: counter(1800),
  receive_errs: constant(0),
  transmit_errs: constant(0),
}

const unused = (motions: Readonly<Record<string, Motion>>) =>
  Object.fromEntries(Object.keys(motions).map((name) => [name, constant(0)]))

function filesystemShapes(): SeriesShape[] {
  const motions = {
    size_bytes: constant(100 * gibibyte),
    avail_bytes: pages(40 * gibibyte, 60 * gibibyte),
    files: constant(6_553_600),
    files_free: whole(4_000_000, 6_000_000),
    readonly: constant(0),
  }
  const mountpoints = ['/', '/var', '/home', '/srv/recordings', '/opt', '/tmp']
  return mountpoints.flatMap((mountpoint, index) =>
    Object.entries(motions).map(([name, motion]) => ({
      name: `node_filesystem_${name}`,
      labels: { device: `/dev/sda${index + 1}`, fstype: 'ext4', mountpoint },
      ...motion,
    })),
  )
}

function otherShapes(): SeriesShape[] {
  const plain: Record<string, Motion> = {
    node_load1: walk(0, 8, 0.1, 100),
    node_load5: walk(0, 8, 0.1, 100),
    node_load15: walk(0, 8, 0.1, 100),
    node_forks_total: counter(60),
    node_procs_running: whole(1, 5),
    node_procs_blocked: constant(0),
    node_processes_pids: whole(150, 250),
    node_context_switches_total: counter(30_000),
    node_vmstat_oom_kill: constant(0),
    node_netstat_Udp_RcvbufErrors: constant(0),
    node_netstat_Udp_InErrors: constant(0),
    node_netstat_Udp_SndbufErrors: constant(0),
    node_nf_conntrack_entries_limit: constant(262_144),
    node_pressure_memory_waiting_seconds_total: constant(0),
    node_boot_time_seconds: constant(1_700_000_000),
  }
  const numbered = (length: number, name: string, label: string, motion: Motion, more = {}) =>
    Array.from({ length }, (_, index) => ({
      name,
      labels: { ...more, [label]: `${label}${index + 1}` },
      ...motion,
    }))
  return [
    ...Object.entries(plain).map(([name, motion]) => ({ name, labels: {}, ...motion })),
    ...numbered(10, 'node_hwmon_temp_celsius', 'sensor', walk(0, 100, 1, 10), { chip: 'coretemp' }),
    ...numbered(5, 'node_trunk_delay_milliseconds', 'trunk', walk(0.001, 100, 1.5, 1000)),
  ]
}

/**
 * The 200 series of a host: names of node_exporter, healthy values, 62 never change. The mix is that of a server with
 * 8 CPUs, 3 busy disks, 4 network ports: counters of seconds, of bytes and of events, sizes in pages, temperatures.
 */
export const hostShapes: readonly SeriesShape[] = [
  ...cpuShapes(),
  ...memoryShapes(),
  ...deviceShapes('node_disk', ['sda', 'sdb', 'sdc'], diskMotions),
  ...deviceShapes('node_disk', ['sdd'], unused(diskMotions)),
  ...deviceShapes('node_network', ['eth0', 'eth1', 'eth2', 'eth3'], networkMotions),
  ...filesystemShapes(),
  ...otherShapes(),
]

/** Twenty of them that always change: the harder set to keep small. */
export const changingShapes: readonly SeriesShape[] = hostShapes.filter(({ name, labels }) => {
  if (name === 'node_hwmon_temp_celsius') return /sensor[123]$/.test(labels['sensor'] ?? '')
  return (
    labels['mode'] === 'user' ||
    /^node_(load\d+|forks_total|processes_pids|network_receive_bytes_total)$/.test(name)
  )
})

/** What some panels of the boards ask for: 25 series of a host. */
export const boardShapes: readonly SeriesShape[] = [
  ...hostShapes.filter(
    ({ name, labels: { cpu, mode, device, mountpoint } }) =>
      (['0', '1'].includes(cpu ?? '') && /^(user|system|idle|iowait)$/.test(mode ?? '')) ||
      (device === 'eth0' && /_(receive|transmit)_bytes_total$/.test(name)) ||
      (['/', '/srv/recordings'].includes(mountpoint ?? '') && /_(size|avail)_bytes$/.test(name)) ||
      /^node_(memory_Mem(Available|Total)_bytes|load1)$/.test(name),
  ),
  ...['sensor1', 'sensor2'].flatMap((sensor) => {
    const labels = { chip: 'coretemp', sensor }
    return [
      { name: 'node_hwmon_temp_celsius', labels, ...walk(30, 80, 1, 10) },
      { name: 'node_hwmon_temp_crit_celsius', labels, ...constant(100) },
    ]
  }),
  { name: 'node_pressure_cpu_waiting_seconds_total', labels: {}, ...millisCounter(20) },
  { name: 'callward_clock_offset_seconds', labels: {}, ...walk(-0.01, 0.01, 0.001, 1e6) },
  { name: 'node_netstat_Tcp_RetransSegs', labels: {}, ...counter(1) },
  { name: 'node_netstat_Tcp_OutSegs', labels: {}, ...counter(900) },
]

/** Numbers in [0, 1), the same in every run. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Hosts whose values advance round by round; the same numbers in every run. */
export class Fleet {
  readonly hosts: readonly HostLabels[]
  readonly shapes: readonly SeriesShape[]
  readonly #values: Float64Array
  readonly #random = seeded(20_240_607)

  constructor(hosts: number, shapes: readonly SeriesShape[] = hostShapes, prefix = 'bench') {
    this.shapes = shapes
    this.hosts = Array.from({ length: hosts }, (_, index) => hostLabels(prefix, index))
    this.#values = new Float64Array(hosts * shapes.length)
    for (let at = 0; at < this.#values.length; at++)
      this.#values[at] = shapes[at % shapes.length]!.first(this.#random)
  }

  /** Moves every value on by one round of ten seconds. */
  advance(): void {
    const { length } = this.shapes
    for (let at = 0; at < this.#values.length; at++)
      this.#values[at] = this.shapes[at % length]!.next(this.#values[at]!, this.#random)
  }

  /** The present values of a host, in the order of the shapes; a copy. */
  values(host: number): Float64Array {
    const { length } = this.shapes
    return this.#values.slice(host * length, (host + 1) * length)
  }

  /** All present values, host by host. */
  get present(): Float64Array {
    return this.#values
  }

  /** Values of `count` rounds by round and host. */
  rounds(count: number): Float64Array[][] {
    return Array.from({ length: count }, () => {
      this.advance()
      return this.hosts.map((_, host) => this.values(host))
    })
  }
}

function hostLabels(prefix: string, index: number): HostLabels {
  const instance = `${prefix}-${String(index).padStart(4, '0')}`
  return {
    job: 'callward',
    instance,
    server: instance,
    customer: `bank-${index % 4}`,
    site: index % 2 === 0 ? 'hanoi' : 'saigon',
    role: 'pbx',
    env: 'production',
  }
}

/** A host's values with its first filesystem at 1 % free. */
export function breaching(fleet: Fleet, host: number): Float64Array {
  const values = fleet.values(host)
  const of = (name: string) => fleet.shapes.findIndex((shape) => shape.name === name)
  values[of('node_filesystem_avail_bytes')] = values[of('node_filesystem_size_bytes')]! * 0.01
  return values
}
