import t from 'tap'
import type { VectorElement } from '../../alerts/state.ts'
import { createEngine } from '../../server/promql/engine.ts'
import { HostViews } from '../../server/rules/host-views.ts'
import { promqlQueries } from '../../server/rules/promql-queries.ts'
import { ownRulesFolder, readRuleFiles } from '../../server/rules/rule-files.ts'
import { createMemoryStore } from '../../server/store/memory-store.ts'
import type { Labels } from '../../server/store/reader.ts'

const now = Date.UTC(2026, 0, 5, 8, 0, 0)
const instances = ['a', 'b', 'c']

/** Metrics the shipped rules read, with the labels they look at and values around their limits. */
const metrics: Readonly<Record<string, { labels: readonly Labels[]; values: readonly number[] }>> =
  {
    node_cpu_seconds_total: {
      labels: ['idle', 'user', 'steal'].flatMap((mode) => ['0', '1'].map((cpu) => ({ cpu, mode }))),
      values: [0, 0.1, 5, 9.8],
    },
    node_disk_io_time_seconds_total: { labels: [{ device: 'sda' }], values: [9.9, 10] },
    node_disk_io_time_weighted_seconds_total: { labels: [{ device: 'sda' }], values: [100, 200] },
    ...Object.fromEntries(
      ['avail_bytes', 'size_bytes', 'readonly', 'files', 'files_free'].map((name) => [
        `node_filesystem_${name}`,
        {
          labels: ['/', '/dev', '/srv'].map((mountpoint) => ({
            device: `d${mountpoint}`,
            fstype: mountpoint === '/dev' ? 'tmpfs' : 'ext4',
            mountpoint,
          })),
          values: [0, 0, 1, 100, 4_000],
        },
      ]),
    ),
    node_memory_MemAvailable_bytes: { labels: [{}], values: [1, 9, 500] },
    node_memory_MemTotal_bytes: { labels: [{}], values: [100, 1000] },
    node_vmstat_oom_kill: { labels: [{}], values: [0, 0, 1] },
    node_boot_time_seconds: { labels: [{}], values: [0, now / 1000 - 60] },
    callward_collector_up: { labels: [{}], values: [0, 1] },
    callward_clock_offset_seconds: { labels: [{}], values: [0, -3, 40, Number.NaN] },
    callward_section_state: {
      labels: [
        { section: 'disks', state: 'denied' },
        { section: 'inventory', state: 'error' },
      ],
      values: [0, 1],
    },
    ...Object.fromEntries(
      ['cpu', 'io', 'memory'].map((name) => [
        `node_pressure_${name}_waiting_seconds_total`,
        { labels: [{}], values: [0, 7, 9] },
      ]),
    ),
    node_netstat_Udp_RcvbufErrors: { labels: [{}], values: [0, 30] },
    node_netstat_Udp_InErrors: { labels: [{}], values: [0, 100] },
    node_network_receive_errs_total: {
      labels: [{ device: 'eth0' }, { device: 'lo' }],
      values: [0, 50],
    },
    node_network_transmit_errs_total: { labels: [{ device: 'eth0' }], values: [0, 50] },
    node_nf_conntrack_entries: { labels: [{}], values: [10, 900] },
    node_nf_conntrack_entries_limit: { labels: [{}], values: [1000] },
    node_filefd_allocated: { labels: [{}], values: [10, 900] },
    node_filefd_maximum: { labels: [{}], values: [1000] },
    node_md_disks_required: { labels: [{ device: 'md0' }], values: [2] },
    node_md_disks: {
      labels: ['active', 'failed'].map((state) => ({ device: 'md0', state })),
      values: [1, 2],
    },
    node_md_state: {
      labels: ['active', 'inactive', 'recovering'].map((state) => ({ device: 'md0', state })),
      values: [0, 1],
    },
    node_edac_correctable_errors_total: { labels: [{ controller: '0' }], values: [0, 9] },
    node_edac_uncorrectable_errors_total: { labels: [{ controller: '0' }], values: [0, 1] },
    node_hwmon_temp_celsius: { labels: [{ chip: 'c', sensor: 't' }], values: [40, 95] },
    node_hwmon_temp_crit_celsius: { labels: [{ chip: 'c', sensor: 't' }], values: [90] },
    node_hwmon_fan_rpm: { labels: [{ chip: 'c', sensor: 'f' }], values: [0, 500, 3000] },
    node_hwmon_fan_min_rpm: { labels: [{ chip: 'c', sensor: 'f' }], values: [600] },
    node_cpu_package_throttles_total: { labels: [{ package: '0' }], values: [0, 3] },
    node_network_info: {
      labels: [{ device: 'eth0', duplex: 'half', operstate: 'up', address: '02:00' }],
      values: [1],
    },
    node_network_carrier_changes_total: { labels: [{ device: 'eth0' }], values: [0, 2] },
    node_network_speed_bytes: { labels: [{ device: 'eth0' }], values: [1.25e7, 1.25e8] },
    node_bonding_slaves: { labels: [{ master: 'bond0' }], values: [2] },
    node_bonding_active: { labels: [{ master: 'bond0' }], values: [1, 2] },
  }

