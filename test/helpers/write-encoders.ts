/** Encoders of what senders send, for tests of the write routes. */

export interface SentSeries {
  readonly labels: readonly (readonly [name: string, value: string])[]
  readonly samples: readonly { readonly t: number; readonly value: number | 'stale' }[]
}

function varint(value: number | bigint): Buffer {
  let rest = BigInt.asUintN(64, BigInt(value))
  const bytes: number[] = []
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return Buffer.from(bytes)
}

/** A length-delimited protobuf field. */
export function block(field: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content)
  return Buffer.concat([varint(field * 8 + 2), varint(bytes.length), bytes])
}

/** A varint field. */
export function whole(field: number, value: number | bigint): Buffer {
  return Buffer.concat([varint(field * 8), varint(value)])
}

/** A double field; the staleness mark by its bits. */
export function double(field: number, value: number | 'stale'): Buffer {
  const bytes = Buffer.alloc(8)
  if (value === 'stale') bytes.writeBigUInt64LE(0x7ff0_0000_0000_0002n)
  else bytes.writeDoubleLE(value)
  return Buffer.concat([varint(field * 8 + 1), bytes])
}

export function encodeSeries({ labels, samples }: SentSeries): Buffer {
  return block(
    1,
    Buffer.concat([
      ...labels.map(([name, value]) => block(1, Buffer.concat([block(1, name), block(2, value)]))),
      ...samples.map(({ t, value }) => {
        // As proto3 does: a zero is left out.
        const parts = [...(Object.is(value, 0) ? [] : [double(1, value)])]
        if (t !== 0) parts.push(whole(2, t))
        return block(2, Buffer.concat(parts))
      }),
    ]),
  )
}

/** The protobuf message `prometheus.WriteRequest`. */
export function encodeWriteRequest(series: readonly SentSeries[]): Buffer {
  return Buffer.concat(series.map(encodeSeries))
}

/** A snappy block, with copies of both short kinds where four bytes repeat. */
export function encodeSnappy(input: Buffer): Buffer {
  const parts = [varint(input.length)]
  const seen = new Map<number, number>()
  let from = 0
  let at = 0
  const literal = (end: number) => {
    for (; from < end; from += Math.min(end - from, 65_536)) {
      const length = Math.min(end - from, 65_536)
      if (length <= 60) parts.push(Buffer.from([(length - 1) << 2]))
      else if (length <= 256) parts.push(Buffer.from([60 << 2, length - 1]))
      else parts.push(Buffer.from([61 << 2, (length - 1) & 0xff, (length - 1) >> 8]))
      parts.push(input.subarray(from, from + length))
    }
  }
  while (at + 4 <= input.length) {
    const key = input.readUInt32LE(at)
    const former = seen.get(key)
    seen.set(key, at)
    if (former === undefined || at - former > 65_535) {
      at++
      continue
    }
    const offset = at - former
    let length = 4
    while (
      length < 64 &&
      input[at + length] === input[former + length] &&
      at + length < input.length
    )
      length++
    literal(at)
    if (length <= 11 && offset < 2048)
      parts.push(Buffer.from([1 | ((length - 4) << 2) | ((offset >> 8) << 5), offset & 0xff]))
    else parts.push(Buffer.from([2 | ((length - 1) << 2), offset & 0xff, offset >> 8]))
    at += length
    from = at
  }
  literal(input.length)
  return Buffer.concat(parts)
}

/** The body of a remote write request. */
export function remoteWriteBody(series: readonly SentSeries[]): Buffer {
  return encodeSnappy(encodeWriteRequest(series))
}
