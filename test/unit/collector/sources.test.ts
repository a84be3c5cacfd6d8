import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Metric, type Roots, readSource, type Source } from '../../../collector/source.ts'
import { hostSources, type SourceName, sourceNames } from '../../../collector/sources/all.ts'
import { cpuSource } from '../../../collector/sources/cpu.ts'
import {
  type FilesystemFigures,
  filesystemSource,
  parseMountinfo,
  parseMounts,
} from '../../../collector/sources/filesystem.ts'
import { parseMeminfo } from '../../../collector/sources/memory.ts'
import { parseNetstat } from '../../../collector/sources/netstat.ts'
import { parseSockstat } from '../../../collector/sources/sockstat.ts'
import { packageRoot } from '../../../server/assets.ts'
import { seriesKey } from '../../helpers/fake-hub.ts'
import { folderOf } from '../../helpers/folder.ts'

const fixtures = join(packageRoot, 'test/fixtures/proc')
const rootsOf = (tree: string): Roots => ({
  proc: join(fixtures, tree, 'proc'),
  sys: join(fixtures, tree, 'sys'),
  rootfs: '/',
})
const byKey = (metrics: readonly Metric[]) =>
  new Map(metrics.map((one) => [seriesKey(one.name, one.labels), one.value]))

async function readTree(tree: string, name: SourceName) {
  const source = hostSources(rootsOf(tree)).find((one) => one.name === name)!
  return readSource(source, 1_767_600_123_456, 1000)
}

