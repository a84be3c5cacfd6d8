import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { systemClock } from '../../collector/clock.ts'
import { defaultPendingLimits, PendingReports } from '../../collector/pending.ts'
import { openSession } from '../../collector/session.ts'
import { openSpool } from '../../collector/spool/open.ts'
import { Fleet, hostShapes, type SeriesShape } from './fleet.ts'
import {
  type Benchmark,
  callward,
  inScratch,
  instantValue,
  progress,
  repeats,
  Sheet,
  sized,
} from './kit.ts'
import { BenchHub } from './subjects.ts'

const hours = sized(24, 2)
const stepMillis = 10_000
const collector = '5b0a3c6e-9a43-4c9e-8f0a-3f1f0e9a434c'
const limits = { bytes: 64 * 1024 * 1024, milliseconds: 72 * 3_600_000 }
const quiet = { info: () => {}, warn: () => {}, error: () => {} }

/** 450 series, of which 140 never change: the host of the other benchmarks twice, and a quarter of it. */
const shapes: readonly SeriesShape[] = [
  ...hostShapes,
  ...hostShapes.map((one) => ({ ...one, labels: { ...one.labels, half: '2' } })),
  ...hostShapes.slice(0, 50).map((one) => ({ ...one, labels: { ...one.labels, half: '3' } })),
]

function spoolIn(folder: string) {
  const clock = systemClock
  return openSpool({ folder, collector, hadSpool: false, limits, clock, logger: quiet })
}

/** Fills a spool with what was read while the hub was away. Returns the CPU of it in microseconds a report. */
async function fill(folder: string, fleet: Fleet, reports: number, from: number): Promise<number> {
  const [labels] = fleet.hosts
  const series = shapes.map((one) => ({ name: one.name, labels: { ...one.labels, ...labels } }))
  const { spool, close } = await spoolIn(folder)
  const pending = new PendingReports(defaultPendingLimits, spool)
  let micros = 0
  for (let i = 0; i < reports; i++) {
    fleet.advance()
    const values = fleet.values(0).slice()
    const wall = from + i * stepMillis
    const before = process.cpuUsage()
    pending.add({ lane: 'live', wall, monotonic: i * stepMillis, series, values, stale: [] })
    while (pending.inMemory > 0) await new Promise(setImmediate)
    const used = process.cpuUsage(before)
    micros += used.user + used.system
  }
  await close()
  return micros / reports
}

function bytesIn(folder: string): number {
  const path = join(folder, 'spool')
  return readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0)
}

/** Starts the collector on that spool; milliseconds until the spool is open, and until the hub has acknowledged everything. */
async function drain(folder: string, fleet: Fleet, url: string, token: string) {
  const began = performance.now()
  const { epoch, spool, close } = await spoolIn(folder)
  const opened = performance.now() - began
  const session = openSession({
    url,
    token: async () => token,
    hello: {
      collector,
      epoch,
      version: '0.0.0-bench',
      labels: fleet.hosts[0]!,
      intervalSeconds: stepMillis / 1000,
    },
    clock: systemClock,
    logger: quiet,
    spool,
  })
  while (session.figures().pending > 0) await wait(5)
  const drained = performance.now() - began
  await session.close('the benchmark has ended')
  await close()
  return { opened, drained }
}

async function measure(folder: string, sheet: Sheet): Promise<void> {
  const fleet = new Fleet(1, shapes, 'spool')
  const reports = (hours * 3_600_000) / stepMillis
  mkdirSync(join(folder, 'collector'), { recursive: true })
  const from = Date.now() - reports * stepMillis
  const micros = await fill(join(folder, 'collector'), fleet, reports, from)
  const megabytes = bytesIn(join(folder, 'collector')) / 1e6
  const server = await BenchHub.start(join(folder, 'hub'))
  try {
    const token = await server.hub.token('bench', 'collector')
    const url = server.hub.url.replace('http', 'ws')
    const { opened, drained } = await drain(join(folder, 'collector'), fleet, url, token)
    const query = `count_over_time(node_load1{half=""}[${hours + 1}h])`
    const found = await instantValue(server.target, query, Date.now())
    if (found !== reports) throw new Error(`the hub has ${found} of ${reports} reports`)
    const goal = (reach: number, floor: number) => ({
      goal: { reach: { is: reach }, floor: { is: floor } },
    })
    const less = { better: 'less' } as const
    sheet.add({ name: 'on disk', unit: 'MB', ...less, ...goal(10, 20) }, callward, megabytes)
    sheet.add({ name: 'drained', unit: 's', ...less, ...goal(30, 60) }, callward, drained / 1000)
    sheet.add({ name: 'of that opening the spool', unit: 'ms', ...less }, callward, opened)
    sheet.add({ name: 'CPU to keep a report', unit: 'µs', ...less }, callward, micros)
    const samples = reports * shapes.length
    const each = (megabytes * 1e6) / samples
    sheet.add({ name: 'on disk, a sample', unit: 'B', ...less }, callward, each)
    progress(`spool: ${megabytes.toFixed(2)} MB, drained in ${(drained / 1000).toFixed(1)} s`)
  } finally {
    await server.hub.stop()
  }
}

export const spool: Benchmark = {
  name: 'spool',
  async run() {
    const sheet = new Sheet()
    for (let repeat = 1; repeat <= repeats; repeat++)
      await inScratch((folder) => measure(folder, sheet))
    return {
      title: `Spool: ${hours} h without the hub, ${shapes.length} series each ${stepMillis / 1000} s`,
      subjects: [callward],
      rows: sheet.rows,
      notes: [
        'The same numbers as the other benchmarks: two and a quarter of their hosts in one. Drained: from the start of a collector on that spool until the hub has acknowledged everything; the hub has the other core, and its samples are counted by a query.',
        'CPU to keep a report: reading it apart, one write a report; with the hub there nothing more is done, without it the file is synced each 10 s.',
      ],
    }
  },
}
