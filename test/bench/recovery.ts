import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Fleet } from './fleet.ts'
import {
  type Benchmark,
  callward,
  inScratch,
  progress,
  repeats,
  Sheet,
  settings,
  sized,
} from './kit.ts'
import { hosts } from './loads.ts'
import { peerTitle, peerVersion } from './peers.ts'
import { HubSubject, RequestSubject, type Subject, storedSamples } from './subjects.ts'

/** Acknowledged before the kill, and sent after them without waiting. */
const rounds = sized(30, 10)
const further = 10
const roundMillis = 10_000
/** How long the further rounds are under way when the kill comes. */
const underLoadMillis = 300

type Start = (folder: string, fleet: Fleet) => Promise<Subject>

/** Loads, kills in the midst of more, and starts again on the data as often as figures are wanted. */
async function measure(
  start: Start,
  fleet: Fleet,
  load: readonly Float64Array[][],
): Promise<{ millis: number[]; missing: number }> {
  return inScratch(async (folder) => {
    const subject = await start(join(folder, 'data'), fleet)
    try {
      const begin = Date.now() - load.length * roundMillis
      const wallOf = (round: number) => begin + round * roundMillis
      await subject.send({ rounds: load.slice(0, rounds), wallOf })
      const more = { rounds: load.slice(rounds), wallOf: (at: number) => wallOf(rounds + at) }
      // Ends with the connection.
      subject.send(more).catch(() => undefined)
      await delay(underLoadMillis)
      const millis = []
      let missing = 0
      for (let repeat = 1; repeat <= repeats; repeat++) {
        await subject.crash()
        millis.push(await subject.launch())
        if (repeat > 1) continue
        const expected = hosts * fleet.shapes.length * rounds
        const acknowledged = wallOf(rounds - 1) + 1
        missing = expected - (await storedSamples(subject, fleet.shapes.length, acknowledged))
      }
      return { millis, missing }
    } finally {
      await subject.stop()
    }
  })
}

/** Milliseconds that a kill and start without data takes. */
async function measureEmpty(start: Start): Promise<number> {
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

function starts(): [string, Start][] {
  const found: [string, Start][] = [
    [callward, (folder, fleet) => HubSubject.start(folder, fleet, 'live')],
  ]
  if (settings.profile) return found
  for (const kind of ['victoria-metrics', 'prometheus'] as const) {
    if (peerVersion(kind) === undefined) continue
    found.push([
      peerTitle(kind),
      (folder, fleet) =>
        RequestSubject.startPeer(kind, folder, {
          fleet,
          hostsPerRequest: 25,
          protocol: 'remote-write',
          labelling: 'instance',
        }),
    ])
  }
  return found
}

export const recovery: Benchmark = {
  name: 'recovery',
  async run() {
    const fleet = new Fleet(hosts)
    const load = fleet.rounds(rounds + further)
    const sheet = new Sheet()
    const until = { unit: 'ms', better: 'less' } as const
    const samples = (hosts * fleet.shapes.length * rounds) / 1e6
    const goal = { reach: { is: 1000 }, floor: { is: 3000 } }
    for (const [title, start] of starts()) {
      const { millis, missing } = await measure(start, fleet, load)
      progress(`recovery: ${title}: ${millis.map(Math.round)} ms, ${missing} samples missing`)
      const name = `kill -9 under load, ${samples} M samples in, until ready`
      for (const one of millis) sheet.add({ name, ...until, goal }, title, one)
      for (let repeat = 1; repeat <= repeats; repeat++)
        sheet.add({ name: 'the same without data', ...until }, title, await measureEmpty(start))
      sheet.add(
        { name: 'acknowledged samples missing afterwards', unit: 'samples', better: 'less' },
        title,
        missing,
      )
    }
    return {
      title: `Recovery after kill -9, ${(hosts * fleet.shapes.length).toLocaleString('en')} series`,
      subjects: [callward, peerTitle('victoria-metrics'), peerTitle('prometheus')],
      rows: sheet.rows,
      notes: [
        'From the start of the process until /readyz (Prometheus: /-/ready, VictoriaMetrics: /health) answers 200, asked each 5 ms. Killed while rounds are on their way; killed and started again three times on the same data; what was acknowledged is counted by queries after the first. Callward by sessions, the peers by remote write.',
        'VictoriaMetrics has no log of what it took: it starts without the last seconds, so it has nothing to read. A killed process is not a power failure: what was written and not synced survives the one and not the other.',
      ],
    }
  },
}
