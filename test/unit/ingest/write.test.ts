import { deepStrictEqual } from 'node:assert/strict'
import { Readable } from 'node:stream'
import Fastify from 'fastify'
import t from 'tap'
import { CallwardError } from '../../../server/errors.ts'
import {
  type ParsedLines,
  parseLines,
  precisionOf,
  writtenLines,
} from '../../../server/ingest/influx-line.ts'
import { LabelCache } from '../../../server/ingest/label-cache.ts'
import { KnownLines } from '../../../server/ingest/line-series.ts'
import { type RemoteWrite, RemoteWriteDecoder } from '../../../server/ingest/remote-write.ts'
import { SampleColumns, type Written } from '../../../server/ingest/sample-columns.ts'
import { decodeSnappy } from '../../../server/ingest/snappy.ts'
import { droppedSentence, prepareWrite, writeLimits } from '../../../server/ingest/write-batch.ts'
import { BodyBudget } from '../../../server/ingest/write-context.ts'
import { WriteRefused } from '../../../server/ingest/write-refused.ts'
import { createMemoryStore } from '../../../server/store/memory-store.ts'
import type { Labels } from '../../../server/store/reader.ts'
import type { StoreWriter } from '../../../server/store/writer.ts'
import { until } from '../../helpers/hub.ts'
import fc from '../../helpers/property.ts'
import {
  block,
  double,
  encodeSeries,
  encodeSnappy,
  encodeWriteRequest,
  remoteWriteBody,
  type SentSeries,
  whole,
} from '../../helpers/write-encoders.ts'

const now = Date.UTC(2026, 4, 4, 12)
const most = 1 << 20

/** Records as literals are: not without a prototype. */
const record: <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.Arbitrary<T> = (model) =>
  fc.record(model, { noNullPrototype: true }) as never

/** What a decoder gives, or the refusal it throws; any other error is a fault of ours. */
function outcome<T>(decode: () => T): T | WriteRefused {
  try {
    return decode()
  } catch (error) {
    if (error instanceof WriteRefused && error.message.length > 10) return error
    throw error
  }
}

/** The refusal a decoder must throw. Not `t.match` on what it gave: that takes any Buffer for any pattern. */
function refusal(decode: () => unknown): WriteRefused | string {
  const result = outcome(decode)
  return result instanceof WriteRefused ? result : 'not refused'
}

t.test('snappy blocks', async (t) => {
  const decoded = (hex: string, text: string) =>
    t.equal(decodeSnappy(Buffer.from(hex, 'hex'), most).toString('latin1'), text, hex)
  decoded('00', '')
  decoded('010061', 'a')
  decoded('0308616263', 'abc')
  decoded(`3df03c${'61'.repeat(61)}`, 'a'.repeat(61))
  decoded(`3df43c00${'61'.repeat(61)}`, 'a'.repeat(61))
  decoded(`3df83c0000${'61'.repeat(61)}`, 'a'.repeat(61))
  decoded(`3dfc3c000000${'61'.repeat(61)}`, 'a'.repeat(61))
  decoded('080c616263640104', 'abcdabcd')
  decoded('070861626301' + '03', 'abcabca')
  decoded('0b00612601' + '00', 'a'.repeat(11))
  decoded('0b00612701000000', 'a'.repeat(11))

  const refused = (hex: string, reason: RegExp) =>
    t.match(
      refusal(() => decodeSnappy(Buffer.from(hex, 'hex'), most)),
      { message: reason },
      hex,
    )
  refused('', /ends within its length/)
  refused('80', /ends within its length/)
  refused('ffffffffff01', /over 4 GiB/)
  refused('ffffffff7f', /over 4 GiB/)
  refused('ffffffff0f', /over the limit of 1048576/)
  refused('ff7f0061', /4 bytes cannot hold 16383/)
  refused('0208616263', /more bytes than it says/)
  refused('0408616263', /holds 3 bytes and says 4/)
  refused('03086162', /ends within a literal/)
  refused('03f0', /ends within an element/)
  refused('050061' + '01', /ends within an element/)
  refused('050061' + '0100', /copies from before its start/)
  refused('050061' + '0102', /copies from before its start/)
  refused('040061' + '0101', /more bytes than it says/)

  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('instance', 'bank-a', 'x', 'node_cpu_seconds_total', '\0'), {
        maxLength: 400,
      }),
      fc.uint8Array({ maxLength: 300 }),
      (words, noise) => {
        const input = Buffer.concat([Buffer.from(words.join('')), noise])
        return decodeSnappy(encodeSnappy(input), most).equals(input)
      },
    ),
    { numRuns: 300 },
  )
})

