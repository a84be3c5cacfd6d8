import { Agent } from 'node:http'
import { compressSnappy } from '../../server/store/victoria/snappy-encoder.ts'
import type { Fleet } from './fleet.ts'
import { http } from './kit.ts'

/** Samples of one series in ascending time. */
export interface RemoteSeries {
  /** Encoded labels, from `encodeLabels`. */
  readonly labels: Buffer
  readonly times: readonly number[]
  readonly values: readonly number[]
}

/** Grows a varint, seven bits a byte, the low ones first. */
function varint(value: number): number[] {
  const bytes = []
  let rest = value
  while (rest > 127) {
    bytes.push((rest % 128) | 128)
    rest = Math.floor(rest / 128)
  }
  return [...bytes, rest]
}

function field(tag: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag, ...varint(content.length)]), content])
}

/** The `Label` messages of a series, sorted by name as remote write asks. */
export function encodeLabels(labels: Readonly<Record<string, string>>): Buffer {
  const names = Object.keys(labels).sort()
  return Buffer.concat(
    names.map((name) =>
      field(
        0x0a,
        Buffer.concat([field(0x0a, Buffer.from(name)), field(0x12, Buffer.from(labels[name]!))]),
      ),
    ),
  )
}

const sampleBytes = 18

/** A `WriteRequest` of remote write 1.0, not compressed. */
export function encodeWriteRequest(series: readonly RemoteSeries[]): Buffer {
  const size = series.reduce(
    (sum, { labels, times }) => sum + labels.length + times.length * sampleBytes + 8,
    0,
  )
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  const putVarint = (value: number) => {
    let rest = value
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 128
    bytes[at++] = rest
  }
  for (const { labels, times, values } of series) {
    bytes[at++] = 0x0a
    putVarint(labels.length + times.length * sampleBytes)
    at += labels.copy(bytes, at)
    for (const [index, time] of times.entries()) {
      bytes[at++] = 0x12
      bytes[at++] = sampleBytes - 2
      bytes[at++] = 0x09
      at = bytes.writeDoubleLE(values[index]!, at)
      bytes[at++] = 0x10
      // A time of this century in milliseconds takes six bytes.
      putVarint(time)
    }
  }
  return bytes.subarray(0, at)
}

/** Headers of remote write 1.0. */
export const writeHeaders = {
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
  'x-prometheus-remote-write-version': '0.1.0',
}

/** Which labels of a host its series carry: all that a session gives them, or only `instance`. */
export type HostLabelling = 'all' | 'instance'

export function hostLabelsOf({ hosts }: Fleet, labelling: HostLabelling, host: number): object {
  const labels = hosts[host]!
  return labelling === 'all' ? labels : { instance: labels.instance }
}

/** Encoded labels of every series of a fleet, by host. */
export function fleetLabels(fleet: Fleet, labelling: HostLabelling = 'all'): Buffer[][] {
  return fleet.hosts.map((_, host) => {
    const own = hostLabelsOf(fleet, labelling, host)
    return fleet.shapes.map(({ name, labels }) =>
      encodeLabels({ ...labels, ...own, __name__: name }),
    )
  })
}

/** Sends one request and throws unless the answer is 2xx. */
export async function remoteWrite(
  url: string,
  series: readonly RemoteSeries[],
  { agent, authorization }: { agent?: Agent; authorization?: string } = {},
): Promise<void> {
  const body = compressSnappy(encodeWriteRequest(series))
  await post(
    url,
    body,
    authorization === undefined ? writeHeaders : { ...writeHeaders, authorization },
    agent,
  )
}

export async function post(
  url: string,
  body: Buffer,
  withHeaders: Readonly<Record<string, string>>,
  agent?: Agent,
): Promise<void> {
  const options = { method: 'POST', headers: withHeaders, body, ...(agent ? { agent } : {}) }
  const answer = await http(url, options)
  if (answer.status >= 300)
    throw new Error(`${url}: ${answer.status} ${answer.body.toString().slice(0, 300)}`)
}

export interface Job {
  readonly queue: number
  readonly run: (agent: Agent) => Promise<void>
}

/** Does the jobs of `connections` queues side by side, each queue in its order, one request outstanding a connection. */
export async function inQueues(connections: number, jobs: Iterable<Job>): Promise<void> {
  const agents = Array.from(
    { length: connections },
    () => new Agent({ keepAlive: true, maxSockets: 1 }),
  )
  const tails: Promise<void>[] = agents.map(() => Promise.resolve())
  for (const { queue, run } of jobs) {
    const at = queue % connections
    // At most one job waits behind the running one: bodies are made when they are due.
    await tails[at]
    tails[at] = run(agents[at]!)
    tails[at].catch(() => undefined)
  }
  await Promise.all(tails)
  for (const agent of agents) agent.destroy()
}
