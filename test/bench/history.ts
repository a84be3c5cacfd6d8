import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { TestHub } from '../helpers/hub.ts'
import { changingShapes, Fleet, hostShapes } from './fleet.ts'
import { cpuSeconds, http, progress, sized } from './kit.ts'
import { openSessions, sendRounds } from './load-session.ts'
import { Peer } from './peers.ts'
import { fleetLabels, inQueues, type Job, remoteWrite } from './remote-write.ts'
import { BenchHub } from './subjects.ts'

export type SetName = 'full' | 'hist'
export type Keeper = 'callward' | 'prometheus' | 'victoria-metrics'

const stepMillis = 10_000

/** Samples lie this far from the steps of queries, so that it does not matter on which side a window is open. */
const offGridMillis = 3000

export const historyHosts = sized(100, 20)
export const historyHours = sized(24, 6)

interface SetShape {
  readonly fleet: () => Fleet
  readonly rounds: number
}

/**
 * full: hosts with their 200 series, a third of them constant, for 100 minutes. hist: 20 series of each that always
 * change, for a day.
 */
export const sets: Readonly<Record<SetName, SetShape>> = {
  full: { fleet: () => new Fleet(historyHosts, hostShapes), rounds: sized(600, 120) },
  hist: { fleet: () => new Fleet(historyHosts, changingShapes), rounds: historyHours * 360 },
}

/** A set with its times: rounds oldest first, in blocks. */
class History {
  readonly fleet: Fleet
  readonly #rounds: number
  readonly #end: number

  constructor(set: SetName, end: number) {
    this.fleet = sets[set].fleet()
    this.#rounds = sets[set].rounds
    this.#end = end
  }

  get samples(): number {
    return this.fleet.hosts.length * this.fleet.shapes.length * this.#rounds
  }

  *blocks(length: number): Generator<{ walls: number[]; rounds: Float64Array[][] }> {
    const first = this.#end - offGridMillis - (this.#rounds - 1) * stepMillis
    for (let from = 0; from < this.#rounds; from += length) {
      const walls = Array.from({ length }, (_, index) => first + (from + index) * stepMillis)
      yield { walls, rounds: this.fleet.rounds(length) }
    }
  }
}

/** Bytes of a folder's files, by the names of the folders directly in it; what lies in the folder itself is ''. */
function fileBytes(folder: string): Map<string, number> {
  const bytes = new Map<string, number>()
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const [first = ''] = path
      .slice(folder.length + 1)
      .split('/')
      .slice(0, -1)
    bytes.set(first, (bytes.get(first) ?? 0) + statSync(path).size)
  }
  return bytes
}

const sum = (bytes: Iterable<number>) => [...bytes].reduce((all, one) => all + one, 0)

export interface StoredSet {
  /** What the server was started on, and can be again. */
  readonly folder: string
  /** Bytes a sample of everything that is kept, after compaction; a log of what is also elsewhere is apart. */
  readonly bytesPerSample: number
  readonly logBytesPerSample: number
  readonly samplesPerCpuSecond: number
}

/** Loads a set into a fresh server, has it compacted as far as it goes, and stops the server. */
export async function storeSet(
  keeper: Keeper,
  set: SetName,
  folder: string,
  end: number,
): Promise<StoredSet> {
  const history = new History(set, end)
  mkdirSync(folder, { recursive: true })
  const stored =
    keeper === 'callward'
      ? await storeInHub(history, folder)
      : await storeInPeer(keeper, history, folder)
  progress(
    `${keeper}, ${set}: ${stored.bytesPerSample.toFixed(3)} B a sample, log ${stored.logBytesPerSample.toFixed(3)}, ${Math.round(stored.samplesPerCpuSecond / 1000)} k samples/CPU-s`,
  )
  return { folder, ...stored }
}

type Figures = Omit<StoredSet, 'folder'>

const roundsPerBlock = 60