const label = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
const sentSeries: fc.Arbitrary<SentSeries> = record({
  labels: fc
    .uniqueArray(fc.tuple(label, label), { selector: ([name]) => name, maxLength: 8 })
    .map((labels) =>
      [...labels.filter(([name]) => name !== '__proto__'), ['__name__', 'm'] as const]
        .filter(([name], i, all) => name !== '__name__' || i === all.length - 1)
        .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    ),
  samples: fc.array(
    record({
      t: fc.maxSafeInteger(),
      value: fc.oneof(fc.double(), fc.constantFrom('stale' as const, Number.NaN, -0, 0)),
    }),
    { maxLength: 5 },
  ),
})

interface WrittenSample {
  readonly t: number
  readonly value: number
  readonly stale: boolean
}

/** Ids for label sets as they are, empty values included. */
function naming() {
  const known: Labels[] = []
  const ids = new Map<string, number>()
  const intern = (labels: Labels) => {
    const key = JSON.stringify(labels)
    const id = ids.get(key) ?? known.push(labels) - 1
    ids.set(key, id)
    return id
  }
  return { known, intern }
}

const names = naming()
const decoder = new RemoteWriteDecoder(names.intern)
const decodeRemoteWrite = (body: Buffer) => decoder.decode(body)
const decodeWriteRequest = (bytes: Buffer) => decoder.decodeMessage(bytes)

/** What was decoded as objects. */
function seriesOf(written: Written): { labels: Labels; samples: WrittenSample[] }[] {
  const { times, values, marks, ends } = written.samples
  return Array.from({ length: written.series }, (_, series) => {
    const samples: WrittenSample[] = []
    for (let i = series === 0 ? 0 : ends[series - 1]!; i < ends[series]!; i++)
      samples.push({ t: times[i]!, value: values[i]!, stale: marks[i] === 1 })
    return { labels: names.known[written.id(series)]!, samples }
  })
}

/** Decoded series in the shape they were sent in. */
function asSent(written: Written): SentSeries[] {
  return seriesOf(written).map(({ labels, samples }) => ({
    labels: Object.entries(labels).sort(([a], [b]) =>
      Buffer.compare(Buffer.from(a), Buffer.from(b)),
    ),
    samples: samples.map(({ t, value, stale }) => ({ t, value: stale ? 'stale' : value })),
  }))
}

/** Series as a decoder gives them. */
function writtenOf(
  series: readonly { labels: Labels; samples: readonly WrittenSample[] }[],
  intern: StoreWriter['intern'],
): Written {
  const samples = new SampleColumns()
  for (const one of series) {
    for (const { t, value, stale } of one.samples) samples.push(t, value, stale)
    samples.endSeries()
  }
  return {
    samples,
    series: series.length,
    id: (index) => intern(series[index]!.labels),
    instance: (index) => series[index]!.labels['instance'],
  }
}