t.test('a modern kernel: every figure by its node_exporter name and unit', async (t) => {
  const check = async (name: SourceName, expected: Record<string, number>) => {
    const reading = await readTree('modern', name)
    t.equal(reading.state, 'ok', `${name}: ${reading.detail}`)
    const found = byKey(reading.metrics)
    for (const [key, value] of Object.entries(expected)) t.equal(found.get(key), value, key)
    return found
  }
  const cpu = await check('cpu', {
    'node_cpu_seconds_total{cpu="0",mode="user"}': 6,
    'node_cpu_seconds_total{cpu="1",mode="idle"}': 450,
    'node_cpu_guest_seconds_total{cpu="0",mode="user"}': 0.6,
    'node_cpu_guest_seconds_total{cpu="0",mode="nice"}': 0.04,
    'node_boot_time_seconds{}': 1_767_600_000,
    'node_context_switches_total{}': 7_654_321,
    'node_intr_total{}': 1_234_567,
    'node_forks_total{}': 4321,
    'node_procs_running{}': 3,
    'node_procs_blocked{}': 1,
  })
  t.equal(
    [...cpu.keys()].filter((key) => key.startsWith('node_cpu_seconds')).length,
    16,
    'no sum over CPUs',
  )
  await check('memory', {
    'node_memory_MemTotal_bytes{}': 8_192_000_000,
    'node_memory_MemAvailable_bytes{}': 0,
    'node_memory_Cached_bytes{}': 2_048_000_000,
    'node_memory_Active_anon_bytes{}': 123_456 * 1024,
    'node_memory_HugePages_Total{}': 7,
  })
  await check('load', { 'node_load1{}': 1.25, 'node_load5{}': 0.5, 'node_load15{}': 0.05 })
  const pressure = await check('pressure', {
    'node_pressure_cpu_waiting_seconds_total{}': 1.5,
    'node_pressure_io_waiting_seconds_total{}': 2.5,
    'node_pressure_io_stalled_seconds_total{}': 0.5,
  })
  t.equal(pressure.size, 5, 'no stalled CPU, no irq on this kernel')
  const disk = await check('disk', {
    'node_disk_read_bytes_total{device="sda"}': 16_000 * 512,
    'node_disk_written_bytes_total{device="sda"}': 48_000 * 512,
    'node_disk_reads_merged_total{device="sda"}': 20,
    'node_disk_read_time_seconds_total{device="sda"}': 0.5,
    'node_disk_write_time_seconds_total{device="sda"}': 0.9,
    'node_disk_io_now{device="sda"}': 2,
    'node_disk_io_time_seconds_total{device="sda"}': 1.2,
    'node_disk_io_time_weighted_seconds_total{device="sda"}': 1.4,
    'node_disk_discard_time_seconds_total{device="sda"}': 0.007,
    'node_disk_flush_requests_time_seconds_total{device="sda"}': 0.013,
  })
  t.notOk(
    [...disk.keys()].some((key) => /loop0|sda1|p1"/.test(key)),
    'no loop devices and partitions',
  )
  const network = await check('network', {
    'node_network_receive_bytes_total{device="eth0"}': 9_000_000_000,
    'node_network_receive_drop_total{device="eth0"}': 4,
    'node_network_receive_multicast_total{device="eth0"}': 8,
    'node_network_transmit_bytes_total{device="eth0"}': 8_000_000_000,
    'node_network_transmit_colls_total{device="eth0"}': 12,
    'node_network_transmit_compressed_total{device="eth0"}': 14,
    'node_network_up{device="eth0"}': 1,
    'node_network_up{device="lo"}': 0,
    'node_network_speed_bytes{device="eth0"}': 125_000_000,
    'node_network_mtu_bytes{device="lo"}': 65_536,
  })
  t.notOk(network.has('node_network_speed_bytes{device="lo"}'), 'an unknown speed is no speed')
  const netstat = await check('netstat', {
    'node_netstat_Udp_InErrors{}': 30,
    'node_netstat_Udp_RcvbufErrors{}': 29,
    'node_netstat_UdpLite_InErrors{}': 0,
    'node_netstat_TcpExt_ListenDrops{}': 5,
    'node_netstat_IpExt_InOctets{}': 123,
    'node_netstat_Ip_Forwarding{}': 1,
    'node_netstat_Ip6_InOctets{}': 640,
    'node_netstat_Udp6_InErrors{}': 2,
  })
  t.notOk(netstat.has('node_netstat_TcpExt_TCPPureAcks{}'), 'only the chosen fields')
  await check('sockstat', {
    'node_sockstat_sockets_used{}': 290,
    'node_sockstat_UDP_inuse{}': 40,
    'node_sockstat_UDP_mem{}': 2,
  })
  await check('softnet', {
    'node_softnet_processed_total{cpu="0"}': 65_535,
    'node_softnet_dropped_total{cpu="0"}': 2,
    'node_softnet_processed_total{cpu="2"}': 16,
  })
  await check('udp_queues', {
    'node_udp_queues{ip="v4",queue="rx"}': 0xb00,
    'node_udp_queues{ip="v4",queue="tx"}': 16,
  })
  const vmstat = await check('vmstat', {
    'node_vmstat_oom_kill{}': 1,
    'node_vmstat_pgmajfault{}': 4,
  })
  t.equal(vmstat.size, 7)
  await check('filefd', { 'node_filefd_allocated{}': 1696, 'node_filefd_maximum{}': 812_005 })
  await check('time', {
    'node_time_seconds{}': 1_767_600_123.456,
    'callward_uptime_seconds{}': 12_345.67,
  })
  const uname = await readTree('modern', 'uname')
  t.match(uname.metrics[0]?.labels, {
    nodename: 'pbx-01',
    release: '6.1.0-28-amd64',
    domainname: '(none)',
  })
})

t.test(
  'what a kernel does not offer is absent, what cannot be understood is an error, neither is a zero',
  async (t) => {
    const check = async (tree: string, name: SourceName, state: string, detail: RegExp) => {
      const reading = await readTree(tree, name)
      t.equal(reading.state, state, `${tree} ${name}: ${reading.detail}`)
      t.match(reading.detail, detail)
      t.notOk(reading.detail.includes('\n'), 'one line')
      return reading
    }
    t.equal(
      (await check('old', 'pressure', 'absent', /does not offer .*pressure\/cpu/)).metrics.length,
      0,
    )
    await check('old', 'conntrack', 'absent', /nf_conntrack_count/)
    await check('modern', 'conntrack', 'absent', /nf_conntrack_count/)
    await check('none-such', 'cpu', 'absent', /proc\/stat/)
    await check('old', 'vmstat', 'error', /pgfault: "many" is not a number/)
    const network = await check('old', 'network', 'absent', /link state and speed are not seen/)
    t.equal(
      byKey(network.metrics).get('node_network_receive_bytes_total{device="eth0"}'),
      12_345_678,
      'no space after the colon',
    )
    const memory = byKey((await readTree('old', 'memory')).metrics)
    t.notOk(memory.has('node_memory_MemAvailable_bytes{}'), 'no MemAvailable is not MemFree')
    const disk = await readTree('old', 'disk')
    t.equal(disk.metrics.length, 11, 'eleven columns, no discards')
    const cpu = byKey((await readTree('old', 'cpu')).metrics)
    t.notOk(
      cpu.has('node_cpu_seconds_total{cpu="0",mode="steal"}'),
      'a column that is not there is no 0',
    )
    t.equal(
      byKey((await readTree('old', 'softnet')).metrics).get(
        'node_softnet_processed_total{cpu="0"}',
      ),
      255,
    )
  },
)

t.test('the state of a source follows its error', async (t) => {
  const check = async (error: unknown, state: string, detail: RegExp) => {
    const source: Source = {
      name: 'x',
      read() {
        throw error
      },
    }
    const reading = await readSource(source, 0, 1000)
    t.equal(reading.state, state)
    t.match(reading.detail, detail)
    t.strictSame(reading.metrics, [])
  }
  const coded = (code: string) => Object.assign(new Error(code), { code, path: '/proc/x' })
  await check(coded('EACCES'), 'denied', /no permission to read \/proc\/x; grant/)
  await check(coded('EPERM'), 'denied', /grant the collector's user read access/)
  await check(coded('ENOENT'), 'absent', /\/proc\/x/)
  await check(coded('EOPNOTSUPP'), 'absent', /\/proc\/x/)
  await check(coded('EIO'), 'error', /EIO/)
  await check('a string', 'error', /a string/)
  const never: Source = { name: 'never', read: () => new Promise(() => {}) }
  const reading = await readSource(never, 0, 20)
  t.equal(reading.state, 'error')
  t.match(reading.detail, /no answer within 0.02 s/)
  t.ok(reading.durationSeconds >= 0.019 && reading.durationSeconds < 1)
})

t.test('parsers refuse what they do not understand', async (t) => {
  t.throws(() => parseMeminfo('MemTotal: x kB'), /MemTotal: "x" is not a number/)
  t.throws(() => parseMeminfo('MemTotal: 5 MB'), /unknown unit "MB"/)
  t.throws(() => parseMeminfo('MemTotal:'), /is not a number/)
  t.throws(() => parseNetstat('Udp: A B\nUdp: 1'), /2 names, Udp: 1 values/)
  t.throws(() => parseNetstat('Udp: A\nTcp: 1'), /Udp: 1 names, Tcp: 1 values/)
  t.throws(() => parseNetstat('Udp: InErrors'), /Udp:/)
  t.throws(() => parseSockstat('UDP: inuse ?', 4096), /UDP:: "\?" is not a number/)
  t.equal(parseSockstat('TCP: mem 3', 65_536).at(-1)?.value, 196_608)
})

t.test('CPU counters never step back by the kernel’s rounding, but follow a restart', async (t) => {
  const proc = folderOf(t)
  const source = cpuSource({ proc, sys: proc, rootfs: '/' })
  const idle = async (user: number, idleTicks: number) => {
    writeFileSync(join(proc, 'stat'), `cpu0 ${user} 0 0 ${idleTicks} 0 0 0 0 0 0\n`)
    const found = byKey((await source.read(0)).metrics)
    return ['user', 'idle'].map((mode) =>
      found.get(`node_cpu_seconds_total{cpu="0",mode="${mode}"}`),
    )
  }
  t.strictSame(await idle(100, 1000), [1, 10])
  t.strictSame(await idle(110, 998), [1.1, 10])
  t.strictSame(await idle(120, 1003), [1.2, 10.03])
  t.strictSame(await idle(1, 2), [0.01, 0.02])
})

const sizes: FilesystemFigures = {
  bsize: 4096,
  blocks: 1000,
  bfree: 300,
  bavail: 250,
  files: 64,
  ffree: 60,
}

t.test(
  'file systems: chosen, unescaped, each once; below a mounted root by the host’s names',
  async (t) => {
    const asked: string[] = []
    const statfs = async (path: string) => {
      asked.push(path)
      return sizes
    }
    const reading = await filesystemSource(rootsOf('modern'), { statfs }).read(0)
    t.strictSame(asked, ['/', '/var/spool/rec ordings', '/run', '/mnt/nas'])
    const found = byKey(reading.metrics)
    const of = (name: string) =>
      found.get(
        `node_filesystem_${name}{device="/dev/sdb1",fstype="xfs",mountpoint="/var/spool/rec ordings"}`,
      )
    t.strictSame(
      [
        'size_bytes',
        'free_bytes',
        'avail_bytes',
        'files',
        'files_free',
        'readonly',
        'device_error',
      ].map(of),
      [4_096_000, 1_228_800, 1_024_000, 64, 60, 1, 0],
    )
    const mounts = parseMounts(
      '/dev/sda1 /host/var ext4 rw 0 0\n/dev/sda2 /host ext4 rw 0 0\n/dev/sda3 /hostile ext4 rw 0 0',
      '/host',
    )
    t.strictSame(
      mounts.map((mount) => mount.mountPoint),
      ['/var', '/', '/hostile'],
    )
  },
)

t.test('where process 1 is hidden, its own mounts are no whole answer and say so', async (t) => {
  // As in a unit with ProtectSystem=strict and ProtectProc=invisible: read-only for the service, not on the disk.
  const line = (rest: string) => `36 27 8:1 / ${rest}\n`
  const mountinfo = [
    line('/ ro,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro'),
    line('/mnt/rec\\040ordings rw,relatime shared:2 master:1 - xfs /dev/sdb1 ro'),
    line('/proc rw - proc proc rw,hidepid=invisible'),
  ].join('')
  const folder = folderOf(t, { proc: { mounts: '/dev/x / ext4 ro 0 0\n', self: { mountinfo } } })
  const roots = { ...rootsOf('modern'), proc: join(folder, 'proc') }
  const source = filesystemSource(roots, { statfs: async () => sizes })
  const reading = await source.read(0)
  t.match(reading, { state: 'denied', detail: /\/proc\/1\/mounts is hidden .*some .* missing/ })
  const found = byKey(reading.metrics)
  const of = (name: string, labels: string) => found.get(`node_filesystem_${name}{${labels}}`)
  const root = 'device="/dev/sda1",fstype="ext4",mountpoint="/"'
  const recordings = 'device="/dev/sdb1",fstype="xfs",mountpoint="/mnt/rec ordings"'
  t.strictSame(
    [of('readonly', root), of('readonly', recordings), of('size_bytes', root)],
    [0, 1, 4_096_000],
    'what is seen is told, and a disk that fills is still judged',
  )
  t.equal(parseMountinfo('').length, 0)
  const failing = filesystemSource(roots, { statfs: () => Promise.reject(new Error('it is gone')) })
  t.match(await failing.read(0), { state: 'error', detail: /it is gone.*1\/mounts is hidden/ })
})

t.test('a hung mount stalls only itself, and not the pool of threads', async (t) => {
  let calls = 0
  let hanging = true
  let answer: ((figures: FilesystemFigures) => void) | undefined
  const statfs = (path: string) => {
    if (path !== '/mnt/nas' || !hanging) return Promise.resolve(sizes)
    calls++
    return new Promise<FilesystemFigures>((resolve) => {
      answer = resolve
    })
  }
  const source = filesystemSource(rootsOf('modern'), { statfs, limitMilliseconds: 20 })
  const error = async () => {
    const reading = await source.read(0)
    const found = byKey(reading.metrics)
    t.ok(found.has('node_filesystem_size_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/"}'))
    const nas =
      'node_filesystem_device_error{device="nas:/share",fstype="nfs4",mountpoint="/mnt/nas"}'
    return [reading.state, reading.detail, found.get(nas)]
  }
  t.strictSame(await error(), ['error', '/mnt/nas: no answer within 0.02 s', 1])
  t.strictSame(await error(), ['error', '/mnt/nas: still not answering', 1])
  t.equal(calls, 1, 'not asked again while it hangs')
  hanging = false
  answer?.(sizes)
  await new Promise((resolve) => setImmediate(resolve))
  t.strictSame(await error(), ['ok', '', 0], 'asked again once it answered')
  const hangs = filesystemSource(rootsOf('modern'), {
    statfs: () => new Promise(() => {}),
    limitMilliseconds: 10,
  })
  t.match((await hangs.read(0)).detail, /not asked while other mounts hang/)
})

t.test('sections can be switched off', async (t) => {
  const names = hostSources(rootsOf('modern'), { entropy: false, conntrack: false }).map(
    (one) => one.name,
  )
  t.notOk(names.includes('entropy') || names.includes('conntrack'))
  t.equal(names.length, sourceNames.length - 2)
})
