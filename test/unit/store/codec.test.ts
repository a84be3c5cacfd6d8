import fc from 'fast-check'
import t from 'tap'
import { ByteReader, BytesError, ByteWriter } from '../../../server/store/bytes.ts'
import {
  nextRecord,
  readSegment,
  recordAt,
  writeBatch,
  writeHeader,
  writeSeries,
} from '../../../server/store/journal/record.ts'
import { readColumn, writeColumn } from '../../../server/store/parts/column-codec.ts'
import { type Entries, merge } from '../../../server/store/samples.ts'
import { SeriesTableReader, SeriesTableWriter } from '../../../server/store/series/series-table.ts'
import type { Batch } from '../../../server/store/writer.ts'

function packed(values: readonly number[]): Buffer {
  const writer = new ByteWriter(1)
  writeColumn(writer, Float64Array.from(values))
  return writer.bytes()
}

function comesBack(values: readonly number[]): boolean {
  const back = readColumn(new ByteReader(packed(values)), values.length)
  return back.length === values.length && values.every((value, i) => Object.is(back[i], value))
}

t.test('columns come back to the bit', async (t) => {
  const check = (what: string, values: readonly number[]) => t.ok(comesBack(values), what)
  check('nothing', [])
  check('one', [1.5])
  check('constant', [7, 7, 7])
  check('constant NaN', [Number.NaN, Number.NaN])
  check('minus zero among zeros', [0, -0, 0, -0])
  check('minus zeros', [-0, -0])
  check('infinities', [Infinity, 1, -Infinity])
  check('NaN among numbers', [1, Number.NaN, 2])
  check('largest and smallest', [
    Number.MAX_VALUE,
    -Number.MAX_VALUE,
    Number.MIN_VALUE,
    Number.EPSILON,
  ])
  check('around the scaled limit', [2 ** 49 - 1, -(2 ** 49) + 1, 2 ** 49, 2 ** 53, -(2 ** 53)])
  check('extreme differences within the limit', [
    2 ** 49 - 1,
    -(2 ** 49) + 1,
    2 ** 49 - 1,
    -(2 ** 49) + 1,
  ])
  check('decimals', [0.1, 0.25, 0.30000000000000004, 1.005, -0.000001])
  check('a long run of zeros', [
    ...new Array<number>(5000).fill(3),
    4,
    ...new Array<number>(5000).fill(4),
  ])
  check(
    'times',
    Array.from({ length: 720 }, (_, i) => 1.8e12 + i * 10_000 + (i % 7)),
  )
  check(
    'thirds',
    Array.from({ length: 100 }, (_, i) => i / 3),
  )
  const mixture = fc.oneof(
    fc.double(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.integer({ min: -1000, max: 1000 }).map((n) => n / 100),
    fc.constantFrom(0, -0, Number.NaN, Infinity, -Infinity),
  )
  const column = fc.oneof(
    fc.array(mixture, { maxLength: 80 }),
    fc.array(fc.integer({ min: -5, max: 5 }), { maxLength: 300 }),
    fc.array(
      fc.integer({ min: -(10 ** 9), max: 10 ** 9 }).map((n) => n / 1000),
      { maxLength: 80 },
    ),
    fc.array(fc.maxSafeInteger(), { maxLength: 40 }),
  )
  fc.assert(fc.property(column, comesBack), { numRuns: 3000 })
  t.pass('3000 random columns')
})

t.test('what a hub stores most takes little', async (t) => {
  const n = 720
  const counter = Array.from({ length: n }, (_, i) => i * 1500)
  const memory = Array.from({ length: n }, (_, i) => 8e9 + ((i * 37) % 50) * 4096)
  t.ok(packed(new Array<number>(n).fill(1)).length <= 9)
  t.ok(packed(counter).length < 30)
  t.ok(packed(memory).length < n * 1.2, `${packed(memory).length} bytes`)
})

t.test('bytes that are not a column are refused, never a crash', async (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }),
      fc.integer({ min: 1, max: 500 }),
      (bytes, count) => {
        try {
          return readColumn(new ByteReader(Buffer.from(bytes)), count).length === count
        } catch (error) {
          return (
            error instanceof BytesError ||
            (error as { code?: string }).code?.startsWith('Z_') === true ||
            error instanceof RangeError
          )
        }
      },
    ),
    { numRuns: 3000 },
  )
  t.pass('held for every case')
})

