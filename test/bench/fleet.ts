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
  next: (value, random) => value + Math.floor(perSecond * 20 * random()),
})
/** A counter of seconds in steps of 10 ms. */
const secondsCounter = (share: number): Motion => ({
  first: (random) => Math.round(random() * 1e7) / 100,
  next: (value, random) => Math.round((value + share * 20 * random()) * 100) / 100,
})
const constant = (value: number): Motion => ({ first: () => value, next: (same) => same })
/** A gauge that walks in steps of `step` and stays between its bounds. */
const gauge = (low: number, high: number, step: number): Motion => ({
  first: (random) => low + Math.floor((random() * (high - low)) / step) * step,
  next: (value, random) => {
    const moved = value + Math.round((random() - 0.5) * 20) * step
    return random() < 0.4 ? value : Math.min(high, Math.max(low, Number(moved.toFixed(3))))
  },
})

const gibibyte = 1024 ** 3

function cpuShapes(): SeriesShape[] {
  const shares = { user: 0.12, nice: 0, system: 0.05, idle: 0.8, iowait: 0.02, irq: 0 }
  const modes = Object.entries({ ...shares, softirq: 0.01, steal: 0.005 })
  return Array.from({ length: 8 }, (_, cpu) => String(cpu)).flatMap((cpu) =>
    modes.map(([mode, share]) => ({
      name: 'node_cpu_seconds_total',
      labels: { cpu, mode },
      ...(share === 0 ? constant(0) : secondsCounter(share)),
    })),
  )
}

function memoryShapes(): SeriesShape[] {
  const walking =
    'MemAvailable MemFree Cached Buffers Active Inactive AnonPages Mapped Slab Dirty Shmem PageTables KernelStack Committed_AS'
  const still = 'SwapTotal SwapFree HugePages_Total VmallocTotal HardwareCorrupted'
  const one = (name: string, motion: Motion) => ({
    name: `node_memory_${name}_bytes`,
    labels: {},
    ...motion,
  })
  return [
    one('MemTotal', constant(16 * gibibyte)),
    ...walking.split(' ').map((name) => one(name, gauge(6 * gibibyte, 8 * gibibyte, 4096))),
    ...still.split(' ').map((name) => one(name, constant(0))),
  ]
}

function deviceShapes(
  prefix: string,
  devices: readonly string[],
  rates: Readonly<Record<string, number>>,
): SeriesShape[] {
  return devices.flatMap((device) =>
    Object.entries(rates).map(([name, perSecond]) => ({
      name: `${prefix}_${name}_total`,
      labels: { device },
      ...(perSecond === 0 ? constant(0) : counter(perSecond)),
    })),
  )
}

function filesystemShapes(): SeriesShape[] {
  const motions = {
    size_bytes: constant(100 * gibibyte),
    avail_bytes: gauge(40 * gibibyte, 60 * gibibyte, 4096),
    files: constant(6_553_600),
    files_free: gauge(4_000_000, 6_000_000, 1),
    readonly: constant(0),
  }
  return ['/', '/var', '/home', '/srv/recordings', '/opt'].flatMap((mountpoint, index) =>
    Object.entries(motions).map(([name, motion]) => ({
      name: `node_filesystem_${name}`,
      labels: { device: `/dev/sda${index + 1}`, fstype: 'ext4', mountpoint },
      ...motion,
    })),
  )
}

function otherShapes(): SeriesShape[] {
  const plain: Record<string, Motion> = {
    node_load1: gauge(0, 4, 0.01),
    node_load5: gauge(0, 4, 0.01),
    node_load15: gauge(0, 4, 0.01),
    node_pressure_cpu_waiting_seconds_total: secondsCounter(0.01),
    node_pressure_io_waiting_seconds_total: secondsCounter(0.01),
    node_pressure_memory_waiting_seconds_total: constant(0),
    node_vmstat_oom_kill: constant(0),
    node_netstat_Udp_RcvbufErrors: constant(0),
    node_netstat_Udp_InErrors: constant(0),
    node_nf_conntrack_entries: gauge(1000, 9000, 1),
    node_nf_conntrack_entries_limit: constant(262_144),
    node_boot_time_seconds: constant(1_700_000_000),
    node_procs_running: gauge(1, 9, 1),
    node_procs_blocked: constant(0),
    node_forks_total: counter(60),
    node_context_switches_total: counter(30_000),
    node_intr_total: counter(20_000),
  }
  const sensors = Array.from({ length: 10 }, (_, sensor) => ({
    name: 'node_hwmon_temp_celsius',
    labels: { chip: 'coretemp', sensor: `temp${sensor + 1}` },
    ...gauge(35, 70, 0.5),
  }))
  return [
    ...Object.entries(plain).map(([name, motion]) => ({ name, labels: {}, ...motion })),
    ...sensors,
  ]
}

/** The 200 series of a host: names of node_exporter, healthy values, about a third never change. */
export const hostShapes: readonly SeriesShape[] = [
  ...cpuShapes(),
  ...memoryShapes(),
  ...deviceShapes('node_disk', ['sda', 'sdb', 'sdc', 'sdd'], {
    reads_completed: 20,
    read_bytes: 400_000,
    read_time_seconds: 0,
    writes_completed: 90,
    written_bytes: 2_000_000,
    write_time_seconds: 0,
    io_time_seconds: 0,
    io_time_weighted_seconds: 0,
  }),
  ...deviceShapes('node_network', ['eth0', 'eth1', 'eth2', 'eth3'], {
    receive_bytes: 1_500_000,
    receive_packets: 2200,
    receive_errs: 0,
    receive_drop: 0,
    transmit_bytes: 900_000,
    transmit_packets: 1800,
    transmit_errs: 0,
    transmit_drop: 0,
  }),
  ...filesystemShapes(),
  ...otherShapes(),
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

  /** Values of `count` rounds by round and host. */
  rounds(count: number): Float64Array[][] {
    return Array.from({ length: count }, () => {
      this.advance()
      return this.hosts.map((_, host) => this.values(host))
    })
  }
}

function hostLabels(prefix: string, index: number): HostLabels {
  const instance = `${prefix}-${String(index).padStart(3, '0')}`
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
