import type { Labels } from '../reader.ts'
import type { SentEntries } from '../spool/sealed-units.ts'

/** Prometheus's staleness mark (model/value, StaleNaN), by its bits: a double may lose them on its way. */
const staleLow = 2
const staleHigh = 0x7ff00000

/** Tag and length of a sample, tag and double, tag and varint of the time. */
const mostSampleBytes = 2 + 9 + 1 + 10

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) bytes++
  return bytes
}

function putVarint(bytes: Buffer, from: number, value: number): number {
  let at = from
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 128
  bytes[at++] = rest
  return at
}

function field(tag: number, content: Buffer): Buffer {
  const head = Buffer.alloc(1 + varintBytes(content.length))
  head[0] = tag
  putVarint(head, 1, content.length)
  return Buffer.concat([head, content])
}

/** The `Label` messages of a series, sorted by name as remote write asks. */
function encodeLabels(labels: Labels): Buffer {
  return Buffer.concat(
    Object.keys(labels)
      .sort()
      .map((name) =>
        field(
          0x0a,
          Buffer.concat([field(0x0a, Buffer.from(name)), field(0x12, Buffer.from(labels[name]!))]),
        ),
      ),
  )
}

/** Writes one `Sample`; `put` writes the eight bytes of its value. */
function putSample(bytes: Buffer, from: number, time: number, put: (at: number) => void): number {
  let at = from
  bytes[at++] = 0x12
  bytes[at++] = 9 + 1 + varintBytes(time)
  bytes[at++] = 0x09
  put(at)
  at += 8
  bytes[at++] = 0x10
  return putVarint(bytes, at, time)
}

function encodeSeries({ labels, times, values, staleTimes }: SentEntries): Buffer {
  const head = encodeLabels(labels)
  const bytes = Buffer.allocUnsafe(
    head.length + (times.length + staleTimes.length) * mostSampleBytes,
  )
  let at = head.copy(bytes)
  for (let i = 0; i < times.length; i++)
    at = putSample(bytes, at, times[i]!, (place) => bytes.writeDoubleLE(values[i]!, place))
  for (const time of staleTimes)
    at = putSample(bytes, at, time, (place) => {
      bytes.writeUInt32LE(staleLow, place)
      bytes.writeUInt32LE(staleHigh, place + 4)
    })
  return field(0x0a, bytes.subarray(0, at))
}

/** A `WriteRequest` of remote write 1.0, not compressed. Times are not negative. */
export function encodeWriteRequest(series: readonly SentEntries[]): Buffer {
  return Buffer.concat(series.map(encodeSeries))
}
