import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Fleet } from './fleet.ts'
import {
  type Benchmark,
  callward,
  cpuSeconds,
  inScratch,
  progress,
  residentMebibytes,
  Sheet,
  settings,
  sized,
} from './kit.ts'
import { hosts } from './loads.ts'
import { peerTitle, peerVersion } from './peers.ts'
import { HubSubject, RequestSubject, type Subject } from './subjects.ts'

const roundMillis = 10_000
/** Five minutes of history before the real pace. */
const historyRounds = sized(30, 5)
const paceSeconds = sized(40, 10)
const readings = sized(3, 1)

interface Reading {
  readonly all: number
  readonly anonymous: number
  readonly peak: number
  readonly cpuPercent: number
}

/** History, then every host reports each 10 s, one after the other; memory at the end of equal parts of that. */
async function measure(subject: Subject, fleet: Fleet): Promise<Reading[]> {
  const begin = Date.now() - (historyRounds + 1) * roundMillis
  const rounds = fleet.rounds(historyRounds)
  await subject.send({ rounds, wallOf: (round) => begin + round * roundMillis })
  rounds.length = 0
  let sent = 0
  const began = performance.now()
  const timer = setInterval(() => {
    const due = ((performance.now() - began) / roundMillis) * hosts
    for (; sent < due; sent++) {
      if (sent % hosts === 0) fleet.advance()
      subject.report(sent % hosts, fleet.values(sent % hosts), Date.now())
    }
  }, 20)
  const { pid } = subject.target
  const found = []
  try {
    for (let reading = 0; reading < readings; reading++) {
      const before = cpuSeconds(pid).own
      await delay((paceSeconds / readings) * 1000)
      const cpuPercent = ((cpuSeconds(pid).own - before) / (paceSeconds / readings)) * 100
      found.push({ ...residentMebibytes(pid), cpuPercent })
    }
  } finally {
    clearInterval(timer)
  }
  return found
}

/** How each server is started for reports of one host each. */
function starts(): [string, (folder: string, fleet: Fleet) => Promise<Subject>][] {
  const found: ReturnType<typeof starts> = [
    [callward, (folder, fleet) => HubSubject.start(folder, fleet, 'live')],
  ]
  if (settings.profile) return found
  for (const kind of ['victoria-metrics', 'prometheus'] as const) {
    if (peerVersion(kind) === undefined) continue
    const protocol = kind === 'prometheus' ? 'remote-write' : 'lines'
    found.push([
      peerTitle(kind),
      (folder, fleet) =>
        RequestSubject.startPeer(kind, folder, {
          fleet,
          hostsPerRequest: 25,
          protocol,
          labelling: 'instance',
        }),
    ])
  }
  return found
}

export const memory: Benchmark = {
  name: 'memory',
  async run() {
    const sheet = new Sheet()
    const mebibytes = { unit: 'MiB', better: 'less' } as const
    const goal = { reach: { is: 300 }, floor: { is: 450 } }
    for (const [title, start] of starts()) {
      const fleet = new Fleet(hosts)
      const found = await inScratch(async (folder) => {
        const subject = await start(join(folder, 'data'), fleet)
        return measure(subject, fleet).finally(() => subject.stop())
      })
      for (const { all, anonymous, peak, cpuPercent } of found) {
        progress(
          `memory: ${title}: ${Math.round(all)} MiB, ${Math.round(anonymous)} of no file, peak ${Math.round(peak)}, ${cpuPercent.toFixed(1)} % CPU`,
        )
        sheet.add({ name: 'resident', ...mebibytes, goal }, title, all)
        sheet.add({ name: 'of it not backed by a file', ...mebibytes }, title, anonymous)
        sheet.add({ name: 'most there ever was', ...mebibytes }, title, peak)
        sheet.add({ name: 'CPU meanwhile', unit: '% of a core', better: 'less' }, title, cpuPercent)
      }
    }
    return {
      title: `Memory with ${(hosts * 200).toLocaleString('en')} live series, reported each 10 s`,
      subjects: [callward, peerTitle('victoria-metrics'), peerTitle('prometheus')],
      rows: sheet.rows,
      notes: [
        `Five minutes of history as fast as it goes, then the real pace for ${paceSeconds} s with a reading at the end of each third. Hosts report one after the other: sessions; remote write to Prometheus; lines to VictoriaMetrics, both with only \`instance\`.`,
        'Callward and Prometheus evaluate the shipped rules. "Most there ever was" includes the loading of the history.',
      ],
    }
  },
}
