import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { commonVersion, FrameError, type Report } from '../../../collector/wire/frames.ts'
import { ReportDecoder, ReportEncoder } from '../../../collector/wire/report.ts'
import {
  createRowDecoder,
  createRowEncoder,
  type DecodedRow,
  restoreDecoder,
} from '../../../collector/wire/row-codec.ts'
import { packageRoot } from '../../../server/assets.ts'
import fc from '../../helpers/property.ts'
import { sessionFrameInputs, tryFrame } from '../fuzz/session-frames.ts'

/** A column of a row: a value, nothing, or the end of its series. */
type Cell = number | 'absent' | 'stale'

const has = (bits: Uint8Array | undefined, c: number) =>
  bits !== undefined && (bits[c >> 3]! & (1 << (c & 7))) !== 0

function bitsOf(cells: readonly Cell[], kind: Cell): Uint8Array | undefined {
  if (!cells.includes(kind)) return undefined
  const bits = new Uint8Array((cells.length + 7) >> 3)
  for (const [c, cell] of cells.entries()) if (cell === kind) bits[c >> 3]! |= 1 << (c & 7)
  return bits
}

function encode(encoder: ReturnType<typeof createRowEncoder>, cells: readonly Cell[]): Uint8Array {
  const values = Float64Array.from(cells, (cell) => (typeof cell === 'number' ? cell : Number.NaN))
  return encoder.encode(values, bitsOf(cells, 'absent'), bitsOf(cells, 'stale'))
}

function cellsOf({ values, absent, stale }: DecodedRow): Cell[] {
  return [...values].map((value, c) =>
    has(absent, c) ? 'absent' : has(stale, c) ? 'stale' : value,
  )
}

const same = (a: readonly Cell[], b: readonly Cell[]) =>
  a.length === b.length && a.every((cell, c) => Object.is(cell, b[c]))

const decimal = fc
  .tuple(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), fc.nat(12))
  .map(([whole, digits]) => whole / 10 ** digits)
const special = fc.constantFrom(0, -0, Number.NaN, Infinity, -Infinity, 2 ** 51, -(2 ** 51), 1e300)
const cell = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -1000, max: 1000 }) },
  { weight: 4, arbitrary: decimal },
  { weight: 3, arbitrary: fc.maxSafeInteger() },
  { weight: 3, arbitrary: fc.double() },
  { weight: 2, arbitrary: fc.float() },
  { weight: 2, arbitrary: special },
  { weight: 2, arbitrary: fc.constantFrom<Cell>('absent', 'stale') },
)
function thrownBy(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    return error
  }
}

/** Rows whose columns grow. */
const rowsOf = fc
  .array(fc.tuple(fc.nat(20), fc.array(cell, { minLength: 60, maxLength: 60 })), {
    minLength: 1,
    maxLength: 8,
  })
  .map((rows) => {
    let columns = 0
    return rows.map(([more, cells]) => {
      columns = Math.min(60, columns + more)
      return cells.slice(0, columns)
    })
  })

t.test(
  'rows come back exactly, columns grow, every row can be the first of a decoder',
  async (t) => {
    let cells = 0
    fc.assert(
      fc.property(rowsOf, (rows) => {
        const encoder = createRowEncoder()
        const whole = createRowDecoder()
        let restored = createRowDecoder()
        for (const row of rows) {
          const bytes = encode(encoder, row)
          if (!same(cellsOf(whole.decode(bytes, row.length)), row)) return false
          if (!same(cellsOf(restored.decode(bytes, row.length)), row)) return false
          restored = restoreDecoder(whole.snapshot())
          if (restored.columns !== row.length || !same([...restored.values], [...whole.values]))
            return false
          cells += row.length
        }
        return true
      }),
      { numRuns: 500 },
    )
    t.ok(cells > 10_000, `${cells} cells compared`)
  },
)

t.test('a walk of each kind of column: the scale follows the value, and back', async (t) => {
  const walk = [
    5,
    5.25,
    5.125,
    7,
    Number.NaN,
    8,
    0.1 + 0.2,
    1 / 3,
    1e-9,
    3,
    -0,
    0,
    2 ** 53,
    1,
    1e22,
  ]
  const encoder = createRowEncoder()
  const decoder = createRowDecoder()
  for (const value of walk) {
    const [got] = decoder.decode(encode(encoder, [value]), 1).values
    t.ok(Object.is(got, value), `${value}: ${got}`)
  }
})

t.test(
  'what does not change costs its bit; usual host data costs less than two bytes',
  async (t) => {
    const encoder = createRowEncoder()
    const values = Float64Array.from({ length: 200 }, (_, c) => c * 1000)
    encoder.encode(values)
    t.equal(encoder.encode(values).length, 1 + 25)
    for (let c = 0; c < 200; c += 2) values[c]! += 37
    t.equal(encoder.encode(values).length, 1 + 25 + 100, 'a small step is one byte')
    const room = encoder.encode(values, undefined, undefined, 7)
    t.equal(room.length, 7 + 26)
    t.ok(room.subarray(0, 7).every((byte) => byte === 0))
    t.throws(() => encoder.encode(values.subarray(1)), /BUG: 199 columns after 200/)
  },
)