/** Expressions beyond the shipped ones: labels that come, go and meet, the same series at an instant and over a range. */
const further = [
  'max by (instance) (node_cpu_seconds_total)',
  'sum without (cpu) (rate(node_cpu_seconds_total[5m])) > 0',
  'rate(node_vmstat_oom_kill[5m]) >= 0 and node_vmstat_oom_kill',
  'node_vmstat_oom_kill or node_boot_time_seconds',
  'node_vmstat_oom_kill unless on (instance) node_boot_time_seconds',
  'topk by (instance) (2, node_filesystem_avail_bytes)',
  'count by (instance, role) ({job="node", role=~"pbx|db"})',
  'node_filesystem_readonly * on (instance, device) group_left (fstype) node_filesystem_size_bytes',
  'max_over_time(node_memory_MemAvailable_bytes[2m:30s] offset 1m)',
  'timestamp(node_boot_time_seconds)',
  'quantile by (instance) (0.5, node_filesystem_avail_bytes)',
  '-node_boot_time_seconds',
]

type Store = ReturnType<typeof createMemoryStore>

/** Reports of an hour, the last ten minutes at full pace, with gaps, resets, ended series, a value that is no number and hosts that lack metrics. */
async function fill(store: Store, pick: (below: number) => number): Promise<void> {
  for (const [host, instance] of instances.entries()) {
    const role = host === 2 ? 'db' : 'pbx'
    const own = { job: 'node', instance, server: `srv-${instance}`, role }
    const isBusy = pick(3) === 0
    const fills = pick(3) === 0
    for (const [name, { labels, values }] of Object.entries(metrics)) {
      // The first two hosts are often of one shape.
      if (pick(host === 2 ? 4 : 12) === 0) continue
      for (const label of labels) {
        const id = store.intern({ ...own, ...label, __name__: name })
        const isCounter = /_total$|errs|oom_kill|Udp/.test(name)
        let value = values[pick(values.length)]!
        for (let t = now - 4_200_000; t <= now; t += t < now - 600_000 ? 60_000 : 10_000) {
          const chance = pick(40)
          if (chance === 0) continue
          if (chance === 1) value = 0
          else {
            const moved = values[pick(values.length)]!
            value = isCounter ? value + moved : pick(10) === 0 ? moved : value
            if (isBusy && label['mode'] === 'idle') value = 1
            if (fills && name === 'node_filesystem_avail_bytes') value = 1 + (now - t) / 600
          }
          const row = { t: t + pick(3), ids: Uint32Array.of(id), values: Float64Array.of(value) }
          await store.append({ rows: [row] })
        }
        if (pick(8) !== 0) continue
        const none = { ids: new Uint32Array(0), values: new Float64Array(0) }
        const end = now - pick(400) * 1000
        await store.append({ rows: [{ t: end, ...none, stale: Uint32Array.of(id) }] })
      }
    }
  }
}

/** Numbers from a seed, the same in every run. */
function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function shown(vector: readonly VectorElement[]): string[] {
  return vector.map(({ labels, value }) => {
    const own = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))
    return `${JSON.stringify(own)} ${value}`
  })
}

t.test('a host evaluated at once gives what the store gives', async (t) => {
  const { groups } = readRuleFiles([ownRulesFolder], () => undefined)
  const texts = [...groups.flatMap((group) => group.rules).map(({ expr }) => expr), ...further]
  const filled = new Set<string>()
  for (let seed = 1; seed <= 25; seed++) {
    const store = createMemoryStore()
    await fill(store, seeded(seed))
    const queries = promqlQueries(createEngine({ reader: store }))
    const expressions = texts.map((text) => ({ text, query: queries.compile(text) }))
    const reads = expressions.flatMap(({ query }) => query.atOnce?.reads ?? [])
    const views = new HostViews({
      columns: store.columns,
      labels: (id) => store.labels(id),
      metrics: undefined,
      looked: new Set(reads.flatMap(({ labels }) => [...labels])),
    })
    const wrong: unknown[] = []
    for (const { text, query } of expressions) {
      for (const instance of instances) {
        const expected = await query.evaluate(now, instance).then(shown, (error: Error) => error)
        // What only a fault of a part that does not count would show may stay unseen.
        if (expected instanceof Error) continue
        if (expected.length > 0) filled.add(text)
        const vector = query.atOnce?.evaluate(now, views.reading(instance), instance)
        const found = vector && shown(vector)
        if (JSON.stringify(found) !== JSON.stringify(expected))
          wrong.push({ text, instance, expected, found })
      }
    }
    t.same(wrong, [], `hosts from seed ${seed}`)
  }
  // A kill after a restart and the hub's own figures are not among the data.
  const empty = texts.filter((text) => !filled.has(text) && !text.includes('callward_'))
  t.same(empty, [], 'every expression gave something')
})
