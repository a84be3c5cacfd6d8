import { FrameError } from '../../../collector/wire/frames.ts'
import { ReportDecoder, ReportEncoder } from '../../../collector/wire/report.ts'
import { restoreDecoder } from '../../../collector/wire/row-codec.ts'
import { readTextFrame } from '../../../server/ingest/schema.ts'
import { hostLabels } from '../../helpers/host-labels.ts'

/** Series of the dictionary that every binary input belongs to. */
const dictionary = 21
const openingBrace = 0x7b

type Random = () => number

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const below = (random: Random, limit: number) => Math.floor(random() * limit)
const pick = <T>(random: Random, from: readonly T[]): T => from[below(random, from.length)]!

/** A double of any class: small and large whole numbers, decimals, full precision, the special ones. */
export function anyDouble(random: Random): number {
  const kinds: readonly (() => number)[] = [
    () => below(random, 200) - 100,
    () => Math.floor(random() * 2 ** 50),
    () => Math.round(random() * 1e6) / 10 ** below(random, 10),
    () => random() * 10 ** (below(random, 40) - 20),
    () => (random() - 0.5) * Number.MAX_VALUE,
    () => random() * Number.MIN_VALUE * 2 ** below(random, 53),
    () => Math.fround(random()),
    () => pick(random, [0, -0, Number.NaN, Infinity, -Infinity, 2 ** 51, -(2 ** 51), 2 ** 53]),
  ]
  return pick(random, kinds)()
}

/** The reports that every binary input comes after: columns in every form. */
function primer(encoder: ReportEncoder): Uint8Array[] {
  const random = seededRandom(1)
  return [1, 2].map((sequence) =>
    encoder.encode({
      lane: 'live',
      sequence,
      wall: 1_763_771_234_123,
      monotonic: sequence,
      values: Float64Array.from({ length: dictionary }, () => anyDouble(random)),
      absent: undefined,
      stale: undefined,
    }),
  )
}

function reportFrame(random: Random): Uint8Array {
  const encoder = new ReportEncoder()
  primer(encoder)
  const bits = () =>
    Uint8Array.from({ length: 3 }, (_, i) => below(random, 256) & (i === 2 ? 0x1f : 0xff))
  const absent = random() < 0.5 ? bits() : undefined
  const stale = random() < 0.3 ? bits().map((byte, i) => byte & ~(absent?.[i] ?? 0)) : undefined
  return encoder.encode({
    lane: random() < 0.7 ? 'live' : 'backlog',
    sequence: 1 + below(random, 1000),
    wall: Date.UTC(2026, 0, 1) + random() * 1e9,
    monotonic: random() * 1e7,
    values: Float64Array.from({ length: dictionary }, () => anyDouble(random)),
    absent,
    stale,
  })
}

function textFrame(random: Random): Uint8Array {
  const frames: readonly object[] = [
    {
      type: 'hello',
      protocols: [1, below(random, 9)],
      collector: '0d3f1f0e-9a43-4c9e-8f0a-3f1f0e9a434c',
      epoch: 'e1',
      version: '1.0.0',
      labels: hostLabels,
      intervalSeconds: 1 + below(random, 3600),
      wall: random() * 2e12,
    },
    {
      type: 'series',
      from: below(random, 50_000),
      series: Array.from({ length: below(random, 4) }, (_, i) => ({
        name: `node_m${i}`,
        labels: { device: `sd${i}`, path: '/é"\\' },
      })),
    },
    { type: 'sections', sections: [{ name: 'cpu', state: 'ok', detail: '' }] },
    { type: 'facts', name: 'os', hash: 'a'.repeat(64), document: { a: [1, null] }, wall: 1 },
    { type: 'bye', reason: 'stopping' },
    {
      type: 'proof',
      counter: below(random, 1000),
      linkProof: 'Kq3v'.repeat(10).padEnd(43, 'A'),
      machine: { 'machine-id': 'b64urlb64urlb64urlb64A', product: 'AAAAAAAAAAAAAAAAAAAAAA' },
      signature: 'x_-9'.repeat(21).padEnd(86, 'A'),
    },
  ]
  return Buffer.from(JSON.stringify(pick(random, frames)))
}

/** A byte changed, cut off, put in, repeated or left out, one to three times. */
function mutated(bytes: Uint8Array, random: Random): Uint8Array {
  let now: Uint8Array = bytes
  for (let left = 1 + below(random, 3); left > 0; left--) {
    const at = below(random, now.length + 1)
    const edits: readonly (() => Uint8Array)[] = [
      () =>
        Buffer.concat([now.subarray(0, at), Buffer.of(below(random, 256)), now.subarray(at + 1)]),
      () => Buffer.concat([now.subarray(0, at), Buffer.of(below(random, 256)), now.subarray(at)]),
      () => Buffer.concat([now.subarray(0, at), now.subarray(at + 1)]),
      () => now.subarray(0, at),
      () => Buffer.concat([now, now.subarray(at)]),
      () => {
        const flipped = Buffer.from(now)
        if (at < flipped.length) flipped[at]! ^= 1 << below(random, 8)
        return flipped
      },
    ]
    now = pick(random, edits)()
  }
  return now
}

/** Frames a collector could send, without end: a third as they should be, the others with changed bytes. */
export function* sessionFrameInputs(seed: number): Iterable<Uint8Array> {
  const random = seededRandom(seed)
  for (;;) {
    const frame = random() < 0.7 ? reportFrame(random) : textFrame(random)
    yield random() < 0.35 ? frame : mutated(frame, random)
  }
}

/** Reads a frame as the hub would; throws when it is neither read nor refused as the protocol says. */
export function tryFrame(bytes: Uint8Array): 'accepted' | 'refused' {
  if (bytes[0] === openingBrace)
    return 'fault' in readTextFrame(Buffer.from(bytes).toString('utf8')) ? 'refused' : 'accepted'
  const reports = new ReportDecoder()
  for (const frame of primer(new ReportEncoder())) reports.decode(frame, dictionary)
  try {
    const { values, decoder } = reports.decode(bytes, dictionary)
    if (values.length !== dictionary) throw new Error(`BUG: ${values.length} values`)
    const again = restoreDecoder(decoder.snapshot()).values
    const differs = values.findIndex((value, i) => !Object.is(value, again[i]))
    if (differs >= 0)
      throw new Error(`BUG: column ${differs} is ${values[differs]} and ${again[differs]}`)
    return 'accepted'
  } catch (error) {
    if (error instanceof FrameError) return 'refused'
    throw error
  }
}
