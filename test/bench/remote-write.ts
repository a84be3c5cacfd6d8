import { Agent } from 'node:http'
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

const literalBytes = 65_536

/** Snappy's block format without any compression: literals only. */
export function snappyLiterals(content: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from(varint(content.length))]
  for (let from = 0; from < content.length; from += literalBytes) {
    const literal = content.subarray(from, from + literalBytes)
    const tag = Buffer.from([61 << 2, 0, 0])
    tag.writeUInt16LE(literal.length - 1, 1)
    parts.push(tag, literal)
  }
  return Buffer.concat(parts)
}

const headers = {
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
  'x-prometheus-remote-write-version': '0.1.0',
}

/** Encoded labels of every series of a fleet, by host. */
export function fleetLabels({ hosts, shapes }: Fleet): Buffer[][] {
  return hosts.map((host) =>
    shapes.map(({ name, labels }) => encodeLabels({ ...labels, ...host, __name__: name })),
  )
}

/** Sends one request and throws unless the answer is 2xx. */
export async function remoteWrite(
  url: string,
  series: readonly RemoteSeries[],
  agent?: Agent,
): Promise<void> {
  const body = snappyLiterals(encodeWriteRequest(series))
  await post(url, body, headers, agent)
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

/** Does the jobs of `connections` queues side by side, each queue in its order, one request outstanding a connection. */
export async function inQueues(
  connections: number,
  jobs: Iterable<{ readonly queue: number; run(agent: Agent): Promise<void> }>,
): Promise<void> {
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
