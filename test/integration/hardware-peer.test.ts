import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { readSource } from '../../collector/source.ts'
import { hostSources } from '../../collector/sources/all.ts'
import { seriesKey } from '../helpers/fake-hub.ts'
import { layTree } from '../helpers/file-tree.ts'
import { folderOf } from '../helpers/folder.ts'
import { freePort, until } from '../helpers/hub.ts'

const program = 'prometheus-node-exporter'
const collectors = [
  ...['arp', 'bonding', 'cpu', 'cpufreq', 'dmi', 'edac', 'hwmon', 'mdadm', 'netclass', 'netdev'],
  ...['nvme', 'powersupplyclass', 'schedstat', 'softnet', 'stat', 'thermal_zone'],
]
const sections = new Set([
  ...['arp', 'bonding', 'cpu', 'cpu_frequency', 'dmi', 'edac', 'hwmon', 'raid', 'network', 'nvme'],
  ...['power_supply', 'schedstat', 'softnet', 'thermal'],
])

/** Figures newer releases of the peer have, or that are only ours; Debian's is 1.5. */
const onlyOurs =
  /^(callward_|node_md_degraded|node_network_receive_nohandler_total|node_softnet_(received_rps|flow_limit_count)_total)/

/**
 * Figures the peer makes of these files that we leave out on purpose, with the reason.
 * Anything else it says of these trees, we must say as well.
 */
const leftOut: readonly (readonly [RegExp, string])[] = [
  [/^node_(exporter|scrape|textfile)_/, 'about the exporter itself'],
  [
    /^node_cpu_(info|frequency|scaling_governor)/,
    'the inventory names the CPU; the scaling clocks are the real ones',
  ],
  [
    /^node_network_(address_assign_type|device_id|dormant|flags|iface_|name_assign_type|net_dev_group|protocol_type)/,
    'numbers of the driver no board or rule asks for',
  ],
  [
    /^node_power_supply_(info|.*_(ampere|volt|watt)|cyclecount)/,
    'a UPS has more to say through its own daemon',
  ],
]

function parse(text: string): Map<string, number> {
  const figures = new Map<string, number>()
  for (const line of text.split('\n')) {
    const match = /^(node_\w+)(?:\{(.*)\})? (\S+)$/.exec(line)
    if (match === null) continue
    const labels: Record<string, string> = {}
    for (const [, name, value] of (match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
      labels[name!] = JSON.parse(`"${value}"`) as string
    figures.set(seriesKey(match[1]!, labels), Number(match[3]))
  }
  return figures
}

async function theirs(t: { teardown(work: () => void): void }, folder: string) {
  const port = await freePort()
  const flags = [
    `--web.listen-address=127.0.0.1:${port}`,
    `--path.procfs=${join(folder, 'proc')}`,
    `--path.sysfs=${join(folder, 'sys')}`,
    '--collector.netclass.ignore-invalid-speed',
    '--no-collector.netdev.netlink',
    '--collector.netdev.device-exclude=',
    '--collector.disable-defaults',
    ...collectors.map((name) => `--collector.${name}`),
  ]
  const peer = spawn(program, flags, { stdio: 'ignore' })
  t.teardown(() => void peer.kill())
  return until('node_exporter answers', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined)
    return response?.ok === true ? parse(await response.text()) : undefined
  })
}

/** Read twice: sensors of disks answer beside the tick. */
async function ours(folder: string): Promise<Map<string, number>> {
  const roots = { proc: join(folder, 'proc'), sys: join(folder, 'sys'), rootfs: '/' }
  const sources = hostSources(roots).filter((one) => sections.has(one.name))
  let figures = new Map<string, number>()
  await until('a disk’s sensor', async () => {
    const readings = await Promise.all(sources.map((one) => readSource(one, 1000, 1000)))
    const metrics = readings.flatMap((reading) => reading.metrics)
    figures = new Map(metrics.map((one) => [seriesKey(one.name, one.labels), one.value]))
    return [...figures.keys()].some((key) => /^node_hwmon_temp_celsius.*target0/.test(key))
  })
  return figures
}

const close = (a: number, b: number) => Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b))

t.test('the real node_exporter reads the same trees and says the same', async (t) => {
  if (spawnSync(program, ['--version']).error !== undefined) {
    if (process.env['CALLWARD_REQUIRE_PEERS'] === '1') t.fail(`${program} is not installed`)
    else t.pass('', { skip: `${program} is not installed` })
    return
  }
  for (const fault of ['healthy', 'degraded-raid', 'memory-errors', 'hot-cpu', 'bad-link']) {
    const folder = folderOf(t)
    layTree(folder, 'healthy')
    if (fault !== 'healthy') layTree(folder, fault)
    const [peer, own] = [await theirs(t, folder), await ours(folder)]
    const wanted = [...peer].filter(([key]) => !leftOut.some(([pattern]) => pattern.test(key)))
    const missing = wanted.filter(([key]) => !own.has(key)).map(([key]) => key)
    const unequal = wanted.filter(([key, value]) => own.has(key) && !close(own.get(key)!, value))
    const extra = [...own.keys()].filter((key) => !peer.has(key) && !onlyOurs.test(key))
    t.same(missing, [], `${fault}: what it says, we say`)
    t.same(
      unequal.map(([key, value]) => `${key} ${own.get(key)} / ${value}`),
      [],
      `${fault}: equal values`,
    )
    t.same(extra, [], `${fault}: nothing under its names that it does not say`)
    t.ok(wanted.length > 120, `${fault}: ${wanted.length} series agree`)
  }
})
