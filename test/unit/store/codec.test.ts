import t from 'tap'
import { ByteReader, BytesError, ByteWriter } from '../../../server/store/bytes.ts'
import { chunkNumbers, readChunk, writeChunk } from '../../../server/store/parts/column-codec.ts'
import { type Entries, merge } from '../../../server/store/samples.ts'
import fc from '../../helpers/property.ts'

function packed(values: readonly number[]): Buffer {
  const writer = new ByteWriter(1)
  // Neighbours on both sides must not leak in.
  writeChunk(writer, Float64Array.from([0.1, ...values, 1e300]), 1, values.length)
  return Buffer.from(writer.bytes())
}

function unpacked(bytes: Buffer, count: number, from = 0, to = count): Float64Array {
  const values = new Float64Array(to - from + 2).fill(-7)
  readChunk(bytes, 0, bytes.length, count, values, 1, from, to)
  if (values[0] !== -7 || values.at(-1) !== -7) throw new Error('wrote outside its place')
  return values.subarray(1, -1)
}

function comesBack(values: readonly number[]): boolean {
  const bytes = packed(values)
  const n = values.length
  const same = (found: Float64Array, from: number) =>
    found.every((value, i) => Object.is(value, values[from + i]))
  const [third, half] = [Math.floor(n / 3), Math.ceil(n / 2)]
  return same(unpacked(bytes, n), 0) && same(unpacked(bytes, n, third, half), third)
}

t.test('chunks come back to the bit, whole and in part', async (t) => {
  const check = (what: string, values: readonly number[]) => t.ok(comesBack(values), what)
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
    ...new Array<number>(500).fill(3),
    4,
    ...new Array<number>(500).fill(4),
  ])
  check(
    'times',
    Array.from({ length: 720 }, (_, i) => 1.8e12 + i * 10_000 + (i % 7)),
  )
  check(
    'thirds',
    Array.from({ length: 100 }, (_, i) => i / 3),
  )
  check(
    'a counter that is reset',
    Array.from({ length: 700 }, (_, i) => (i < 350 ? 9e14 + i * 1e6 : (i - 350) * 1e6 + 0.5)),
  )
  check(
    'a counter up to the largest whole number',
    Array.from({ length: chunkNumbers }, (_, i) => Number.MAX_SAFE_INTEGER - (1023 - i) ** 4),
  )
  check(
    'subnormal numbers',
    Array.from({ length: 65 }, (_, i) => i * Number.MIN_VALUE * 1e10),
  )
  check(
    'numbers of single precision',
    Array.from({ length: 130 }, (_, i) => Math.fround(i / 7)),
  )
  check(
    'rare steps',
    Array.from({ length: chunkNumbers }, (_, i) => Math.floor(i / 300) * 1e9),
  )
  check(
    'few of many sizes',
    Array.from({ length: 300 }, (_, i) => (i % 37 === 0 ? 2 ** (i % 49) : 5)),
  )
  const mixture = fc.oneof(
    fc.double(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.integer({ min: -1000, max: 1000 }).map((n) => n / 100),
    fc.constantFrom(0, -0, Number.NaN, Infinity, -Infinity),
  )
  const column = fc.oneof(
    fc.array(mixture, { minLength: 1, maxLength: 80 }),
    fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 1, maxLength: 300 }),
    fc.array(
      fc.integer({ min: -(10 ** 9), max: 10 ** 9 }).map((n) => n / 1000),
      { minLength: 1, maxLength: 80 },
    ),
    fc.array(fc.maxSafeInteger(), { minLength: 1, maxLength: 40 }),
    fc.array(fc.double({ min: 0, max: 1 }), { minLength: 1, maxLength: 200 }),
    fc
      .tuple(
        fc.integer({ min: 0, max: 2 ** 49 }),
        fc.array(fc.nat({ max: 10 ** 7 }), { minLength: 1, maxLength: 200 }),
        fc.integer({ min: 0, max: 9 }),
      )
      .map(([first, steps, digits]) => {
        let value = first
        return steps.map((step) => {
          value += step
          return value / 10 ** digits
        })
      }),
  )
  fc.assert(fc.property(column, comesBack), { numRuns: 3000 })
  t.pass('3000 random columns')
})

t.test('what a hub stores most takes little', async (t) => {
  const n = 720
  const counter = Array.from({ length: n }, (_, i) => i * 1500)
  const memory = Array.from({ length: n }, (_, i) => 8e9 + ((i * 37) % 50) * 4096)
  t.ok(packed(new Array<number>(n).fill(1)).length <= 2)
  t.ok(packed(counter).length < 8)
  t.ok(packed(memory).length < n * 0.9, `${packed(memory).length} bytes`)
})

t.test('bytes that are not a chunk are refused, never a crash', async (t) => {
  const refusedOrRead = (bytes: Buffer, count: number) => {
    try {
      return unpacked(bytes, count).length === count
    } catch (error) {
      if (error instanceof BytesError) return true
      throw error
    }
  }
  const length = fc.integer({ min: 1, max: chunkNumbers })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), length, (bytes, count) =>
      refusedOrRead(Buffer.from(bytes), count),
    ),
    { numRuns: 3000 },
  )
  const chunk = packed(Array.from({ length: 400 }, (_, i) => Math.floor(i ** 1.7) / 10))
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat({ max: chunk.length - 1 }), fc.nat({ max: 255 })), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.nat({ max: chunk.length }),
      (changes, end) => {
        const changed = Buffer.from(chunk)
        for (const [at, byte] of changes) changed[at] = byte
        return refusedOrRead(changed.subarray(0, end), 400)
      },
    ),
    { numRuns: 3000 },
  )
  t.throws(() => unpacked(chunk, chunkNumbers + 1), { message: 'a chunk of 1025 numbers' })
  t.throws(() => unpacked(chunk, 0), { message: 'a chunk of 0 numbers' })
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
