import { chmodSync, cpSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Metric, readSource, type Source } from '../../../collector/source.ts'
import { hostSources, type SourceName } from '../../../collector/sources/all.ts'
import { parseMdstat } from '../../../collector/sources/mdstat.ts'
import { parseSchedstat } from '../../../collector/sources/schedstat.ts'
import { diskMetrics } from '../../../collector/sources/smart-figures.ts'
import { atMostEvery } from '../../../collector/sources/sysfs.ts'
import { seriesKey } from '../../helpers/fake-hub.ts'
import { dateReading, layTree } from '../../helpers/file-tree.ts'
import { folderOf } from '../../helpers/folder.ts'
import { until } from '../../helpers/hub.ts'

const now = Date.UTC(2026, 0, 5, 8)
const minute = 60_000
const hour = 3_600_000

/** The collector's sources over a tree in a folder of the test. */
function machine(t: Test, ...trees: string[]) {
  const folder = folderOf(t)
  for (const tree of trees) layTree(folder, tree, now)
  const place = (name: string) => join(folder, name)
  const roots = { proc: place('proc'), sys: place('sys'), rootfs: '/', smart: place('smart') }
  const sources = hostSources(roots)
  const read = (name: SourceName, at = now) =>
    readSource(sources.find((one: Source) => one.name === name)!, at, 1000)
  return { folder, read }
}

const byKey = (metrics: readonly Metric[]) =>
  new Map(metrics.map((one) => [seriesKey(one.name, one.labels), one.value]))

t.test('a healthy server: every family is seen', async (t) => {
  const { read } = machine(t, 'healthy')
  const check = async (name: SourceName, count: number, expected: Record<string, number>) => {
    const reading = await read(name)
    t.equal(reading.state, 'ok', `${name}: ${reading.detail}`)
    const found = byKey(reading.metrics)
    t.equal(found.size, count, `${name}: ${count} series`)
    for (const [key, value] of Object.entries(expected)) {
      const own = found.get(key) ?? Number.NaN
      t.ok(Math.abs(own - value) <= 1e-9 * Math.abs(value), `${key} ${own} is ${value}`)
    }
    return found
  }
  await check('raid', 3 * 11 + 4, {
    'node_md_disks{device="md1",state="active"}': 4,
    'node_md_disks_required{device="md2"}': 2,
    'node_md_blocks_synced{device="md1"}': 3_904_294_912,
    'node_md_state{device="md0",state="active"}': 1,
    'node_md_degraded{device="md1"}': 0,
    'callward_md_mismatch_sectors{device="md0"}': 0,
  })
  await check('edac', 2 + 2 + 4 + 4, {
    'node_edac_correctable_errors_total{controller="0"}': 0,
    'callward_edac_module_correctable_errors_total{controller="0",dimm="dimm1",label="CPU_SrcID#0_MC#0_Chan#1_DIMM#0"}': 0,
  })
  await check('thermal', 1 + 2 * 2 + 1 + 2, {
    'node_thermal_zone_temp{type="x86_pkg_temp",zone="0"}': 47,
    'node_cooling_device_max_state{name="1",type="Processor"}': 10,
    'node_cpu_core_throttles_total{core="1",package="0"}': 5,
    'node_cpu_package_throttles_total{package="0"}': 8,
  })
  await check('cpu_frequency', 12, {
    'node_cpu_scaling_frequency_hertz{cpu="3"}': 2_403_000_000,
    'node_cpu_scaling_frequency_max_hertz{cpu="0"}': 3_200_000_000,
  })
  await check('bonding', 4, {
    'node_bonding_slaves{master="bond0"}': 2,
    'node_bonding_active{master="bond0"}': 2,
    'callward_bonding_member_up{device="eno2",master="bond0"}': 1,
  })
  await check('pcie', 3, { 'callward_pcie_errors_total{kind="fatal"}': 0 })
  await check('power_supply', 3, { 'node_power_supply_capacity{power_supply="ups0"}': 98 })
  await check('nvme', 1, {})
  await check('dmi', 1, {})
  await check('schedstat', 12, {
    'node_schedstat_running_seconds_total{cpu="1"}': 5.001,
    'node_schedstat_timeslices_total{cpu="3"}': 40_003,
  })
  await check('arp', 2, { 'node_arp_entries{device="bond0"}': 2 })
  await check('tcp_states', 13, {
    'node_tcp_connection_states{state="established"}': 2,
    'node_tcp_connection_states{state="listen"}': 2,
    'node_tcp_connection_states{state="close_wait"}': 1,
    'node_tcp_connection_states{state="syn_sent"}': 0,
    'node_tcp_connection_states{state="tx_queued_bytes"}': 36,
    'node_tcp_connection_states{state="rx_queued_bytes"}': 1484,
  })
  await check('softnet', 10, {
    'node_softnet_received_rps_total{cpu="0"}': 7,
    'node_softnet_flow_limit_count_total{cpu="0"}': 4,
  })
  const disks = await check('smart', 44, {
    'callward_disk_health_passed{device="sda",serial="SAMPLE-A1"}': 1,
    'callward_disk_reallocated_sectors_total{device="sda",serial="SAMPLE-A1"}': 0,
    'callward_disk_power_on_seconds_total{device="sda",serial="SAMPLE-A1"}': 21_000 * 3600,
    'callward_disk_temperature_celsius{device="sda",serial="SAMPLE-A1"}': 36,
    'callward_disk_used_ratio{device="nvme0n1",serial="SAMPLE0001"}': 0.07,
    'callward_disk_spare_ratio{device="nvme0n1",serial="SAMPLE0001"}': 1,
    'callward_disk_reallocated_sectors_total{device="sdc",serial="SAMPLE-S1"}': 3,
    'callward_disk_reported_errors_total{device="sdc",serial="SAMPLE-S1"}': 3,
    'callward_disk_temperature_celsius{device="nvme1n1"}': 38,
    'callward_disk_used_ratio{device="nvme1n1"}': 0.15,
    'callward_disk_reading_timestamp_seconds{device="sda"}': now / 1000,
  })
  t.notOk(disks.has('callward_disk_media_errors_total{device="sda",serial="SAMPLE-A1"}'))
})

