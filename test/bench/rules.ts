import { writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Fleet } from './fleet.ts'
import {
  type Benchmark,
  callward,
  inScratch,
  progress,
  prometheusName,
  runSeconds,
  Sheet,
  sized,
} from './kit.ts'
import { openSessions, sendRounds } from './load-session.ts'
import { Peer, peerTitle, peerVersion } from './peers.ts'
import { profiled } from './profile.ts'
import { fleetLabels, remoteWrite } from './remote-write.ts'
import { ruledShapes, writeRules } from './rule-load.ts'
import { BenchHub } from './subjects.ts'

const hosts = sized(1_000, 100)
const rules = sized(1_000, 100)
const roundMillis = 10_000
/** Rounds that are measured, after those in which programs compile and rates have too little to stand on. */
const measuredRounds = sized(3, 1)
const warmRounds = sized(2, 1)
const hostsPerRequest = 100

/** Reports every round of a fleet, spread evenly over its time; gives CPU seconds of the server a measured round. */
async function rounds(
  pid: number,
  fleet: Fleet,
  report: (host: number, values: Float64Array, wall: number) => void,
): Promise<number[]> {
  const figures: number[] = []
  const began = performance.now()
  for (let round = 0; round < warmRounds + measuredRounds; round++) {
    fleet.advance()
    const before = runSeconds(pid)
    const startsAt = began + round * roundMillis
    const slices = hosts / hostsPerRequest
    for (let slice = 0; slice < slices; slice++) {
      await delay(Math.max(0, startsAt + (slice * roundMillis) / slices - performance.now()))
      const wall = Date.now()
      for (let index = 0; index < hostsPerRequest; index++)
        report(slice * hostsPerRequest + index, fleet.values(slice * hostsPerRequest + index), wall)
    }
    await delay(Math.max(0, startsAt + roundMillis - performance.now()))
    if (round >= warmRounds) figures.push(runSeconds(pid) - before)
  }
  return figures
}

async function hubRounds(folder: string, count: number): Promise<number[]> {
  const config = join(folder, 'callward.yaml')
  const rulesFolder = writeRules(folder, count)
  writeFileSync(config, JSON.stringify({ hub: { rulesFolder } }))
  const server = await BenchHub.start(join(folder, 'data'), { CALLWARD_CONFIG: config })
  try {
    const fleet = new Fleet(hosts, ruledShapes(1), 'ruled')
    const token = await server.hub.token('bench', 'collector')
    const sessions = await openSessions(server.hub.url, token, fleet, roundMillis / 1000)
    await sendRounds(sessions, 'live', [fleet.hosts.map((_, host) => fleet.values(host))], () =>
      Date.now(),
    )
    const pid = server.hub.program.child.pid ?? 0
    const work = () =>
      rounds(pid, fleet, (host, values, wall) => sessions[host]!.sendNow('live', wall, values))
    const figures = await (server.inspector === 0
      ? work()
      : profiled('rules', server.inspector, work))
    for (const session of sessions) session.close()
    await evaluated(server, count)
    return figures
  } finally {
    await server.hub.stop()
  }
}

/** Every rule must have been evaluated, and none may fail or fire. */
async function evaluated({ hub }: BenchHub, count: number): Promise<void> {
  const { data } = await hub.api<{
    data: { groups: { rules: { name: string; health: string; state?: string }[] }[] }
  }>('/prom/api/v1/rules')
  const ours = data.groups
    .flatMap((group) => group.rules)
    .filter(({ name }) => /^Bench\d/.test(name))
  const well = ours.filter(({ health, state }) => health === 'ok' && state === 'inactive')
  if (well.length !== count) throw new Error(`${well.length} of ${count} rules are well`)
}

async function prometheusRounds(folder: string, count: number): Promise<number[]> {
  const rulesFolder = writeRules(folder, count)
  const peer = await Peer.start('prometheus', join(folder, 'prometheus'), { rulesFolder })
  const agent = new Agent({ keepAlive: true, maxSockets: 2 })
  try {
    const fleet = new Fleet(hosts, ruledShapes(1), 'ruled')
    const labels = fleetLabels(fleet)
    let series: Parameters<typeof remoteWrite>[1][number][] = []
    const failures: unknown[] = []
    const figures = await rounds(peer.pid, fleet, (host, values, wall) => {
      series.push(
        ...labels[host]!.map((encoded, shape) => ({
          labels: encoded,
          times: [wall],
          values: [values[shape]!],
        })),
      )
      if ((host + 1) % hostsPerRequest !== 0) return
      remoteWrite(`${peer.url}/api/v1/write`, series, { agent }).catch((error: unknown) =>
        failures.push(error),
      )
      series = []
    })
    if (failures.length > 0) throw failures[0]
    return figures
  } finally {
    agent.destroy()
    await peer.stop()
  }
}

export const ruleRounds: Benchmark = {
  name: 'rules',
  async run() {
    const sheet = new Sheet()
    const prometheus = peerTitle('prometheus')
    const row = { unit: 'CPU-s', better: 'less' as const }
    const peer = prometheusName
    const goal = { goal: { reach: { times: 0.5, peer }, floor: { times: 1, peer } } }
    const measure = async (subject: string, run: typeof hubRounds) => {
      for (const count of [rules, 0]) {
        progress(`rules: ${subject}, ${count} rules`)
        for (const seconds of await inScratch((folder) => run(folder, count))) {
          if (count === 0)
            sheet.add({ name: 'the same without these rules', ...row }, subject, seconds)
          else sheet.add({ name: `a round with ${rules} rules`, ...row, ...goal }, subject, seconds)
        }
      }
    }
    await measure(callward, hubRounds)
    if (peerVersion('prometheus') !== undefined) await measure(prometheus, prometheusRounds)
    return {
      title: `Rules: ${rules} rules over ${hosts} hosts, none fires, CPU a round of ${roundMillis / 1000} s`,
      subjects: [callward, prometheus],
      rows: sheet.rows,
      notes: [
        `${hosts} hosts report 20 series each, spread over the 10 s; seven of ten rules compare a gauge of each host, two a rate over a minute, one a ratio of two. Callward evaluates them as reports arrive, Prometheus each 10 s. CPU of the whole server, taking in the samples included.`,
        `Each figure is of ${measuredRounds} rounds of one run, after ${warmRounds}. Callward has its shipped rules beside them. Afterwards every rule must be healthy and none may fire.`,
      ],
    }
  },
}
