import t from 'tap'
import type { OutgoingReport, Series, Waiting } from '../../../collector/pending.ts'
import {
  PayloadReader,
  PayloadWriter,
  recordKinds,
  recordOf,
  scanRecords,
} from '../../../collector/spool/record.ts'
import { foundSegment } from '../../../collector/spool/recovery.ts'
import {
  headRecord,
  readGiven,
  readHead,
  readMeta,
  readPositions,
  runsOf,
  SegmentReader,
  SegmentWriter,
} from '../../../collector/spool/segment.ts'
import { doneSegments, fullBytes, overLimit } from '../../../collector/spool/segments.ts'
import fc from '../../helpers/property.ts'

const payloads = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 12 })
const written = (all: readonly Uint8Array[]) =>
  Buffer.concat(all.map((payload) => recordOf(recordKinds.report, payload)))
const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0

t.test('numbers: what is written is read, and the end is an error', async (t) => {
  const whole = fc.oneof(fc.nat(300), fc.maxSafeNat(), fc.constantFrom(127, 128, 2 ** 53 - 1))
  fc.assert(
    fc.property(fc.array(fc.tuple(whole, fc.double())), (pairs) => {
      const writer = new PayloadWriter()
      for (const [n, value] of pairs)
        writer
          .whole(n)
          .double(value)
          .u8(n % 256)
      const bytes = writer.done()
      const reader = new PayloadReader(bytes)
      const read = pairs.map(() => [reader.whole(), reader.double(), reader.u8()])
      t.strictSame(
        read,
        pairs.map(([n, value]) => [n, value, n % 256]),
      )
      t.throws(() => reader.u8(), /ends too early/)
    }),
    { numRuns: 60 },
  )
  t.throws(() => new PayloadReader(new Uint8Array(9).fill(255)).whole(), /over 2\^53/)
})

t.test(
  'cut anywhere: the records before the cut are read, and it is known for a cut',
  async (t) => {
    fc.assert(
      fc.property(payloads, (all) => {
        const bytes = written(all)
        for (let length = 0; length <= bytes.length; length++) {
          const { records, damaged, cut, end } = scanRecords(bytes.subarray(0, length))
          const ends = all.map((_, i) => written(all.slice(0, i + 1)).length)
          const whole = ends.filter((one) => one <= length).length
          const good =
            records.length === whole &&
            records.every(({ payload }, i) => same(payload, all[i]!)) &&
            damaged === 0 &&
            cut === length > (ends[whole - 1] ?? 0) &&
            end === (ends[whole - 1] ?? 0)
          if (!good) t.fail(`cut to ${length} of ${bytes.length}`)
        }
      }),
      { numRuns: 40 },
    )
    t.pass('every offset')
  },
)

t.test('a flipped byte anywhere: costs its record only, and is seen', async (t) => {
  const two = fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 2, maxLength: 8 })
  fc.assert(
    fc.property(two, fc.nat(), fc.integer({ min: 1, max: 255 }), (all, place, flip) => {
      const bytes = written(all)
      const at = place % bytes.length
      bytes[at]! ^= flip
      const { records, damaged, cut } = scanRecords(bytes)
      const kept = all.filter((payload) => records.some((one) => same(one.payload, payload)))
      t.ok(kept.length >= new Set(all.map((one) => one.join())).size - 1)
      t.ok(records.length < all.length && (damaged > 0 || cut))
    }),
    { numRuns: 300 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      const scan = scanRecords(bytes)
      const segment = foundSegment(1, scan)
      return scan.records.length === 0 && segment.head === undefined
    }),
  )
})

const finite = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, 1e18, 0.1, 1_767_600_000.25),
)
/** Which of twenty series a report has, with their values; reports come in a row. */
const rows = fc.array(fc.array(fc.option(finite, { nil: undefined }), { maxLength: 20 }), {
  minLength: 1,
  maxLength: 90,
})
const universe: readonly Series[] = Array.from({ length: 20 }, (_, i) => ({
  name: `m${i % 5}`,
  labels: { i: String(i), text: 'é "x"\n' },
}))

function reportsOf(all: readonly (readonly (number | undefined)[])[]): OutgoingReport[] {
  let former: readonly Series[] = []
  return all.map((row, n) => {
    const series = universe.filter((_, i) => row[i] !== undefined)
    const values = Float64Array.from(row.filter((value) => value !== undefined))
    const stale = former.filter((one) => !series.includes(one))
    former = series
    return { lane: 'live', wall: 1e12 + n, monotonic: n / 3, series, values, stale }
  })
}

const waitingOf = (number: number, report: OutgoingReport): Waiting => ({
  number,
  wall: report.wall,
  readAt: 0,
  wanted: report.lane,
  report,
  given: number % 3 === 0 ? undefined : { lane: 'live', sequence: number * 7 },
  place: 'memory',
  safeAfter: 0,
  gone: false,
})

const shown = ({ series, stale, values, wall, monotonic }: OutgoingReport) => {
  const name = (one: Series) => `${one.name}${JSON.stringify(one.labels)}`
  const pairs = series.map((one, i) => `${name(one)} ${values[i]}`).sort()
  return JSON.stringify([pairs, stale.map(name).sort(), wall, monotonic])
}

