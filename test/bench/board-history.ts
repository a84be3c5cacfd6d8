import { setTimeout as delay } from 'node:timers/promises'
import { compressSnappy } from '../../server/store/victoria/snappy-encoder.ts'
import { adminToken } from '../helpers/hub.ts'
import { boardShapes, Fleet } from './fleet.ts'
import { untilIdle } from './history.ts'
import { callward, cpuSeconds, http, instantValue, progress, sized, type Target } from './kit.ts'
import type { Peer } from './peers.ts'
import { encodeWriteRequest, fleetLabels, post, writeHeaders } from './remote-write.ts'
import type { BenchHub } from './subjects.ts'

/** A quarter of a year of a small fleet, for panels over long spans. */
export const boardHosts = sized(20, 4)
export const boardDays = sized(90, 3)
const stepMillis = 60_000
const roundsPerRequest = 60

/** Samples lie this far from the steps of queries, so that it does not matter on which side a window is open. */
const offGridMillis = 3000

/** The last sample is just before this hour. */
export const boardEnd = Math.floor(Date.now() / 3600_000) * 3600_000

/** A server that is filled: where it takes remote write and where it is asked. */
export interface Filled {
  readonly target: Target
  readonly writeUrl: string
  readonly authorization?: string
}

export function hubFilled({ hub, target }: BenchHub): Filled {
  return {
    target,
    writeUrl: `${hub.url}/prom/api/v1/write`,
    authorization: `Bearer ${adminToken}`,
  }
}

export function peerFilled({ url, target }: Peer): Filled {
  return { target, writeUrl: `${url}/api/v1/write` }
}

export interface FillFigures {
  readonly samples: number
  readonly wallSeconds: number
  /** CPU seconds by server. */
  readonly cpu: Readonly<Record<string, number>>
}

/** Sends the same requests to all, oldest samples first, and checks that each holds every sample. */
export async function fillBoards(servers: readonly Filled[]): Promise<FillFigures> {
  const fleet = new Fleet(boardHosts, boardShapes)
  const labels = fleetLabels(fleet)
  const rounds = (boardDays * 86_400_000) / stepMillis
  const first = boardEnd - offGridMillis - (rounds - 1) * stepMillis
  const began = performance.now()
  const before = servers.map(({ target }) => cpuSeconds(target.pid).own)
  for (let from = 0; from < rounds; from += roundsPerRequest) {
    const times = Array.from(
      { length: roundsPerRequest },
      (_, i) => first + (from + i) * stepMillis,
    )
    const values = fleet.rounds(roundsPerRequest)
    const series = labels.flatMap((own, host) =>
      own.map((encoded, shape) => ({
        labels: encoded,
        times,
        values: values.map((round) => round[host]![shape]!),
      })),
    )
    const body = compressSnappy(encodeWriteRequest(series))
    await Promise.all(servers.map((server) => send(server, body)))
    if ((from / roundsPerRequest) % 240 === 0)
      progress(`boards: filled ${Math.round(from / 1440)} of ${boardDays} days`)
  }
  const samples = rounds * boardHosts * boardShapes.length
  const wallSeconds = (performance.now() - began) / 1000
  await settle(servers)
  for (const { target } of servers) await counted(target, rounds)
  const cpu = servers.map(
    ({ target }, index) => [target.name, cpuSeconds(target.pid).own - before[index]!] as const,
  )
  return { samples, wallSeconds, cpu: Object.fromEntries(cpu) }
}

function send({ writeUrl, authorization }: Filled, body: Buffer): Promise<void> {
  return post(writeUrl, body, authorization ? { ...writeHeaders, authorization } : writeHeaders)
}

/** Has all that is there sealed, merged and shown. */
async function settle(servers: readonly Filled[]): Promise<void> {
  for (const { target, authorization } of servers) {
    const base = target.prometheusApi.replace(/(\/prom)?\/api\/v1$/, '')
    if (target.name === callward && authorization !== undefined) {
      const { status } = await http(`${base}/api/v1/store/compact`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body: Buffer.from('{}'),
      })
      if (status >= 300) throw new Error(`compaction: ${status}`)
    } else {
      await http(`${base}/internal/force_flush`)
      await delay(2000)
      await http(`${base}/internal/force_merge`)
    }
    await untilIdle(target.pid, 60_000)
  }
}

async function counted(target: Target, rounds: number): Promise<void> {
  const query = `sum(count_over_time(node_load1[${boardDays}d]))`
  const found = await instantValue(target, query, boardEnd)
  if (found !== rounds * boardHosts)
    throw new Error(`${target.name} holds ${found} of ${rounds * boardHosts} samples of node_load1`)
}