t.test(
  'hwmon: what moves in every tick, limits once a minute, a disk’s sensor beside the tick',
  async (t) => {
    const { folder, read } = machine(t, 'healthy')
    const core = (element: string) =>
      `node_hwmon_temp${element}_celsius{chip="platform_coretemp_0",sensor="temp1"}`
    const drive = 'node_hwmon_temp_celsius{chip="target0:0:0_0:0:0:0",sensor="temp1"}'
    const first = byKey((await read('hwmon')).metrics)
    t.equal(first.get(core('')), 47)
    t.equal(
      first.get('node_hwmon_power_average_watt{chip="lnxsybus:00_acpi000d:00",sensor="power1"}'),
      182,
    )
    t.equal(first.get('node_hwmon_in_volts{chip="platform_nct6775_656",sensor="in0"}'), 1.016)
    t.equal(
      first.get(
        'node_hwmon_sensor_label{chip="platform_coretemp_0",label="Package id 0",sensor="temp1"}',
      ),
      1,
    )
    t.equal(first.get(drive.replace('temp_', 'temp_max_')), 60, 'its limit is there')
    t.notOk(first.has(drive), 'it has not been asked in the tick')
    layTree(folder, 'hot-cpu')
    writeFileSync(join(folder, 'sys/class/hwmon/hwmon0/temp1_crit'), '97000\n')
    const second = await until('the disk has answered', async () => {
      const found = byKey((await read('hwmon', now + 10_000)).metrics)
      return found.get(drive) === 36 && found
    })
    t.equal(second.get(core('')), 98)
    t.equal(second.get(core('_crit')), 95, 'a limit of the minute')
    t.equal(byKey((await read('hwmon', now + 61_000)).metrics).get(core('_crit')), 97)
    writeFileSync(join(folder, 'sys/class/hwmon/hwmon0/temp1_input'), 'hot\n')
    t.notOk(
      byKey((await read('hwmon', now + 62_000)).metrics).has(core('')),
      'no number is no figure',
    )
  },
)