t.test('reports: what is written is read, series that come and go included', async (t) => {
  fc.assert(
    fc.property(rows, fc.nat(1e9), fc.nat(), (all, first, flip) => {
      const writer = new SegmentWriter()
      const reports = reportsOf(all)
      const bytes = Buffer.concat(
        reports.flatMap((one, i) => writer.report(waitingOf(first + i, one), one)),
      )
      const reader = new SegmentReader()
      const { records } = scanRecords(bytes)
      const back = records.flatMap((record) => reader.read(record) ?? [])
      t.strictSame(
        back.map(({ number, report }) => `${number} ${shown(report)}`),
        reports.map((one, i) => `${first + i} ${shown(one)}`),
      )
      const metas = records
        .filter(({ kind }) => kind === recordKinds.report)
        .map(({ payload }) => readMeta(payload))
      t.strictSame(
        metas.map(({ given }) => given),
        reports.map((one, i) => waitingOf(first + i, one).given),
      )
      // A flipped byte: every report that is still given out is the right one.
      bytes[flip % bytes.length]! ^= 16
      const again = new SegmentReader()
      const rest = scanRecords(bytes).records.flatMap((record) => again.read(record) ?? [])
      for (const { number, report } of rest) {
        if (shown(report) !== shown(reports[number - first]!)) t.fail(`report ${number} is another`)
      }
    }),
    { numRuns: 120 },
  )
})

t.test('damage costs no more than the rows that build on it', async (t) => {
  const writer = new SegmentWriter()
  const one = (n: number) => reportsOf([[n, n / 2]])[0]!
  const records = Array.from({ length: 300 }, (_, n) => writer.report(waitingOf(n, one(n)), one(n)))
  const bytes = Buffer.concat(records.flat())
  const before = Buffer.concat(records.slice(0, 70).flat()).length
  bytes[before + 30]! ^= 1
  const reader = new SegmentReader()
  const numbers = scanRecords(bytes).records.flatMap((record) => reader.read(record)?.number ?? [])
  t.equal(numbers.length, 70 + (300 - 128))
  t.strictSame([numbers[69], numbers[70]], [69, 128], 'up to the next row that builds on none')
})

t.test('nonsense behind a good checksum throws nothing that is not caught', async (t) => {
  fc.assert(
    fc.property(fc.nat(7), fc.uint8Array({ maxLength: 80 }), (kind, payload) => {
      const bytes = recordOf(kind, payload)
      const scan = scanRecords(bytes)
      foundSegment(1, scan)
      const reader = new SegmentReader()
      for (const record of scan.records) reader.read(record)
      const head = headRecord({
        collector: 'c',
        epoch: 'e',
        boot: 'b',
        first: 5,
        positions: { next: { live: 1, backlog: 1 }, done: { live: 0, backlog: 0 }, lowest: 1 },
        runs: [],
      })
      return foundSegment(1, scanRecords(Buffer.concat([head, bytes]))).head?.first === 5
    }),
    { numRuns: 500 },
  )
  for (const text of ['', '{}', 'null', '[]', '{"version":1}', '{"version":2}'])
    t.equal(readHead(Buffer.from(text)), undefined, text)
  t.throws(() => readGiven(new PayloadWriter().u8(0).whole(1).whole(1e9).whole(1).done()), /run of/)
  t.throws(() => readPositions(new Uint8Array(2)))
})

t.test('runs: merged where number and sequence go on together', async (t) => {
  const at = (number: number, lane?: 'live' | 'backlog', sequence = 0): Waiting => ({
    ...waitingOf(number, reportsOf([[1]])[0]!),
    given: lane === undefined ? undefined : { lane, sequence },
  })
  const reports = [
    ...[at(1, 'backlog', 5), at(2, 'backlog', 6), at(3, 'live', 7), at(4, 'backlog', 7)],
    ...[at(5, 'backlog', 9), at(7), at(8), at(10)],
  ]
  t.strictSame(
    runsOf(reports).map(({ lane, number, count, sequence }) => [lane, number, count, sequence]),
    [
      ['backlog', 1, 2, 5],
      ['live', 3, 1, 7],
      ['backlog', 4, 1, 7],
      ['backlog', 5, 1, 9],
      [undefined, 7, 2, 0],
      [undefined, 10, 1, 0],
    ],
  )
})

t.test('segments: full, done from the oldest on, over the limit', async (t) => {
  const mebibyte = 1024 ** 2
  t.equal(fullBytes(5000, 64 * mebibyte), 256 * 1024)
  t.equal(fullBytes(300_000, 64 * mebibyte), 2_400_000, 'a large dictionary is not repeated often')
  t.equal(fullBytes(300_000, 8 * mebibyte), mebibyte)
  const closed = [1, 2, 3].map((serial) => ({
    serial,
    first: serial * 10,
    last: serial * 10 + 9,
    bytes: 100,
  }))
  const serials = (lowest: number) => doneSegments(closed, lowest).map(({ serial }) => serial)
  t.strictSame([serials(10), serials(19), serials(20), serials(99)], [[], [], [1], [1, 2, 3]])
  t.equal(overLimit(closed, 50, 10, 350), undefined)
  t.equal(overLimit(closed, 51, 10, 350), 19)
  t.equal(overLimit(closed, 51, 20, 350), undefined, 'what is done is as good as gone')
  t.equal(overLimit([], 500, 10, 350), undefined)
})
