import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Program, type TestHub, until } from '../helpers/hub.ts'
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

/** A process that is watched for the whole window. */
interface Watched {
  readonly subject: string
  readonly pid: number
  /** CPU seconds of children that ended before the window began. */
  readonly hourlySeconds: number
}

function startCollector(folder: string, hub: TestHub, token: string, index: number): Program {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'collector.yaml')
  writeFileSync(file, `collector:\n  labels: { instance: collector-${index}, role: pbx }\n`)
  const program = new Program('collector/main.js', {
    CALLWARD_CONFIG: file,
    CALLWARD_DATA: folder,
    CALLWARD_HUB: hub.url.replace('http', 'ws'),
    CALLWARD_TOKEN: token,
    CALLWARD_INTERVAL: String(intervalSeconds),
  })
  endWithUs(program.child)
  return program
}

/** Watches all side by side; the exporters are scraped meanwhile. */
async function watch(watched: readonly Watched[], exporters: readonly Peer[], sheet: Sheet) {
  const scrape = async () => {
    for (const exporter of exporters) await http(`${exporter.url}/metrics`)
  }
  const timer = setInterval(() => void scrape(), intervalSeconds * 1000)
  const before = watched.map(({ pid }) => runSeconds(pid))
  const began = performance.now()
  const memory = watched.map(() => ({ all: [] as number[], anonymous: [] as number[] }))
  for (let reading = 0; reading < windowSeconds / intervalSeconds; reading++) {
    await delay(intervalSeconds * 1000)
    for (const [index, { pid }] of watched.entries()) {
      const { all, anonymous } = residentMebibytes(pid)
      memory[index]!.all.push(all)
      memory[index]!.anonymous.push(anonymous)
    }
  }
  clearInterval(timer)
  const hours = (performance.now() - began) / 3_600_000
  for (const [index, { subject, pid, hourlySeconds }] of watched.entries()) {
    const perHour = (runSeconds(pid) - before[index]!) / hours
    const seconds = { unit: 'CPU-s per hour', better: 'less' as const }
    const mebibytes = { unit: 'MiB', better: 'less' as const }
    sheet.add({ name: 'reports or scrapes', ...seconds }, subject, perHour)
    sheet.add({ name: 'with the hourly inventory', ...seconds }, subject, perHour + hourlySeconds)
    sheet.add({ name: 'resident memory', ...mebibytes }, subject, median(memory[index]!.all))
    sheet.add(
      { name: 'of it not backed by a file', ...mebibytes },
      subject,
      median(memory[index]!.anonymous),
    )
  }
}

export const collector: Benchmark = {
  name: 'collector',
  run: () =>
    inScratch(async (folder) => {
      const sheet = new Sheet()
      const { hub } = await BenchHub.start(join(folder, 'hub'))
      const collectors: Program[] = []
      const exporters: Peer[] = []
      const exporter = peerTitle('prometheus-node-exporter')
      let series = 0
      let lines = 0
      try {
        const token = await hub.token('bench', 'collector')
        for (let index = 1; index <= repeats; index++) {
          collectors.push(startCollector(join(folder, `collector-${index}`), hub, token, index))
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
        await delay(settleMillis)
        progress(`collector: watching for ${windowSeconds} s`)
        const own = pids.map((pid) => ({
          subject: callward,
          pid,
          hourlySeconds: cpuSeconds(pid).ended,
        }))
        const theirs = exporters.map(({ pid }) => ({ subject: exporter, pid, hourlySeconds: 0 }))
        await watch([...own, ...theirs], exporters, sheet)
        series = await instantValue(
          hubTarget(hub),
          'count({instance="collector-1",__name__!~"ALERTS.*|callward_collector_(up|last_.*)"})',
          Date.now(),
        )
        const page = exporters[0] === undefined ? '' : await http(`${exporters[0].url}/metrics`)
        if (page !== '') lines = page.body.toString().match(/^[^#\n]/gm)?.length ?? 0
      } finally {
        for (const program of collectors) await program.kill('SIGTERM')
        for (const peer of exporters) await peer.stop()
        await hub.stop()
      }
      return {
        title: `Collector: ${repeats} of each side by side for ${windowSeconds} s, every ${intervalSeconds} s`,
        subjects: [callward, exporter],
        rows: sheet.rows,
        notes: [
          `The collector reported ${series} series, node_exporter ${lines}. CPU by the scheduler's own count of each thread, from 20 s after the start on; the inventory is a child process once an hour, its CPU as measured at the start.`,
          'Most of the memory of a Node process is its own program file, which several such processes share.',
        ],
      }
    }),
}