t.test('numbers and texts of the byte writer come back', async (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.maxSafeInteger().map(Math.abs)),
      fc.array(fc.string({ unit: 'grapheme' })),
      (numbers, texts) => {
        const writer = new ByteWriter(1)
        for (const number of numbers) writer.varint(number)
        for (const text of texts) writer.text(text)
        const reader = new ByteReader(writer.bytes())
        return (
          numbers.every((n) => reader.varint() === n) &&
          texts.every((text) => reader.text() === text) &&
          reader.atEnd
        )
      },
    ),
  )
  t.pass('held for every case')
})

function segment(): { bytes: Buffer; ends: number[]; batches: Batch[] } {
  const writer = new ByteWriter(16)
  const table = new SeriesTableWriter()
  const labels = [
    { __name__: 'up', instance: 'ü💡' },
    { __name__: 'up', instance: 'b' },
  ]
  const origin = { collector: 'pbx', epoch: 'e1', lane: 'live', sequence: 4 }
  const batches: Batch[] = [
    {
      rows: [
        {
          t: 1,
          ids: Uint32Array.of(0, 1),
          values: Float64Array.of(-0, Number.NaN),
          stale: Uint32Array.of(1),
        },
      ],
    },
    { origin, rows: [] },
    {
      origin: { ...origin, sequence: 5 },
      rows: [{ t: -5, ids: Uint32Array.of(1), values: Float64Array.of(Infinity) }],
    },
  ]
  const ends = []
  writeHeader(writer, {
    format: 1,
    firstBatch: 7,
    positions: [{ ...origin, sequence: 3, movedAt: 9 }],
  })
  ends.push(writer.length)
  writeSeries(writer, table, [0, 1], (id) => labels[id]!)
  ends.push(writer.length)
  for (const batch of batches) {
    writeBatch(writer, batch)
    ends.push(writer.length)
  }
  return { bytes: Buffer.from(writer.bytes()), ends, batches }
}

function replayed(bytes: Buffer): { end: number; seen: unknown[] } {
  const seen: unknown[] = []
  const end = readSegment(bytes, new SeriesTableReader(), {
    header: (header) => seen.push(header),
    series: (id, labels) => seen.push([id, labels]),
    batch: (batch, number) => seen.push([number, batch]),
  })
  return { end, seen }
}

t.test(
  'a journal segment reads back what was written, up to the first record that is not whole',
  async (t) => {
    const { bytes, ends, batches } = segment()
    const { end, seen } = replayed(bytes)
    t.equal(end, bytes.length)
    t.equal(seen.length, 6)
    t.same(
      seen.slice(3),
      batches.map((batch, i) => [7 + i, batch]),
    )
    for (let length = 0; length < bytes.length; length++) {
      const expected = ends.filter((e) => e <= length).at(-1) ?? 0
      if (replayed(bytes.subarray(0, length)).end !== expected) t.fail(`cut at ${length}`)
    }
    for (let bit = 0; bit < bytes.length * 8; bit += 3) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      const found = replayed(flipped).end
      const hit = ends.findIndex((e) => bit >> 3 < e)
      if (found !== (ends[hit - 1] ?? 0)) t.fail(`bit ${bit} flipped and not seen`)
    }
    t.equal(nextRecord(bytes, ends[1]!), ends[2], 'a record behind a damaged one is found')
    t.equal(nextRecord(bytes, ends[3]!), undefined)
    t.equal(recordAt(Buffer.alloc(64), 0), undefined, 'zeros are no record')
  },
)

t.test('merging keeps every time once and the newest entry of each', async (t) => {
  const entry = fc.tuple(
    fc.integer({ min: 0, max: 30 }),
    fc.oneof(fc.integer(), fc.constant('stale' as const)),
  )
  const part = fc.uniqueArray(entry, { selector: ([time]) => time, maxLength: 12 })
  const asEntries = (entries: readonly (readonly [number, number | 'stale'])[]): Entries => {
    const sorted = entries.toSorted((a, b) => a[0] - b[0])
    const samples = sorted.filter(([, value]) => value !== 'stale')
    return {
      times: Float64Array.from(samples, ([time]) => time),
      values: Float64Array.from(samples, ([, value]) => Number(value)),
      staleTimes: Float64Array.from(
        sorted.filter(([, value]) => value === 'stale'),
        ([time]) => time,
      ),
    }
  }
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
      const merged = merge(parts.map(asEntries))
      const expected = asEntries([...new Map(parts.flat())])
      const same = (a: Float64Array, b: Float64Array) =>
        a.length === b.length && a.every((x, i) => x === b[i])
      return (
        same(merged.times, expected.times) &&
        same(merged.values, expected.values) &&
        same(merged.staleTimes, expected.staleTimes)
      )
    }),
    { numRuns: 2000 },
  )
  t.pass('held for every case')
})
