import t from 'tap'
import { simulatedFacts, simulatedHosts } from '../../../collector/demo/hosts.ts'
import { callShare, SimulatedHost } from '../../../collector/demo/simulated-host.ts'
import { cycleSeconds, faultsAt, storyHosts } from '../../../collector/demo/story.ts'

const start = Date.UTC(2026, 0, 5, 3)

t.test('the story: each fault at its time, gone before the next round', async (t) => {
  const check = (seconds: number, extra: number, offset: number, silent: boolean) => {
    const { fillingDisk, driftingClock, silent: silentHost } = storyHosts
    t.ok(
      Math.abs(faultsAt(fillingDisk, seconds).recordingsExtraRatio - extra) < 0.001,
      `disk at ${seconds} s`,
    )
    t.ok(
      Math.abs(faultsAt(driftingClock, seconds).clockOffsetSeconds - offset) < 0.001,
      `clock at ${seconds} s`,
    )
    t.equal(faultsAt(silentHost, seconds).silent, silent, `silence at ${seconds} s`)
  }
  for (const round of [0, cycleSeconds, 7 * cycleSeconds]) {
    check(round, 0, 0, false)
    check(round + 25, 0, 0, false)
    check(round + 44.9, 0.375 * (19.9 / 35), 8 * (14.9 / 25), false)
    check(round + 45, 0.375 * (20 / 35), 4.8, true)
    check(round + 75, 0.375, 8, true)
    check(round + 150, 0.375, 8, false)
    check(round + 300, 0, 0, false)
    check(round + 359, 0, 0, false)
  }
  check(-5, 0, 0, false)
  const others = simulatedHosts
    .map((plan) => plan.labels.instance)
    .filter((name) => !Object.values(storyHosts).includes(name as never))
  t.equal(others.length, 9)
  for (const name of others) {
    const faults = [10, 60, 120].map((second) => faultsAt(name, second))
    t.ok(
      faults.every(
        (one) => !one.silent && one.clockOffsetSeconds === 0 && one.recordingsExtraRatio === 0,
      ),
      name,
    )
  }
})

t.test('twelve hosts, each marked simulated in labels and facts', async (t) => {
  t.equal(simulatedHosts.length, 12)
  t.equal(new Set(simulatedHosts.map((plan) => plan.labels.instance)).size, 12)
  t.ok(simulatedHosts.every((plan) => plan.labels.simulated === 'true'))
  const documents = simulatedHosts.flatMap((plan) => Object.values(simulatedFacts(plan)))
  t.ok(documents.every((one) => (one as { simulated: boolean }).simulated === true))
  t.ok(
    Object.values(storyHosts).every((name) =>
      simulatedHosts.some((plan) => plan.labels.instance === name),
    ),
  )
  const count = (key: 'role' | 'customer' | 'site') =>
    new Set(simulatedHosts.map((plan) => plan.labels[key])).size
  t.strictSame([count('role'), count('customer'), count('site')], [8, 2, 3])
})

t.test(
  'a simulated host: counters only grow, gauges stay possible, the day has a curve',
  async (t) => {
    for (const plan of simulatedHosts) {
      const host = new SimulatedHost(plan, start, start, () => faultsAt('', 0))
      let before = new Map<string, number>()
      let cpuSeconds = 0
      for (let now = start; now <= start + 24 * 3_600_000; now += 600_000) {
        const values = new Map<string, number>()
        for (const source of host.sources()) {
          for (const { name, labels, value } of (await source.read(now)).metrics)
            values.set(`${name} ${JSON.stringify(labels)}`, value)
        }
        for (const [key, value] of values) {
          if (!Number.isFinite(value) || value < 0)
            t.fail(`${plan.labels.instance} ${key} is ${value}`)
          if (key.includes('_total ') && value < (before.get(key) ?? 0))
            t.fail(`${key} fell to ${value}`)
        }
        const sum = [...values]
          .filter(([key]) => key.startsWith('node_cpu_seconds_total'))
          .reduce((all, [, value]) => all + value, 0)
        if (before.size > 0 && Math.abs(sum - cpuSeconds - 600 * plan.cpus) > 0.01)
          t.fail(`CPU time of 600 s is ${sum - cpuSeconds}`)
        cpuSeconds = sum
        t.equal(before.size === 0 || before.size === values.size, true)
        before = values
      }
      const available = before.get('node_memory_MemAvailable_bytes {}')!
      t.ok(available > 0 && available < plan.memoryBytes)
    }
    const shares = Array.from({ length: 24 }, (_, hour) => callShare(Date.UTC(2026, 0, 5, hour)))
    t.ok(Math.max(...shares) > 0.95 && Math.min(...shares) < 0.05)
    t.equal(callShare(Date.UTC(2026, 0, 5, 2)), 1, 'nine in the morning at UTC+7')
  },
)

t.test(
  'the recorder’s disk: free space falls under 10 % and 3 % when the story says',
  async (t) => {
    const plan = simulatedHosts.find((one) => one.labels.instance === storyHosts.fillingDisk)!
    const faults = (wall: number) => faultsAt(storyHosts.fillingDisk, (wall - start) / 1000)
    const host = new SimulatedHost(plan, start - 3 * 3_600_000, start, faults)
    const volume = plan.filesystems[1]!
    const free = (second: number) => 1 - host.usedRatio(volume, start + second * 1000)
    t.ok(free(-10_800) > free(0) && free(0) > 0.35, 'a slow trend before')
    t.ok(
      free(0) - 24 * (free(-3600) - free(0)) > 0,
      'which alone does not fill the disk within a day',
    )
    t.ok(free(45) > 0.1 && free(53) < 0.1, 'under 10 % within 53 s')
    t.ok(free(60) < 0.03 && free(60) > 0, 'under 3 % within a minute')
    t.ok(free(230) > 0.35, 'cleaned up')
  },
)