t.test('a write request comes out as it was sent', async (t) => {
  fc.assert(
    fc.property(fc.array(sentSeries, { maxLength: 6 }), (series) => {
      deepStrictEqual(asSent(decodeRemoteWrite(remoteWriteBody(series))), series)
    }),
    { numRuns: 300 },
  )
  const other = decodeWriteRequest(
    block(
      1,
      Buffer.concat([
        block(1, Buffer.concat([block(1, '__name__'), block(2, 'm')])),
        block(
          2,
          Buffer.concat([whole(2, 5), double(1, 'stale'), double(1, Number.NaN), whole(9, 1)]),
        ),
        block(3, 'an exemplar'),
        block(4, 'a histogram'),
        block(77, 'unknown'),
      ]),
    ),
  )
  t.strictSame(seriesOf(other)[0]?.samples, [{ t: 5, value: Number.NaN, stale: false }])
  t.same(other.ignored, { metadata: 0, exemplars: 1, histograms: 1 })
  const bits = (hex: string) => {
    const value = Buffer.concat([Buffer.from([9]), Buffer.from(hex, 'hex').reverse()])
    const name = block(1, Buffer.concat([block(1, '__name__'), block(2, 'm')]))
    const [one] = seriesOf(decodeWriteRequest(block(1, Buffer.concat([name, block(2, value)]))))
    return one?.samples[0]
  }
  t.strictSame(bits('7ff0000000000002'), { t: 0, value: Number.NaN, stale: true })
  for (const nan of [
    '7ff0000000000001',
    '7ff0000000000003',
    '7ff8000000000002',
    'fff0000000000002',
  ])
    t.strictSame(bits(nan), { t: 0, value: Number.NaN, stale: false }, nan)
  t.strictSame(bits('7ff0000000000000'), { t: 0, value: Number.POSITIVE_INFINITY, stale: false })
  const bare = decodeWriteRequest(Buffer.concat([block(3, 'x'), block(3, 'y')]))
  t.same(seriesOf(bare), [])
  t.same(bare.ignored, { metadata: 2, exemplars: 0, histograms: 0 })
})

t.test('write requests that are refused', async (t) => {
  const refused = (bytes: Buffer, reason: string, message: RegExp) =>
    t.match(
      refusal(() => decodeWriteRequest(bytes)),
      { reason, message },
      String(message),
    )
  const labels = (...pairs: [string, string][]) =>
    encodeSeries({ labels: pairs, samples: [{ t: now, value: 1 }] })
  const name: [string, string] = ['__name__', 'm']
  refused(labels(['a', 'b']), 'malformed', /Series 1 has no name.*"a":"b"/)
  refused(labels(['__name__', '']), 'malformed', /has no name/)
  refused(labels(), 'malformed', /has no name/)
  refused(labels(name, ['b', '1'], ['a', '1']), 'malformed', /unsorted at "a".*"b":"1"/)
  refused(labels(['a', '1'], name), 'malformed', /unsorted at "__name__"/)
  refused(labels(['𐀀', '1'], ['￿', '1'], name), 'malformed', /unsorted/)
  refused(labels(name, ['a', '1'], ['a', '2']), 'malformed', /label "a" twice/)
  refused(labels(['', '1'], name), 'malformed', /label without a name/)
  refused(labels(name, ['__proto__', '1']), 'malformed', /cannot be kept/)
  refused(labels(name, ['a'.repeat(1025), '1']), 'malformed', /name of over 1024/)
  refused(labels(name, ['a', 'x'.repeat(16_385)]), 'malformed', /value of over 16384/)
  refused(
    labels(name, ...Array.from({ length: 128 }, (_, i): [string, string] => [`a${1000 + i}`, ''])),
    'malformed',
    /more than 128 labels/,
  )
  const bad = block(1, Buffer.concat([block(1, '__name__'), block(2, Buffer.from([0xff]))]))
  refused(block(1, bad), 'malformed', /not UTF-8/)
  t.equal(
    seriesOf(decodeWriteRequest(labels(['__name__', '\ufffd'])))[0]?.labels['__name__'],
    '\ufffd',
    'the replacement character itself is text',
  )
  refused(Buffer.concat([labels(name), labels()]), 'malformed', /Series 2/)
  refused(block(5, 'x'), 'unsupported', /1\.0 only/)
  refused(Buffer.from('0a05', 'hex'), 'malformed', /longer than what holds it/)
  refused(Buffer.from('0affffffffffffffffff01', 'hex'), 'malformed', /longer than what holds it/)
  refused(Buffer.from('0a', 'hex'), 'malformed', /ends within a number/)
  refused(Buffer.from('80'.repeat(11), 'hex'), 'malformed', /longer than 10 bytes/)
  refused(Buffer.from('00', 'hex'), 'malformed', /field number/)
  refused(Buffer.from('0b', 'hex'), 'malformed', /has wire type 3/)
  refused(Buffer.from('33', 'hex'), 'malformed', /wire type 3/)
  refused(Buffer.from('31', 'hex'), 'malformed', /ends within a field/)
  // An inner length that reaches out of its series must not read the next one.
  refused(block(1, Buffer.from('0a7f', 'hex')), 'malformed', /a label is longer/)
  const after = block(3, 'x'.repeat(300))
  const reaching = Buffer.concat([block(1, Buffer.from('0a7f', 'hex')), after])
  refused(reaching, 'malformed', /a label is longer/)
  refused(block(1, block(2, Buffer.from('09aaaa', 'hex'))), 'malformed', /ends within a value/)
  const one = encodeSeries({ labels: [name], samples: [] })
  const many = Buffer.concat(Array.from({ length: writeLimits.series + 1 }, () => one))
  refused(many, 'too_large', /more than 20000 series/)
  const sample = block(2, double(1, 1))
  const full = Buffer.concat(Array.from({ length: writeLimits.samples + 1 }, () => sample))
  const header = block(1, Buffer.concat([block(1, '__name__'), block(2, 'm')]))
  refused(block(1, Buffer.concat([header, full])), 'too_large', /more than 100000 samples/)
})

