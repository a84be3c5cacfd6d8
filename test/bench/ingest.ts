import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Fleet } from './fleet.ts'
import {
  type Benchmark,
  callward,
  cpuSeconds,
  inScratch,
  progress,
  type Row,
  repeats,
  residentMebibytes,
  Sheet,
} from './kit.ts'
import { peerTitle, peerVersion } from './peers.ts'
import { HubSubject, type Load, PeerSubject, type Subject, storedSamples } from './subjects.ts'

const hosts = 100
const rounds = 100
const settleMillis = 3000
/** Rounds are this far apart in the data. */
const roundMillis = 1000

interface Case {
  readonly row: string
  readonly subject: string
  start(folder: string, fleet: Fleet): Promise<Subject>
}

const bySession = '200 samples a message'
const late = '200 samples a message, late data (no rules on arrival)'
const inBatches = 'peers in batches of 5,000'

function cases(): Case[] {
  const found: Case[] = [
    {
      row: bySession,
      subject: callward,
      start: (folder, fleet) => HubSubject.start(folder, fleet, 'live'),
    },
    {
      row: late,
      subject: callward,
      start: (folder, fleet) => HubSubject.start(folder, fleet, 'backlog'),
    },
  ]
  for (const kind of ['prometheus', 'victoria-metrics'] as const) {
    if (peerVersion(kind) === undefined) continue
    const subject = peerTitle(kind)
    const start = (hostsPerRequest: number) => (folder: string, fleet: Fleet) =>
      PeerSubject.start(kind, folder, fleet, hostsPerRequest)
    found.push({ row: bySession, subject, start: start(1) })
    found.push({ row: inBatches, subject, start: start(25) })
  }
  return found
}

/** Loads a fresh subject; samples per CPU second of its process and its memory, the count checked by queries. */
async function measure(
  { start }: Case,
  fleet: Fleet,
  load: readonly Float64Array[][],
): Promise<{ perCpuSecond: number; mebibytes: number; wallSeconds: number }> {
  return inScratch(async (folder) => {
    const subject = await start(join(folder, 'data'), fleet)
    try {
      const begin = Date.now() - (rounds + 1) * roundMillis
      const part = (from: number, to: number): Load => ({
        rounds: load.slice(from, to),
        wallOf: (round) => begin + (from + round) * roundMillis,
      })
      // The first round makes the series; it is not measured.
      await subject.send(part(0, 1))
      await delay(500)
      const { pid } = subject.target
      const before = cpuSeconds(pid).own
      const startedAt = performance.now()
      await subject.send(part(1, rounds + 1))
      const wallSeconds = (performance.now() - startedAt) / 1000
      // What was put off counts too.
      await delay(settleMillis)
      const used = cpuSeconds(pid).own - before
      const mebibytes = residentMebibytes(pid).all
      const samples = hosts * fleet.shapes.length
      const expected = samples * (rounds + 1)
      const stored = await storedSamples(subject.target, fleet, Date.now())
      if (stored !== expected)
        throw new Error(`${subject.title} holds ${stored} samples of ${expected}`)
      return { perCpuSecond: (samples * rounds) / used, mebibytes, wallSeconds }
    } finally {
      await subject.stop()
    }
  })
}

/** Callward's figures of its only batch size stand beside the peers' larger one too. */
function besidesLargeBatches(rows: readonly Row[]): Row[] {
  const own = rows.find(({ name }) => name === bySession)?.figures[callward]
  return rows.map((row) =>
    row.name === inBatches && own !== undefined
      ? { ...row, figures: { ...row.figures, [callward]: own } }
      : row,
  )
}

export const ingest: Benchmark = {
  name: 'ingest',
  async run() {
    const fleet = new Fleet(hosts)
    const load = fleet.rounds(rounds + 1)
    const speed = new Sheet()
    const memory = new Sheet()
    for (let repeat = 1; repeat <= repeats; repeat++) {
      for (const one of cases()) {
        const { perCpuSecond, mebibytes, wallSeconds } = await measure(one, fleet, load)
        progress(
          `ingest ${repeat}/${repeats}: ${one.subject}, ${one.row}: ${Math.round(perCpuSecond / 1000)} k samples/CPU-s, ${wallSeconds.toFixed(1)} s`,
        )
        const unit = 'k samples/CPU-s'
        speed.add({ name: one.row, unit, better: 'more' }, one.subject, perCpuSecond / 1000)
        if (one.row !== bySession) continue
        const row = { name: 'memory after the load', unit: 'MiB', better: 'less' as const }
        memory.add(row, one.subject, mebibytes)
      }
    }
    return {
      title: `Ingest: ${hosts} hosts x ${fleet.shapes.length} series x ${rounds} rounds, per CPU second of the server`,
      subjects: [callward, peerTitle('prometheus'), peerTitle('victoria-metrics')],
      rows: besidesLargeBatches([...speed.rows, ...memory.rows]),
      notes: [
        'CPU: user and system of all threads until 3 s after the last answer. The stored samples are counted by queries in every run.',
        'Every series carries 8 labels and up to 3 more, as those of a host do. A session sends them once; remote write and Influx lines with every sample, which is most of what they cost: with fewer labels both peers are faster.',
        'Callward: one WebSocket session a host, at most 64 reports unacknowledged, acknowledged after fdatasync. A session reports one host, so 200 samples a message is its only size.',
        'Prometheus: remote write with snappy literals (compressed bodies measured within 10 % of them); the shipped rules each 10 s; its log is not synced before it answers. VictoriaMetrics: /write with Influx lines, series with the same labels in one line, no rules; it keeps some seconds in memory only.',
      ],
    }
  },
}
