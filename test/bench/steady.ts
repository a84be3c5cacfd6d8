import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Fleet } from './fleet.ts'
import {
  type Benchmark,
  callward,
  cpuSeconds,
  inScratch,
  progress,
  repeats,
  residentMebibytes,
  Sheet,
} from './kit.ts'
import { peerTitle, peerVersion } from './peers.ts'
import { HubSubject, RequestSubject, type Subject } from './subjects.ts'

const hosts = 100
const roundMillis = 10_000
const historyRounds = 30

/** Five minutes of history, then every host reports each 10 s; CPU percent and memory of each ten seconds. */
async function measure(subject: Subject, fleet: Fleet): Promise<{ cpu: number; memory: number }[]> {
  const begin = Date.now() - (historyRounds + 1) * roundMillis
  const wallOf = (round: number) => begin + round * roundMillis
  await subject.send({ rounds: fleet.rounds(historyRounds), wallOf })
  let next = 0
  const timer = setInterval(() => {
    if (next % hosts === 0) fleet.advance()
    const host = next++ % hosts
    subject.report(host, fleet.values(host), Date.now())
  }, roundMillis / hosts)
  const { pid } = subject.target
  const windows = []
  try {
    await delay(roundMillis)
    for (let repeat = 1; repeat <= repeats; repeat++) {
      const before = cpuSeconds(pid).own
      await delay(roundMillis)
      const cpu = ((cpuSeconds(pid).own - before) / (roundMillis / 1000)) * 100
      windows.push({ cpu, memory: residentMebibytes(pid).all })
    }
  } finally {
    clearInterval(timer)
  }
  return windows
}

export const steady: Benchmark = {
  name: 'steady',
  async run() {
    const sheet = new Sheet()
    const starts: [string, (folder: string, fleet: Fleet) => Promise<Subject>][] = [
      [callward, (folder, fleet) => HubSubject.start(folder, fleet, 'backlog')],
    ]
    for (const kind of ['prometheus', 'victoria-metrics'] as const)
      if (peerVersion(kind) !== undefined)
        starts.push([
          peerTitle(kind),
          (folder, fleet) =>
            RequestSubject.startPeer(kind, folder, {
              fleet,
              hostsPerRequest: 25,
              protocol: kind === 'prometheus' ? 'remote-write' : 'lines',
              labelling: 'all',
            }),
        ])
    for (const [title, start] of starts) {
      const fleet = new Fleet(hosts)
      const windows = await inScratch(async (folder) => {
        const subject = await start(join(folder, 'data'), fleet)
        return measure(subject, fleet).finally(() => subject.stop())
      })
      progress(`steady: ${title}: ${windows.map(({ cpu }) => cpu.toFixed(1))} % CPU`)
      for (const { cpu, memory } of windows) {
        const less = { better: 'less' as const }
        sheet.add({ name: 'CPU', unit: '% of a core', ...less }, title, cpu)
        sheet.add({ name: 'resident memory', unit: 'MiB', ...less }, title, memory)
      }
    }
    return {
      title: `Day to day: ${hosts} hosts x 200 series report each 10 s`,
      subjects: [callward, peerTitle('prometheus'), peerTitle('victoria-metrics')],
      rows: sheet.rows,
      notes: [
        'After five minutes of history; three windows of 10 s one after the other. Hosts report one after the other, each in a message of its own.',
        'Callward evaluates every rule of a host when its report arrives and all rules each 10 s; Prometheus all rules each 10 s; VictoriaMetrics has no rules.',
      ],
    }
  },
}
