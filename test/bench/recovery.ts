import { join } from 'node:path'
import { Fleet } from './fleet.ts'
import { type Benchmark, callward, inScratch, progress, repeats, Sheet } from './kit.ts'
import { peerTitle, peerVersion } from './peers.ts'
import { HubSubject, PeerSubject, type Subject, storedSamples } from './subjects.ts'

const hosts = 100
const rounds = 101

/** Loads, kills at once after the last acknowledgement, and starts again on the data as often as figures are wanted. */
async function measure(
  start: (folder: string, fleet: Fleet) => Promise<Subject>,
  fleet: Fleet,
  load: readonly Float64Array[][],
): Promise<{ millis: number[]; missing: number }> {
  return inScratch(async (folder) => {
    const subject = await start(join(folder, 'data'), fleet)
    try {
      const begin = Date.now() - rounds * 1000
      await subject.send({ rounds: load, wallOf: (round) => begin + round * 1000 })
      const millis = []
      let missing = 0
      for (let repeat = 1; repeat <= repeats; repeat++) {
        await subject.crash()
        millis.push(await subject.launch())
        if (repeat > 1) continue
        const expected = hosts * fleet.shapes.length * rounds
        missing = expected - (await storedSamples(subject.target, fleet, Date.now()))
      }
      return { millis, missing }
    } finally {
      await subject.stop()
    }
  })
}

/** Milliseconds that a stop and start without data takes. */
async function measureEmpty(
  start: (folder: string, fleet: Fleet) => Promise<Subject>,
): Promise<number> {
  return inScratch(async (folder) => {
    const subject = await start(join(folder, 'data'), new Fleet(1))
    try {
      await subject.crash()
      return await subject.launch()
    } finally {
      await subject.stop()
    }
  })
}

export const recovery: Benchmark = {
  name: 'recovery',
  async run() {
    const fleet = new Fleet(hosts)
    const load = fleet.rounds(rounds)
    const sheet = new Sheet()
    const starts: [string, (folder: string, fleet: Fleet) => Promise<Subject>][] = [
      [callward, (folder, of) => HubSubject.start(folder, of, 'live')],
    ]
    for (const kind of ['prometheus', 'victoria-metrics'] as const)
      if (peerVersion(kind) !== undefined)
        starts.push([
          peerTitle(kind),
          (folder, of) =>
            PeerSubject.start(kind, folder, of, kind === 'prometheus' ? 1 : of.hosts.length),
        ])
    for (const [title, start] of starts) {
      const { millis, missing } = await measure(start, fleet, load)
      progress(`recovery: ${title}: ${millis.map(Math.round)} ms, ${missing} samples missing`)
      for (const one of millis)
        sheet.add(
          {
            name: `kill -9 after ${(hosts * fleet.shapes.length * rounds) / 1e6} M samples, until ready`,
            unit: 'ms',
            better: 'less',
          },
          title,
          one,
        )
      for (let repeat = 1; repeat <= repeats; repeat++)
        sheet.add(
          { name: 'the same with next to no data', unit: 'ms', better: 'less' },
          title,
          await measureEmpty(start),
        )
      sheet.add(
        { name: 'acknowledged samples missing afterwards', unit: 'samples', better: 'less' },
        title,
        missing,
      )
    }
    return {
      title: 'Recovery after kill -9',
      subjects: [callward, peerTitle('prometheus'), peerTitle('victoria-metrics')],
      rows: sheet.rows,
      notes: [
        'From the start of the process until /readyz (Prometheus: /-/ready, VictoriaMetrics: /health) answers 200, asked each 5 ms. Killed at once after the last acknowledgement; killed and started three times on the same data; missing samples are counted after the first. VictoriaMetrics has no log of what it took: it starts without the last seconds (here most of a short load), so it has nothing to read.',
        'A killed process is not a power failure: what was written and not synced survives the one and not the other.',
      ],
    }
  },
}