t.test('a series is told by the bytes of its labels', async (t) => {
  const { known, intern } = naming()
  let interned = 0
  const counted = (labels: Labels) => {
    interned++
    return intern(labels)
  }
  const cache = new LabelCache(20_000)
  const caching = new RemoteWriteDecoder(counted, cache)
  const hosts = Array.from({ length: 300 }, (_, host) => ({
    labels: [
      ['__name__', 'm'],
      ['instance', `pbx-${host}`],
      ['job', 'x'.repeat(host % 7)],
    ] as [string, string][],
    samples: [{ t: now, value: host }],
  }))
  const send = (series: readonly SentSeries[]) => {
    const { batch, instances } = prepareWrite(
      caching.decodeMessage(encodeWriteRequest(series)),
      now,
    )
    return { rows: batch.rows, instances }
  }
  const check = (series: readonly SentSeries[], what: string) => {
    const { rows, instances } = send(series)
    for (const { t, ids, values } of rows)
      for (const [index, id] of ids.entries()) {
        const sent = series.find((one) =>
          one.samples.some((sample) => sample.t === t && sample.value === values[index]),
        )
        t0.same(known[id], Object.fromEntries(sent?.labels ?? []), what)
      }
    t0.equal(instances.size, series.length)
  }
  const t0 = t
  check(hosts, 'at first')
  t.equal(interned, 300)
  check(hosts, 'again, by hash')
  check(hosts, 'again, in the order known')
  check([...hosts].reverse(), 'in another order')
  t.equal(interned, 300, 'known series are not interned again')
  // One label more than what was expected next, and one less.
  const longer = { ...hosts[1]!, labels: [...hosts[1]!.labels, ['z', '1'] as [string, string]] }
  const shorter = { ...hosts[2]!, labels: hosts[2]!.labels.slice(0, 2) }
  check([hosts[0]!, longer, shorter, hosts[3]!], 'near misses')
  t.equal(interned, 302)
  // Labels around the sample: the same series in other bytes.
  const [name, instance, job] = hosts[5]!.labels.map(([label, value]) =>
    block(1, Buffer.concat([block(1, label), block(2, value)])),
  )
  const sample = block(2, Buffer.concat([double(1, 5), whole(2, now)]))
  for (const pieces of [
    [name!, sample, instance!, job!],
    [sample, name!, instance!, job!],
    [name!, instance!, sample, job!],
  ]) {
    const written = caching.decodeMessage(block(1, Buffer.concat(pieces)))
    t.same(known[written.id(0)], Object.fromEntries(hosts[5]!.labels))
  }
  const many = Array.from({ length: 2000 }, (_, host) => ({
    labels: [
      ['__name__', 'n'],
      ['instance', `sbc-${host}`],
    ] as [string, string][],
    samples: [{ t: now, value: host }],
  }))
  for (let round = 0; round < 4; round++) {
    for (let from = 0; from < many.length; from += 500)
      check(many.slice(from, from + 500), 'more than fit')
    t.ok(cache.bytes <= 20_000, `${cache.bytes} bytes are held`)
  }
  check(hosts.slice(0, 3), 'after it began anew')
})