async function storeInHub(history: History, folder: string): Promise<Figures> {
  const server = await BenchHub.start(folder)
  const { hub } = server
  try {
    const token = await hub.token('bench', 'collector')
    const sessions = await openSessions(hub.url, token, history.fleet, 60)
    const before = cpuSeconds(server.target.pid).own
    for (const { walls, rounds } of history.blocks(roundsPerBlock))
      await sendRounds(sessions, 'backlog', rounds, (at) => walls[at]!)
    for (const session of sessions) session.close()
    await compactHub(hub)
    const used = cpuSeconds(server.target.pid).own - before
    const bytes = fileBytes(join(folder, 'hub', 'store'))
    const journal = bytes.get('journal') ?? 0
    return {
      bytesPerSample: (sum(bytes.values()) - journal) / history.samples,
      logBytesPerSample: journal / history.samples,
      samplesPerCpuSecond: history.samples / used,
    }
  } finally {
    await hub.stop()
  }
}

/** Seals and merges all there is. */
async function compactHub(hub: TestHub): Promise<void> {
  const answer = await hub.fetch('/api/v1/store/compact', { method: 'POST', body: {} })
  if (!answer.ok) throw new Error(`compaction: ${answer.status} ${await answer.text()}`)
}

async function storeInPeer(
  kind: Exclude<Keeper, 'callward'>,
  history: History,
  folder: string,
): Promise<Figures> {
  const peer = await Peer.start(kind, folder)
  try {
    const labels = fleetLabels(history.fleet, 'instance')
    const before = cpuSeconds(peer.pid).own
    for (const { walls, rounds } of history.blocks(roundsPerBlock))
      await inQueues(4, requestsOf(`${peer.url}/api/v1/write`, labels, walls, rounds))
    const bytes =
      kind === 'prometheus'
        ? await snapshotBytes(peer)
        : { kept: await mergedBytes(peer), samples: history.samples }
    const used = cpuSeconds(peer.pid).own - before
    const log = kind === 'prometheus' ? (fileBytes(peer.data).get('wal') ?? 0) : 0
    return {
      bytesPerSample: bytes.kept / bytes.samples,
      logBytesPerSample: log / history.samples,
      samplesPerCpuSecond: history.samples / used,
    }
  } finally {
    await peer.stop()
  }
}

/** One request a host, with all its samples of a block. */
function* requestsOf(
  url: string,
  labels: Buffer[][],
  walls: readonly number[],
  rounds: readonly Float64Array[][],
): Generator<Job> {
  for (const [host, encoded] of labels.entries()) {
    const series = encoded.map((own, shape) => ({
      labels: own,
      times: walls,
      values: rounds.map((values) => values[host]![shape]!),
    }))
    yield { queue: host, run: (agent) => remoteWrite(url, series, { agent }) }
  }
}

/** A snapshot holds all samples as blocks: what they are after compaction, without the log. */
async function snapshotBytes(peer: Peer): Promise<{ kept: number; samples: number }> {
  const { body } = await http(`${peer.url}/api/v1/admin/tsdb/snapshot`, { method: 'POST' })
  const { data } = JSON.parse(body.toString()) as { data: { name: string } }
  const folder = join(peer.data, 'snapshots', data.name)
  let samples = 0
  for (const block of readdirSync(folder)) {
    const meta = JSON.parse(readFileSync(join(folder, block, 'meta.json'), 'utf8')) as {
      stats: { numSamples: number }
    }
    samples += meta.stats.numSamples
  }
  return { kept: sum(fileBytes(folder).values()), samples }
}

async function mergedBytes(peer: Peer): Promise<number> {
  await http(`${peer.url}/internal/force_flush`)
  await delay(2000)
  await http(`${peer.url}/internal/force_merge`)
  await untilIdle(peer.pid, 30_000)
  return sum(fileBytes(peer.data).values())
}

/** Resolves when a process has used next to nothing for two seconds, or after `withinMillis`. */
export async function untilIdle(pid: number, withinMillis: number): Promise<void> {
  const deadline = performance.now() + withinMillis
  for (let quiet = 0; quiet < 4 && performance.now() < deadline; ) {
    const before = cpuSeconds(pid).own
    await delay(500)
    quiet = cpuSeconds(pid).own - before <= 0.02 ? quiet + 1 : 0
  }
}