t.test('SMART: old, broken, denied and refused readings never look healthy', async (t) => {
  const { folder, read } = machine(t, 'healthy')
  const say = async (at: number) => {
    const { state, detail, metrics } = await read('smart', at)
    return { state, detail, disks: new Set(metrics.map((one) => one.labels['device'])).size }
  }
  t.match(await say(now), { state: 'ok', detail: '', disks: 4 })
  dateReading(folder, 'sda', now - 4 * hour)
  t.match(await say(now + minute), {
    state: 'error',
    detail: /^sda\.json is 4 h old: does the timer callward-smart run/,
    disks: 3,
  })
  t.match(await say(now + 4 * hour), {
    state: 'error',
    detail: /nvme0n1\.json is 4 h old.*sdc/,
    disks: 0,
  })
  const put = (name: string, text: string) => {
    const path = join(folder, 'smart', `${name}.json`)
    writeFileSync(path, text)
    utimesSync(path, now / 1000, now / 1000)
  }
  for (const name of ['sda', 'sdc', 'nvme0n1', 'nvme1n1'])
    rmSync(join(folder, 'smart', `${name}.json`))
  let at = now
  const check = async (text: string, state: string, detail: RegExp) => {
    put('sda', text)
    rmSync(join(folder, 'smart/none.json'), { force: true })
    at += minute + 1
    utimesSync(join(folder, 'smart/sda.json'), at / 1000, at / 1000)
    t.match(await say(at), { state, detail, disks: state === 'ok' ? 1 : 0 }, text.slice(0, 60))
  }
  const report = (fields: object) => JSON.stringify({ smartctl: { exit_status: 0 }, ...fields })
  await check('', 'error', /^sda: not JSON$/)
  await check('root:x:0:0:secret', 'error', /^sda: not JSON$/)
  await check('[]', 'error', /neither of smartctl nor of nvme/)
  await check('{"smartctl":{}}', 'error', /no exit status/)
  await check(report({}), 'error', /tells no SMART health/)
  await check(report({ smart_status: { passed: 'yes' } }), 'error', /tells no SMART health/)
  await check(
    '{"smartctl":{"exit_status":2,"messages":[{"string":"no answer"}]}}',
    'error',
    /^sda: no answer/,
  )
  await check(' '.repeat(1_100_000), 'error', /over 1048576 bytes/)
  await check(report({ smart_status: { passed: false } }), 'ok', /^$/)
  await check(report({ smart_support: { available: false } }), 'ok', /^$/)
  if (process.getuid?.() !== 0) {
    chmodSync(join(folder, 'smart/sda.json'), 0)
    at += minute + 1
    t.match(await say(at), { state: 'denied', detail: /no permission to read/ })
  }
  rmSync(join(folder, 'smart/sda.json'))
  symlinkSync('/etc/hostname', join(folder, 'smart/sda.json'))
  at += minute + 1
  t.match(await say(at), { state: 'error', detail: 'sda: not a plain file', disks: 0 })
  rmSync(join(folder, 'smart'), { recursive: true })
  at += minute + 1
  t.match(await say(at), { state: 'absent', detail: /install the timer callward-smart/, disks: 0 })
  const packed = diskMetrics(
    'sda',
    {
      smartctl: { exit_status: 64 },
      smart_status: { passed: true },
      ata_smart_attributes: {
        table: [{ id: 5, raw: { value: 2 ** 32 * 7 + 12 } }, { id: 197 }, null],
      },
    },
    now,
  )
  t.equal(packed.find((one) => one.name === 'callward_disk_reallocated_sectors_total')?.value, 12)
  t.notOk(
    packed.some((one) => one.name === 'callward_disk_pending_sectors'),
    'no value is no zero',
  )
  t.throws(() => diskMetrics('nvme0', { percent_used: 3 }, now), /tells no critical_warning/)
  t.equal(
    diskMetrics('nvme0', { critical_warning: { value: 4 }, percent_used: 3 }, now).find(
      (one) => one.name === 'callward_disk_critical_warning',
    )?.value,
    4,
  )
})

t.test('/proc/mdstat: every state, and nothing half understood', async (t) => {
  const check = (text: string, expected: Partial<ReturnType<typeof parseMdstat>[number]>) =>
    t.match(parseMdstat(text), [expected], text.split('\n')[0]!)
  const raid1 = 'md9 : active raid1 sdb1[1] sda1[0]\n'
  check(`${raid1}      523968 blocks super 1.2 [2/2] [UU]\n\tresync=DELAYED\n`, {
    state: 'resync',
    blocksSynced: 0,
    active: 2,
  })
  check(
    `${raid1}      523968 blocks [2/2] [UU]\n      [=>....]  check =  8.5% (44537/523968) finish=1.0min speed=1K/sec\n`,
    { state: 'check', blocksSynced: 44_537 },
  )
  check(
    'md1 : active (auto-read-only) raid6 a[0] b[1](S) c[2](F)\n      10 blocks level 6, 64k chunk, algorithm 2 [4/2] [U__U]\n      [>...]  reshape = 0.1% (1/10) finish=1min\n',
    { state: 'reshape', required: 4, active: 2, failed: 1, spare: 1 },
  )
  check('md2 : inactive sda[0](S)\n    7932 blocks super external:imsm\n', {
    state: 'inactive',
    required: 0,
    spare: 1,
    blocks: 7932,
  })
  t.same(parseMdstat('Personalities : \nunused devices: <none>\n'), [])
  t.throws(
    () => parseMdstat('md0 : active raid1 sda1[0]\n      12 blocks super 1.2\n'),
    /md0: no member count/,
  )
  t.throws(() => parseMdstat('md0 : active raid1 sda1[0]\n\n'), /md0 blocks: "" is not a number/)
  t.throws(
    () => parseMdstat(`${raid1}      5 blocks [2/2] [UU]\n   [>]  recovery = ?\n`),
    /md9 progress/,
  )
  t.throws(() => parseSchedstat('cpu0 1 2 3'), /schedstat cpu0/)
})