/** Changes, cuts and repeats bytes. */
function mutated(bytes: Buffer, changes: readonly (readonly [number, number, number])[]): Buffer {
  let result = Buffer.from(bytes)
  for (const [kind, where, byte] of changes) {
    const at = result.length === 0 ? 0 : where % result.length
    if (kind === 0 && result.length > 0) result[at] = byte
    else if (kind === 1) result = result.subarray(0, at)
    else if (kind === 2)
      result = Buffer.concat([result.subarray(0, at), Buffer.from([byte]), result.subarray(at)])
    else result = Buffer.concat([result.subarray(0, at), result.subarray(Math.max(0, at - byte))])
  }
  return result
}

const changes = fc.array(fc.tuple(fc.nat(3), fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })

t.test('any bytes give samples or a refusal', async (t) => {
  let refusals = 0
  const check = (result: RemoteWrite | WriteRefused) => {
    if (result instanceof WriteRefused) {
      refusals++
      if (/[\n\r]/.test(result.message)) throw new Error('a refusal of several lines')
      return
    }
    const decoded = seriesOf(result)
    for (const { labels, samples } of decoded) {
      if (!labels['__name__']) throw new Error('a series without a name')
      for (const sample of samples)
        if (!Number.isInteger(sample.t) || typeof sample.value !== 'number')
          throw new Error(`not a sample: ${JSON.stringify(sample)}`)
    }
    // What was decoded can be stored, whatever its times are.
    const store = createMemoryStore()
    void store.append(prepareWrite(writtenOf(decoded, store.intern), now).batch)
  }
  fc.assert(
    fc.property(fc.array(sentSeries, { minLength: 1, maxLength: 4 }), changes, (series, edits) => {
      check(outcome(() => decodeWriteRequest(mutated(encodeWriteRequest(series), edits))))
      check(outcome(() => decodeRemoteWrite(mutated(remoteWriteBody(series), edits))))
    }),
    { numRuns: 2000 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      check(outcome(() => decodeWriteRequest(Buffer.from(bytes))))
      check(outcome(() => decodeRemoteWrite(Buffer.from(bytes))))
    }),
    { numRuns: 2000 },
  )
  t.ok(refusals > 1000, `${refusals} refusals`)
})

t.test('rows of a batch', async (t) => {
  const store = createMemoryStore()
  const series = (name: string, instance: string, ...samples: [number, number | 'stale'][]) => ({
    labels: { __name__: name, instance },
    samples: samples.map(([t, value]) => ({
      t,
      value: value === 'stale' ? Number.NaN : value,
      stale: value === 'stale',
    })),
  })
  const write = prepareWrite(
    writtenOf(
      [
        series('a', 'one', [now, 1], [now - 1000, 2]),
        series('b', 'two', [now, 'stale'], [now + 3_600_000, 3], [now + 3_600_001, 4]),
        series('c', 'late', [now - 60_001, 5]),
        series('d', 'future', [now + 7_200_000, 6], [-1, 7]),
        {
          labels: { __name__: 'e', x: 'y'.repeat(70_000) },
          samples: [{ t: now, value: 1, stale: false }],
        },
      ],
      store.intern,
    ),
    now,
  )
  const { batch, samples, dropped, instances } = write
  t.notOk(batch.origin)
  t.same(
    batch.rows.map((row) => [
      row.t - now,
      [...row.ids],
      [...row.values],
      row.stale && [...row.stale],
    ]),
    [
      [-60_001, [2], [5], undefined],
      [-1000, [0], [2], undefined],
      [0, [0], [1], [1]],
      [3_600_000, [1], [3], undefined],
    ],
  )
  t.equal(samples, 5)
  t.same([...instances], ['one', 'two'], 'late data does not set off rules')
  t.equal(store.labels(2)['__name__'], 'c')
  t.throws(() => store.labels(3), 'no series is made for samples that are not kept')
  t.match(dropped, [
    { reason: 'too_far_ahead', samples: 2, why: /2\.0 h/ },
    { reason: 'before_1970', samples: 1 },
    { reason: 'series_refused', samples: 1, why: /65536$/ },
  ])
  t.match(droppedSentence(dropped), /^2 samples not stored: more than 1 h ahead.*1 samples not/)

  const hosts = Array.from({ length: 1500 }, (_, i) => series('a', `host-${i}`, [now, 1]))
  t.equal(prepareWrite(writtenOf(hosts, store.intern), now).instances.size, 1000)
  t.throws(
    () =>
      prepareWrite(
        writtenOf(hosts, () => {
          throw new Error('BUG: not an error for the sender')
        }),
        now,
      ),
    /BUG/,
  )
  const full = prepareWrite(
    writtenOf(hosts, () => {
      throw new CallwardError('unprocessable', 'The store is full.')
    }),
    now,
  )
  t.equal(full.samples, 0)
  t.match(full.dropped, [{ samples: 1500, why: 'The store is full' }])
})

