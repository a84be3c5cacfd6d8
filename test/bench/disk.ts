import { join } from 'node:path'
import {
  historyHosts,
  historyHours,
  type Keeper,
  type SetName,
  type StoredSet,
  sets,
  storeSet,
} from './history.ts'
import { type Benchmark, callward, lastingScratch, Sheet, settings, victoriaName } from './kit.ts'
import { peerTitle, peerVersion } from './peers.ts'

const known = new Map<string, StoredSet>()

/** The last sample of the sets is just before this minute. */
export const historyEnd = Math.floor(Date.now() / 60_000) * 60_000

/** A set on disk; made once in a run, as the data are the same every time. */
export async function storedSet(keeper: Keeper, set: SetName): Promise<StoredSet> {
  const key = `${keeper}-${set}`
  const found = known.get(key)
  if (found !== undefined) return found
  const stored = await storeSet(keeper, set, join(lastingScratch(), key), historyEnd)
  known.set(key, stored)
  return stored
}

/** Who is there to keep sets, Callward first, with the title of its column. */
export function keepers(): [Keeper, string][] {
  const peers = (['victoria-metrics', 'prometheus'] as const).filter(
    (kind) => !settings.profile && peerVersion(kind) !== undefined,
  )
  return [
    ['callward', callward],
    ...peers.map((kind) => [kind, peerTitle(kind)] as [Keeper, string]),
  ]
}

export const disk: Benchmark = {
  name: 'disk',
  async run() {
    const sheet = new Sheet()
    const bytes = { unit: 'B a sample', better: 'less' } as const
    const goal = {
      reach: { times: 1, peer: victoriaName },
      floor: { times: 1.2, peer: victoriaName },
    }
    const speed = { unit: 'k samples/CPU-s', better: 'more' } as const
    for (const set of ['full', 'hist'] as const) {
      for (const [keeper, column] of keepers()) {
        const stored = await storedSet(keeper, set)
        sheet.add({ name: `${set}: stored`, ...bytes, goal }, column, stored.bytesPerSample)
        sheet.add({ name: `${set}: log apart`, ...bytes }, column, stored.logBytesPerSample)
        sheet.add(
          { name: `${set}: loading and compacting`, ...speed },
          column,
          stored.samplesPerCpuSecond / 1000,
        )
      }
    }
    return {
      title: 'Disk: bytes a sample after compaction',
      subjects: [callward, peerTitle('victoria-metrics'), peerTitle('prometheus')],
      rows: sheet.rows,
      notes: [
        `full: ${historyHosts} hosts x 200 series x ${sets.full.rounds} rounds of 10 s, 62 of the 200 constant. hist: ${historyHosts} hosts x 20 series that always change x ${historyHours} h. One load each: the numbers are the same every time.`,
        'Sizes of all files of the data folder. Callward: after POST /api/v1/store/compact, loaded by sessions (backlog). VictoriaMetrics: after force_flush and force_merge. Prometheus: its snapshot, every sample in blocks. The peers by remote write, ten minutes of a host a request.',
        'The log repeats what is also kept elsewhere: Callward’s journal is trimmed as generations are sealed, Prometheus’s WAL every two hours; VictoriaMetrics has none.',
      ],
    }
  },
}
