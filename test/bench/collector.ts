import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { surveyNames } from '../../collector/config.ts'
import { packageRoot } from '../../server/assets.ts'
import { compiled, Program, type TestHub, until } from '../helpers/hub.ts'
import { Agent, agentKinds, agentTitle, agentVersion, zabbixItemCount } from './agents.ts'
import {
  type Benchmark,
  callward,
  cpuSeconds,
  endWithUs,
  http,
  inScratch,
  instantValue,
  median,
  progress,
  repeats,
  residentMebibytes,
  runSeconds,
  Sheet,
  sized,
} from './kit.ts'
import { Peer, peerTitle, peerVersion } from './peers.ts'
import { BenchHub, hubTarget } from './subjects.ts'

const windowSeconds = sized(120, 20)
const intervalSeconds = 10
const settleMillis = 20_000
/** A collector runs for months; what V8 compiles, it compiles in its first minutes. */
const settledMillis = sized(300_000, 30_000)
const bundle = 'bundle/callward-collector.mjs'

const exporterName = 'node_exporter'

/** A process that is watched for the whole window. */
interface Watched {
  readonly subject: string
  /** All that belong to it, as they are at any time. */
  pids(): readonly number[]
  /** CPU seconds of children that ended before the window began. */
  readonly hourlySeconds: number
}

function startCollector(
  folder: string,
  hub: TestHub,
  token: string,
  name: string,
  environment: Record<string, string> = {},
  settings = '',
): Program {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'collector.yaml')
  writeFileSync(file, `collector:\n  labels: { instance: ${name}, role: pbx }\n${settings}`)
  const program = new Program(bundle, {
    CALLWARD_CONFIG: file,
    CALLWARD_DATA: folder,
    CALLWARD_HUB: hub.url.replace('http', 'ws'),
    CALLWARD_TOKEN: token,
    CALLWARD_INTERVAL: String(intervalSeconds),
    ...environment,
  })
  endWithUs(program.child)
  return program
}

/** CPU so far of the processes that live, and of the first one's children that have ended (Callward's are its surveys, counted apart). */
function spentSeconds({ subject, pids }: Watched): number {
  const all = pids()
  const living = all.reduce((sum, pid) => sum + runSeconds(pid), 0)
  return subject === callward ? living : living + cpuSeconds(all[0]!).ended
}

/** Watches all side by side; the exporters are scraped meanwhile. */
async function watch(
  when: string,
  watched: readonly Watched[],
  exporters: readonly Peer[],
  agents: readonly Agent[],
  sheet: Sheet,
) {
  progress(`collector: ${when}, watching for ${windowSeconds} s`)
  const scrape = async () => {
    for (const exporter of exporters) await http(`${exporter.url}/metrics`)
    for (const agent of agents) await agent.poll()
  }
  let fault: unknown
  const timer = setInterval(() => {
    scrape().catch((error: unknown) => {
      fault = error
    })
  }, intervalSeconds * 1000)
  const before = watched.map(spentSeconds)
  const began = performance.now()
  const memory = watched.map(() => ({ all: [] as number[], anonymous: [] as number[] }))
  for (let reading = 0; reading < windowSeconds / intervalSeconds; reading++) {
    await delay(intervalSeconds * 1000)
    for (const [index, one] of watched.entries()) {
      const parts = one.pids().map(residentMebibytes)
      const sum = (of: 'all' | 'anonymous') => parts.reduce((total, part) => total + part[of], 0)
      memory[index]!.all.push(sum('all'))
      memory[index]!.anonymous.push(sum('anonymous'))
    }
  }
  clearInterval(timer)
  if (fault !== undefined) throw fault
  const hours = (performance.now() - began) / 3_600_000
  for (const [index, one] of watched.entries()) {
    const { subject, hourlySeconds } = one
    const perHour = (spentSeconds(one) - before[index]!) / hours
    const seconds = { unit: 'CPU-s per hour', better: 'less' as const }
    const cpuGoal = {
      reach: { times: 1, peer: exporterName },
      floor: { times: 2, peer: exporterName },
    }
    const memoryGoal = { reach: { is: 55 }, floor: { is: 80 } }
    const mebibytes = { unit: 'MiB', better: 'less' as const }
    sheet.add({ name: `${when}: reports or scrapes`, ...seconds, goal: cpuGoal }, subject, perHour)
    sheet.add(
      { name: `${when}: with the hourly surveys`, ...seconds },
      subject,
      perHour + hourlySeconds,
    )
    sheet.add(
      { name: `${when}: resident memory`, ...mebibytes, goal: memoryGoal },
      subject,
      median(memory[index]!.all),
    )
    sheet.add(
      { name: `${when}: of it not backed by a file`, ...mebibytes },
      subject,
      median(memory[index]!.anonymous),
    )
  }
}