/** `name{labels} value @time` of every sample. */
function written(text: string, precision = 'ms'): string[] {
  const lines = parseLines(text, precisionOf(precision), now)
  return lines.series.map(({ labels: { __name__, ...rest } }, index) => {
    const tags = Object.entries(rest).map(([name, value]) => `${name}=${value}`)
    const t = lines.samples.times[index]!
    const time = t === now ? 'now' : t
    return `${__name__}{${tags.join(',')}} ${lines.samples.values[index]} @${time}`
  })
}

t.test('lines and what they give', async (t) => {
  const gives = (text: string, ...samples: string[]) => t.same(written(text), samples, text)
  gives('cpu value=1 5', 'cpu{} 1 @5')
  gives(
    'cpu,host=a,cpu=cpu0 idle=2.5,user=-1e3 5',
    'cpu_idle{host=a,cpu=cpu0} 2.5 @5',
    'cpu_user{host=a,cpu=cpu0} -1000 @5',
  )
  gives('a value=1', 'a{} 1 @now')
  gives('a value=1\r\nb value=2\r\n', 'a{} 1 @now', 'b{} 2 @now')
  gives('# value=1\n\n  \n\ta value=+.5  7  ', 'a{} 0.5 @7')
  gives('a i=-3i,u=4u', 'a_i{} -3 @now', 'a_u{} 4 @now')
  gives('a i=9223372036854775807i,value=0.', 'a_i{} 9223372036854776000 @now', 'a{} 0 @now')
  gives('a t=T,f=false', 'a_t{} 1 @now', 'a_f{} 0 @now')
  gives('a s="a, \\"b\\" = x\ny",value=1 9\nb value=2', 'a{} 1 @9', 'b{} 2 @now')
  gives('a s="\\\\",value=1', 'a{} 1 @now')
  gives('a s="only text"')
  gives(
    'my\\ me\\,as\\=x,ta\\ g=v\\,a\\=l\\ ue va\\=lue=1',
    'my_me_as__x_va_lue{ta_g=v,a=l ue} 1 @now',
  )
  gives('a=b value=1', 'a_b{} 1 @now')
  gives('win\\path,dir=C:\\temp value=1', 'win_path{dir=C:\\temp} 1 @now')
  gives('9lives,1st=x value=1', '_9lives{_1st=x} 1 @now')
  gives('größe,straße=ü💡 value=1', 'gr__e{stra_e=ü💡} 1 @now')
  gives('a,b="quoted" value=1', 'a{b="quoted"} 1 @now')
  gives('a value=1 -1', 'a{} 1 @-1')
  gives('a value=1,value=2', 'a{} 1 @now', 'a{} 2 @now')

  const at = (time: string, precision: string | undefined, t0: number) =>
    t.equal(
      parseLines(`a value=1 ${time}`, precisionOf(precision), now).samples.times[0],
      t0,
      `${time} ${precision}`,
    )
  at('1700000000123456789', undefined, 1_700_000_000_123)
  at('1700000000123456789', 'n', 1_700_000_000_123)
  at('1700000000123456', 'us', 1_700_000_000_123)
  at('1700000000123456', 'u', 1_700_000_000_123)
  at('1700000000123', 'ms', 1_700_000_000_123)
  at('1700000000', 's', 1_700_000_000_000)
  at('28333333', 'm', 28_333_333 * 60_000)
  at('472222', 'h', 472_222 * 3_600_000)
  at('-1', 'ns', -1)
  at('-1000000', 'ns', -1)
  for (const bad of ['d', 'NS', 'constructor', 'x'.repeat(1000)])
    t.match(
      refusal(() => precisionOf(bad)),
      { reason: 'malformed', message: /precision/ },
    )
})