t.test('links and bonds: what changes is seen in the next tick', async (t) => {
  const { folder, read } = machine(t, 'healthy')
  const info = (metrics: readonly Metric[], device: string) =>
    metrics.find((one) => one.name === 'node_network_info' && one.labels['device'] === device)
      ?.labels
  const before = await read('network')
  t.match(info(before.metrics, 'eno3'), {
    duplex: 'full',
    operstate: 'up',
    ifalias: 'management',
  })
  t.match(info(before.metrics, 'eno4'), {
    duplex: 'unknown',
    operstate: 'down',
  })
  t.equal(byKey(before.metrics).get('node_network_receive_nohandler_total{device="eno1"}'), 0)
  layTree(folder, 'bad-link')
  const after = await read('network', now + 10_000)
  t.match(
    info(after.metrics, 'eno3'),
    { duplex: 'half' },
    'a changed carrier count renews the description',
  )
  t.equal(byKey(after.metrics).get('node_network_speed_bytes{device="eno3"}'), 12_500_000)
  t.match(info(after.metrics, 'eno2'), { operstate: 'down' })
  const bond = byKey((await read('bonding', now + 10_000)).metrics)
  t.equal(bond.get('node_bonding_active{master="bond0"}'), 1)
  t.equal(bond.get('callward_bonding_member_up{device="eno2",master="bond0"}'), 0)
})

t.test('a machine without any of it: absent, said in words, no figure', async (t) => {
  const { read } = machine(t)
  const hardware: SourceName[] = [
    ...(['raid', 'smart', 'nvme', 'hwmon', 'thermal', 'edac', 'pcie', 'bonding'] as const),
    ...(['power_supply', 'dmi', 'cpu_frequency', 'schedstat', 'arp', 'tcp_states'] as const),
  ]
  for (const name of hardware) {
    const { state, detail, metrics } = await read(name)
    t.match([state, metrics.length], ['absent', 0], `${name}: ${detail}`)
    t.ok(detail.length > 10 && !detail.includes('\n'), detail)
  }
})

t.test('garbage in every file: an error or nothing, never a crash', async (t) => {
  const { folder, read } = machine(t, 'healthy')
  const spoil = (path: string, text: string) => writeFileSync(join(folder, path), text)
  spoil('proc/mdstat', 'md0 : active raid5 sda[0]\n      x blocks\n')
  spoil('proc/net/tcp', '   0: 00000000:0016 00000000:0000 ZZ 00000000:00000000\n')
  spoil('proc/schedstat', 'cpu0 0 0 0 0 0 0 x 1 2\n')
  spoil('sys/devices/system/edac/mc/mc0/ce_count', 'many\n')
  spoil('sys/devices/system/edac/mc/mc0/ue_count', '\n')
  spoil('sys/bus/pci/devices/0000:02:00.0/aer_dev_fatal', 'Undefined 0\n')
  spoil('sys/class/net/bonding_masters', 'bond0 ../../etc gone\n')
  const states = async (...names: SourceName[]) =>
    Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, (await read(name)).state])),
    )
  t.same(await states('raid', 'tcp_states', 'schedstat', 'edac', 'pcie', 'bonding'), {
    raid: 'error',
    tcp_states: 'error',
    schedstat: 'error',
    edac: 'error',
    pcie: 'error',
    bonding: 'ok',
  })
  cpSync(join(folder, 'proc/net/tcp6'), join(folder, 'proc/net/tcp'))
  spoil('proc/net/tcp6', 'x'.repeat(70_000))
  t.match(await read('tcp_states', now + 6 * minute), {
    state: 'error',
    detail: /a line of 65536 bytes/,
  })
})

t.test(
  'what hardly changes is read once in its time, also when the clock steps back',
  async (t) => {
    let reads = 0
    const ask = atMostEvery(1000, () => ++reads)
    t.same([ask(5000), ask(5999), ask(6000), ask(6500), ask(100), ask(200)], [1, 1, 2, 2, 3, 3])
    let bad = true
    const fails = atMostEvery(1000, () => {
      reads++
      if (bad) throw new Error('no')
      return 'yes'
    })
    t.throws(() => fails(0), /no/)
    bad = false
    t.throws(() => fails(999), /no/, 'a failure stands as long')
    t.equal(fails(1000), 'yes')
  },
)