t.test('a row that is wrong anywhere is refused, and the lane ends with it', async (t) => {
  const refused = (bytes: readonly number[], columns: number, reason: RegExp) => {
    const decoder = createRowDecoder()
    const first = createRowEncoder().encode(Float64Array.of(5, 0.5, 1 / 3))
    decoder.decode(first, 3)
    t.throws(() => decoder.decode(Uint8Array.from(bytes), columns), reason, String(reason))
    t.throws(() => decoder.decode(Uint8Array.from([0, 0]), 3), /ended with a row/)
    t.ok(thrownBy(() => decoder.snapshot()) instanceof FrameError)
  }
  refused([], 3, /an empty row/)
  refused([4, 0], 3, /unknown flags 4/)
  refused([0, 0], 2, /2 columns after one of 3/)
  refused([0], 3, /shorter than its bitmaps/)
  refused([3, 0, 0], 3, /shorter than its bitmaps/)
  refused([0, 0, 9], 3, /1 bytes after/)
  refused([0, 8], 3, /beyond the 3 columns/)
  refused([1, 0, 8], 3, /beyond the 3 columns/)
  refused([2, 0, 255], 3, /beyond the 3 columns/)
  refused([1, 1, 1, 2], 3, /two of changed, absent and stale/)
  refused([3, 0, 1, 1], 3, /two of changed, absent and stale/)
  refused([0, 1], 3, /ends before/)
  refused([0, 1, 0x80], 3, /ends before/)
  refused([0, 1, 0], 3, /ends before/)
  refused([0, 1, 0, 10], 3, /unknown form 10/)
  refused([0, 1, 0, 2], 3, /ends before/)
  refused([0, 1, 0, 15, 1, 2, 3], 3, /ends before/)
  refused([0, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1], 3, /varint of more than 8/)
  refused([0, 1, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], 3, /range of scaled/)
  refused([0, 1, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], 3, /range of scaled/)
  refused([0, 4, 0x08, 1], 3, /ends before/)
  refused([0, 4, 0x18, 1, 1, 1, 1, 1, 1, 1, 1], 3, /bytes 1 to 9 of 8/)
  refused([0, 4, 0xf0, 1], 3, /unknown form 15/)
  refused([0, 1, 0, 15, 1, 0, 0, 0, 0, 0, 0xf8, 0x7f], 3, /a NaN other than/)
  refused([0, 1, 0, 15, 0, 0, 0, 0, 0, 0, 0xf8, 0xff], 3, /a NaN other than/)
})

t.test('what is no snapshot is refused', async (t) => {
  const encoder = createRowEncoder()
  const decoder = createRowDecoder()
  decoder.decode(encoder.encode(Float64Array.of(5, 0.25, 1 / 3, -7e12)), 4)
  const snapshot = decoder.snapshot()
  for (let length = 0; length < snapshot.length; length++)
    t.ok(
      thrownBy(() => restoreDecoder(snapshot.subarray(0, length))) instanceof FrameError,
      `cut at ${length}`,
    )
  t.throws(() => restoreDecoder(Uint8Array.of(...snapshot, 0)), /1 bytes after a snapshot/)
  t.throws(() => restoreDecoder(Uint8Array.of(9, 0, 0, 0, 0)), /no snapshot/)
  t.throws(() => restoreDecoder(Uint8Array.of(1, 255, 255, 255, 255)), /ends before/)
  t.equal(restoreDecoder(createRowDecoder().snapshot()).columns, 0)
})

/** The bytes at the beginning of the lines of the fenced block that follows a heading. */
function documented(heading: string): Uint8Array {
  const text = readFileSync(join(packageRoot, 'docs', 'protocol.md'), 'utf8')
  const block = text.slice(text.indexOf(heading)).split('```')[1] ?? ''
  const hex = [...block.matchAll(/^((?:[0-9a-f]{2} )+) /gm)].map((match) => match[1]).join('')
  return Uint8Array.from(hex.trim().split(/\s+/), (byte) => Number.parseInt(byte, 16))
}

t.test('the example of docs/protocol.md is what the code writes and reads', async (t) => {
  const common = { lane: 'live', absent: undefined, stale: undefined } as const
  const first: Report = {
    ...common,
    sequence: 1,
    wall: 1_763_771_230_000,
    monotonic: 5000.5,
    values: Float64Array.of(42, 0.25, 1_763_771_230.5, 1 / 3, 0),
  }
  const second: Report = {
    lane: 'live',
    sequence: 2,
    wall: 1_763_771_240_000,
    monotonic: 15_000.5,
    values: Float64Array.of(45, 0.25, 1_763_771_240.5, 2 / 3, 0),
    absent: Uint8Array.of(0b0_0010),
    stale: Uint8Array.of(0b1_0000),
  }
  const encoder = new ReportEncoder()
  const decoder = new ReportDecoder()
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
  t.equal(hex(documented('### The first report')), hex(encoder.encode(first)))
  t.equal(hex(documented('### The second report')), hex(encoder.encode(second)))
  const read = decoder.decode(documented('### The first report'), 5)
  t.match({ ...read, values: [...read.values] }, { ...first, values: [...first.values] })
  const next = decoder.decode(documented('### The second report'), 5)
  t.same(cellsOf(next), [45, 'absent', 1_763_771_240.5, 2 / 3, 'stale'])
})

t.test('versions: the highest both speak', async (t) => {
  t.equal(commonVersion([1]), 1)
  t.equal(commonVersion([3, 1, 2]), 1)
  t.equal(commonVersion([2, 3]), undefined)
  t.equal(commonVersion([]), undefined)
})

t.test('any bytes are read or refused, never anything else', async (t) => {
  const counts = { accepted: 0, refused: 0 }
  let left = 10_000
  for (const bytes of sessionFrameInputs(7)) {
    counts[tryFrame(bytes)]++
    if (--left === 0) break
  }
  t.ok(counts.accepted > 0.2 * 10_000, `${counts.accepted} of 10 000 were read`)
  t.ok(counts.refused > 0.2 * 10_000, `${counts.refused} of 10 000 were refused`)
})