t.test('lines that are left out', async (t) => {
  const fault = (text: string, reason: RegExp, line = 1) => {
    const { firstFault, faults, series } = parseLines(`${text}\ngood value=1`, 'ns', now)
    t.match(firstFault, { line, reason }, text)
    t.equal(faults, 1, text)
    t.equal(series.at(-1)?.labels['__name__'], 'good', 'the next line is kept')
  }
  fault('a', /no fields/)
  fault('a,b=c', /no fields/)
  fault(',b=c value=1', /measurement is missing/)
  fault('a,b value=1', /tag "b" has no value/)
  fault('a,b= value=1', /tag "b" has no value/)
  fault('a,=c value=1', /tag has no name/)
  fault('a,b=c=d value=1', /not escaped/)
  fault('a,b=1,b=2 value=1', /"b" comes twice/)
  fault('a,b-c=1,b_c=2 value=1', /"b_c" comes twice/)
  fault('a,__name__=x value=1', /may not be called __name__/)
  fault('a,__proto__=x value=1', /may not be called __proto__/)
  fault('a value', /field "value" has no value/)
  fault('a value=', /"value": "" is not a number/)
  fault('a value=1,', /field has no name/)
  fault('a =1', /field has no name/)
  for (const bad of [
    'x',
    'NaN',
    'Inf',
    '1e999',
    '0x10',
    '1i2',
    '-1u',
    '1_000',
    '9223372036854775808i',
  ])
    fault(`a value=${bad}`, /not a number in range/)
  fault('a value=18446744073709551616u', /not a number in range/)
  fault(`a value=${'9'.repeat(100_000)}i`, /"9{60}…"/)
  fault('a value=1 soon', /"soon" is not a time/)
  fault('a value=1 1.5', /not a time/)
  fault('a value=1 99999999999999999999', /not a time/)
  fault('a value=1 5 6', /more after the time/)
  fault('a s="x"y,value=1', /more after the text/)
  fault('a s="x', /no closing quote/)
  fault('# c\n\na s="1\n2"\nb,x value=1', /tag "x"/, 5)
  fault(`a,${'b'.repeat(1025)}=1 value=1`, /too long/)
  fault(`a ${'b'.repeat(1025)}=1`, /longer than 1024/)
  const tags = Array.from({ length: 128 }, (_, i) => `t${i}=1`).join()
  fault(`a,${tags} value=1`, /more than 127 tags/)

  const mixed = parseLines('a s="1",value=1\nb s="2",value=x\nc,d value=1\ne value=2', 'ns', now)
  t.match(mixed, { faults: 2, firstFault: { line: 2 }, textFields: 1 })
  t.equal(mixed.series.length, 2)
  const other = refusal(() => parseLines('{"json":1}\n'.repeat(10_001), 'ns', now))
  t.match(other, { reason: 'malformed', message: /^line 1: .*10001 lines are faulty/ })
  const large = refusal(() => parseLines('a value=1\n'.repeat(writeLimits.samples + 1), 'ns', now))
  t.match(large, { reason: 'too_large', message: /100000 values/ })
})

/** Knows nothing: every line is read by the whole grammar. */
class NeverKnown extends KnownLines {
  override head(): undefined {
    return undefined
  }
}

/** A sender's lines mean the same when they come again. */
function sameWhenKnown(text: string, first: ParsedLines | WriteRefused): void {
  const known = new KnownLines()
  const meaning = (lines: ParsedLines | WriteRefused) => {
    if (lines instanceof WriteRefused) return lines.message
    const { series, samples, ...rest } = lines
    const { times, values, count } = samples
    const labels = series.map((one) => one.labels)
    return { ...rest, labels, times: times.slice(0, count), values: values.slice(0, count) }
  }
  for (let round = 0; round < 2; round++)
    deepStrictEqual(meaning(outcome(() => parseLines(text, 'ns', now, known))), meaning(first))
}

