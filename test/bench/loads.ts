import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Fleet } from './fleet.ts'
import {
  cpuSeconds,
  inScratch,
  progress,
  residentMebibytes,
  settings,
  sized,
  waitSeconds,
} from './kit.ts'
import { type PeerKind, peerVersion } from './peers.ts'
import { profiled } from './profile.ts'
import type { HostLabelling } from './remote-write.ts'
import {
  HubSubject,
  type Load,
  type Protocol,
  RequestSubject,
  type Subject,
  verify,
} from './subjects.ts'

export const hosts = sized(1000, 100)
const rounds = sized(60, 20)
/** Prometheus takes minutes for what the others take in seconds. */
const fewerRounds = sized(20, 10)
/** Rounds are this far apart in the data. */
const roundMillis = 10_000
const settleMillis = 5000
/** 25 hosts x 200 series are 5,000 samples. */
const hostsPerRequest = 25

/** One way of loading one server. */
export interface LoadCase {
  readonly name: string
  /** The program that must be installed. */
  readonly needs?: PeerKind
  readonly rounds: number
  start(folder: string, fleet: Fleet): Promise<Subject & { readonly inspector?: number }>
}

export interface LoadFigures {
  readonly perCpuSecond: number
  /** The same with what the server did in the five seconds after. */
  readonly settledPerCpuSecond: number
  /** New series a CPU second, of the round that makes them. */
  readonly newSeriesPerCpuSecond: number
  readonly memory: { readonly all: number; readonly anonymous: number; readonly peak: number }
  /** Share of the load's time that the server's threads waited for their core. */
  readonly waitShare: number
}

interface Requests {
  readonly name: string
  readonly server: 'hub' | 'prometheus' | 'victoria-metrics'
  readonly protocol: Protocol
  readonly labelling?: HostLabelling
}

/** A load by requests instead of sessions. */
function byRequests({ name, server, protocol, labelling = 'instance' }: Requests): LoadCase {
  const options = (fleet: Fleet) => ({ fleet, hostsPerRequest, protocol, labelling })
  if (server === 'hub')
    return {
      name,
      rounds,
      start: (folder, fleet) => RequestSubject.startHub(folder, options(fleet)),
    }
  return {
    name,
    needs: server,
    rounds: server === 'prometheus' ? fewerRounds : rounds,
    start: (folder, fleet) => RequestSubject.startPeer(server, folder, options(fleet)),
  }
}

export const loadCases = {
  hubSession: {
    name: 'Callward, sessions',
    rounds,
    start: async (folder, fleet) => {
      const subject = await HubSubject.start(folder, fleet, 'live')
      return Object.assign(subject, { inspector: subject.server.inspector })
    },
  },
  hubRemoteWrite: byRequests({
    name: 'Callward, remote write',
    server: 'hub',
    protocol: 'remote-write',
  }),
  victoriaLines: byRequests({
    name: 'VictoriaMetrics, lines',
    server: 'victoria-metrics',
    protocol: 'lines',
  }),
  victoriaLinesAllLabels: byRequests({
    name: 'VictoriaMetrics, lines with all labels',
    server: 'victoria-metrics',
    protocol: 'lines',
    labelling: 'all',
  }),
  victoriaRemoteWrite: byRequests({
    name: 'VictoriaMetrics, remote write',
    server: 'victoria-metrics',
    protocol: 'remote-write',
  }),
  prometheusRemoteWrite: byRequests({
    name: 'Prometheus, remote write',
    server: 'prometheus',
    protocol: 'remote-write',
  }),
} as const satisfies Record<string, LoadCase>

let made: { fleet: Fleet; values: Float64Array[][] } | undefined

/** The same numbers for every case; made once. */
function sharedLoad(): { fleet: Fleet; values: Float64Array[][] } {
  if (made === undefined) {
    const fleet = new Fleet(hosts)
    made = { fleet, values: fleet.rounds(rounds + 1) }
  }
  return made
}

const known = new Map<string, LoadFigures | undefined>()

/**
 * Loads a fresh server; undefined when it is not installed. The answer of an earlier benchmark of this run is taken
 * again.
 */
export async function loadFigures(one: LoadCase, repeat: number): Promise<LoadFigures | undefined> {
  const key = `${one.name} ${repeat}`
  if (!known.has(key)) known.set(key, await measure(one, repeat))
  return known.get(key)
}

async function measure(one: LoadCase, repeat: number): Promise<LoadFigures | undefined> {
  if (one.needs !== undefined && (settings.profile || peerVersion(one.needs) === undefined))
    return undefined
  const { fleet, values } = sharedLoad()
  return inScratch(async (folder) => {
    const subject = await one.start(join(folder, 'data'), fleet)
    try {
      const figures = await loaded(one, subject, fleet, values)
      const { perCpuSecond, settledPerCpuSecond, waitShare } = figures
      progress(
        `${one.name}, ${repeat}: ${thousands(perCpuSecond)} samples/CPU-s, settled ${thousands(settledPerCpuSecond)}, ${thousands(figures.newSeriesPerCpuSecond)} new series/CPU-s, ${Math.round(figures.memory.all)} MiB, waited ${Math.round(waitShare * 100)} % for the core`,
      )
      return figures
    } finally {
      await subject.stop()
    }
  })
}

const thousands = (value: number) => `${Math.round(value / 1000).toLocaleString('en')} k`

async function loaded(
  one: LoadCase,
  subject: Subject & { readonly inspector?: number },
  fleet: Fleet,
  values: Float64Array[][],
): Promise<LoadFigures> {
  const sent = values.slice(0, one.rounds + 1)
  const begin = Date.now() - sent.length * roundMillis
  const part = (from: number, to: number): Load => ({
    rounds: sent.slice(from, to),
    wallOf: (round) => begin + (from + round) * roundMillis,
  })
  const { pid } = subject.target
  const cpu = () => cpuSeconds(pid).own
  const series = hosts * fleet.shapes.length
  const samples = series * one.rounds
  const beforeSeries = cpu()
  await subject.send(part(0, 1))
  await delay(500)
  const before = cpu()
  const waited = waitSeconds(pid)
  const began = performance.now()
  const send = () => subject.send(part(1, sent.length))
  if (subject.inspector) await profiled(one.name.replace(/\W+/g, '-'), subject.inspector, send)
  else await send()
  const seconds = (performance.now() - began) / 1000
  const waitShare = (waitSeconds(pid) - waited) / seconds
  const after = cpu()
  await delay(settleMillis)
  const settled = cpu()
  const memory = residentMebibytes(pid)
  await verify(subject, fleet.shapes.length, sent, Date.now())
  return {
    perCpuSecond: samples / (after - before),
    settledPerCpuSecond: samples / (settled - before),
    newSeriesPerCpuSecond: series / (before - beforeSeries),
    memory,
    waitShare,
  }
}