/** One more collector, whose event loop is watched; that costs CPU, so its own is not counted. */
function startProbed(folder: string, hub: TestHub, token: string, probe: string): Program {
  const environment = {
    NODE_OPTIONS: `--import=${join(compiled, 'test/bench/stall-probe.js')}`,
    CALLWARD_PROBE: probe,
    CALLWARD_PROBE_AFTER: String(settleMillis),
  }
  // Surveys are child processes on purpose; what is watched are the ticks.
  const off = surveyNames.map((name) => `${name}: false`).join(', ')
  const settings = `  sections: { ${off} }\n`
  return startCollector(join(folder, 'probed'), hub, token, 'probed', environment, settings)
}

function addProbed(probe: string, sheet: Sheet): void {
  const { longestMillis, children } = JSON.parse(readFileSync(probe, 'utf8')) as {
    longestMillis: number
    children: number
  }
  const less = { better: 'less' as const }
  sheet.add(
    {
      name: 'longest the event loop was held in a tick',
      unit: 'ms',
      ...less,
      goal: { reach: { is: 10 }, floor: { is: 20 } },
    },
    callward,
    longestMillis,
  )
  sheet.add(
    {
      name: 'child processes in the ticks',
      unit: 'processes',
      ...less,
      goal: { reach: { is: 0 }, floor: { is: 0 } },
    },
    callward,
    children,
  )
}

export const collector: Benchmark = {
  name: 'collector',
  run: () =>
    inScratch(async (folder) => {
      const sheet = new Sheet()
      const { hub } = await BenchHub.start(join(folder, 'hub'))
      const collectors: Program[] = []
      const exporters: Peer[] = []
      const agents: Agent[] = []
      const exporter = peerTitle('prometheus-node-exporter')
      let series = 0
      let lines = 0
      execFileSync(process.execPath, [
        join(packageRoot, 'bin/bundle-collector.mjs'),
        join(compiled, bundle),
        compiled,
      ])
      try {
        const token = await hub.token('bench', 'collector')
        for (let index = 1; index <= repeats; index++) {
          const name = `collector-${index}`
          collectors.push(startCollector(join(folder, name), hub, token, name))
          for (const kind of agentKinds)
            if (agentVersion(kind) !== undefined)
              agents.push(await Agent.start(kind, join(folder, `${kind}-${index}`)))
          if (peerVersion('prometheus-node-exporter') === undefined) continue
          const peerFolder = join(folder, `exporter-${index}`)
          exporters.push(await Peer.start('prometheus-node-exporter', peerFolder))
        }
        const pids = collectors.map(({ child }) => child.pid ?? 0)
        await until(
          'the inventories have been taken',
          () => pids.every((pid) => cpuSeconds(pid).ended > 0),
          60_000,
        )
        const started = performance.now()
        const probe = join(folder, 'probe.json')
        collectors.push(startProbed(folder, hub, token, probe))
        await delay(settleMillis)
        const own = pids.map((pid) => ({
          subject: callward,
          pids: () => [pid],
          hourlySeconds: cpuSeconds(pid).ended,
        }))
        const theirs = [
          ...exporters.map(({ pid }) => ({ subject: exporter, pids: () => [pid] })),
          ...agents.map((agent) => ({ subject: agentTitle(agent.kind), pids: () => agent.pids })),
        ].map((one) => ({ ...one, hourlySeconds: 0 }))
        const watched = [...own, ...theirs]
        await watch('first minutes', watched, exporters, agents, sheet)
        await delay(Math.max(0, settledMillis - (performance.now() - started)))
        await watch('settled', watched, exporters, agents, sheet)
        await collectors.pop()?.kill('SIGTERM')
        addProbed(probe, sheet)
        series = await instantValue(
          hubTarget(hub),
          'count({instance="collector-1",__name__!~"ALERTS.*|callward_collector_(up|last_.*)"})',
          Date.now(),
        )
        const page = exporters[0] === undefined ? '' : await http(`${exporters[0].url}/metrics`)
        if (page !== '') lines = page.body.toString().match(/^[^#\n]/gm)?.length ?? 0
      } finally {
        for (const program of collectors) await program.kill('SIGTERM')
        for (const peer of [...exporters, ...agents]) await peer.stop()
        await hub.stop()
      }
      return {
        title: `Collector: ${repeats} of each side by side for ${windowSeconds} s, every ${intervalSeconds} s`,
        subjects: [callward, exporter, ...agentKinds.map(agentTitle)],
        rows: sheet.rows,
        notes: [
          `The collector reported ${series} series, node_exporter ${lines}. CPU by the scheduler's own count of each thread, from 20 s and from ${settledMillis / 1000} s after the start on: a collector runs for months, and what V8 compiles it compiles in the first minutes. Surveys are child processes once an hour, their CPU as measured at the start. The collector is the bundle, as it is installed.`,
          `collectd: nine plugins each 10 s, written to files. netdata: its plugins as packaged, each second. zabbix-agent2: ${zabbixItemCount} passive checks each 10 s, a connection each. Their figures are of the whole process tree.`,
          'Most of the memory of a Node process is its own program file, which several such processes share.',
        ],
      }
    }),
}