t.test('any text gives samples, faulty lines or a refusal', async (t) => {
  const escaped = (text: string) => text.replace(/[,= ]/g, '\\$&')
  const word = fc.stringMatching(/^[a-z][a-z0-9_ ,=]{0,8}[a-z]$/)
  const point = record({
    measurement: word,
    tags: fc.uniqueArray(fc.tuple(word, word), {
      selector: ([name]) => name.replace(/[ ,=]/g, '_'),
      maxLength: 4,
    }),
    fields: fc.uniqueArray(fc.tuple(word, fc.double({ noNaN: true, noDefaultInfinity: true })), {
      selector: ([name]) => name,
      minLength: 1,
      maxLength: 4,
    }),
    t: fc.integer({ min: 0, max: now }),
  })
  const lineOf = ({
    measurement,
    tags,
    fields,
    t,
  }: typeof point extends fc.Arbitrary<infer P> ? P : never) =>
    `${[measurement.replace(/[, ]/g, '\\$&'), ...tags.map(([k, v]) => `${escaped(k)}=${escaped(v)}`)].join()} ${fields
      .map(([name, value]) => `${escaped(name)}=${Object.is(value, -0) ? '-0' : value}`)
      .join()} ${t}`
  const plain = (text: string) => text.replace(/[ ,=]/g, '_')
  fc.assert(
    fc.property(fc.array(point, { maxLength: 5 }), (points) => {
      const text = points.map(lineOf).join('\n')
      const lines = parseLines(text, 'ms', now)
      sameWhenKnown(text, parseLines(text, 'ns', now, new NeverKnown()))
      deepStrictEqual(lines.faults, 0)
      deepStrictEqual(
        seriesOf(writtenLines(lines, names.intern)),
        points.flatMap(({ measurement, tags, fields, t }) =>
          fields.map(([field, value]) => ({
            labels: {
              ...Object.fromEntries(tags.map(([name, text]) => [plain(name), text])),
              __name__: plain(field === 'value' ? measurement : `${measurement}_${field}`),
            },
            samples: [{ t, value, stale: false }],
          })),
        ),
      )
    }),
    { numRuns: 300 },
  )

  const seen = { kept: 0, faults: 0 }
  const check = (text: string) => {
    const result = outcome(() => parseLines(text, 'ns', now, new NeverKnown()))
    sameWhenKnown(text, result)
    if (result instanceof WriteRefused) return
    seen.kept += result.series.length
    seen.faults += result.faults
    const ends = text.split('\n').length
    if (result.faults > ends) throw new Error('more faults than lines')
    if ((result.firstFault?.line ?? 0) > ends) throw new Error('a line that is not there')
    const decoded = seriesOf(writtenLines(result, names.intern))
    for (const { labels, samples } of decoded) {
      const { __name__: name = '', ...tags } = labels
      if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name)) throw new Error(`name ${name}`)
      for (const [tag, value] of Object.entries(tags))
        if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(tag) || value === '') throw new Error(`tag ${tag}`)
      if (samples.length !== 1 || !Number.isFinite(samples[0]?.value)) throw new Error('no value')
      if (!Number.isInteger(samples[0]?.t)) throw new Error('no time')
    }
    const store = createMemoryStore()
    void store.append(prepareWrite(writtenOf(decoded, store.intern), now).batch)
  }
  const piece = fc.constantFrom(
    ...[
      'a',
      'value',
      ',',
      '=',
      ' ',
      '"',
      '\\',
      '\n',
      '\r',
      '#',
      '1',
      '-',
      '.',
      'e',
      'i',
      'u',
      't',
      '\t',
    ],
    ...['a value=1', 'cpu,host=a ', '1700000000000000000', '__proto__', 'ß', '\ud800', '\0'],
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => check(pieces.join(''))),
    { numRuns: 5000 },
  )
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => check(text)),
    { numRuns: 1000 },
  )
  t.ok(seen.kept > 100 && seen.faults > 1000, `${seen.kept} kept, ${seen.faults} faulty`)
})

t.test('a body sent in chunks is counted as what it may become', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const budget = new BodyBudget(1000)
  const held: (() => void)[] = []
  app.post(
    '/',
    { bodyLimit: 400, onRequest: async (request, reply) => budget.admit(request, reply) },
    () => new Promise<object>((resolve) => held.push(() => resolve({}))),
  )
  const send = async () =>
    await app.inject({
      method: 'POST',
      url: '/',
      headers: { 'content-type': 'application/json' },
      payload: Readable.from(['{}']),
    })
  const taken = [send(), send()]
  await until('two are admitted', () => held.length === 2)
  t.match((await send()).json(), { message: /as many bytes of unfinished writes/ })
  for (const answer of held) answer()
  for (const one of taken) t.equal((await one).statusCode, 200)
})
